"""Images and labels: numpy arrays as the C library takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from . import _api
from ._status import UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SHAPES = """\
Images are an array of uint8 (255 is white), uint16 (65535 is white) or float32 or float64 (0 black,
1 white), row 0 at the top, of any height h and width w:

    [n][h][w][c]    n images of c channels
    [h][w][c]       one image, where the network has several channels
    [n][h][w]       n images, where the network has one channel
    [h][w]          one image, where the network has one channel
    [h][w][1]       one image, where the network has one channel

A list of such single images, which may be of unlike sizes, is taken too."""


def _is_list_of_images(x) -> bool:
    return isinstance(x, (list, tuple)) and len(x) > 0 and all(
        hasattr(one, "shape") and len(one.shape) in (2, 3) for one in x)


def _samples(x) -> np.ndarray:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise UsageError(f"images that are no array: {error}") from None
    if array.dtype == np.float64 or array.dtype == np.float16:
        with np.errstate(over="ignore"):  # infinity is refused with its place
            array = array.astype(np.float32)
    if array.dtype.name not in _api.SAMPLES:
        raise UsageError(f"images of {array.dtype}: expected uint8 (0 to 255), uint16 (0 to "
                         "65535), or float32 or float64 (0 to 1)")
    return array


def _four_dimensions(array: np.ndarray, channels: int | None) -> np.ndarray:
    """The array as [n][h][w][c]; channels None: whatever it has."""
    shape = array.shape
    if array.ndim == 2 and channels in (1, None):
        return array[np.newaxis, :, :, np.newaxis]
    if array.ndim == 3 and channels in (1, None) and shape[2] != 1:
        return array[..., np.newaxis]
    if array.ndim == 3 and (shape[2] == channels or (channels is None and shape[2] == 1)):
        return array[np.newaxis]
    if array.ndim == 4 and channels in (shape[3], None):
        return array
    raise UsageError(f"images of shape {'x'.join(map(str, shape)) or '()'}: expected "
                     f"{_expected(shape, channels)}")


def _expected(shape: tuple[int, ...], channels: int | None) -> str:
    """What images of another shape should have been."""
    if channels is None:
        return "[n][h][w][c] or [n][h][w]"
    single = "[n][h][w] or [h][w]" if channels == 1 else f"[h][w][{channels}]"
    text = (f"[n][h][w][{channels}], {single}, as the network takes {channels} "
            f"channel{'s' if channels > 1 else ''}")
    if len(shape) in (3, 4) and shape[-3] == channels:
        axes = "0, 2, 3, 1" if len(shape) == 4 else "1, 2, 0"
        text += f"; for channels first, give x.transpose({axes})"
    return text


def images(x: ArrayLike, channels: int | None) -> tuple[_api.ImageArray, np.ndarray]:
    """The C struct of an array of images, and the array that it points into."""
    array = np.ascontiguousarray(_four_dimensions(_samples(x), channels))
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    count, height, width, depth = array.shape
    record = _api.ImageArray(_api.address(array), _api.SAMPLES[array.dtype.name], count, height,
                             width, depth)
    return record, array


def pieces(x: ArrayLike, channels: int) -> Iterator[tuple[_api.ImageArray, np.ndarray]]:
    """Arrays of images of one size each: one, or of a list of images one each."""
    if not _is_list_of_images(x) or len({one.shape for one in x}) == 1:
        yield images(np.stack(x) if _is_list_of_images(x) else x, channels)
        return
    for one in x:
        record, array = images(one, channels)
        if record.count != 1:
            raise UsageError(f"a list of images has one of shape {'x'.join(map(str, one.shape))}: "
                             "expected single images")
        yield record, array


def label_values(y: ArrayLike) -> np.ndarray:
    """Labels as an array of integers or of texts, whatever holds them."""
    try:
        array = np.asarray(y)
    except ValueError as error:
        raise UsageError(f"labels that are no array: {error}") from None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if not array.size:
        return array.astype(np.int64)
    if array.dtype.kind in "SO":
        values = [_label_value(value) for value in array.ravel().tolist()]
        if len({type(value) for value in values}) > 1:
            raise UsageError("labels of which some are names and some numbers: expected one kind")
        array = np.array(values).reshape(array.shape)
    if array.dtype.kind not in "iuU":
        raise UsageError(f"labels of {array.dtype}: expected integers from 0 or class names")
    return array


def _label_value(value) -> int | str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    raise UsageError(f"the label {value!r}: expected an integer from 0 or a class name")


def labels(y: ArrayLike, class_names: Sequence[str], count: int) -> np.ndarray:
    """Labels as int32 [count], of integers or of class names."""
    array = label_values(y)
    if array.shape != (count,):
        raise UsageError(f"labels of shape {'x'.join(map(str, array.shape)) or '()'} for {count} "
                         f"images: expected one each, [{count}]")
    if array.dtype.kind == "U":
        numbers = {name: number for number, name in enumerate(class_names)}
        try:
            array = [numbers[name] for name in array.tolist()]
        except KeyError as error:
            raise UsageError(f"the label {error}: the classes are {', '.join(class_names)}"
                             ) from None
        return np.array(array, np.int32)
    if array.size and not (0 <= array.min() and array.max() < len(class_names)):
        wrong = array[(array < 0) | (array >= len(class_names))][0]
        raise UsageError(f"the label {wrong}: expected 0 to {len(class_names) - 1}, of "
                         f"{len(class_names)} classes")
    return np.ascontiguousarray(array, np.int32)
