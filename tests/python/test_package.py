"""The package itself: its types beside the C headers, how it is installed and what it says."""

import ctypes
import inspect
import os
import re
import subprocess
import sys
import unittest

from common import BUILD, ROOT, Case, fcnn

from fcnn import _api, _status

STRUCTS = {"ImageRecord": "fcnn_image", "KeyRecord": "fcnn_config_key",
           "ImageArray": "fcnn_image_array", "LabelledArray": "fcnn_labelled_array",
           "DatasetArrays": "fcnn_dataset_arrays", "Statistics": "fcnn_input_statistics",
           "NetworkOptions": "fcnn_network_options", "LayerRecord": "fcnn_layer",
           "ScoreRecord": "fcnn_score", "WeightRecord": "fcnn_weight",
           "OnnxOptions": "fcnn_onnx_options", "OnnxSummary": "fcnn_onnx_summary",
           "ProgressRecord": "fcnn_training_progress", "TrainingEvents": "fcnn_training_events",
           "TrainingOptions": "fcnn_training_options"}
CONSTANTS = {"FCNN_SAMPLE_UINT8": _api.SAMPLES["uint8"],
             "FCNN_SAMPLE_UINT16": _api.SAMPLES["uint16"],
             "FCNN_SAMPLE_FLOAT32": _api.SAMPLES["float32"],
             "FCNN_IMAGE_CHANNELS_MAX": _api.IMAGE_CHANNELS_MAX,
             "FCNN_BAND": _api.LAYOUTS.index("band"), "FCNN_MAP": _api.LAYOUTS.index("map"),
             "FCNN_VECTOR": _api.LAYOUTS.index("vector"),
             "FCNN_FORM_TRAINABLE": _api.FORMS["compact"],
             "FCNN_FORM_SPECTRAL": _api.FORMS["spectral"],
             "FCNN_PROBABILITIES": _api.PROBABILITIES, "FCNN_LOGITS": _api.LOGITS,
             "FCNN_OUTPUT_MAPS": _api.OUTPUT_MAPS, "FCNN_OUTPUT_BANDS": _api.OUTPUT_BANDS,
             "FCNN_SPLIT_COUNT": 3, "FCNN_NOTE": 0, "FCNN_OK": _status.OK,
             "FCNN_ERROR_INTERRUPTED": _status.INTERRUPTED}
ERRORS = {"USAGE": fcnn.UsageError, "CONFIG": fcnn.ConfigError, "IO": fcnn.FileError,
          "FORMAT": fcnn.FormatError, "MEMORY": fcnn.OutOfMemoryError,
          "UNSUPPORTED": fcnn.UnsupportedError, "DEVICE": fcnn.DeviceError,
          "NUMERIC": fcnn.NumericError, "INTERRUPTED": fcnn.StoppedError}


def compiler():
    cache = (BUILD / "CMakeCache.txt").read_text()
    return re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache, re.M)[1]


def python(*arguments, **environment):
    """A Python that does not inherit where the library is."""
    clean = {key: value for key, value in os.environ.items()
             if key not in ("FCNN_LIBRARY", "PYTHONPATH", "FCNN_BUILD")}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd="/",
                          env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **environment})


class Types(Case):
    """What ctypes believes of the headers, which nothing else would notice."""

    def test_layouts(self):
        lines, wanted = [], []
        for name, struct in STRUCTS.items():
            kind = getattr(_api, name)
            lines.append(f'printf("%zu\\n", sizeof({struct}));')
            wanted.append((struct, ctypes.sizeof(kind)))
            for field, *_ in kind._fields_:
                lines.append(f'printf("%zu\\n", offsetof({struct}, {field}));')
                wanted.append((f"{struct}.{field}", getattr(kind, field).offset))
        for name, value in CONSTANTS.items():
            lines.append(f'printf("%d\\n", (int){name});')
            wanted.append((name, value))
        for end in ERRORS:
            lines.append(f'printf("%d\\n", (int)FCNN_ERROR_{end});')
        source, program = self.folder / "types.c", self.folder / "types"
        source.write_text("#include <stddef.h>\n#include <stdio.h>\n#include <fcnn.h>\n"
                          "int main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n")
        folders = [f"-I{ROOT / folder}" for folder in
                   ("include", "framework", "data")]
        subprocess.run([compiler(), *folders, source, "-o", program], check=True)
        numbers = [int(line) for line in subprocess.check_output([program]).split()]
        for (what, value), number in zip(wanted, numbers):
            self.assertEqual(value, number, what)
        for kind, number in zip(ERRORS.values(), numbers[len(wanted):]):
            self.assertIs(type(_status.error_of(number, "")), kind)

    def test_functions(self):
        """Each function has as many arguments as its header says."""
        headers = " ".join(path.read_text() for folder in ("framework", "data", "include")
                           for path in (ROOT / folder).glob("*.h"))
        headers = re.sub(r"/\*.*?\*/", "", headers, flags=re.S)
        for name, (_, arguments) in _api._FUNCTIONS.items():
            found = re.search(rf"[\w*] ?\*?{name}\(([^;]*?)\);", headers, re.S)
            self.assertTrue(found, f"{name} is in no header")
            count = 0 if found[1].strip() == "void" else found[1].count(",") + 1
            self.assertEqual(len(arguments), count, name)


