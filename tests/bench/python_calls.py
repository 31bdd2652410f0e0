#!/usr/bin/python3
"""What Python costs: import, first prediction, and calls beside the same loop in C.

Usage: tests/bench/python_calls.py BUILD [--calls 1000] [--cfg models/lenet.cfg] [--threads 1]

Each figure is the best of five. The C loop is compiled against the build's library. What a call
costs in Python is seen best beside a network that does next to nothing. fcnn-infer scores as many
pictures of Fashion-MNIST in its own batches, beside one call with all of them.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOOP = r"""
#include <fcnn.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    int calls = atoi(argv[2]);
    fcnn_network_options options = {.threads = atoi(argv[3])};
    fcnn_network *network;
    if (argc < 4 || fcnn_network_load(argv[1], &options, &network)) return 1;
    static unsigned char pixels[28 * 28];
    for (int i = 0; i < 28 * 28; i++) pixels[i] = (unsigned char)(i * 7);
    fcnn_image_array image = {pixels, FCNN_SAMPLE_UINT8, 1, 28, 28, 1};
    float results[16];
    double best = 1e9;
    for (int round = 0; round < 5; round++) {
        double started = fcnn_seconds();
        for (int i = 0; i < calls; i++)
            if (fcnn_network_predict(network, &image, FCNN_PROBABILITIES, results)) return 1;
        double took = fcnn_seconds() - started;
        if (took < best) best = took;
    }
    printf("%.9f\n", best / calls);
    fcnn_network_destroy(network);
    return 0;
}
"""


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    return re.search(r"model name\s*: (.*)", text)[1] + f", {os.cpu_count()} processors"


def best_of(action, times=5):
    results = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        results.append(time.perf_counter() - started)
    return min(results)


def c_loop(build, folder, model, calls, threads):
    cache = (build / "CMakeCache.txt").read_text()
    compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache, re.M)[1]
    (folder / "loop.c").write_text(LOOP)
    includes = [f"-I{ROOT / name}" for name in ("include", "framework", "data")]
    subprocess.run([compiler, "-O2", *includes, folder / "loop.c", "-o", folder / "loop",
                    f"-L{build}", "-lfcnn", f"-Wl,-rpath,{build}"], check=True)
    return float(subprocess.check_output([folder / "loop", model, str(calls), str(threads)]))


def infer(build, model, calls, threads):
    output = subprocess.check_output([build / "fcnn-infer", model, "--data", "fashion-mnist",
                                      "--limit", str(calls), "--threads", str(threads), "--json"],
                                     stderr=subprocess.DEVNULL)
    return json.loads(output)["ms_per_image"] / 1000


NOTHING = """[net]
[fft]
size=1
[ifft]
[dense]
units=classes
[softmax]
"""


def show(what, seconds):
    print(f"{what:40} {seconds * 1e6:10.1f} us")


def compare(what, made, x, folder, options):
    """Times a network's calls at batch 1 in Python and C; returns it and its file."""
    import fcnn
    model = folder / "model.safetensors"
    made.save(model)
    started = time.perf_counter()
    network = fcnn.load(model, threads=options.threads)
    loaded = time.perf_counter()
    network.predict(x)
    first = time.perf_counter()
    show(f"{what}: load", loaded - started)
    show(f"{what}: first prediction", first - loaded)
    took = best_of(lambda: [network.predict(x) for _ in range(options.calls)]) / options.calls
    loop = c_loop(options.build, folder, model, options.calls, options.threads)
    show(f"{what}: a call in Python", took)
    show(f"{what}: a call in C", loop)
    show(f"{what}: difference", took - loop)
    return network, model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--cfg", default=str(ROOT / "models" / "lenet.cfg"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ["FCNN_LIBRARY"] = str(options.build / "libfcnn.so")
    os.environ["PYTHONPATH"] = str(ROOT / "python")
    sys.path.insert(0, str(ROOT / "python"))
    print(processor())
    for name, code in (("python alone", "pass"), ("import numpy", "import numpy"),
                       ("import fcnn", "import fcnn")):
        show(name, best_of(lambda: subprocess.run([sys.executable, "-c", code], check=True)))
    import fcnn
    x = (np.arange(28 * 28, dtype=np.uint32) * 7).astype(np.uint8).reshape(28, 28)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        compare("nothing", fcnn.create(NOTHING, 1, 10), x, folder, options)
        trained = fcnn.train(options.cfg, epochs=1, limit=2000, progress=False)
        network, model = compare(pathlib.Path(options.cfg).stem, trained, x, folder, options)
        many = np.broadcast_to(x, (options.calls, 28, 28)).copy()
        show("a picture of one call with all",
             best_of(lambda: network.predict(many)) / options.calls)
        show("a picture of fcnn-infer --data", infer(options.build, model, options.calls,
                                                     options.threads))


if __name__ == "__main__":
    main()
