"""Resizing as OpenCV does it for 8-bit pictures, without OpenCV: what MLPerf's reference prepares images with.

`area` and `linear` are `cv2.resize` with INTER_AREA and INTER_LINEAR for uint8 (OpenCV's modules/imgproc, resize.cpp):
area sums the covered pixels in float32 row by row, linear has coefficients of 11 bits. Whole factors in both directions
are plain means; an enlargement by area is linear with coefficients of its own. `tools/compare_preprocessing.py`
compares them, pixel by pixel, with OpenCV.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]  # [height, width, channels]
    Taps = tuple[NDArray[np.int64], NDArray[np.float32]]  # source positions and weights, each [new size, taps]

_ONE = 2048  # of the 11 bits that a coefficient of linear interpolation has


def area(picture: Picture, width: int, height: int) -> Picture:
    """The picture [H, W, C] with `height` rows of `width` pixels, each the mean of what it covers."""
    rows, columns = picture.shape[:2]
    if rows < height or columns < width:
        return _interpolate(picture, _enlarged(columns, width), _enlarged(rows, height))
    if rows % height == 0 and columns % width == 0:
        return _means(picture, width, height)
    across = _gather(picture, _covered(columns, width), axis=1)
    return _rounded(_gather(across, _covered(rows, height), axis=0))


def linear(picture: Picture, width: int, height: int) -> Picture:
    """The picture [H, W, C] with `height` rows of `width` pixels, each between its neighbours in either direction."""
    rows, columns = picture.shape[:2]
    if rows == 2 * height and columns == 2 * width:
        return _means(picture, width, height)
    return _interpolate(picture, _between(columns, width), _between(rows, height))


def _covered(size: int, new: int) -> Taps:
    """For each new pixel the old ones below it and their shares; unused taps have the weight 0."""
    scale = size / new
    taps = int(np.ceil(scale)) + 2
    positions, weights = np.zeros((new, taps), np.int64), np.zeros((new, taps), np.float32)
    for target in range(new):
        begin, end = target * scale, target * scale + scale
        cell = min(scale, size - begin)
        first, last = int(np.ceil(begin)), min(int(np.floor(end)), size - 1)
        first = min(first, last)
        shares: list[tuple[int, float]] = []
        if first - begin > 1e-3:
            shares.append((first - 1, (first - begin) / cell))
        shares += [(position, 1.0 / cell) for position in range(first, last)]
        if end - last > 1e-3:
            shares.append((last, min(end - last, 1.0, cell) / cell))
        for tap, (position, share) in enumerate(shares):
            positions[target, tap], weights[target, tap] = position, share
    return positions, weights


def _between(size: int, new: int) -> Taps:
    """For each new pixel its two old neighbours and their weights."""
    where = ((np.arange(new) + 0.5) * (size / new) - 0.5).astype(np.float32)
    return _neighbours(np.floor(where).astype(np.int64), where - np.floor(where), size)


def _enlarged(size: int, new: int) -> Taps:
    """As `_between`, for the area method where the picture grows."""
    inverse = new / size
    scale = 1.0 / inverse
    first = np.floor(np.arange(new) * scale).astype(np.int64)
    share = ((np.arange(new) + 1) - (first + 1) * inverse).astype(np.float32)
    share = np.where(share <= 0, np.float32(0), share - np.floor(share)).astype(np.float32)
    return _neighbours(first, share, size)


def _neighbours(first: NDArray[np.int64], share: NDArray[np.float32], size: int) -> Taps:
    positions = np.stack([first, first + 1], axis=1).clip(0, size - 1)
    return positions, np.stack([np.float32(1) - share, share], axis=1).astype(np.float32)


def _gather(values: NDArray[np.generic], taps: Taps, axis: int) -> NDArray[np.float32]:
    """Weighted sums along an axis, in float32 and in the order of the taps."""
    positions, weights = taps
    shape = [1, 1, 1]
    shape[axis] = len(positions)
    total: NDArray[np.float32] = np.zeros((), np.float32)
    for tap in range(positions.shape[1]):
        part = values.take(positions[:, tap], axis).astype(np.float32) * weights[:, tap].reshape(shape)
        total = total + part if tap == 0 else np.add(total, part, out=total)
    return total


def _interpolate(picture: Picture, across: Taps, down: Taps) -> Picture:
    """In whole numbers: weights have 11 bits, and of the sums of a row 4 bits are dropped before they are weighted."""
    (left, right), weights = across[0].T, _whole(across[1])
    source = picture.astype(np.int32)
    # At the edges both neighbours are one pixel. Its two weighted parts lose their fractions one by one, as they do in
    # OpenCV; across nothing is dropped before the sum.
    rows = source[:, left] * weights[:, 0, None] + source[:, right] * weights[:, 1, None]
    (above, below), weights = down[0].T, _whole(down[1])
    upper = (weights[:, 0, None, None] * (rows[above] >> 4)) >> 16
    lower = (weights[:, 1, None, None] * (rows[below] >> 4)) >> 16
    whole: NDArray[np.int32] = (upper + lower + 2) >> 2
    return whole.clip(0, 255).astype(np.uint8)


def _whole(weights: NDArray[np.float32]) -> NDArray[np.int32]:
    whole: NDArray[np.int32] = np.rint(weights * np.float32(_ONE)).astype(np.int32)
    return whole


def _means(picture: Picture, width: int, height: int) -> Picture:
    """Blocks of whole pixels."""
    rows, columns, channels = picture.shape
    down, across = rows // height, columns // width
    sums: NDArray[np.int32] = picture.reshape(height, down, width, across, channels).sum((1, 3), dtype=np.int32)
    if down == across == 2:
        return ((sums + 2) >> 2).astype(np.uint8)
    return _rounded(sums.astype(np.float32) * np.float32(1.0 / (down * across)))


def _rounded(values: NDArray[np.float32]) -> Picture:
    return np.rint(values).clip(0, 255).astype(np.uint8)


METHODS: dict[str, Callable[[Picture, int, int], Picture]] = {"area": area, "linear": linear}
