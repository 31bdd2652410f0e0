"""Processes that are forked from one that used fcnn."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import unittest

from common import BUILD, ROOT, Case

SCRIPT = """
    import multiprocessing, os, sys
    sys.path.insert(0, {tests!r})
    from common import SMALL, classes_by_waves, fcnn, np
    x, y = classes_by_waves()
    threads = {threads}
    model = fcnn.train(SMALL, x, y, epochs=1, threads=threads, progress=False)
    wanted = model.predict(x)

    def child():
        np.testing.assert_array_equal(model.predict(x), wanted)
        again = fcnn.train(SMALL, x, y, epochs=1, threads=threads, progress=False)
        np.testing.assert_array_equal(again.predict(x), wanted)
        print("right", fcnn.create(SMALL, 1, 3, threads=3).predict(x).shape)
        sys.stdout.flush()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(120)
    print("ended", process.exitcode)
    if process.exitcode is None:
        process.kill()
    np.testing.assert_array_equal(model.predict(x), wanted)  # here all goes on
"""


class Fork(Case):
    def answers(self, threads):
        script = textwrap.dedent(SCRIPT.format(tests=str(ROOT / "tests" / "python"),
                                               threads=threads))
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                                timeout=300, env={**os.environ, "FCNN_BUILD": str(BUILD)})
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.splitlines()

    def test_trainings(self):
        """The bits of a model that came from the parent, and of a training of the child's own."""
        for threads in (1, 2):
            self.assertEqual(self.answers(threads), ["right (120, 3)", "ended 0"])


if __name__ == "__main__":
    if "fork" not in multiprocessing.get_all_start_methods():
        print("skipped: this system has no fork")
        sys.exit(77)
    unittest.main()
