"""Images and labels: numpy arrays as the C library takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from . import _api, _checks
from ._status import UsageError
from .pictures import opened

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

An image may also be the path of a file, or an image of PIL. A list of such single images, which may
be of unlike sizes, is taken too. Where the network takes 3 channels, a fourth, alpha, is left out;
where it takes one, [h][w][3] and [h][w][4] are refused, as they are a picture in colour."""

_FLAT = 16  # an array whose sides are further apart is no picture, but a table of them


def text_of(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "()"


def is_list_of_images(x) -> bool:
    """Whether it is a list of single images, in place of an array."""
    return isinstance(x, (list, tuple)) and len(x) > 0 and all(
        hasattr(one, "shape") and len(one.shape) in (2, 3) for one in x)


def _type_hint(array: np.ndarray) -> str:
    """How an array of another type is turned into one of the right one."""
    if array.dtype == bool:
        return "; x.astype(\"float32\") is black and white"
    if array.dtype.kind in "iu" and array.size and array.min() >= 0:
        for name, most in (("uint8", 255), ("uint16", 65535)):
            if array.max() <= most:
                return f"; x.astype(\"{name}\") takes 0 as black and {most} as white"
    return ""


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
                         f"65535), or float32 or float64 (0 to 1){_type_hint(array)}")
    return array


# ---- Shapes ----


def _four_dimensions(array: np.ndarray, channels: int | None) -> np.ndarray:
    """The array as [n][h][w][c]; channels None: whatever it has."""
    shape = array.shape
    if channels in (1, None):
        _refuse_other_pictures(shape, channels)
    if channels == 3 and array.ndim in (3, 4) and shape[-1] == 4:
        array, shape = array[..., :3], (*shape[:-1], 3)
    if array.ndim == 2 and channels == 1:
        return array[np.newaxis, :, :, np.newaxis]
    if array.ndim == 3 and channels in (1, None) and shape[2] != 1:
        return array[..., np.newaxis]
    if array.ndim == 3 and (shape[2] == channels or (channels is None and shape[2] == 1)):
        return array[np.newaxis]
    if array.ndim == 4 and channels in (shape[3], None) and (
            channels is not None or shape[3] <= _api.IMAGE_CHANNELS_MAX):
        return array
    raise UsageError(f"images of shape {text_of(shape)}: expected {_expected(shape, channels)}")


def _refuse_other_pictures(shape: tuple[int, ...], channels: int | None) -> None:
    """Raises where an array of two or three dimensions would be taken for other images."""
    if len(shape) == 3 and shape[2] in (3, 4) and shape[0] > 1:
        whole = "" if channels else "x[None] is one image in colour; "
        grey = "x.mean(axis=2).astype(x.dtype)" if shape[2] == 3 else \
            "x[..., :3].mean(axis=2).astype(x.dtype)"
        raise UsageError(f"images of shape {text_of(shape)}: a picture in colour"
                         f"{', and the network takes 1 channel' if channels else ''}; {whole}"
                         f"{grey} makes it grey, and x[..., None] says that they are {shape[0]} "
                         f"images of {shape[1]}x{shape[2]} pixels")
    if len(shape) == 2 and (channels is None or
                            max(shape) > _FLAT * max(min(shape), 1)):
        one = "" if channels is None else \
            f", and one image of {text_of(shape)} pixels as x[None]"
        raise UsageError(f"images of shape {text_of(shape)}: expected {_expected(shape, channels)}"
                         f"; {flat_hint(shape)}{one}")


def flat_hint(shape: tuple[int, ...]) -> str:
    """How flat images, [n][h w], are given."""
    side = int(shape[1] ** 0.5 + 0.5)
    sizes = f"{side}, {side}" if side * side == shape[1] else "height, width"
    return f"flat images, [n][h*w], are given as x.reshape(-1, {sizes})"


