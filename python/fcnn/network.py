"""Trained networks: what :func:`fcnn.load` and :func:`fcnn.train` return."""

from __future__ import annotations

import ctypes
import inspect
import os
import pathlib
import tempfile
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from . import _api, _checks, arrays
from ._status import UsageError
from .band import Band
from .config import Config, Value, config_handle
from .keys import check_names
from .layers import Layers, Weights, read_layers, read_weights
from .results import OnnxFile, Score, Statistics

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike


class _Handle:
    """An ``fcnn_network`` pointer; freed once nothing has it, a call that is under way included."""

    def __init__(self, pointer: ctypes.c_void_p) -> None:
        self._as_parameter_ = pointer  # what ctypes passes
        weakref.finalize(self, _api.lib.fcnn_network_destroy, pointer)


class Model:
    """A network with its weights on a device; any thread may use it, and calls wait for each other.

    It is made by :func:`fcnn.load`, :func:`fcnn.create`, :func:`fcnn.train` or
    :func:`fcnn.from_torch`. Its memory is freed with it, or earlier by :meth:`close` or ``with``.
    Copies and pickles are networks of their own.

    Attributes
    ----------
    classes : list of str
    channels : int
        Of the images that it takes.
    form : str
        ``"compact"``, kernels as trained, or ``"spectral"``, spectra with the norms folded in.
    config : fcnn.Config
    statistics : Statistics
    layers : Layers
        Print it for a table; ``model.layers["conv1"]``.
    weights : Weights
        Name to array, to read and to write.
    size : (int, int) or None
        Height and width of the images that it was trained on, of :func:`fcnn.train` on arrays.
    history : list of fcnn.Epoch
        Of a training, one an epoch; else empty.
    """

    def __init__(self, pointer: ctypes.c_void_p, device: str | None = "auto", threads: int = 0,
                 batch: int = 0) -> None:
        lib = _api.lib
        self._handle: _Handle | None = _Handle(pointer)
        self._opening = device, threads, batch  # of copies
        handle = self._handle
        self.channels: int = lib.fcnn_network_channels(handle)
        self.classes: list[str] = [
            lib.fcnn_network_class_name(handle, index).decode(errors="replace")
            for index in range(lib.fcnn_network_classes(handle))]
        self.form: str = "spectral" if lib.fcnn_network_form(handle) else "compact"
        self.config = Config.of(ctypes.c_void_p(lib.fcnn_network_config(handle)))
        record = lib.fcnn_network_statistics(handle).contents
        self.statistics = Statistics(np.array(record.mean[:self.channels], np.float32),
                                     np.array(record.deviation[:self.channels], np.float32))
        self._layers, self._weights = read_layers(handle), read_weights(handle)
        self.size: tuple[int, int] | None = None
        self.history: list = []

    def _open(self) -> _Handle:
        handle = self._handle
        if handle is None:
            raise UsageError("the model is closed")
        return handle

    def close(self) -> None:
        """Frees the network's memory, once calls of other threads have ended."""
        self._handle = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple:
        """Copies and pickles are networks of their own, opened as this one was."""
        with tempfile.TemporaryDirectory(prefix="fcnn-") as folder:
            path = pathlib.Path(folder, "model.safetensors")
            self.save(path, self.form)
            return _opened_again, (path.read_bytes(), self._opening, self.size,
                                   list(self.history))

    def __repr__(self) -> str:
        first = self.config["fft1"]["size"]
        return (f"<fcnn.Model: {self.channels} x {first}x{first} to {len(self.classes)} classes, "
                f"{len(self.layers)} layers, {self.layers.parameters:,} parameters, {self.form}>")

    @property
    def layers(self) -> Layers:
        return Layers(self, self._layers)

    @property
    def weights(self) -> Weights:
        return Weights(self, self._weights)

    def metadata(self, key: str) -> str | None:
        """A text of the model file's metadata by its name, such as ``"training_data"``."""
        text = _api.lib.fcnn_network_metadata(self._open(), _checks.text(key, "key"))
        return None if text is None else text.decode(errors="replace")

    @property
    def band_fraction(self) -> float:
        """The part of every radius that is computed, 1 unless bands are cut."""
        return _api.lib.fcnn_network_band_fraction(self._open())

    # ---- What it computes ----

    def predict(self, x: ArrayLike, logits: bool = False) -> np.ndarray:
        """Classifies images.

        Parameters
        ----------
        x : array, path, image of PIL, or list of such
            Images of any size; each is placed as the cfg's ``[fft]`` says.
            See :data:`fcnn.arrays.SHAPES`: [h][w], [h][w][c], [n][h][w] or [n][h][w][c].
        logits : bool
            What softmax is given, in place of probabilities.

        Returns
        -------
        float32 [n][classes]
            n is 1 for a single image.

        Examples
        --------
        >>> model.classes[model.predict(picture)[0].argmax()]
        'ankle boot'
        """
        kind = _api.LOGITS if logits else _api.PROBABILITIES
        parts = []
        for record, _ in arrays.pieces(x, self.channels):
            result = np.empty((record.count, len(self.classes)), np.float32)
            _api.check(_api.lib.fcnn_network_predict(self._open(), ctypes.byref(record), kind,
                                                     _api.address(result)))
            parts.append(result)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def score(self, x: ArrayLike, y: ArrayLike) -> Score:
        """Scores images whose classes are known.

        Parameters
        ----------
        x : array or list of arrays
            As :meth:`predict` takes.
        y : array
            Their classes, [n]: integers from 0, or names of ``model.classes``.
        """
        pieces = list(arrays.pieces(x, self.channels))
        labels = arrays.labels(y, self.classes, sum(record.count for record, _ in pieces))
        classes, first = len(self.classes), 0
        confusion, totals = np.zeros((classes, classes), np.int64), np.zeros(3)
        for record, _ in pieces:
            score, part = _api.ScoreRecord(), np.zeros((classes, classes), np.int64)
            own = np.ascontiguousarray(labels[first:first + record.count])
            _api.check(_api.lib.fcnn_network_score(self._open(), ctypes.byref(record),
                                                   _api.address(own), ctypes.byref(score),
                                                   _api.address(part)))
            totals += score.correct, score.loss, score.correct_top5
            confusion += part
            first += record.count
        accuracy, loss, top5 = (totals / max(first, 1)).tolist()
        return Score(accuracy, loss, top5, first, confusion)

    def output(self, x: ArrayLike, layer: str | int, domain: str = "space"
               ) -> np.ndarray | Band:
        """What a layer makes of images.

        Parameters
        ----------
        x : array or list of arrays
            As :meth:`predict` takes.
        layer : str or int
            A name or number of ``model.layers``.
        domain : str
            ``"space"``: maps, float32 [n][channels][size][size], or of a layer of the classifier
            its values, [n][units]. ``"frequency"``: a :class:`fcnn.Band` of complex64
            [n][channels][bins], in shell order.

        Examples
        --------
        >>> model.output(x, "conv1.activation").shape
        (100, 16, 27, 27)
        >>> band = model.output(x, "conv1.activation", domain="frequency")
        >>> band.energy.mean(axis=0).shape              # of each channel and shell
        (16, 7)
        """
        if domain not in ("space", "frequency"):
            raise UsageError(f"domain={domain!r}: expected 'space' or 'frequency'")
        one = self.layers[layer]
        kind = _api.OUTPUT_BANDS if domain == "frequency" else _api.OUTPUT_MAPS
        floats = _api.lib.fcnn_network_output_floats(self._open(), one.index, kind)
        parts = []
        for record, _ in arrays.pieces(x, self.channels):
            values = np.empty((record.count, floats), np.float32)
            _api.check(_api.lib.fcnn_network_output(self._open(), ctypes.byref(record), one.index,
                                                    kind, _api.address(values)))
            parts.append(values)
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if domain == "frequency":
            bins = values.view(np.complex64)
            return Band(bins.reshape(len(values), one.channels, bins.shape[1] // one.channels))
        if one.layout == "vector":
            return values
        return values.reshape(len(values), one.channels, one.size, one.size)

    # ---- Out of the house ----

    def save(self, path: str | os.PathLike, form: str = "compact", half: bool = False) -> None:
        """Writes a model file, atomically, for :func:`fcnn.load` and the programs.

        Parameters
        ----------
        path : path
        form : str
            ``"compact"``: kernels as trained. ``"spectral"``: every convolution's spectrum with its
            norm folded in, for inference.
        half : bool
            Spectra in half precision.
        """
        if form not in _api.FORMS:
            raise UsageError(f"form={form!r}: expected 'compact' or 'spectral'")
        _api.check(_api.lib.fcnn_network_save(self._open(), _checks.path(path),
                                              _api.FORMS[form], half))

    def to_onnx(self, path: str | os.PathLike, size: int | tuple[int, int] | str | None = None
                ) -> OnnxFile:
        """Writes the network as an ONNX file of standard operators, for any runtime.

        Its input ``image`` is float32 [batch][c][h][w], 0 to 1, its outputs ``logits`` and
        ``probabilities`` are [batch][classes]. Class names and what the graph does to an image
        stand in its metadata.

        Parameters
        ----------
        path : path
        size : int, (height, width) or "28x28", optional
            Of the images; by default ``model.size``, where that is known, else the square of which
            the network takes every pixel.

        Raises
        ------
        fcnn.UnsupportedError
            It would be larger than the 2 GiB that such a file may have.

        Examples
        --------
        >>> model.to_onnx("lenet.onnx", size=28)
        OnnxFile(height=28, width=28, opset=13, nodes=65, bytes=1772268)
        """
        sides = _checks.sides(size) if size is not None else self.size or (0, 0)
        options = _api.OnnxOptions(*sides, None)
        summary = _api.OnnxSummary()
        _api.check(_api.lib.fcnn_network_export_onnx(self._open(), ctypes.byref(options),
                                                     _checks.path(path), ctypes.byref(summary)))
        return OnnxFile(summary.height, summary.width, summary.opset, summary.nodes, summary.bytes)

    def to_torch(self) -> torch.nn.Module:
        """The same function as a ``torch.nn.Module`` in space; see :func:`fcnn.to_torch`."""
        from .torch import to_torch
        return to_torch(self)

    def plot(self, x: ArrayLike, layers: Sequence[str | int] | str | int | None = None,
             channels: int = 8) -> Figure:
        """Draws what the layers make of a picture; see :func:`fcnn.plots.plot`."""
        from .plots import plot
        return plot(self, x, layers, channels)

    def plot_kernels(self, layer: str = "conv1", count: int = 16) -> Figure:
        """Draws a layer's kernels and their spectra; see :func:`fcnn.plots.plot_kernels`."""
        from .plots import plot_kernels
        return plot_kernels(self, layer, count)


def load(path: str | os.PathLike, device: str | None = "auto", threads: int = 0, batch: int = 0,
         band_fraction: float = 0) -> Model:
    """Loads a model file.

    Parameters
    ----------
    path : path
        A ``model.safetensors`` of ``fcnn-train``, :func:`fcnn.train` or :meth:`Model.save`.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    threads : int
        0: as many as there are processors.
    batch : int
        Images that pass at once at the most, which decides the memory; 0: 32, or fewer.
    band_fraction : float
        The part of every radius that is computed, (0, 1]; 0: as the model was saved. Less is
        faster, and blurs what every layer sees.

    Raises
    ------
    fcnn.FileError, fcnn.FormatError
        It cannot be read, or is no model.

    Examples
    --------
    >>> model = fcnn.load("runs/lenet/model.safetensors")
    >>> model.predict(x).shape
    (10000, 10)
    """
    handle = ctypes.c_void_p()
    options = _api.network_options(device, threads, batch, band_fraction)
    _api.check(_api.lib.fcnn_network_load(_checks.path(path), ctypes.byref(options),
                                          ctypes.byref(handle)))
    return Model(handle, device, threads, batch)


def _opened_again(contents: bytes, opening: tuple, size, history: list) -> Model:
    with tempfile.TemporaryDirectory(prefix="fcnn-") as folder:
        path = pathlib.Path(folder, "model.safetensors")
        path.write_bytes(contents)
        model = load(path, *opening)
    model.size, model.history = size, history
    return model


def _by_channel(values: ArrayLike | None, channels: int, name: str, default: float) -> list[float]:
    """A number for each channel."""
    try:
        array = np.asarray(default if values is None else values, np.float32)
        return np.broadcast_to(array, channels).tolist()
    except (TypeError, ValueError):
        raise UsageError(f"{name}={values!r}: expected {channels} numbers, one a channel"
                         ) from None


def create(cfg: str | os.PathLike | Config, channels: int, classes: int | Sequence[str],
           mean: ArrayLike | None = None, deviation: ArrayLike | None = None,
           device: str | None = "auto", threads: int = 0, batch: int = 0, band_fraction: float = 0,
           **settings: Value) -> Model:
    """Makes the network of a cfg, with initial weights from its seed.

    Parameters
    ----------
    cfg : path or text
        A cfg file such as ``models/lenet.cfg``, or the text of one.
    channels : int
        Of the images.
    classes : int or list of str
        How many, or their names.
    mean, deviation : arrays, optional
        Of each channel, or a number for all, of pixels from 0 to 1; 0 and 1 by default.
    device, threads, batch, band_fraction
        As :func:`load` takes.
    **settings
        Keys of the cfg: ``**{"conv[1].filters": 32}``.
    """
    check_names(settings, inspect.signature(create).parameters, settings)
    names, channels = _checks.class_names(classes), _checks.integer(channels, "channels")
    record = _api.Statistics(channels)
    for at in range(channels if channels <= _api.IMAGE_CHANNELS_MAX else 0):
        record.mean[at] = _by_channel(mean, channels, "mean", 0.0)[at]
        record.deviation[at] = _by_channel(deviation, channels, "deviation", 1.0)[at]
    handle = ctypes.c_void_p()
    options = _api.network_options(device, threads, batch, band_fraction)
    with config_handle(cfg, settings) as config:
        _api.check(_api.lib.fcnn_network_create(config, channels, len(names), _api.texts(names),
                                                ctypes.byref(record), ctypes.byref(options),
                                                ctypes.byref(handle)))
    return Model(handle, device, threads, batch)
