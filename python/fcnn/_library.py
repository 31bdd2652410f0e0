"""Finds libfcnn.so and loads it.

In this order, and the first that is there is taken:

1. the file that the environment variable ``FCNN_LIBRARY`` names;
2. ``libfcnn.so`` beside this file, where ``pip install`` puts it;
3. in a checkout, the library that was built last in ``build`` or a folder of it (not those with
   sanitizers, which Python cannot load);
4. in the ``lib`` folder of the prefix that the package lies in, where ``cmake --install`` puts it;
5. what the system's loader finds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import sysconfig
from collections.abc import Iterator

from ._version import __version__

_NAMES = ("libfcnn.so", "libfcnn.so." + __version__.split(".", maxsplit=1)[0])
_ADVICE = ("Build it with `cmake -S . -B build && cmake --build build` in fcnn's checkout, install "
           "the package again with `pip install ./python`, or let the environment variable "
           "FCNN_LIBRARY name the file.")


def _in_checkout(package: pathlib.Path) -> list[pathlib.Path]:
    """Libraries of a checkout's builds, the newest first."""
    root = package.parent.parent
    if not (root / "framework" / "status.h").is_file():
        return []
    found = []
    for library in [*root.glob("build/libfcnn.so"), *root.glob("build/*/libfcnn.so")]:
        try:
            cache = (library.parent / "CMakeCache.txt").read_text(errors="replace")
            if "FCNN_SANITIZE:BOOL=ON" not in cache and "FCNN_FUZZ:BOOL=ON" not in cache:
                found.append((library.stat().st_mtime, library))
        except OSError:
            continue
    return [library for _, library in sorted(found, reverse=True)]


def _in_prefix(package: pathlib.Path) -> list[pathlib.Path]:
    """Libraries of the prefix that the package is installed in."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    folders = []
    for parent in list(package.parents)[:4]:
        folders += [parent, parent / multiarch, parent / "lib64"]
    return [folder / name for folder in folders for name in _NAMES if (folder / name).is_file()]


def models() -> pathlib.Path:
    """The folder of the cfgs: in the package, the checkout or the prefix."""
    package = pathlib.Path(__file__).resolve().parent
    folders = [package / "models", package.parent.parent / "models",
               *(parent / "share" / "fcnn" / "models" for parent in list(package.parents)[:4])]
    return next((folder for folder in folders if (folder / "lenet.cfg").is_file()), folders[0])


def find() -> str:
    """The path or name to load, by the order above."""
    named = os.environ.get("FCNN_LIBRARY")
    if named:
        if not os.path.isfile(named):
            raise ImportError(f"FCNN_LIBRARY={named}: there is no such file")
        return named
    package = pathlib.Path(__file__).resolve().parent
    beside = package / "libfcnn.so"
    if beside.is_file():
        return str(beside)
    for library in [*_in_checkout(package), *_in_prefix(package)]:
        return str(library)
    return _NAMES[1]


@contextlib.contextmanager
def _short_waits() -> Iterator[None]:
    """OpenMP's threads, which read the environment once, turn for less than a millisecond.

    As in fcnn's programs: longer ones take the processor from who works on it, and how long is for
    the user to say by OMP_WAIT_POLICY or GOMP_SPINCOUNT.
    """
    ours = "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ
    if ours:
        os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        yield
    finally:
        if ours:
            del os.environ["GOMP_SPINCOUNT"]


def load() -> ctypes.CDLL:
    """Loads the library and checks that it is this package's.

    Raises
    ------
    ImportError
        There is none, it cannot be loaded, or it is of another version.
    """
    path = find()
    try:
        with _short_waits():
            library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"fcnn's library could not be loaded: {error}. {_ADVICE}") from None
    try:
        library.fcnn_version.restype = ctypes.c_char_p
        version = library.fcnn_version().decode()
    except AttributeError:
        version = "unknown"
    if version != __version__:
        raise ImportError(f"{path} is of version {version}, and this package is for "
                          f"{__version__}. {_ADVICE}")
    return library


def declare(library: ctypes.CDLL, name: str, result, arguments) -> None:
    """Gives a function of the library its types; one that is missing says what to do."""
    try:
        function = getattr(library, name)
    except AttributeError:
        raise ImportError(f"{library._name} has no {name}: it is older than this package. "
                          f"{_ADVICE}") from None
    function.restype = result
    function.argtypes = arguments
