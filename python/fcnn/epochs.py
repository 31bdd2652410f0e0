"""How far a training has come: what its callbacks are called with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._status import UsageError

if TYPE_CHECKING:
    from .network import Model


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
        Whether that validation is the best so far, by its accuracy and then by its loss, and may
        choose: those of a test set may not.
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
    _network = None  # makes the model, while the callback runs

    def model(self) -> Model:
        """The network as it is behind this epoch; to be asked for while ``on_epoch`` is called.

        Examples
        --------
        >>> def keep(epoch):
        ...     if epoch.is_best:
        ...         epoch.model().save("best.safetensors")
        """
        if self._network is None:
            raise UsageError("the model of an epoch is there while on_epoch is called with it")
        return self._network()

    @contextmanager
    def _with_network(self, network: Callable[[], Model]) -> Iterator[None]:
        """While it is entered, the epoch has its model."""
        object.__setattr__(self, "_network", network)
        try:
            yield
        finally:
            object.__delattr__(self, "_network")


def progress_of(r) -> Progress:
    return Progress(r.epoch, r.epochs, r.step, r.steps_per_epoch, r.loss, r.accuracy,
                    r.learning_rate, r.seconds, r.band_fraction)


def epoch_of(r) -> Epoch:
    validation = [None if math.isnan(value) else value for value in (
        r.validation_loss, r.validation_accuracy, r.validation_top5)]
    return Epoch(r.epoch, r.epochs, r.steps_per_epoch, r.loss, r.accuracy, *validation,
                 bool(r.is_best), r.learning_rate, r.seconds, r.band_fraction)
