"""Training on arrays, or on the data that a cfg names: :func:`fcnn.train`."""

from __future__ import annotations

import ctypes
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import _api, _checks, _progress, arrays
from ._interrupt import CtrlC
from ._status import INTERRUPTED, OK, Interrupted, UsageError
from .config import Config, Value, config_handle
from .network import Model

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Progress:
    """How far a training has come, behind a step.

    Attributes
    ----------
    epoch, epochs : int
        Complete epochs, and epochs in all.
    step, steps_per_epoch : int
        Of the epoch that is not complete.
    loss, accuracy : float
        Means over the epoch's images so far, accuracy as a part of 1.
    learning_rate : float
        Of the last step.
    seconds : float
        That the epoch took so far, validation apart.
    band_fraction : float
        The part of every radius that is computed.
    """

    epoch: int
    epochs: int
    step: int
    steps_per_epoch: int
    loss: float
    accuracy: float
    learning_rate: float
    seconds: float
    band_fraction: float


@dataclass(frozen=True)
class Epoch:
    """A complete epoch of a training.

    Attributes
    ----------
    epoch, epochs : int
        Its number, from 1, and how many there are.
    steps_per_epoch : int
    loss, accuracy : float
        Means over the epoch's training images.
    validation_loss, validation_accuracy, validation_top5 : float or None
        Of the validation images; None where the epoch was not validated.
    is_best : bool
        Whether that validation is the best so far, and may choose: those of a test set may not.
    learning_rate, seconds, band_fraction : float
        Of the last step; that the steps took; as in :class:`Progress`.
    """

    epoch: int
    epochs: int
    steps_per_epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    validation_top5: float | None
    is_best: bool
    learning_rate: float
    seconds: float
    band_fraction: float


def _progress_of(r) -> Progress:
    return Progress(r.epoch, r.epochs, r.step, r.steps_per_epoch, r.loss, r.accuracy,
                    r.learning_rate, r.seconds, r.band_fraction)


def _epoch_of(r) -> Epoch:
    validation = [None if math.isnan(value) else value for value in (
        r.validation_loss, r.validation_accuracy, r.validation_top5)]
    return Epoch(r.epoch, r.epochs, r.steps_per_epoch, r.loss, r.accuracy, *validation,
                 bool(r.is_best), r.learning_rate, r.seconds, r.band_fraction)


# ---- Data ----


class _Data:
    """A data set of arrays, which it keeps as long as the library borrows them."""

    def __init__(self, x: ArrayLike, y: ArrayLike | None, validation: tuple | None,
                 validation_is_test: bool, classes: int | Sequence[str] | None) -> None:
        if y is None:
            raise UsageError("x without y: a training needs each image's class")
        if validation is not None and (not isinstance(validation, Sequence)
                                       or len(validation) != 2):
            raise UsageError("validation: expected a pair (x, y)")
        record, self._x = arrays.images(x, None)
        sets = [(record, self._x, y)]
        if validation is not None:
            record, self._validation = arrays.images(validation[0], record.channels)
            sets.append((record, self._validation, validation[1]))
        self.names = _class_names([one[2] for one in sets], classes)
        self._record = _api.DatasetArrays(classes=len(self.names),
                                          class_names=_api.texts(self.names),
                                          held_out_is_test=validation_is_test)
        self._labels = []
        for split, (record, _, own) in enumerate(sets):
            self._labels.append(arrays.labels(own, self.names, record.count))
            self._record.splits[split] = _api.LabelledArray(record,
                                                            self._labels[-1].ctypes.data)

    @contextmanager
    def opened(self) -> Iterator[ctypes.c_void_p]:
        """An ``fcnn_dataset`` pointer."""
        handle = ctypes.c_void_p()
        _api.check(_api.lib.fcnn_dataset_from_arrays(ctypes.byref(self._record),
                                                     ctypes.byref(handle)))
        try:
            yield handle
        finally:
            _api.lib.fcnn_dataset_close(handle)


def _class_names(labels: Sequence, classes: int | Sequence[str] | None) -> list[str]:
    own = [arrays.label_values(one) for one in labels]
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


# ---- A run ----

_SAVES_SHARE = 40  # checkpoints behind epochs take at most a 40th of the time


