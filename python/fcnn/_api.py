"""The C library's functions with their types: the structs and enums of its headers."""

from __future__ import annotations

import ctypes
from ctypes import (CFUNCTYPE, POINTER, Structure, c_bool, c_char_p, c_double, c_float, c_int,
                    c_int64, c_void_p)

import numpy as np

from . import _checks, _library
from ._status import OK, error_of

IMAGE_CHANNELS_MAX = 4
SAMPLES = {"uint8": 0, "uint16": 1, "float32": 2}
LAYOUTS = ("band", "map", "vector")
FORMS = {"compact": 0, "spectral": 1}
PROBABILITIES, LOGITS = 0, 1
OUTPUT_OWN, OUTPUT_MAPS, OUTPUT_BANDS = 0, 1, 2
USAGE = 1


class _Spectrum(Structure):
    _fields_ = [("height", c_int), ("width", c_int), ("inside", c_int * 4), ("radius", c_int),
                ("type", c_int), ("bins", c_void_p)]


class _Augmentation(Structure):
    _fields_ = [("mirror", c_bool), ("shift_y", c_float), ("shift_x", c_float),
                ("truncate", c_int), ("gain", c_float * IMAGE_CHANNELS_MAX),
                ("offset", c_float * IMAGE_CHANNELS_MAX), ("cutout", c_float),
                ("cutout_y", c_float), ("cutout_x", c_float)]


class ImageRecord(Structure):
    _fields_ = [("height", c_int), ("width", c_int), ("channels", c_int), ("pixels", c_void_p),
                ("pixels16", c_void_p), ("pixels_float", c_void_p), ("spectrum", _Spectrum),
                ("augmentation", _Augmentation), ("storage", c_void_p)]


class KeyRecord(Structure):
    _fields_ = [("section", c_char_p), ("key", c_char_p), ("type", c_int), ("low", c_double),
                ("high", c_double), ("fallback", c_char_p), ("words", c_char_p),
                ("help", c_char_p)]


class ImageArray(Structure):
    _fields_ = [("samples", c_void_p), ("type", c_int), ("count", c_int64), ("height", c_int),
                ("width", c_int), ("channels", c_int)]


class LabelledArray(Structure):
    _fields_ = [("images", ImageArray), ("labels", c_void_p)]


class DatasetArrays(Structure):
    _fields_ = [("splits", LabelledArray * 3), ("classes", c_int),
                ("class_names", POINTER(c_char_p)), ("held_out_is_test", c_bool)]


class Statistics(Structure):
    _fields_ = [("channels", c_int), ("mean", c_float * IMAGE_CHANNELS_MAX),
                ("deviation", c_float * IMAGE_CHANNELS_MAX)]


class NetworkOptions(Structure):
    _fields_ = [("device", c_char_p), ("threads", c_int), ("batch", c_int),
                ("band_fraction", c_double)]


class LayerRecord(Structure):
    _fields_ = [("name", c_char_p), ("type", c_char_p), ("layout", c_int), ("channels", c_int),
                ("size", c_int), ("radius", c_int), ("bins", c_int64), ("parameters", c_int64),
                ("multiply_adds", c_int64)]


class ScoreRecord(Structure):
    _fields_ = [("loss", c_double), ("correct", c_int64), ("correct_top5", c_int64),
                ("images", c_int64)]


class WeightRecord(Structure):
    _fields_ = [("name", c_char_p), ("rank", c_int), ("shape", c_int64 * 6), ("count", c_int64),
                ("trained", c_bool)]


class OnnxOptions(Structure):
    _fields_ = [("height", c_int), ("width", c_int), ("producer", c_char_p)]


class OnnxSummary(Structure):
    _fields_ = [("height", c_int), ("width", c_int), ("opset", c_int), ("nodes", c_int),
                ("bytes", c_int64)]


class ProgressRecord(Structure):
    _fields_ = [("epoch", c_int64), ("epochs", c_int64), ("step", c_int64),
                ("steps_per_epoch", c_int64), ("loss", c_double), ("accuracy", c_double),
                ("validation_loss", c_double), ("validation_accuracy", c_double),
                ("validation_top5", c_double), ("is_best", c_bool), ("learning_rate", c_double),
                ("seconds", c_double), ("band_fraction", c_double)]


Event = CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(ProgressRecord))
MessageEvent = CFUNCTYPE(None, c_void_p, c_int, c_char_p)


class TrainingEvents(Structure):
    _fields_ = [("user", c_void_p), ("step", Event), ("epoch", Event), ("message", MessageEvent)]


class TrainingOptions(Structure):
    _fields_ = [("config", c_void_p), ("dataset", c_void_p), ("device", c_char_p),
                ("threads", c_int), ("limit", c_int64), ("stop", POINTER(c_int)),
                ("events", TrainingEvents)]