class Sources(Case):
    def test_version(self):
        cmake = (ROOT / "CMakeLists.txt").read_text()
        self.assertEqual(re.search(r"project\(fcnn VERSION (\S+)", cmake)[1], fcnn.__version__)

    def test_documented(self):
        for name in fcnn.__all__:
            if name in ("from_torch", "to_torch", "__version__", "MODELS", "plots"):
                continue
            one = getattr(fcnn, name)
            self.assertTrue(inspect.getdoc(one), name)
            for own, member in vars(one).items() if inspect.isclass(one) else ():
                if callable(member) and not own.startswith("_") and not isinstance(member, type):
                    self.assertTrue(inspect.getdoc(member), f"{name}.{own}")

    def test_plots(self):
        """They need no import of their own, and matplotlib is not imported before."""
        result = python("-c", "import fcnn, sys; assert 'matplotlib' not in sys.modules; "
                        "print(fcnn.plots.plot_spectrum.__name__)",
                        FCNN_LIBRARY=str(BUILD / "libfcnn.so"), PYTHONPATH=str(ROOT / "python"))
        self.assertEqual(result.stdout, "plot_spectrum\n", result.stderr)

    def test_lines(self):
        for path in [*(ROOT / "python").rglob("*.py"), *(ROOT / "tests" / "python").glob("*.py")]:
            lines = path.read_text().splitlines()
            self.assertLessEqual(len(lines), 400, path)
            for number, line in enumerate(lines, 1):
                self.assertLessEqual(len(line), 100, f"{path}:{number}")


class Installed(Case):
    SCRIPT = ("import fcnn, numpy; model = fcnn.create(fcnn.MODELS / 'lenet.cfg', 1, 10); "
              "print(fcnn._library.find()); print(model.predict(numpy.zeros((9, 9))).shape)")

    def works(self, path):
        result = python("-c", self.SCRIPT, PYTHONPATH=str(path))
        self.assertEqual(result.returncode, 0, result.stderr)
        library, shape = result.stdout.splitlines()
        self.assertEqual(shape, "(1, 10)")
        return library

    def test_pip(self):
        """pip install ./python, without a network."""
        if python("-c", "import setuptools, wheel, pip").returncode:
            self.skipTest("this Python has no pip, setuptools or wheel (Debian's python3-pip)")
        before = sorted(os.listdir(ROOT / "python"))
        result = python("-m", "pip", "install", "--no-build-isolation", "--no-deps", "--target",
                        str(self.folder), str(ROOT / "python"),
                        FCNN_LIBRARY=str(BUILD / "libfcnn.so"))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(self.works(self.folder), str(self.folder / "fcnn" / "libfcnn.so"))
        self.assertEqual(sorted(os.listdir(ROOT / "python")), before, "the checkout was changed")
        self.assertTrue((self.folder / f"fcnn-{fcnn.__version__}.dist-info").is_dir())
        self.assertTrue((self.folder / "fcnn" / "py.typed").is_file())

    def test_cmake(self):
        subprocess.run(["cmake", "--install", BUILD, "--prefix", self.folder], check=True,
                       capture_output=True)
        packages = [path.parent for path in self.folder.rglob("fcnn/__init__.py")]
        self.assertEqual(len(packages), 1)
        self.assertFalse(list(packages[0].rglob("__pycache__")))
        library = self.works(packages[0].parent)
        self.assertTrue(library.startswith(str(self.folder)), library)

    def test_checkout(self):
        library = self.works(ROOT / "python")
        self.assertIn("libfcnn.so", library)

    def refuses(self, words, library):
        result = python("-c", "import fcnn", PYTHONPATH=str(ROOT / "python"),
                        FCNN_LIBRARY=str(library))
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("ImportError", result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_wrong_libraries(self):
        self.refuses(["nowhere.so", "no such file"], "/nowhere.so")
        source, library = self.folder / "x.c", self.folder / "x.so"
        for version, words in (("9.9.9", ["9.9.9", fcnn.__version__, "pip install"]),
                               (fcnn.__version__, ["older than this package", "fcnn_"])):
            source.write_text(f'const char *fcnn_version(void) {{ return "{version}"; }}\n')
            subprocess.run([compiler(), "-shared", "-fPIC", source, "-o", library], check=True)
            self.refuses(words, library)
        source.write_text("int nothing;\n")
        subprocess.run([compiler(), "-shared", "-fPIC", source, "-o", library], check=True)
        self.refuses(["version unknown"], library)
        source.write_text("no library")
        self.refuses(["could not be loaded", "FCNN_LIBRARY"], source)

    def test_import(self):
        """numpy is all that is imported, and the environment is as it was."""
        result = python("-c", "import os, sys; before = dict(os.environ); import fcnn; "
                        "assert dict(os.environ) == before; "
                        "print({'torch', 'matplotlib', 'onnx', 'PIL'} & "
                        "{name.split('.')[0] for name in sys.modules})",
                        PYTHONPATH=str(ROOT / "python"), FCNN_LIBRARY=str(BUILD / "libfcnn.so"))
        self.assertEqual(result.stdout.strip(), "set()", result.stderr)


if __name__ == "__main__":
    unittest.main()