class _Run:
    """What the library calls on the way; an exception of a callback ends the run with it."""

    def __init__(self, on_step: Callable | None, on_epoch: Callable | None,
                 bar: _progress.Bar | None, checkpoint: str | os.PathLike | None) -> None:
        self.on_step, self.on_epoch = on_step, on_epoch
        self.checkpoint, self._saved, self._cost = checkpoint, 0.0, 0.0
        self.stop = ctypes.c_int()  # the library's flag: it ends behind the step
        self.history: list[Epoch] = []
        self.error: BaseException | None = None
        self.bar = bar
        self.events = _api.TrainingEvents(None, _api.Event(self._step), _api.Event(self._epoch),
                                          _api.MessageEvent(self._message))

    def _guarded(self, action: Callable[[], object]) -> int:
        """The status of an action: OK, or INTERRUPTED once one has raised."""
        try:
            if self.error is None:
                action()
        except BaseException as error:  # it cannot pass through C
            self.error = error
        return OK if self.error is None else INTERRUPTED

    def _step(self, _user, _training, record) -> int:
        return self._guarded(lambda: self._tell_step(_progress_of(record.contents)))

    def _tell_step(self, progress: Progress) -> None:
        if self.bar:
            self.bar.step(progress)
        if self.on_step and self.on_step(progress) is True:
            self.stop.value = 1

    def _epoch(self, _user, training, record) -> int:
        return self._guarded(lambda: self._tell_epoch(training, _epoch_of(record.contents)))

    def _tell_epoch(self, training: int, epoch: Epoch) -> None:
        self.history.append(epoch)
        if time.monotonic() - self._saved >= _SAVES_SHARE * self._cost:
            self.save(training)
        if self.bar:
            self.bar.epoch(epoch)
        if self.on_epoch and self.on_epoch(epoch) is True:
            self.stop.value = 1

    def save(self, training: int | ctypes.c_void_p) -> None:
        """Writes the checkpoint, where one is asked for."""
        if self.checkpoint is not None:
            started = time.monotonic()
            _api.check(_api.lib.fcnn_training_save_checkpoint(training,
                                                              _checks.path(self.checkpoint)))
            self._saved = time.monotonic()
            self._cost = self._saved - started

    def _message(self, _user, kind: int, text: bytes) -> None:
        self._guarded(lambda: self._tell(kind, text.decode(errors="replace")))

    def _tell(self, kind: int, text: str) -> None:
        if kind:
            if self.bar:
                self.bar.clear()
            warnings.warn(text, UserWarning, stacklevel=6)  # at the call of train()
        elif self.bar:
            self.bar.note(text)

    def check(self, status: int) -> None:
        """Raises what a callback raised, or the library's own error."""
        if self.error is not None:
            raise self.error
        _api.check(status)


def _network(training: ctypes.c_void_p, options: _api.NetworkOptions, history: list) -> Model:
    handle = ctypes.c_void_p()
    _api.check(_api.lib.fcnn_training_network(training, ctypes.byref(options),
                                              ctypes.byref(handle)))
    model = Model(handle)
    model.history = history
    return model


