"""Image files, and images of PIL, as the arrays that a network takes."""

from __future__ import annotations

import ctypes
import os

import numpy as np

from . import _api
from ._status import UsageError


def _of_file(path: str | os.PathLike, channels: int) -> np.ndarray:
    """A file's pixels as fcnn's programs read them: [h][w][channels] of uint8 or uint16."""
    record = _api.ImageRecord()
    _api.check(_api.lib.fcnn_image_load(os.fsencode(path), channels, ctypes.byref(record)))
    try:
        shape = record.height, record.width, record.channels
        kind = ctypes.c_uint8 if record.pixels else ctypes.c_uint16
        memory = (kind * (shape[0] * shape[1] * shape[2])).from_address(
            record.pixels or record.pixels16)
        return np.ctypeslib.as_array(memory).reshape(shape).copy()
    finally:
        _api.lib.fcnn_image_clear(ctypes.byref(record))


def _of_pil(image, channels: int) -> np.ndarray:
    """The same of an image of PIL: grey expands, colour averages, alpha is left out."""
    from PIL import ImageOps
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        pixels = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)[..., np.newaxis]
    elif image.mode in ("1", "L", "LA"):
        pixels = np.asarray(image.convert("L"))[..., np.newaxis]
    else:  # by way of RGBA, without which PIL warns of palettes with transparency
        pixels = np.asarray(image.convert("RGBA"))[..., :3]
    if channels == 1 and pixels.shape[2] == 3:
        return ((pixels.sum(2, dtype=np.uint32) + 1) // 3).astype(pixels.dtype)[..., np.newaxis]
    return pixels if pixels.shape[2] == channels else np.repeat(pixels, channels, axis=2)


def _is_path(x) -> bool:
    return isinstance(x, (str, os.PathLike))


def _is_pil(x) -> bool:
    return hasattr(x, "getbands") and hasattr(x, "convert") and hasattr(x, "mode")


def opened(x, channels: int | None):
    """Images in which paths and images of PIL have become arrays; channels None: refuses them."""
    if _is_path(x) or _is_pil(x):
        if channels is None:
            raise UsageError("x of files or of images of PIL: expected an array; net.data names "
                             "a folder of image files to train on")
        if channels not in (1, 3):
            raise UsageError(f"a file is read with 1 or 3 channels, and the network takes "
                             f"{channels}: give an array")
        return _of_file(x, channels) if _is_path(x) else _of_pil(x, channels)
    if isinstance(x, (list, tuple)) and any(_is_path(one) or _is_pil(one) for one in x):
        return [opened(one, channels) for one in x]
    return x