_out = POINTER(c_void_p)
_floats = c_void_p
# name: (result, arguments); a result of int is an fcnn_status.
_FUNCTIONS = {
    "fcnn_status_message": (c_char_p, []),
    "fcnn_config_find_key": (c_char_p, [c_char_p, POINTER(c_char_p)]),
    "fcnn_image_load": (c_int, [c_char_p, c_int, POINTER(ImageRecord)]),
    "fcnn_image_clear": (None, [POINTER(ImageRecord)]),
    "fcnn_config_load": (c_int, [c_char_p, _out]),
    "fcnn_config_parse": (c_int, [c_char_p, c_char_p, ctypes.c_size_t, _out]),
    "fcnn_config_override": (c_int, [c_void_p, c_char_p]),
    "fcnn_config_text": (c_void_p, [c_void_p]),
    "fcnn_config_section_name": (c_char_p, [c_void_p, c_int]),
    "fcnn_config_value": (c_char_p, [c_void_p, c_int, c_int, POINTER(c_char_p)]),
    "fcnn_config_destroy": (None, [c_void_p]),
    "fcnn_dataset_from_arrays": (c_int, [POINTER(DatasetArrays), _out]),
    "fcnn_dataset_close": (None, [c_void_p]),
    "fcnn_network_load": (c_int, [c_char_p, POINTER(NetworkOptions), _out]),
    "fcnn_network_create": (c_int, [c_void_p, c_int, c_int, POINTER(c_char_p),
                                    POINTER(Statistics), POINTER(NetworkOptions), _out]),
    "fcnn_network_destroy": (None, [c_void_p]),
    "fcnn_network_config": (c_void_p, [c_void_p]),
    "fcnn_network_form": (c_int, [c_void_p]),
    "fcnn_network_channels": (c_int, [c_void_p]),
    "fcnn_network_classes": (c_int, [c_void_p]),
    "fcnn_network_class_name": (c_char_p, [c_void_p, c_int]),
    "fcnn_network_statistics": (POINTER(Statistics), [c_void_p]),
    "fcnn_network_band_fraction": (c_double, [c_void_p]),
    "fcnn_network_metadata": (c_char_p, [c_void_p, c_char_p]),
    "fcnn_network_layer_count": (c_int, [c_void_p]),
    "fcnn_network_layer": (LayerRecord, [c_void_p, c_int]),
    "fcnn_network_find_layer": (c_int, [c_void_p, c_char_p]),
    "fcnn_network_predict": (c_int, [c_void_p, POINTER(ImageArray), c_int, _floats]),
    "fcnn_network_score": (c_int, [c_void_p, POINTER(ImageArray), c_void_p,
                                   POINTER(ScoreRecord), c_void_p]),
    "fcnn_network_output_floats": (c_int64, [c_void_p, c_int, c_int]),
    "fcnn_network_output": (c_int, [c_void_p, POINTER(ImageArray), c_int, c_int, _floats]),
    "fcnn_network_weight_count": (c_int, [c_void_p]),
    "fcnn_network_weight": (WeightRecord, [c_void_p, c_int]),
    "fcnn_network_read_weight": (c_int, [c_void_p, c_int, _floats]),
    "fcnn_network_write_weight": (c_int, [c_void_p, c_int, _floats]),
    "fcnn_network_save": (c_int, [c_void_p, c_char_p, c_int, c_bool]),
    "fcnn_network_export_onnx": (c_int, [c_void_p, POINTER(OnnxOptions), c_char_p,
                                         POINTER(OnnxSummary)]),
    "fcnn_training_open": (c_int, [POINTER(TrainingOptions), _out]),
    "fcnn_training_close": (None, [c_void_p]),
    "fcnn_training_start_from": (c_int, [c_void_p, c_char_p, _out]),
    "fcnn_training_resume": (c_int, [c_void_p, c_char_p]),
    "fcnn_training_run": (c_int, [c_void_p, POINTER(c_bool)]),
    "fcnn_training_get_progress": (ProgressRecord, [c_void_p]),
    "fcnn_training_save_checkpoint": (c_int, [c_void_p, c_char_p]),
    "fcnn_training_network": (c_int, [c_void_p, POINTER(NetworkOptions), _out]),
    "fcnn_bands_to_maps": (c_int, [_floats, c_int64, c_int, c_int, _floats]),
    "fcnn_maps_to_bands": (c_int, [_floats, c_int64, c_int, c_int, _floats]),
}

_lib = _library.load()
for _name, (_result, _arguments) in _FUNCTIONS.items():
    _library.declare(_lib, _name, _result, _arguments)
_libc_free = ctypes.CDLL(None).free
_libc_free.argtypes = [c_void_p]


def check(status: int) -> None:
    """Raises the exception of a status that is not OK, with this thread's message."""
    if status != OK:
        raise error_of(status, lib.fcnn_status_message().decode(errors="replace"))


def take_text(pointer: int | None) -> str:
    """A text that the library allocated; it is freed."""
    if not pointer:
        raise MemoryError("out of memory for a text")
    text = ctypes.string_at(pointer).decode(errors="replace")
    _libc_free(pointer)
    return text


def address(array: np.ndarray) -> c_void_p:
    """The memory of an array that is without gaps."""
    return array.ctypes.data_as(c_void_p)


def texts(values) -> ctypes.Array:
    """A C array of texts."""
    return (c_char_p * len(values))(*[_checks.text(value, "a name") for value in values])


def network_options(device: str | None, threads: int, batch: int = 0, band_fraction: float = 0
                    ) -> NetworkOptions:
    """What a network is opened with."""
    return NetworkOptions(device_name(device), _checks.integer(threads, "threads"),
                          _checks.integer(batch, "batch"), band_fraction)


def device_name(device: str | None) -> bytes | None:
    return None if device is None else _checks.text(device, "device")


lib = _lib
