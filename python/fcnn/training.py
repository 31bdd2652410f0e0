"""Training on arrays, or on the data that a cfg names: :func:`fcnn.train`."""

from __future__ import annotations

import ctypes
import inspect
import os
import pathlib
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from . import _api, _checks, _progress
from ._interrupt import CtrlC
from ._status import INTERRUPTED, OK, Interrupted, UsageError
from .config import Config, Value, config_handle
from .datasets import Arrays
from .epochs import Epoch, Progress, epoch_of, progress_of
from .keys import check_names
from .network import Model

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_WARNING = 1  # FCNN_WARNING of training.h; the other messages are for who watches


# ---- A run ----

_NEEDS = ("restore_best needs images to choose by: validation=(x, y) that is no test set, or "
          "val_fraction=0.1, which holds out a part of the training images")
_SAVES_SHARE = 40  # checkpoints behind epochs take at most a 40th of the time


class _Run:
    """What the library calls on the way; an exception of a callback ends the run with it."""

    def __init__(self, on_step: Callable | None, on_epoch: Callable | None,
                 bar: _progress.Bar | None, checkpoint: str | os.PathLike | None,
                 opening: tuple[str | None, int], restore_best: bool) -> None:
        self.on_step, self.on_epoch = on_step, on_epoch
        self._opening, self._restore_best = opening, restore_best
        self.resumed = False
        self.best: Model | None = None  # of the best epoch, where it is to be restored
        self.size: tuple[int, int] | None = None
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
        return self._guarded(lambda: self._tell_step(progress_of(record.contents)))

    def _tell_step(self, progress: Progress) -> None:
        if self.bar:
            self.bar.step(progress)
        if self.on_step:
            self._obey(self.on_step(progress))

    def _obey(self, result: object) -> None:
        """Stops the training where a callback says so."""
        if result is not None and bool(result):
            self.stop.value = 1

    def _epoch(self, _user, training, record) -> int:
        return self._guarded(lambda: self._tell_epoch(training, epoch_of(record.contents)))

    def _tell_epoch(self, training: int, epoch: Epoch) -> None:
        self.history.append(epoch)
        if time.monotonic() - self._saved >= _SAVES_SHARE * self._cost:
            self.save(training)
        if self.bar:
            self.bar.epoch(epoch)
        if self._restore_best and epoch.is_best:
            self.best = self.network(training)
        if (self._restore_best and self.best is None and not self.resumed
                and epoch.validation_loss is not None):
            raise UsageError(f"{_NEEDS}; this data set's held-out images are its test set")
        if self.on_epoch:
            with epoch._with_network(lambda: self.network(training)):
                self._obey(self.on_epoch(epoch))

    def network(self, training: int | ctypes.c_void_p) -> Model:
        """The network as it is."""
        handle, options = ctypes.c_void_p(), _api.network_options(*self._opening)
        _api.check(_api.lib.fcnn_training_network(training, ctypes.byref(options),
                                                  ctypes.byref(handle)))
        model = Model(handle, *self._opening)
        model.history, model.size = list(self.history), self.size
        return model

    def result(self, training: ctypes.c_void_p) -> Model:
        """What train() returns: the last network, or the best one."""
        if not self._restore_best:
            return self.network(training)
        if self.best is None:
            warnings.warn("restore_best: no epoch of this call is the best one; the model is the "
                          "last one's", UserWarning, stacklevel=3)
            return self.network(training)
        self.best.history = list(self.history)
        return self.best

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
        if kind == _WARNING:
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


def _check_chooses(config: Config, data: Arrays | None, validated: bool, is_test: bool) -> None:
    """Raises where no epoch can be the best one."""
    held = config["net"]["val_fraction"] > 0
    if (data is not None and not validated and not held) or (is_test and not held):
        raise UsageError(_NEEDS)


