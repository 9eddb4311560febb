"""From a signature to inputs that can be made: one sample's shape of each, and how samples become a batch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from math import prod
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.imported.signature import Port, Signature

_FIX = 'set benchmark_input_shapes: {{"{name}": {example}}}'
_VARIABLE = "benchmark_input_shapes"


@dataclass(frozen=True)
class Made:
    """How one input is made.

    Attributes:
        name: In the graph.
        type: Of numpy.
        shape: Of one sample; the batch's dimension is not in it.
        fill: `random`, `below` (integers below `bound`), `ones`, `zeros`, `positions` or `longest`.
        bound: Of `below`; the longest size of `longest`.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    fill: str
    bound: int = 0

    @property
    def bytes(self) -> int:
        """Of one sample, about: types of odd widths count as one byte."""
        bits = re.search(r"[0-9]+$", self.type)
        return prod(self.shape) * max(1, int(bits.group()) // 8 if bits else 1)

    def as_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"name": self.name, "type": self.type, "shape": list(self.shape), "fill": self.fill}
        return data | ({"bound": self.bound} if self.bound else {})


@dataclass(frozen=True)
class Inputs:
    """The inputs of a model.

    Attributes:
        made: One for each input of the graph.
        batch: Samples a call takes: 0 for any number, else just so many.
        joined: Whether the first dimension is the batch; False where one call is one sample, whatever its shapes.
    """

    made: tuple[Made, ...]
    batch: int
    joined: bool


def settle(signature: Signature, given: Mapping[str, Sequence[int]]) -> Inputs:
    """Decide every size.

    Args:
        signature: Of the model.
        given: Input -> whole shape, batch included, as the user set it.

    Raises:
        InputError: A size is unknown, a given shape does not fit, or an input cannot be made.
    """
    if not signature.inputs:
        raise InputError("the model has no inputs", fix="name a model whose inputs are not all in its file")
    ports = {port.name: port for port in signature.inputs}
    for name in given:
        if name not in ports:
            raise InputError(f"{_VARIABLE} names {name!r}; the model's inputs are {', '.join(ports)}", fix="correct it")
    whole = {name: _given(port, given.get(name)) for name, port in ports.items()}
    known = _symbols(ports, whole)
    whole = {name: tuple(known.get(str(each), each) for each in shape) for name, shape in whole.items()}
    joined, batch = _batch(signature, whole)
    samples = {}
    for name, port in ports.items():
        shape = [_size(port, place, each, joined=joined) for place, each in enumerate(whole[name])]
        samples[name] = tuple(shape[1:] if joined else shape)
    longest = max((shape[-1] for shape in samples.values() if shape), default=1)
    made = [_made(port, samples[name], signature.bounds.get(name, 0), longest) for name, port in ports.items()]
    return Inputs(tuple(made), batch, joined)


def _given(port: Port, shape: Sequence[int] | None) -> tuple[int | str, ...]:
    """The shape of an input as far as the graph and the user say it."""
    if port.type in {"string", "sequence", "map", "optional", "sparse_tensor", "unknown"}:
        raise InputError(
            f"the input {port.name} is a {port.type}; only tensors of numbers can be made",
            fix="export the model without that input",
        )
    if shape is None:
        if port.shape is None:
            raise InputError(
                f"the input {port.name} has a shape of unknown rank", fix=_FIX.format(name=port.name, example=[1, 128])
            )
        return port.shape
    fits = port.shape is None or len(shape) == len(port.shape)
    pairs = zip(shape, port.shape or shape, strict=False)
    if not fits or not all(size > 0 and size == (own if isinstance(own, int) else size) for size, own in pairs):
        raise InputError(f"{_VARIABLE} gives {list(shape)} for the input {port}", fix="give sizes that the graph takes")
    return tuple(shape)


def _symbols(ports: Mapping[str, Port], whole: Mapping[str, Sequence[int | str]]) -> dict[str, int]:
    """Sizes of symbols that the user's shapes tell; one symbol is one size in all inputs."""
    known: dict[str, int] = {}
    for name, port in ports.items():
        for symbol, size in zip(port.shape or (), whole[name], strict=False):
            if isinstance(symbol, str) and symbol and isinstance(size, int) and known.setdefault(symbol, size) != size:
                raise InputError(
                    f"{_VARIABLE} makes the size {symbol!r} both {known[symbol]} and {size} (in {name})",
                    fix="give inputs that share a size the same number",
                )
    return known


def _batch(signature: Signature, whole: Mapping[str, Sequence[int | str]]) -> tuple[bool, int]:
    """Whether the first dimension of everything is the batch, and how many samples a call takes (0: any number)."""
    firsts = [shape[0] if shape else None for shape in whole.values()]
    outputs = [port.shape[0] if port.shape else None for port in signature.outputs if port.shape is not None]
    if None in firsts or None in outputs:
        return False, 1
    sizes = {first for first in firsts if isinstance(first, int)}
    names = {first for first in firsts if isinstance(first, str)}
    if not sizes:
        # Outputs that keep a number are of no batch.
        return (False, 1) if len(names) > 1 or any(isinstance(each, int) for each in outputs) else (True, 0)
    if len(sizes) > 1:
        return False, 1
    (size,) = sizes
    if names and size != 1:
        return False, 1
    fits = all(each == size for each in outputs if isinstance(each, int))
    if not fits:
        return False, 1
    # A leading 1 that the user set where the graph takes any number says the shape of a sample, no more.
    free = all(port.shape and isinstance(port.shape[0], str) for port in signature.inputs)
    return (True, 0) if size == 1 and free else (True, size)


def _size(port: Port, place: int, given: int | str, *, joined: bool) -> int:
    if isinstance(given, int):
        return given
    if place == 0 and joined:
        return 1
    rules = table()
    for rule in rules["symbols"]:
        if given and re.fullmatch(rule["match"], given, re.IGNORECASE):
            return int(rule["size"])
    shape, image = port.shape or (), rules["image"]
    if len(shape) == 4 and place and not port.type.startswith("int"):
        channels = next((at for at in (1, 3) if shape[at] in image["channels"]), None)
        if channels is not None and place != channels:
            return int(image["size"])
    example = [each if isinstance(each, int) else 1 if at == 0 else 128 for at, each in enumerate(shape)]
    what = f"the size {given!r}" if given else f"size number {place + 1}"
    raise InputError(f"{what} of the input {port} is not known", fix=_FIX.format(name=port.name, example=example))


def _made(port: Port, shape: tuple[int, ...], bound: int, longest: int) -> Made:
    """How an input is filled: by its name, by the table that it looks up, or at random."""
    whole = port.type.startswith("int") or port.type in {"uint16", "uint32", "uint64"}
    named = whole or port.type == "bool" or "mask" in port.name.lower()
    for rule in table()["fills"] if named else ():
        if re.fullmatch(rule["match"], port.name, re.IGNORECASE):
            return Made(port.name, port.type, shape, rule["fill"], longest if rule["fill"] == "longest" else 0)
    if whole:
        return Made(port.name, port.type, shape, "below", bound or 2)
    return Made(port.name, port.type, shape, "random")


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """Sizes and fills that are taken when nobody says otherwise."""
    import yaml  # noqa: PLC0415

    text = resources.files(__package__).joinpath("sizes.yml").read_text(encoding="utf-8")
    rules: dict[str, Any] = yaml.safe_load(text)
    return rules
