#!/usr/bin/python3
"""Makes an image folder of synthetic colour JPEGs, for measurements of reading and training.

Usage: make_jpegs.py FOLDER [--images N] [--val N] [--classes N] [--size PIXELS] [--seed N]
Writes FOLDER/train/classNN/NNNN.jpg and FOLDER/val/..., classes in turn. A picture is noise whose
amplitude falls with frequency, in luminance and, weaker, in two colour differences, as photographs'
does on average, with a grating whose direction and period are its class's. Each depends on the
seed, its split and its number alone. Quality 90 makes files of 2 bits a pixel, which is what
ImageNet's photographs take.
Needs Debian's packages python3-numpy and python3-pil.
"""
import argparse
import os
import sys

try:
    import numpy as np
    from PIL import Image
except ImportError as error:
    sys.exit(f"make_jpegs.py: {error}; install Debian's packages python3-numpy and python3-pil")

QUALITY = 90
DECAY = 1.5  # of amplitudes, as the power of 1/f
LUMINANCE, COLOUR, GRATING = 45, 12, 25  # deviations of the noises, amplitude, of 255
# From luminance and two colour differences to red, green, blue.
TO_RGB = np.array([[1, 1, 0.3], [1, -0.6, -0.4], [1, 0.2, 1]], dtype=np.float32)


def amplitudes(size):
    """1/f^DECAY on the half plane of a real transform; no mean."""
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    f[0, 0] = np.inf
    return (f**-DECAY).astype(np.float32)


def noise(random, amplitude):
    """A size x size map of mean 0 and deviation 1."""
    size = len(amplitude)
    white = np.fft.rfft2(random.standard_normal((size, size), dtype=np.float32))
    pink = np.fft.irfft2(white * amplitude, s=(size, size)).astype(np.float32)
    return pink / pink.std()


def grating(random, size, label, classes):
    """Two periods, each with directions evenly over the half circle; the phase is random."""
    angle = np.pi * (label // 2) / ((classes + 1) // 2)
    waves = (12, 24)[label % 2]
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    phase = 2 * np.pi * (waves * (np.cos(angle) * x + np.sin(angle) * y) + random.random())
    return np.cos(phase, dtype=np.float32)


def picture(random, amplitude, label, classes):
    """[size][size][3] bytes."""
    maps = np.stack([LUMINANCE * noise(random, amplitude), COLOUR * noise(random, amplitude),
                     COLOUR * noise(random, amplitude)])
    maps[0] += GRATING * grating(random, len(amplitude), label, classes)
    pixels = np.einsum("ck,kyx->yxc", TO_RGB, maps) + 128
    return pixels.clip(0, 255).round().astype(np.uint8)


def make_split(o, split, count, amplitude):
    """Writes one split; returns its bytes."""
    size = 0
    for i in range(count):
        label = i % o.classes
        folder = os.path.join(o.folder, split, f"class{label:02}")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{i // o.classes:04}.jpg")
        random = np.random.default_rng([o.seed, split == "val", i])
        Image.fromarray(picture(random, amplitude, label, o.classes)).save(path, quality=QUALITY)
        size += os.path.getsize(path)
    return size


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--images", type=int, default=1000, help="to train on")
    parser.add_argument("--val", type=int, default=20, help="to validate on")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    if not 2 <= o.classes <= min(o.images, 100) or o.val < 0 or o.size < 8 or o.seed < 0:
        parser.error("expected 2 to 100 classes, an image for each at least, a size of 8 or more")
    if os.path.exists(o.folder) and os.listdir(o.folder):
        sys.exit(f"make_jpegs.py: {o.folder} is not empty")
    amplitude = amplitudes(o.size)
    size = sum(make_split(o, split, count, amplitude)
               for split, count in (("train", o.images), ("val", o.val)))
    print(f"{o.images} training and {o.val} validation JPEGs of {o.size}x{o.size}, "
          f"{o.classes} classes, {size / 2**20:.1f} MiB: {o.folder}")


if __name__ == "__main__":
    main()
