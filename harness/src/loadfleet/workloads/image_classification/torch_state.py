"""Tensors of a PyTorch state dict file of the format before 1.6, read without unpickling anything.

The file is five pickles (a magic number, the protocol, facts of the machine, the state dict, the keys of the storages)
and then the storages: an int64 count and the elements. The pickles are read as the few instructions they consist of;
an instruction or a name that a state dict does not need is refused, and nothing that a file names is ever called.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import NotReadyError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8", "IntStorage": "<i4", "HalfStorage": "<f2"}
_NAMES = {"torch._utils _rebuild_tensor_v2", "collections OrderedDict", *(f"torch {name}" for name in _TYPES)}


@dataclass(frozen=True)
class _Tensor:
    """Where a tensor lies: in elements of its storage."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str
    size: int


class _Mark:
    """What MARK leaves on the stack."""


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors by name.

    Raises:
        NotReadyError: The file is no such state dict, is cut off, or holds something else than tensors.
        OSError: It cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return _read(stream)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, RecursionError) as error:
        raise NotReadyError(f"{path} is no state dict of PyTorch that can be read: {error}") from error


def _read(stream: IO[bytes]) -> dict[str, NDArray[Any]]:
    storages: dict[str, _Storage] = {}
    if _value(stream, {}) != _MAGIC or _value(stream, {}) != _PROTOCOL:
        raise ValueError("it does not begin as one")
    _value(stream, {})
    state, keys = _value(stream, storages), _value(stream, {})
    data: dict[str, NDArray[Any]] = {}
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(stream.read(8), "little")
        elements = np.frombuffer(stream.read(count * np.dtype(storage.dtype).itemsize), storage.dtype)
        if len(elements) != storage.size or count != storage.size:
            raise ValueError(f"storage {key} is cut off")
        data[key] = elements
    return {name: _array(name, tensor, data) for name, tensor in state.items()}


def _array(name: str, tensor: object, data: dict[str, NDArray[Any]]) -> NDArray[Any]:
    if not isinstance(tensor, _Tensor):
        raise TypeError(f"{name} is no tensor")
    elements = data[tensor.storage][tensor.offset :]
    reach = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.strides, strict=True))
    if min(tensor.offset, *tensor.shape, *tensor.strides, 0) < 0 or reach >= len(elements):
        raise ValueError(f"{name} reaches beyond its storage")
    steps = [step * elements.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(elements, tensor.shape, steps, writeable=False)


def _value(stream: IO[bytes], storages: dict[str, _Storage]) -> Any:
    """What one pickle stands for; storages that it names are added."""
    machine = _Machine(storages)
    for operation, argument, _ in pickletools.genops(stream):
        if operation.name == "STOP":
            return machine.stack.pop()
        machine.step(operation.name, argument)
    raise ValueError("it ends too early")


class _Machine:
    """The stack of a pickle and the instructions that state dicts are written with."""

    def __init__(self, storages: dict[str, _Storage]) -> None:
        self.stack: list[Any] = []
        self._memo: dict[Any, Any] = {}
        self._storages = storages

    def step(self, name: str, argument: Any) -> None:
        if name in _PLAIN:
            self.stack.append(argument)
        elif name in _FIXED:
            self.stack.append(_FIXED[name]())
        elif name in _TUPLES:
            self.stack.append(tuple(self._since_mark() if name == "TUPLE" else self._last(_TUPLES[name])))
        else:
            action = getattr(self, f"_on_{name.lower().removeprefix('long_')}", None)
            if action is None:
                raise ValueError(f"it has the instruction {name}")
            action(argument)

    def _on_proto(self, _: int) -> None:
        """Nothing depends on the version of the protocol."""

    def _on_binput(self, place: int) -> None:
        self._memo[place] = self.stack[-1]

    def _on_binget(self, place: int) -> None:
        self.stack.append(self._memo[place])

    def _on_global(self, name: str) -> None:
        if name not in _NAMES:
            raise ValueError(f"it names {name}")
        self.stack.append(name)

    def _on_binpersid(self, _: None) -> None:
        """A reference ("storage", type, key, device, elements, view)."""
        word, kind, key, _device, size, *view = self.stack.pop()
        dtype = _TYPES[str(kind).removeprefix("torch ")]
        if word != "storage" or any(view):
            raise ValueError(f"it refers to {word!r} {view!r}")
        self.stack.append(self._storages.setdefault(key, _Storage(key, dtype, size)))

    def _on_reduce(self, _: None) -> None:
        name, arguments = self._last(2)
        if name == "collections OrderedDict" and not arguments:
            self.stack.append({})
        elif name == "torch._utils _rebuild_tensor_v2":
            storage, offset, shape, strides = arguments[:4]
            self.stack.append(_Tensor(storage.key, offset, shape, strides))
        else:
            raise ValueError(f"it calls {name}")

    def _on_setitem(self, _: None) -> None:
        key, value = self._last(2)
        self.stack[-1][key] = value

    def _on_setitems(self, _: None) -> None:
        items = self._since_mark()
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _on_append(self, _: None) -> None:
        value = self.stack.pop()
        self.stack[-1].append(value)

    def _on_appends(self, _: None) -> None:
        values = self._since_mark()
        self.stack[-1].extend(values)

    def _on_build(self, _: None) -> None:
        self.stack.pop()  # attributes of the state dict, which say nothing about tensors

    def _since_mark(self) -> list[Any]:
        found: list[Any] = []
        while not isinstance(top := self.stack.pop(), _Mark):
            found.append(top)
        return found[::-1]

    def _last(self, count: int) -> list[Any]:
        found = self.stack[-count:]
        if len(found) < count:
            raise ValueError("it takes more than there is")
        del self.stack[-count:]
        return found


_PLAIN = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINSTRING", "BINFLOAT"}
_FIXED: dict[str, Any] = {
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "NONE": lambda: None,
    "MARK": _Mark,
}
_TUPLES = {"TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
