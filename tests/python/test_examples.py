"""The examples run, as a user runs them."""

import os
import re
import subprocess
import sys
import unittest

from common import ROOT, Case


class Examples(Case):
    def run_example(self, name, *arguments):
        result = subprocess.run([sys.executable, ROOT / "python" / "examples" / name, *arguments],
                                capture_output=True, text=True, timeout=600,
                                env={**os.environ, "PYTHONPATH": str(ROOT / "python"),
                                     "MPLBACKEND": "Agg", "TMPDIR": str(self.folder)})
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_quick(self):
        out = self.run_example("quick.py")
        self.assertGreater(float(re.search(r"^accuracy: (\S+)", out, re.M)[1]), 0.9)
        self.assertIn("<fcnn.Band: 100 x 16, radius 6, 85 bins (13x13)>", out)
        made = {path.name for path in self.folder.rglob("*") if path.is_file()}
        self.assertLessEqual({"waves.safetensors", "waves.onnx"}, made)
        if "without PyTorch" not in out:
            self.assertLess(float(re.search(r"difference of a logit: (\S+)", out)[1]), 1e-3)

    def test_figure(self):
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            self.skipTest("this Python has no matplotlib (Debian's python3-matplotlib)")
        if not os.path.isdir("/usr/share/datasets/fashion-mnist"):
            self.skipTest("Debian's dataset-fashion-mnist is missing")
        picture = self.folder / "picture.png"
        out = self.run_example("figure.py", str(picture), "600")
        self.assertRegex(out, rf"(?m)^{re.escape(str(picture))} is written, \d+ s after the start$")
        self.assertRegex(out, r"% of the test images after \d+ s")
        self.assertEqual(len(re.findall(r"^conv\d.activation .*\]$", out, re.M)), 3)
        self.assertGreater(picture.stat().st_size, 20000)


if __name__ == "__main__":
    unittest.main()
