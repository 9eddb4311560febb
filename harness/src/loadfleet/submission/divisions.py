"""What divisions ask for, from `divisions.yml`: documents, the network division's rules, what may be inferred."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Document:
    """A document of `documentation/`: `files` is a pattern of names; a `generated` one is written if there is none.

    `example` is a name that the pattern takes.
    """

    name: str
    title: str
    files: str
    example: str
    divisions: tuple[str, ...]
    system_types: tuple[str, ...]
    generated: bool

    def found(self, folder: Path | None) -> Path | None:
        """The first document of a folder that is meant; None without a folder or document."""
        if folder is None or not folder.is_dir():
            return None
        names = sorted(path for path in folder.glob(self.files) if path.is_file() and path.stat().st_size)
        return names[0] if names else None


@dataclass(frozen=True)
class Network:
    """The network division: its system types, what the log's sut_name holds, the description's flag."""

    system_types: tuple[str, ...]
    sut_name: str
    flag: str


@dataclass(frozen=True)
class Inferred:
    """Scenario -> measured scenarios that it may come from, best first; on these system types only."""

    system_types: tuple[str, ...]
    scenarios: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Divisions:
    """The content of divisions.yml."""

    documents: tuple[Document, ...]
    network: Network
    inferred: Inferred

    def demanded(self, division: str, kind: str) -> tuple[Document, ...]:
        """Documents that a division asks for on a kind of system."""
        return tuple(
            document for document in self.documents if division in document.divisions and kind in document.system_types
        )


def kind(system_type: str) -> str:
    """`datacenter`, `edge` or `combined`, whatever the order of a combined type."""
    return "combined" if "," in system_type else system_type


@functools.cache
def load() -> Divisions:
    """Read divisions.yml, once."""
    import yaml  # noqa: PLC0415  (not needed to list what commands there are)

    data = yaml.safe_load(resources.files(__package__).joinpath("divisions.yml").read_text(encoding="utf-8"))
    network, inferred = data["network"], data["inferred"]
    return Divisions(
        documents=tuple(
            Document(
                name=name,
                title=found["title"],
                files=found["files"],
                example=found["example"],
                divisions=tuple(found["divisions"]),
                system_types=tuple(found["system_types"]),
                generated=found["generated"],
            )
            for name, found in data["documents"].items()
        ),
        network=Network(tuple(network["system_types"]), network["sut_name"], network["flag"]),
        inferred=Inferred(
            tuple(inferred["system_types"]),
            {scenario: tuple(sources) for scenario, sources in inferred["scenarios"].items()},
        ),
    )
