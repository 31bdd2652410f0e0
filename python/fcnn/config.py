"""A network's cfg: its sections with every value, given or default."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Union

import numpy as np

from . import _checks
from ._api import check, lib, take_text
from ._library import models
from ._status import ConfigError, Error

Value = Union[int, float, str]


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


class Section(Mapping):
    """A ``[section]`` of a cfg: a mapping of key to value, as int, float or str.

    Attributes
    ----------
    kind : str
        ``"conv"`` of a ``[conv]``.
    name : str
        With its number among those of its kind: ``"conv2"``. ``[net]`` is ``"net"``.
    """

    def __init__(self, kind: str, name: str, values: dict[str, Value]) -> None:
        self.kind, self.name, self._values = kind, name, values

    def __getitem__(self, key: str) -> Value:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"[{self.kind}] " + " ".join(f"{key}={value}" for key, value in self.items())


class Config(Sequence):
    """The cfg of a network: its sections in order, the first being ``[net]``.

    >>> model.config["conv1"]["filters"], model.config["net"]["learning_rate"]
    (16, 0.004)

    Attributes
    ----------
    text : str
        The cfg as a file has it, with what was changed since.
    """

    def __init__(self, sections: Sequence[Section], text: str) -> None:
        self._sections, self.text = list(sections), text

    def __getitem__(self, which: int | slice | str) -> Section | list[Section]:
        if not isinstance(which, str):
            return self._sections[which]
        for section in self._sections:
            if section.name == which:
                return section
        raise KeyError(f"{which}: the sections are "
                       f"{', '.join(section.name for section in self._sections)}")

    def __len__(self) -> int:
        return len(self._sections)

    def __repr__(self) -> str:
        return self.text

    @classmethod
    def of(cls, handle) -> Config:
        """Reads the config that an ``fcnn_config`` pointer leads to."""
        sections, seen = [], {}
        key = ctypes.c_char_p()
        while (name := lib.fcnn_config_section_name(handle, len(sections))) is not None:
            kind, values = name.decode(), {}
            while (text := lib.fcnn_config_value(handle, len(sections), len(values),
                                                 ctypes.byref(key))) is not None:
                values[key.value.decode()] = _value(text.decode(errors="replace"))
            seen[kind] = seen.get(kind, 0) + 1
            name = kind if kind == "net" else f"{kind}{seen[kind]}"
            sections.append(Section(kind, name, values))
        return cls(sections, take_text(lib.fcnn_config_text(handle)))


def load_config(cfg: str | os.PathLike | Config, settings: Mapping[str, Value] | None = None
                ) -> Config:
    """Reads a cfg file, or the text of a cfg, and changes some of its keys.

    Parameters
    ----------
    cfg : path, text with line ends, or Config
    settings : mapping, optional
        As the programs' ``--set``: ``{"net.learning_rate": 0.004, "conv[2].filters": 64}``.

    Raises
    ------
    fcnn.ConfigError
        What is wrong, and in which line.
    """
    with config_handle(cfg, settings) as handle:
        return Config.of(handle)


def _path_of(cfg: str | os.PathLike) -> str | os.PathLike:
    """A cfg's file: where there is none, that of fcnn's own models which has the name."""
    name = os.fsdecode(cfg)
    if os.path.dirname(name) or os.path.exists(name):
        return cfg
    own = models() / (name if name.endswith(".cfg") else f"{name}.cfg")
    if own.is_file():
        return own
    found = ", ".join(sorted(path.stem for path in models().glob("*.cfg")))
    raise ConfigError(f"{name}: there is no such file, and fcnn.MODELS, {models()}, has {found}")


def _override(handle: ctypes.c_void_p, key: str, value: Value) -> None:
    try:
        check(lib.fcnn_config_override(handle, _checks.text(f"{key}={value}", "a setting")))
    except Error as error:
        raise type(error)(str(error).removeprefix("--set ")) from None


@contextmanager
def config_handle(cfg: str | os.PathLike | Config, settings: Mapping[str, Value] | None = None
                  ) -> Iterator[ctypes.c_void_p]:
    """An ``fcnn_config`` pointer, which is freed at the end."""
    handle = ctypes.c_void_p()
    if isinstance(cfg, Config):
        cfg = cfg.text
    if isinstance(cfg, str) and "\n" in cfg:
        text = cfg.encode()
        check(lib.fcnn_config_parse(b"cfg", text, len(text), ctypes.byref(handle)))
    else:
        check(lib.fcnn_config_load(_checks.path(_path_of(cfg)), ctypes.byref(handle)))
    try:
        for key, value in (settings or {}).items():
            if isinstance(value, (bool, np.bool_)):
                value = int(value)
            _override(handle, key, value)
        yield handle
    finally:
        lib.fcnn_config_destroy(handle)