def train(cfg: str | os.PathLike | Config, x: ArrayLike | None = None, y: ArrayLike | None = None,
          validation: tuple[ArrayLike, ArrayLike] | None = None, *,
          validation_is_test: bool = False, classes: int | Sequence[str] | None = None,
          epochs: int | None = None, on_step: Callable[[Progress], object] | None = None,
          on_epoch: Callable[[Epoch], object] | None = None, progress: bool = True,
          init: str | os.PathLike | None = None, resume: str | os.PathLike | None = None,
          checkpoint: str | os.PathLike | None = None, limit: int = 0,
          device: str | None = "auto", threads: int = 0, **settings: Value) -> Model:
    """Trains the network of a cfg; the same bits as ``fcnn-train`` on the same data and seed.

    Parameters
    ----------
    cfg : path, text with line ends, or Config
        Such as ``fcnn.MODELS / "lenet.cfg"``.
    x : array, optional
        Training images, [n][h][w] or [n][h][w][c], of uint8 (0 to 255), uint16 (0 to 65535) or
        floats (0 to 1). None: the data that the cfg names, or the key ``net.data``.
    y : array, optional
        Their classes, [n]: integers from 0, or names.
    validation : (x, y), optional
        Images to score on after each epoch. Without them ``**{"net.val_fraction": 0.1}`` holds out
        a part of x.
    validation_is_test : bool
        They are a test set, by which nothing may be chosen: no epoch of it is the best.
    classes : int or list of str, optional
        Their number or names; by default as many as y has, or its names in order of the alphabet.
    epochs : int, optional
        In place of the cfg's.
    on_step, on_epoch : callable, optional
        Called with a :class:`Progress` after each step, and an :class:`Epoch` after each epoch.
        One that returns True ends the training, whose model is returned. What they raise ends it
        too, and is raised here.
    progress : bool
        A bar on standard error where that is a terminal, and a line an epoch.
    init : path, optional
        A model to start from in place of initial weights.
    resume : path, optional
        A checkpoint of the same cfg and data to go on from.
    checkpoint : path, optional
        A file that holds all to go on with, written behind epochs, as often as takes a 40th of the
        time, at the end and on Ctrl-C.
    limit : int
        At most so many images of each split; 0: all.
    device, threads
        As :func:`fcnn.load` takes.
    **settings
        Keys of the cfg: ``**{"net.learning_rate": 0.004, "dropout.rate": 0.2}``.

    Returns
    -------
    Model
        With its ``history``, one :class:`Epoch` an epoch of this call.

    Raises
    ------
    fcnn.Interrupted
        Ctrl-C: the training has ended behind its step. It has the model as it is by then, and the
        checkpoint is written where one is asked for.
    fcnn.ConfigError, fcnn.UsageError, fcnn.NumericError
        The cfg, the arrays, or a loss that is not finite.

    Examples
    --------
    >>> model = fcnn.train(fcnn.MODELS / "lenet.cfg", x, y, validation=(xv, yv), epochs=2)
    epoch 1/2  train loss 0.4975 accuracy 0.8235  validation loss 0.3491 accuracy 0.8682  ...
    >>> model.history[-1].validation_accuracy
    0.8955
    """
    if epochs is not None:
        settings["net.epochs"] = epochs
    with ExitStack() as stack:
        config = stack.enter_context(config_handle(cfg, settings))
        bar = _progress.Bar(Config.of(config)["net"]["batch"]) if progress else None
        run = _Run(on_step, on_epoch, bar, checkpoint)
        dataset = None
        if x is not None:
            data = _Data(x, y, validation, validation_is_test, classes)
            dataset = stack.enter_context(data.opened())
        elif y is not None or validation is not None or classes is not None:
            raise UsageError("y, validation and classes go with x; without it the cfg names the "
                             "data")
        ctrl_c = stack.enter_context(CtrlC(run.stop))
        network = _api.network_options(device, threads)
        options = _api.TrainingOptions(config, dataset, network.device, network.threads,
                                       _checks.integer(limit, "limit", _checks.INT64_MAX),
                                       ctypes.pointer(run.stop), run.events)
        training, finished = ctypes.c_void_p(), ctypes.c_bool()
        status = _api.lib.fcnn_training_open(ctypes.byref(options), ctypes.byref(training))
        if ctrl_c.pressed and status == INTERRUPTED and run.error is None:
            raise Interrupted("interrupted before the first step")
        run.check(status)
        stack.callback(_api.lib.fcnn_training_close, training)
        _start(run, training, init, resume)
        status = _api.lib.fcnn_training_run(training, ctypes.byref(finished))
        if run.bar:
            run.bar.clear()
        run.check(status)
        run.save(training)
        model = _network(training, network, run.history)
        model._opening = device, threads, 0
        if ctrl_c.pressed:
            raise Interrupted(_stopped_text(training, checkpoint), model,
                              None if checkpoint is None else os.fspath(checkpoint))
        return model


def _start(run: _Run, training: ctypes.c_void_p, init, resume) -> None:
    if init is not None and resume is not None:
        raise UsageError("init and resume: a training starts from one of them")
    if init is not None:
        notes = ctypes.c_void_p()
        _api.check(_api.lib.fcnn_training_start_from(training, _checks.path(init),
                                                     ctypes.byref(notes)))
        text = _api.take_text(notes.value)
        if run.bar:
            for line in text.splitlines():
                run.bar.note(line)
    if resume is not None:
        _api.check(_api.lib.fcnn_training_resume(training, _checks.path(resume)))


def _stopped_text(training: ctypes.c_void_p, checkpoint) -> str:
    at = _api.lib.fcnn_training_get_progress(training)
    if at.epoch >= at.epochs:
        return "interrupted behind the last step; the exception's model is trained"
    text = f"interrupted in epoch {at.epoch + 1} after step {at.step} of {at.steps_per_epoch}"
    if checkpoint is None:
        return text + "; the exception's model has the weights"
    return f"{text}; resume={os.fspath(checkpoint)!r} goes on"
