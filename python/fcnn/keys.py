"""The keys of a cfg: what may be set, from the table by which the C library parses it."""

from __future__ import annotations

import ctypes
import difflib
import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import _api
from ._status import UsageError

_KINDS = ("section", "int", "float", "word", "text", "path", "path")


@dataclass(frozen=True)
class Key:
    """A key of a section of the cfg.

    Attributes
    ----------
    section, name : str
        ``**{"net.momentum": 0.8}`` sets ``momentum`` of ``[net]``.
    kind : str
        ``"int"``, ``"float"``, ``"word"``, ``"text"`` or ``"path"``.
    low, high : float or None
        The range of a number.
    words : tuple of str
        What it may be, of a word; or what it may be beside a number.
    default : str or None
        None where it has to be given.
    help : str
    """

    section: str
    name: str
    kind: str
    low: float | None
    high: float | None
    words: tuple[str, ...]
    default: str | None
    help: str

    @property
    def expected(self) -> str:
        """What it takes, in words: ``"0 to 1, default 0.9"``."""
        number = ".0f" if self.kind == "int" else "g"
        takes = []
        if self.low is not None:
            takes.append(f"{self.low:{number}} to {self.high:{number}}")
        takes += [" | ".join(self.words)] if self.words else []
        default = "required" if self.default is None else f"default {self.default or 'none'}"
        return f"{', or '.join(takes) or self.kind}; {default}"


class Keys(Sequence):
    """Keys of a cfg in the order of the table; ``print`` shows them with their help.

    >>> fcnn.keys("net")["momentum"].default
    '0.9'
    """

    def __init__(self, found: Iterable[Key], sections: dict[str, str]) -> None:
        self._keys, self._sections = tuple(found), sections

    def __getitem__(self, which: int | slice | str) -> Key | tuple[Key, ...]:
        """By number, or by name: ``"momentum"`` or ``"net.momentum"``."""
        if not isinstance(which, str):
            return self._keys[which]
        for key in self._keys:
            if which in (key.name, f"{key.section}.{key.name}"):
                return key
        raise KeyError(which)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        lines, section = [], None
        for key in self._keys:
            if key.section != section:
                section = key.section
                lines += textwrap.wrap(f"[{section}]  {self._sections[section]}", 80,
                                       subsequent_indent=" " * (len(section) + 4))
            lines += textwrap.wrap(f"{key.help} ({key.expected})", 80,
                                   initial_indent=f"  {key.name:16} ", subsequent_indent=" " * 19)
        return "\n".join(lines)


def _table() -> Keys:
    rows = ctypes.cast(ctypes.addressof(_api.KeyRecord.in_dll(_api.lib, "fcnn_config_keys")),
                       ctypes.POINTER(_api.KeyRecord))
    found, sections, at = [], {}, 0
    while rows[at].section:
        row, at = rows[at], at + 1
        section, said = row.section.decode(), row.help.decode()
        if row.key is None:
            sections[section] = said
            continue
        kind = _KINDS[row.type]
        span = (row.low, row.high) if kind in ("int", "float") else (None, None)
        words = tuple(filter(None, row.words.decode().split("|"))) if row.words else ()
        default = None if row.fallback is None else row.fallback.decode()
        found.append(Key(section, row.key.decode(), kind, *span, words, default, said))
    return Keys(found, sections)


def keys(section: str | None = None) -> Keys:
    """The keys that a cfg may have, with their ranges, defaults and help.

    Parameters
    ----------
    section : str, optional
        Those of one section alone: ``"net"``, ``"conv"``.

    Examples
    --------
    >>> print(fcnn.keys("net"))
    [net]  the run: data, optimizer, schedule
      data             data set: a name (fcnn-train --help lists them) or a folder (path; ...
    """
    table = _table()
    if section is None:
        return table
    if section not in table._sections:
        near = difflib.get_close_matches(section, table._sections, 1)
        raise UsageError(f"no section [{section}]"
                         f"{f'; did you mean {near[0]}' if near else ''}: the sections are "
                         f"{', '.join(table._sections)}")
    return Keys([key for key in table if key.section == section], table._sections)


# What else is called by a name that is none of the cfg's.
_FOREIGN = {"batch_size": "batch", "lr": "learning_rate", "rate": "learning_rate",
            "num_epochs": "epochs", "n_epochs": "epochs", "random_state": "seed",
            "validation_split": "val_fraction", "validation_data": "validation",
            "val_data": "validation", "verbose": "progress", "num_workers": "threads",
            "class_names": "classes", "callback": "on_epoch", "callbacks": "on_epoch",
            "num_classes": "classes", "weights": "init"}


def check_names(settings: Iterable[str], arguments: Iterable[str], values) -> None:
    """Raises where a setting is no key of a section, which has a dot, but a misspelt argument."""
    arguments = list(arguments)
    for name in settings:
        if "." in name:
            continue
        meant, section = _FOREIGN.get(name), ctypes.c_char_p()
        if meant not in arguments:
            near = difflib.get_close_matches(name, arguments, 1, 0.75)
            meant = near[0] if near else None
        key = None if meant else _api.lib.fcnn_config_find_key(name.encode(), section)
        if meant:
            hint = f"did you mean {meant}={values[name]!r}?"
        elif key and key.decode() in arguments:
            hint = f"did you mean {key.decode()}={values[name]!r}?"
        elif key:
            path = f"{section.value.decode()}.{key.decode()}"
            hint = f'did you mean **{{"{path}": {values[name]!r}}}?'
        else:
            hint = ('keys of the cfg are set as **{"net.momentum": 0.9}, and fcnn.keys() has them '
                    "all")
        raise UsageError(f"{name}={values[name]!r}: no such argument; {hint}")