def train(cfg: str | os.PathLike | Config, x: ArrayLike | None = None, y: ArrayLike | None = None,
          validation: tuple[ArrayLike, ArrayLike] | None = None, *,
          validation_is_test: bool = False, classes: int | Sequence[str] | None = None,
          epochs: int | None = None, on_step: Callable[[Progress], object] | None = None,
          on_epoch: Callable[[Epoch], object] | None = None, progress: bool = True,
          restore_best: bool = False, batch: int | None = None,
          learning_rate: float | None = None, seed: int | None = None,
          val_fraction: float | None = None,
          init: str | os.PathLike | Model | None = None, resume: str | os.PathLike | None = None,
          checkpoint: str | os.PathLike | None = None, limit: int = 0,
          device: str | None = "auto", threads: int = 0, **settings: Value) -> Model:
    """Trains the network of a cfg; the same bits as ``fcnn-train`` on the same data and seed.

    Parameters
    ----------
    cfg : path, text with line ends, or Config
        Such as ``"lenet"``, which is ``fcnn.MODELS / "lenet.cfg"`` where there is no such file.
    x : array, optional
        Training images, [n][h][w] or [n][h][w][c], of uint8 (0 to 255), uint16 (0 to 65535) or
        floats (0 to 1). None: the data that the cfg names, or the key ``net.data``.
    y : array, optional
        Their classes, [n]: integers from 0, or names.
    validation : (x, y), optional
        Images to score on after each epoch. Without them ``val_fraction=0.1`` holds out a part
        of x.
    validation_is_test : bool
        They are a test set, by which nothing may be chosen: no epoch of it is the best.
    classes : int or list of str, optional
        Their number or names; by default as many as y has, or its names in order of the alphabet.
    epochs : int, optional
        In place of the cfg's.
    on_step, on_epoch : callable, optional
        Called with a :class:`Progress` after each step, and an :class:`Epoch` after each epoch.
        One that returns what is true ends the training, whose model is returned. What they raise
        ends it too, and is raised here. ``epoch.model()`` is the network as it is then.
    progress : bool
        A bar on standard error where that is a terminal, and a line an epoch.
    restore_best : bool
        Returns the network of the best epoch, ``is_best`` in ``history``: by accuracy on the
        validation images, then by their loss.
    batch, learning_rate, seed, val_fraction : optional
        In place of the cfg's: images a step, the schedule's peak rate, what all that is random
        goes by, and the part of the training images that is held out to validate on.
    init : path or Model, optional
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
        Other keys of the cfg, which :func:`fcnn.keys` lists: ``**{"net.momentum": 0.8,
        "dropout.rate": 0.2}``.

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
    check_names(settings, inspect.signature(train).parameters, settings)
    plain = {"epochs": epochs, "batch": batch, "learning_rate": learning_rate, "seed": seed,
             "val_fraction": val_fraction}
    settings.update({f"net.{key}": value for key, value in plain.items() if value is not None})
    with ExitStack() as stack:
        config = stack.enter_context(config_handle(cfg, settings))
        read = Config.of(config)
        bar = _progress.Bar(read["net"]["batch"]) if progress else None
        run = _Run(on_step, on_epoch, bar, checkpoint, (device, threads), restore_best)
        dataset = data = None
        if x is not None:
            data = Arrays(x, y, validation, validation_is_test, classes)
            if data.labels_from_one:
                warnings.warn("no label is 0: labels count from 0, so y - 1 may be meant",
                              UserWarning, stacklevel=2)
            dataset, run.size = stack.enter_context(data.opened()), data.size
        elif y is not None or validation is not None or classes is not None:
            raise UsageError("y, validation and classes go with x; without it the cfg names the "
                             "data")
        if restore_best:
            _check_chooses(read, data, validation is not None, validation_is_test)
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
        model = run.result(training)
        if ctrl_c.pressed:
            raise Interrupted(_stopped_text(training, checkpoint), model,
                              None if checkpoint is None else os.fspath(checkpoint))
        return model


def _start(run: _Run, training: ctypes.c_void_p, init, resume) -> None:
    if init is not None and resume is not None:
        raise UsageError("init and resume: a training starts from one of them")
    if init is not None:
        notes = ctypes.c_void_p()
        with tempfile.TemporaryDirectory(prefix="fcnn-") as folder:
            if isinstance(init, Model):
                path = pathlib.Path(folder, "model.safetensors")
                init.save(path)
                init = path
            _api.check(_api.lib.fcnn_training_start_from(training, _checks.path(init),
                                                         ctypes.byref(notes)))
        text = _api.take_text(notes.value)
        if run.bar:
            for line in text.splitlines():
                run.bar.note(line)
    if resume is not None:
        _api.check(_api.lib.fcnn_training_resume(training, _checks.path(resume)))
        run.resumed = True


def _stopped_text(training: ctypes.c_void_p, checkpoint) -> str:
    at = _api.lib.fcnn_training_get_progress(training)
    if at.epoch >= at.epochs:
        return "interrupted behind the last step; the exception's model is trained"
    if at.step == at.steps_per_epoch:
        text = f"interrupted in the validation of epoch {at.epoch + 1}"
    else:
        text = f"interrupted in epoch {at.epoch + 1} after step {at.step} of {at.steps_per_epoch}"
    if checkpoint is None:
        return text + "; the exception's model has the weights"
    return f"{text}; resume={os.fspath(checkpoint)!r} goes on"
