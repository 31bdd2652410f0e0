"""A training's arrays as a data set of the C library."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from . import _api, arrays
from ._status import UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def _pair(validation) -> tuple[ArrayLike, ArrayLike]:
    """The images and labels to validate on."""
    if isinstance(validation, (int, float)):
        raise UsageError(f"validation={validation}: expected (x, y); val_fraction={validation} "
                         "holds out a part of x")
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise UsageError("validation: expected a pair of images and labels, (x, y)")
    return validation[0], validation[1]


def _told(what: str, action, *arguments):
    """An action whose refusal names which of the arrays it is of."""
    try:
        return action(*arguments)
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from None


class Arrays:
    """A data set of arrays, which it keeps as long as the library borrows them.

    Attributes
    ----------
    names : list of str
        Of the classes.
    size : tuple of int
        Height and width of the training images.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike | None, validation: tuple | None,
                 validation_is_test: bool, classes: int | Sequence[str] | None) -> None:
        if y is None:
            raise UsageError("x without y: a training needs each image's class")
        record, self._x = arrays.images(x, None)
        self.size = record.height, record.width
        sets = [(record, self._x, y)]
        if validation is not None:
            images, labels = _pair(validation)
            record, self._validation = _told("validation", arrays.images, images, record.channels)
            sets.append((record, self._validation, labels))
        self.names = arrays.class_names([one[2] for one in sets], classes)
        self._record = _api.DatasetArrays(classes=len(self.names),
                                          class_names=_api.texts(self.names),
                                          held_out_is_test=validation_is_test)
        self._labels = []
        for split, (record, _, own) in enumerate(sets):
            found = _told("validation", arrays.labels, own, self.names, record.count) if split \
                else arrays.labels(own, self.names, record.count)
            self._labels.append(found)
            self._record.splits[split] = _api.LabelledArray(record, found.ctypes.data)

    @property
    def labels_from_one(self) -> bool:
        """Whether no image is of class 0, and all others have some."""
        present = np.unique(self._labels[0])
        return len(present) > 1 and present[0] == 1 and len(present) == len(self.names) - 1

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
