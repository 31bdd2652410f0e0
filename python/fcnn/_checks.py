"""Arguments as C takes them: numbers of its size, texts without zero bytes, names of classes."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence

from ._status import UsageError

INT_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1
CLASSES_MOST = 1 << 20


def integer(value, name: str, most: int = INT_MAX) -> int:
    """A whole number that C has room for; numpy's are taken too."""
    try:
        number = operator.index(value)
    except TypeError:
        raise UsageError(f"{name}={value!r}: expected a whole number") from None
    if not -most - 1 <= number <= most:
        raise UsageError(f"{name}={number}: expected at most {most}")
    return number


def sides(size: int | tuple[int, int] | str) -> tuple[int, int]:
    """Height and width of a square's side, of a pair, or of "28x28"."""
    pair = size
    if isinstance(size, str):
        pair = [int(side) if side.isdecimal() else side for side in size.lower().split("x")]
    pair = list(pair) if isinstance(pair, Sequence) else [pair] * 2
    if len(pair) != 2:
        raise UsageError(f"size={size!r}: expected a number, (height, width) or \"28x28\"")
    height, width = (integer(side, "size") for side in pair)
    if height < 1 or width < 1:
        raise UsageError(f"size={size!r}: expected sides of at least one pixel")
    return height, width


def text(value, name: str) -> bytes:
    """A text in UTF-8."""
    if not isinstance(value, str):
        raise UsageError(f"{name}={value!r}: expected a text")
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{name}={value!r}: expected a text in UTF-8") from None
    if 0 in encoded:
        raise UsageError(f"{name}={value!r}: a text with a zero byte")
    return encoded


def path(value: str | os.PathLike) -> bytes:
    """A file's name."""
    name = os.fsencode(value)
    if 0 in name:
        raise UsageError(f"{value!r}: a file's name with a zero byte")
    return name


def class_names(classes: int | Sequence[str]) -> list[str]:
    """The names of classes, given as such or by their number."""
    if isinstance(classes, (str, bytes)):
        raise UsageError(f"classes={classes!r}: expected a number or a list of names")
    try:
        names = list(classes)
    except TypeError:
        count = integer(classes, "classes")
        if not 1 <= count <= CLASSES_MOST:
            raise UsageError(f"{count} classes: expected 1 to {CLASSES_MOST}") from None
        return [str(number) for number in range(count)]
    for number, name in enumerate(names):
        text(name, f"classes[{number}]")
    return [str(name) for name in names]
