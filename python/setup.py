"""pip install ./python, from fcnn's checkout: puts libfcnn.so and models/*.cfg into the package.

The library is the one that FCNN_LIBRARY names; else that of the newest build of the checkout,
brought up to date; else it is built in build/python, which takes a minute or two.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = "the packages of tests/packages.txt that are not marked test (tests/packages.sh build)"


def usable(cache):
    """Whether the build of a CMakeCache.txt is one of this checkout that Python can load."""
    text = cache.read_text(errors="replace")
    return (f"CMAKE_HOME_DIRECTORY:INTERNAL={ROOT}\n" in text
            and "FCNN_SANITIZE:BOOL=ON" not in text and "FCNN_FUZZ:BOOL=ON" not in text
            and (cache.parent / "libfcnn.so").is_file())


def newest_build():
    """The folder of the newest build with a library, or None."""
    caches = [*ROOT.glob("build/CMakeCache.txt"), *ROOT.glob("build/*/CMakeCache.txt")]
    builds = [cache.parent for cache in caches if usable(cache)]
    return max(builds, key=lambda build: (build / "libfcnn.so").stat().st_mtime, default=None)


def run(*command):
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        sys.exit(f"{command[0]} was not found; fcnn's library is built with {PACKAGES}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(command)}: exit code {error.returncode}; it needs {PACKAGES}")


def library():
    """The path of the library to copy."""
    named = os.environ.get("FCNN_LIBRARY")
    if named:
        return pathlib.Path(named)
    if not (ROOT / "CMakeLists.txt").is_file():
        sys.exit("fcnn's package is installed from its checkout: pip install ./python there, or "
                 "name the library by FCNN_LIBRARY")
    build = newest_build()
    if not build:
        build = ROOT / "build" / "python"
        run("cmake", "-S", str(ROOT), "-B", str(build), "-DFCNN_TESTS=OFF")
    run("cmake", "--build", str(build), "--target", "fcnn_shared", "-j", str(os.cpu_count() or 1))
    return build / "libfcnn.so"


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        if not self.editable_mode:  # an editable package finds the checkout's builds itself
            package = pathlib.Path(self.build_lib, "fcnn")
            shutil.copy(library().resolve(), package / "libfcnn.so")
            shutil.copytree(ROOT / "models", package / "models", dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("*.png"))


class BinaryDistribution(Distribution):
    def has_ext_modules(self):
        return True


class WheelOfAnyPython(bdist_wheel):
    """A wheel for this platform and every Python: the library knows nothing of Python."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


scratch = tempfile.TemporaryDirectory(prefix="fcnn-pip-")  # nothing is left in the checkout
setup(options={"egg_info": {"egg_base": scratch.name}, "build": {"build_base": scratch.name}},
      cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": WheelOfAnyPython},
      distclass=BinaryDistribution)
