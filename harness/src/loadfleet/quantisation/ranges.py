"""How far the values of tensors reach on calibration samples, and where to clip them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

_BINS = 4096
# Shares of the largest magnitude that are tried as the clip.
_CLIPS = np.linspace(0.2, 1.0, 161)


class Range:
    """A tensor's values over all samples: whether one was negative, and a histogram of their magnitudes.

    The histogram's width doubles when a larger value comes, two bins becoming one, so one pass is enough.
    """

    def __init__(self) -> None:
        self.negative = False
        self.largest = 0.0
        self._width = 0.0
        self._counts: NDArray[np.int64] = np.zeros(_BINS, np.int64)

    def add(self, values: NDArray[Any]) -> None:
        """Take note of a sample's values."""
        self.negative = self.negative or bool((values < 0).any())
        sizes = np.abs(values, dtype=np.float32).ravel()
        largest = float(sizes.max(initial=0.0))
        self.largest = max(self.largest, largest)
        if not self._width:
            self._width = largest
        while largest > self._width > 0:
            self._counts = np.concatenate([self._counts.reshape(-1, 2).sum(axis=1), np.zeros(_BINS // 2, np.int64)])
            self._width *= 2
        if self._width:
            self._counts += np.histogram(sizes, _BINS, (0.0, self._width))[0]

    @property
    def levels(self) -> int:
        """Largest integer: 127 of int8 where values are negative too, else 255 of uint8. The zero point is 0."""
        return 127 if self.negative else 255

    def clip(self) -> float:
        """The magnitude to clip at that makes the squared error over all values smallest; 1 when all are 0."""
        if not self.largest:
            return 1.0
        centres = (np.arange(_BINS) + 0.5) * (self._width / _BINS)
        errors = []
        for share in _CLIPS:
            step = share * self.largest / self.levels
            rounded = np.minimum(np.round(centres / step), self.levels) * step
            errors.append(float((self._counts * (rounded - centres) ** 2).sum()))
        return float(_CLIPS[int(np.argmin(errors))] * self.largest)


def measure(
    model: onnx.ModelProto, names: Sequence[str], feeds: Iterable[Mapping[str, NDArray[Any]]]
) -> dict[str, Range]:
    """Run samples through a model and take note of the tensors named.

    Args:
        model: fp32.
        names: Tensors of its graph, inputs included.
        feeds: Inputs of one sample after the other.
    """
    import onnxruntime as ort  # noqa: PLC0415  only when a model is built

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    present = {value.name for value in (*model.graph.output, *model.graph.input)}
    for name in names:
        if name not in present:
            watched.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1  # sums in one order: the same bytes in every build
    settings.log_severity_level = 3
    session = ort.InferenceSession(watched.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    given = {value.name for value in model.graph.input}
    inner = [name for name in names if name not in given]
    found = {name: Range() for name in names}
    for feed in feeds:
        values = dict(zip(inner, session.run(inner, dict(feed)) if inner else (), strict=True))
        for name in names:
            found[name].add(values[name] if name in values else feed[name])
    return found
