"""PyTorch as the measurements' peer: set up at its best, a network with its optimizer, and what it
runs on. `prepare` comes before the first import of torch.

Kernels are chosen by the processor. OpenMP threads wait without spinning for long, as in fcnn's
programs, which is quicker in small networks too. The C library is told to keep what steps free, because
returning it to the kernel at each step, as it would, costs a quarter of the processor time.
"""
import concurrent.futures
import ctypes
import multiprocessing
import os
import re
import resource
import sys
import time

LAYOUTS = {"contiguous": "contiguous_format", "channels_last": "channels_last"}
TRIAL_STEPS, TRIAL_SECONDS = 3, 0.5  # at least
TRIAL_PIXELS = 16 * 512**2  # of a trial's batch
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def core_type():
    """OpenBLAS's name for the processor's vectors, as fcnn chooses it: by itself OpenBLAS takes, on
    a processor that is newer than it, kernels of 2004. None: its own choice."""
    with open("/proc/cpuinfo") as file:
        flags = set(re.search(r"^flags\s*:(.*)$|\Z", file.read(), re.MULTILINE)[0].split())
    if {"avx512f", "avx512vl", "avx512dq", "avx512bw"} <= flags:
        return "SkylakeX"
    return "Haswell" if {"avx2", "fma"} <= flags else None


def prepare(threads, program, packages="python3-torch", keep=True):
    """Environment and allocator; ends the program where PyTorch is missing."""
    core = core_type()
    if core:
        os.environ["OPENBLAS_CORETYPE"] = core
    os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    if keep:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
    try:
        import torch
    except ImportError as missing:
        sys.exit(f"{program}: {missing}; install Debian's packages {packages}")
    if not torch.backends.mkldnn.is_available():
        sys.exit(f"{program}: PyTorch {torch.__version__} was built without oneDNN")


def memory_format(layout):
    import torch
    return getattr(torch, LAYOUTS[layout])


def make_optimizer(weights, rule):
    """The cfg's; all weights decay, which takes no longer."""
    import torch
    rate, decay = rule["learning_rate"], rule["weight_decay"]
    if rule["rule"] == "sgd":
        return torch.optim.SGD(weights, rate, rule["momentum"], weight_decay=decay)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[rule["rule"]]
    return kind(weights, rate, weight_decay=decay)


class Trainer:
    """A network in one memory layout, with its optimizer."""

    def __init__(self, network, rule, layout):
        import torch
        import spatial
        torch.manual_seed(1)
        self.format = memory_format(layout)
        self.network = spatial.module(network).to(memory_format=self.format)
        self.optimizer = make_optimizer(self.network.parameters(), rule)
        self.cross_entropy = torch.nn.functional.cross_entropy
        self.seconds = ()  # of the last step: forward, backward, update

    def step(self, images, labels):
        times = [time.perf_counter()]
        self.optimizer.zero_grad(set_to_none=True)
        output = self.network(images.contiguous(memory_format=self.format))
        loss = self.cross_entropy(output, labels)
        times.append(time.perf_counter())
        loss.backward()
        times.append(time.perf_counter())
        self.optimizer.step()
        loss = loss.item()
        times.append(time.perf_counter())
        self.seconds = tuple(b - a for a, b in zip(times, times[1:]))
        return loss


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def noise(network, batch, layout="contiguous"):
    """A batch of images and labels."""
    import torch
    images = torch.randn(batch, network.channels, network.side, network.side)
    labels = torch.arange(batch) % network.classes
    return images.contiguous(memory_format=memory_format(layout)), labels


def trial_batch(network, batch):
    return min(batch, max(1, TRIAL_PIXELS // network.side**2))


def quickest(run, *arguments):
    """The least seconds of a few runs, the first apart."""
    times = []
    while len(times) <= TRIAL_STEPS or sum(times) < TRIAL_SECONDS:
        started = time.perf_counter()
        run(*arguments)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def faster_layout(network, rule, batch):
    """The layout that takes less time for steps on a few random images."""
    batch = trial_batch(network, batch)
    seconds = {layout: quickest(Trainer(network, rule, layout).step, *noise(network, batch, layout))
               for layout in LAYOUTS}
    return min(seconds, key=seconds.get)


def elsewhere(function, *arguments):
    """The function's result from a process of its own, whose memory is not counted here. Not after
    OpenMP's threads have started: the process, which is forked, would hang."""
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


# ---- What it runs on ----


def mkldnn_isa():
    """The instruction set that oneDNN's convolutions use here."""
    names = {0x1: "SSE4.1", 0x3: "AVX", 0x7: "AVX2", 0x407: "AVX2-VNNI", 0x27: "AVX-512",
             0x67: "AVX-512 VNNI", 0xe7: "AVX-512 BF16", 0x3e7: "AMX"}
    try:
        code = ctypes.CDLL("libdnnl.so.2").dnnl_get_effective_cpu_isa()
    except (OSError, AttributeError):
        return "unknown instruction set"
    return names.get(code, f"instruction set {code:#x}")


def blas():
    """The BLAS of the dense layers."""
    try:
        name = ctypes.CDLL("libblas.so.3").openblas_get_corename
    except (OSError, AttributeError):
        return "the system's BLAS"
    name.restype = ctypes.c_char_p
    return f"OpenBLAS {name().decode()}"


def version():
    import torch
    return f"PyTorch {torch.__version__.split('a')[0]}"


def device(threads):
    return f"cpu: {threads} thread{'s' * (threads > 1)}, oneDNN {mkldnn_isa()}, {blas()}"


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
