"""The peer of `fcnn-bench conv --peer`: the same convolution through PyTorch and oneDNN.

Started by fcnn-bench with the number of threads as its argument; needs Debian's package
python3-torch (CPU only, built with oneDNN). One line in, one line out, so that its rounds alternate
with fcnn's in the same minutes:

    (start)                                  ok PyTorch 1.13.0 with oneDNN, 2 threads
    case KERNEL CHANNELS FILTERS SIDE IMAGES ok ready
    round                                    ok F T F T

F and T are milliseconds of a forward pass (without gradients) and of a training pass (forward, then
backward for data and weights): first with contiguous tensors (NCHW), then with channels_last. Any
other answer says what is wrong. To try it by hand:

    printf 'case 8 64 64 224 8\\nround\\n' | /usr/bin/python3 train/bench/conv_peer.py 2

A layout that takes more than twice as long as the other in the warm-up is not run again: its
warm-up's times are repeated.

The border is zeros and the output as large as the input. An odd kernel is given padding K // 2; an
even one gets its asymmetric border outside the timed part, on a larger input. Memory is allocated
inside the timed part, as PyTorch does it for its users.
"""
import os
import signal
import sys
import time

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is fcnn-bench's to handle
os.environ.pop("OPENBLAS_CORETYPE", None)
try:
    import torch
    import torch.nn.functional as functional
except ImportError as error:
    print(f"{error}; install Debian's package python3-torch", flush=True)
    sys.exit(1)


class Case:
    """Operands of one layer in one memory layout."""

    def __init__(self, kernel, channels, filters, side, images, layout):
        before = (kernel - 1) // 2
        after = kernel - 1 - before
        x = torch.randn(images, channels, side, side)
        self.padding = before
        if before != after:
            x = functional.pad(x, (before, after, before, after))
            self.padding = 0
        w = torch.randn(filters, channels, kernel, kernel) / (kernel * channels**0.5)
        dy = torch.randn(images, filters, side, side)
        self.x = x.contiguous(memory_format=layout).requires_grad_()
        self.w = w.contiguous(memory_format=layout).requires_grad_()
        self.dy = dy.contiguous(memory_format=layout)
        if self.convolve().shape != dy.shape:
            raise ValueError(f"an output of {tuple(self.convolve().shape)}")

    def convolve(self):
        return functional.conv2d(self.x, self.w, padding=self.padding)

    def forward(self):
        started = time.perf_counter()
        with torch.no_grad():
            self.convolve()
        return 1000 * (time.perf_counter() - started)

    def train(self):
        self.x.grad = self.w.grad = None
        started = time.perf_counter()
        self.convolve().backward(self.dy)
        return 1000 * (time.perf_counter() - started)

    def round(self):
        return self.forward(), self.train()


class Layout:
    """A case and its times; `slow` where the other layout is the one to compare with."""

    def __init__(self, shape, layout):
        self.case = Case(*shape, layout)
        self.case.round()  # touches the memory, chooses the kernels
        self.times = self.case.round()
        self.slow = False

    def compare(self, other):
        self.slow = all(mine > 2 * others for mine, others in zip(self.times, other.times))
        if self.slow:
            self.case = None

    def round(self):
        if not self.slow:
            self.times = self.case.round()
        return self.times


FORMATS = (torch.contiguous_format, torch.channels_last)


def main():
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    if not torch.backends.mkldnn.is_available():
        print(f"PyTorch {torch.__version__} was built without oneDNN", flush=True)
        return 1
    version = torch.__version__.split("a")[0]
    print(f"ok PyTorch {version} with oneDNN, {torch.get_num_threads()} threads", flush=True)
    layouts = []
    for line in sys.stdin:
        words = line.split()
        try:
            if words[0] == "case":
                layouts.clear()
                shape = [int(word) for word in words[1:6]]
                layouts.extend(Layout(shape, layout) for layout in FORMATS)
                layouts[0].compare(layouts[1])
                layouts[1].compare(layouts[0])
                answer = "ready"
            else:
                answer = " ".join(f"{ms:.4f}" for layout in layouts for ms in layout.round())
            print("ok", answer, flush=True)
        except (RuntimeError, ValueError, TypeError) as error:
            print(str(error).splitlines()[0], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
