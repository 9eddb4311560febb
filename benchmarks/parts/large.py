"""A model of BERT-large's size with seeded weights: built for the benchmark, never stored; it has no accuracy."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

from benchmarks.manners import harness, in_turn, reference
from benchmarks.part import Part, Reading, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from benchmarks.bench import Bench, Cell
    from loadfleet.workloads.bert.model import Architecture

SIZES = (24, 1024, 16, 4096, 512, 30522, 1e-12)  # layers, hidden, heads, feed-forward, positions, vocabulary, epsilon
SAMPLES, REFERENCE_SAMPLES = 40, 8
_SEED = 24


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """Samples a second."""
    path = bench.scratch / "bert-large" / "model.onnx"
    if not path.exists():
        path.parent.mkdir()
        bench.child("benchmarks.parts.large:build", path=str(path))
    for turn, samples in in_turn(number, (harness, SAMPLES), (reference, REFERENCE_SAMPLES)):
        yield turn(bench, _large(bench.cell(query_count=samples), path))


def _large(cell: Cell, path: Path) -> Cell:
    """The cell with this model."""
    model = {
        **cell["model"],
        "name": "synthetic-bert-large",
        "digest": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
        "path": str(path),
        "accuracy": {},
    }
    # A store of its own: what a backend keeps of a model must not stay.
    return {**cell, "model": model, "store_path": str(path.parent / "store")}


def build(path: str) -> None:
    """Write the model: 24 layers that share one layer's weights, so that it is small on disk and quick to make."""
    import onnx  # noqa: PLC0415  (in the child process only)

    from loadfleet.workloads.bert.model import Architecture  # noqa: PLC0415

    onnx.save(repeated(Architecture(*SIZES)), path)


def repeated(whole: Architecture) -> onnx.ModelProto:
    """The graph of the embedded model in other sizes, its one layer repeated."""
    import onnx  # noqa: PLC0415

    from loadfleet.workloads.bert.model import graph  # noqa: PLC0415

    one, layers = dataclasses.replace(whole, layers=1), whole.layers
    model = graph(one, _weights(one))
    nodes = list(model.graph.node)
    inner = [node for node in nodes if node.name.startswith("layers.0.")]
    made = {output for node in inner for output in node.output}
    last = inner[-1].output[0]
    before = next(name for node in inner for name in node.input if name not in made and name.endswith("norm.output"))
    copies: list[onnx.NodeProto] = []
    for number in range(layers):
        for node in inner:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = _renamed(node.name, number)
            copy.output[:] = [_renamed(name, number) for name in node.output]
            copy.input[:] = [
                _renamed(name, number)
                if name in made
                else _renamed(last, number - 1)
                if name == before and number
                else name
                for name in node.input
            ]
            copies.append(copy)
    place = nodes.index(inner[0])
    tail = nodes[place + len(inner) :]
    for node in tail:
        node.input[:] = [_renamed(last, layers - 1) if name == last else name for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:place], *copies, *tail])
    model.graph.name = "synthetic-bert-large"
    return model


def _renamed(name: str, number: int) -> str:
    return f"layers.{number}.{name.removeprefix('layers.0.')}"


def _weights(one: Architecture) -> dict[str, NDArray[Any]]:
    """Seeded: matrices of BERT's own spread (0.02), unit normalisation, so that all values stay finite."""
    import numpy as np  # noqa: PLC0415

    from loadfleet.workloads.bert.model import shapes  # noqa: PLC0415

    random = np.random.default_rng(_SEED)
    weights: dict[str, NDArray[Any]] = {}
    for name, shape in shapes(one).items():
        if len(shape) == 2:
            weights[name] = random.standard_normal(shape, np.float32) * np.float32(0.02)
        else:
            weights[name] = np.full(shape, float("ln" in name and name.endswith("weight")), np.float32)
    return weights


PART = Part(
    name="large",
    title="Offline, a model of BERT-large's size: harness and reference-style SUT",
    run=readings,
    figures=(
        ratio("Offline, BERT-large's size: against the reference-style SUT", "harness", "reference", at_least=2.0),
    ),
    rounds=2,
    seconds=100,
    rank=40,
)
