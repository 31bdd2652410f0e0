"""Errors: the C library's status codes as exceptions, with its message."""

from __future__ import annotations


class Error(Exception):
    """Something that fcnn refused or could not do; its text says what, where and what was expected.

    What is raised is a subclass, which is also Python's own exception of that kind:
    :class:`UsageError` and :class:`ConfigError` are a ``ValueError``, :class:`FileError` is an
    ``OSError``, :class:`FormatError` a ``ValueError``, :class:`OutOfMemoryError` a
    ``MemoryError``, :class:`UnsupportedError` a ``NotImplementedError``, :class:`DeviceError` a
    ``RuntimeError`` and :class:`NumericError` an ``ArithmeticError``.
    """


class UsageError(Error, ValueError):
    """A wrong argument."""


class ConfigError(Error, ValueError):
    """A wrong cfg: syntax, key, value or shape; the text begins with file and line."""


class FileError(Error, OSError):
    """A file that could not be read or written."""


class FormatError(Error, ValueError):
    """A file whose contents are not what they claim to be."""


class OutOfMemoryError(Error, MemoryError):
    """Not enough memory; the text says how much was wanted."""


class UnsupportedError(Error, NotImplementedError):
    """Something that this form of model, or this device, does not have."""


class DeviceError(Error, RuntimeError):
    """No such device, or it failed."""


class NumericError(Error, ArithmeticError):
    """A loss or a tensor that is not finite; the text names the layer."""


class StoppedError(Error):
    """The library was asked to end."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during :func:`fcnn.train`, which ended behind the step that it was in.

    A ``KeyboardInterrupt``, so that a script ends as it would without fcnn.

    Attributes
    ----------
    model : fcnn.Model or None
        The network as it was trained until then, with its ``history``; None where there was no
        step yet.
    checkpoint : str or None
        The file to go on from by ``resume=``, where ``checkpoint=`` named one.
    """

    def __init__(self, text: str, model=None, checkpoint: str | None = None) -> None:
        super().__init__(text)
        self.model = model
        self.checkpoint = checkpoint


for _kind in (Error, *Error.__subclasses__(), Interrupted):
    _kind.__module__ = "fcnn"  # as tracebacks name it

OK = 0
INTERRUPTED = 9
# By fcnn_status, from 1.
_ERRORS = (UsageError, ConfigError, FileError, FormatError, OutOfMemoryError, UnsupportedError,
           DeviceError, NumericError, StoppedError)


def error_of(status: int, message: str) -> Error:
    """The exception of a status that is not OK."""
    return _ERRORS[status - 1](message) if 1 <= status <= len(_ERRORS) else Error(message)