def _expected(shape: tuple[int, ...], channels: int | None) -> str:
    """What images of another shape should have been."""
    text = "[n][h][w][c] or [n][h][w]"
    if channels is not None:
        single = "[n][h][w] or [h][w]" if channels == 1 else f"[h][w][{channels}]"
        text = (f"[n][h][w][{channels}], {single}, as the network takes {channels} "
                f"channel{'s' if channels > 1 else ''}")
    first = shape[-3] if len(shape) in (3, 4) else 0
    if first and (first == channels or (channels is None and len(shape) == 4 and first <= 4)):
        axes = "0, 2, 3, 1" if len(shape) == 4 else "1, 2, 0"
        text += f"; for channels first, give x.transpose({axes})"
    elif channels == 1 and len(shape) in (3, 4) and shape[-1] in (3, 4):
        text += ("; x[..., :3].mean(axis=-1).astype(x.dtype) makes them grey")
    return text


def images(x: ArrayLike, channels: int | None) -> tuple[_api.ImageArray, np.ndarray]:
    """The C struct of an array of images, and the array that it points into."""
    x = opened(x, channels)
    if is_list_of_images(x):
        sizes = sorted({text_of(np.shape(one)) for one in x})
        if len(sizes) > 1:
            raise UsageError(f"a list of images of shapes {', '.join(sizes[:5])}"
                             f"{', ...' if len(sizes) > 5 else ''}: expected one size here; "
                             "resize them, or let net.data name a folder of image files, which "
                             "may be of unlike sizes")
        x = np.stack(x)
    array = np.ascontiguousarray(_four_dimensions(_samples(x), channels))
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    count, height, width, depth = array.shape
    record = _api.ImageArray(_api.address(array), _api.SAMPLES[array.dtype.name], count, height,
                             width, depth)
    return record, array


def pieces(x: ArrayLike, channels: int) -> Iterator[tuple[_api.ImageArray, np.ndarray]]:
    """Arrays of images of one size each: one, or of a list of images one each."""
    x = opened(x, channels)
    if not is_list_of_images(x) or len({one.shape for one in x}) == 1:
        yield images(x, channels)
        return
    for one in x:
        record, array = images(one, channels)
        if record.count != 1:
            raise UsageError(f"a list of images has one of shape {text_of(one.shape)}: "
                             "expected single images")
        yield record, array


# ---- Labels ----


def label_values(y: ArrayLike) -> np.ndarray:
    """Labels as an array of integers or of texts, whatever holds them; whole floats are taken."""
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
    if array.dtype.kind == "f" and (np.rint(array) == array).all() and np.isfinite(array).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "iuU":
        raise UsageError(f"labels of {array.dtype}: expected integers from 0 or class names")
    return array


def _label_value(value) -> int | str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    raise UsageError(f"the label {value!r}: expected an integer from 0 or a class name")


def class_names(labels: Sequence, classes: int | Sequence[str] | None) -> list[str]:
    """The classes of a training's labels: those that are named, or that the labels have."""
    own = [label_values(one) for one in labels]
    named = any(one.dtype.kind == "U" for one in own)
    if classes is None and named:
        return sorted({str(name) for one in own for name in one.ravel().tolist()})
    if classes is None:
        classes = 1 + max((int(one.max()) for one in own if one.size), default=0)
        if not 1 <= classes <= _checks.CLASSES_MOST:
            raise UsageError(f"the label {classes - 1}: expected 0 to "
                             f"{_checks.CLASSES_MOST - 1}")
    elif named and not isinstance(classes, Iterable):
        raise UsageError(f"classes={classes} with labels that are names: give the names")
    names = _checks.class_names(classes)
    if named and len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise UsageError(f"classes has {twice!r} twice: which of them is a label of that name?")
    return names


def labels(y: ArrayLike, class_names: Sequence[str], count: int) -> np.ndarray:
    """Labels as int32 [count], of integers or of class names."""
    array = label_values(y)
    if array.shape != (count,):
        hint = ""
        if array.ndim == 2 and array.shape[0] == count:
            hint = "; y.argmax(1) are the classes of one-hot labels"
        raise UsageError(f"labels of shape {text_of(array.shape)} for {count} images: expected "
                         f"one each, [{count}]{hint}")
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
        hint = ""
        if array.min() == 1 and array.max() == len(class_names):
            hint = "; they seem to count from 1: y - 1 counts from 0"
        raise UsageError(f"the label {wrong}: expected 0 to {len(class_names) - 1}, of "
                         f"{len(class_names)} classes{hint}")
    return np.ascontiguousarray(array, np.int32)
