"""fcnn: convolutional networks trained end to end in the frequency domain.

A tour::

    import fcnn
    model = fcnn.train(fcnn.MODELS / "lenet.cfg", x, y, epochs=5)  # uint8 [n][h][w], int [n]
    model.save("lenet.safetensors")                          # fcnn.load() opens it again
    model.predict(pictures)                                  # probabilities [n][classes]
    model.score(x_test, y_test).accuracy
    print(model.layers); model.weights["conv1.weight"]       # a table; an array
    model.output(pictures, "conv2").shape                    # maps [n][32][13][13]
    band = model.output(pictures, "conv2", domain="frequency")   # a fcnn.Band, [n][32][85]
    band.energy, band.crop(3).maps()                         # by shell; its low frequencies
    model.plot(pictures[0])                                  # by matplotlib
    model.to_onnx("lenet.onnx"); module = model.to_torch()   # fcnn.from_torch(module) is back

Images are arrays of uint8 (0 to 255), uint16 (0 to 65535) or floats (0 to 1), of any size:
[n][h][w][c], or without what is 1; :data:`fcnn.arrays.SHAPES` says which. The keys of a cfg are
set by name: ``fcnn.train(..., **{"net.momentum": 0.8, "conv[2].filters": 64})``; ``print(
fcnn.keys())`` shows them all. ``fcnn.train("lenet", ...)`` takes ``fcnn.MODELS / "lenet.cfg"``.

What goes wrong is a :class:`fcnn.Error` that says what, where and what was expected. The library's
calls let other Python threads run.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ._library import models as _models
from ._status import (ConfigError, DeviceError, Error, FileError, FormatError, Interrupted,
                      NumericError, OutOfMemoryError, StoppedError, UnsupportedError, UsageError)
from ._version import __version__
from .band import Band, frequencies
from .config import Config, Section, load_config
from .epochs import Epoch, Progress
from .keys import Key, Keys, keys
from .layers import Layer, Layers, Weights
from .network import Model, create, load
from .results import OnnxFile, Score, Statistics
from .training import train

if TYPE_CHECKING:
    from . import plots
    from .torch import from_torch, to_torch

#: Folder of fcnn's own cfgs: lenet.cfg, cifar10.cfg, photos.cfg, alexnet.cfg, vgg11.cfg, ...
MODELS = _models()

__all__ = [
    "Band", "Config", "ConfigError", "DeviceError", "Epoch", "Error", "FileError", "FormatError",
    "Interrupted", "Key", "Keys", "Layer", "Layers", "MODELS", "Model", "NumericError", "OnnxFile",
    "OutOfMemoryError", "Progress", "Score", "Section", "Statistics", "StoppedError",
    "UnsupportedError", "UsageError", "Weights", "create", "frequencies", "from_torch", "keys",
    "load", "load_config", "plots", "to_torch", "train", "__version__",
]


def __getattr__(name: str):
    """What imports PyTorch or matplotlib, when it is first asked for."""
    if name == "plots":
        return importlib.import_module(".plots", __name__)
    if name in ("from_torch", "to_torch"):
        from . import torch
        return getattr(torch, name)
    raise AttributeError(f"module 'fcnn' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
