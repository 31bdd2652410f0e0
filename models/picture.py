#!/usr/bin/python3
"""Draws models/picture.png: one picture on its way through a trained network.

Usage: picture.py [MODEL [PNG [OUT]]]
MODEL is a spectral model of lenet.cfg, by default what this command leaves:
    fcnn-train models/lenet.cfg --save spectral --out runs/lenet
Forward pass and kernels come from tests/programs/numpy_inference.py.
Needs Debian's packages python3-numpy and python3-matplotlib (with python3-pil).
"""

import io
import json
import os
import sys

import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.colors import LogNorm
import numpy as np
from PIL import Image

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "programs"))
import numpy_inference as reader

WIDTH, HEIGHT = 900, 692  # the page, in pixels at its natural size; drawn at twice that
SIDE = 104                # of a panel
ROWS = 98, 214, 330       # tops of the rows of panels
INPUT_ROW = ROWS[1] + 30  # top of the picture's spectrum
COLUMNS = 16, 160, 296, 432, 572
KERNEL_SIDE = 72
SPECTRUM = dict(cmap="viridis", norm=LogNorm(1e-3, 0.5))
SIGNED = "PuOr"
CHANNELS = 3  # shown of each layer


def spectrum_image(band):
    """Magnitudes of one channel over the whole plane, DC in the centre."""
    radius = reader.radius_of(len(band))
    plane = np.zeros((2 * radius + 1, 2 * radius + 1))
    for (ky, kx), value in zip(reader.shell_order(radius), abs(band)):
        plane[radius + ky, radius + kx] = plane[radius - ky, radius - kx] = value
    return plane


def kernel_taps(spectrum, size):
    """The size x size taps of one kernel, H_k = sum_p w[p] exp(+i t_k), from its spectrum."""
    radius = reader.radius_of(len(spectrum))
    # A kernel is no map in coordinates: H_k is a DFT value as it is.
    band = np.conj(spectrum) * np.where(np.arange(len(spectrum)) > 0, np.sqrt(2), 1)
    taps = reader.to_map(band[:, None], 2 * radius + 1)[0] / (2 * radius + 1) ** 2
    taps = np.fft.fftshift(taps)
    cut = slice(radius - size // 2, radius + size // 2 + 1)
    outside = taps.copy()
    outside[cut, cut] = 0
    if abs(outside).max() > 1e-5 * abs(taps).max():
        sys.exit(f"the kernel's taps reach beyond {size}x{size}: the spectrum is misread")
    return taps[cut, cut]


def strongest(band):
    """The channels of largest energy, DC apart."""
    return np.argsort(-(abs(band[1:]) ** 2).sum(0))[:CHANNELS]


class Page:
    """A white page measured in pixels from its upper left corner."""

    def __init__(self):
        plt.rcParams.update({"font.size": 9, "font.family": "DejaVu Sans"})
        self.figure = plt.figure(figsize=(WIDTH / 100, HEIGHT / 100), facecolor="white")

    def axes(self, left, top, width, height):
        return self.figure.add_axes([left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH,
                                     height / HEIGHT])

    def text(self, x, y, text, **style):
        self.figure.text(x / WIDTH, 1 - y / HEIGHT, text, va="baseline", **style)

    def line(self, xs, ys, **style):
        self.figure.add_artist(plt.Line2D([x / WIDTH for x in xs], [1 - y / HEIGHT for y in ys],
                                          **style))

    def arrow(self, x0, y0, x1, y1):
        self.figure.add_artist(matplotlib.patches.FancyArrowPatch(
            (x0 / WIDTH, 1 - y0 / HEIGHT), (x1 / WIDTH, 1 - y1 / HEIGHT), arrowstyle="-|>",
            mutation_scale=11, color="0.35", linewidth=1.2, shrinkA=0, shrinkB=0))

    def panel(self, left, top, side, pixels, **style):
        axes = self.axes(left, top, side, side)
        axes.imshow(pixels, interpolation="nearest", **style)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color("0.6")
            spine.set_linewidth(0.6)
        return axes

    def signed(self, left, top, side, pixels):
        """A panel of a real map; white is 0."""
        top_value = abs(pixels).max()
        self.panel(left, top, side, pixels, cmap=SIGNED, vmin=-top_value, vmax=top_value)

    def save(self, path):
        """As PNG with a palette, at two dots a pixel."""
        memory = io.BytesIO()
        self.figure.savefig(memory, dpi=200, format="png")
        # Maximum coverage: the other methods lose rare colours of the signed maps.
        image = Image.open(memory).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE,
                                                           dither=Image.Dither.NONE)
        image.save(path, optimize=True)


def draw_box(axes, radius, kept):
    """Frames the bins that pooling keeps: white on black, to stand out on any colour."""
    for colour, width in ("black", 3.0), ("white", 1.4):
        axes.add_patch(plt.Rectangle((radius - kept - 0.5,) * 2, 2 * kept + 1, 2 * kept + 1,
                                     fill=False, edgecolor=colour, linewidth=width))


def draw_titles(page):
    titles = [("picture", "28 × 28"), ("conv1, srelu", "16 channels, 27 × 27"),
              ("conv2, srelu", "32 channels, 13 × 13"), ("conv3, srelu", "64 channels, 13 × 13"),
              ("inverse FFT", "64 maps, 7 × 7")]
    for left, (name, size) in zip(COLUMNS, titles):
        page.text(left + SIDE / 2, 70, name, ha="center", weight="bold")
        page.text(left + SIDE / 2, 86, size, ha="center", fontsize=8, color="0.3")
    page.text(792, 70, "class probability", ha="center", weight="bold")
    page.text(792, 86, "dense, relu, dense, softmax", ha="center", fontsize=8, color="0.3")


def draw_band(page, column, band, kept):
    """A column of spectra; kept is the radius that pooling leaves, or None."""
    for top, channel in zip(ROWS, strongest(band)):
        axes = page.panel(COLUMNS[column], top, SIDE, spectrum_image(band[:, channel]), **SPECTRUM)
        if kept is not None:
            draw_box(axes, reader.radius_of(len(band)), kept)


def draw_input(page, pixels, band):
    page.panel(COLUMNS[0], ROWS[0], SIDE, pixels[..., 0], cmap="gray", vmin=0, vmax=255)
    page.panel(COLUMNS[0], INPUT_ROW, SIDE, spectrum_image(band[:, 0]), **SPECTRUM)
    page.text(COLUMNS[0] + SIDE / 2, ROWS[1] + 8, "FFT", ha="center", weight="bold")
    page.text(COLUMNS[0] + SIDE / 2, ROWS[1] + 24, "1 channel, 27 × 27", ha="center", fontsize=8,
              color="0.3")


def draw_scale(page):
    top = ROWS[2] + 54
    axes = page.axes(COLUMNS[0] + 9, top, SIDE - 18, 9)
    bar = page.figure.colorbar(matplotlib.cm.ScalarMappable(SPECTRUM["norm"], SPECTRUM["cmap"]),
                               cax=axes, orientation="horizontal")
    bar.ax.tick_params(labelsize=7.5, length=2, pad=1)
    bar.ax.minorticks_off()
    bar.outline.set_linewidth(0.5)
    page.text(COLUMNS[0] + SIDE / 2, top - 6, "magnitude of a bin", ha="center", fontsize=8)


def draw_probabilities(page, names, probabilities):
    axes = page.axes(776, ROWS[0], 90, ROWS[2] + SIDE - ROWS[0])
    rows = np.arange(len(names))
    best = int(probabilities.argmax())
    axes.barh(rows, probabilities, height=0.62,
              color=["#35528b" if row == best else "0.7" for row in rows])
    for row, value in enumerate(probabilities):
        inside = value > 0.5
        axes.text(value - 0.04 if inside else value + 0.04, row,
                  f"{value:.4f}" if value >= 1e-3 else f"{value:.0e}", fontsize=8, va="center",
                  ha="right" if inside else "left", color="white" if inside else "0.3")
    axes.set_yticks(rows, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=8)
    axes.tick_params(length=2)
    axes.get_yticklabels()[best].set_weight("bold")
    for side in "top", "right":
        axes.spines[side].set_visible(False)


def draw_frame(page):
    """What lies between the two transforms, and the way through."""
    left, right, top = COLUMNS[1] - 10, COLUMNS[3] + SIDE + 10, 34
    page.line([left, left, right, right], [top + 8, top, top, top + 8], color="0.35", linewidth=1.2)
    page.text((left + right) / 2, top - 9, "in the frequency domain: activations stay spectra",
              ha="center", fontsize=10)
    middle = INPUT_ROW + SIDE / 2
    for column in range(4):
        page.arrow(COLUMNS[column] + SIDE + 6, middle, COLUMNS[column + 1] - 6, middle)
    below = ROWS[2] + SIDE + 18
    page.text((left + right) / 2, below, "three strongest channels of each layer; frame: the bins "
              "that", ha="center", fontsize=8)
    page.text((left + right) / 2, below + 14, "Fourier pooling keeps, the only ones the next layer "
              "has", ha="center", fontsize=8)
    page.text(COLUMNS[4] + SIDE / 2, below, "violet: above 0", ha="center", fontsize=8)
    page.text(COLUMNS[4] + SIDE / 2, below + 14, "orange: below 0", ha="center", fontsize=8)


def draw_kernels(page, spectrum):
    """The first layer's strongest kernels, as taps and as spectra."""
    first = 508
    second = first + KERNEL_SIDE + 12
    page.text(16, first - 12, "kernels of conv1, the norm folded in: eight of 16", weight="bold")
    labels = (first, "taps", "5 × 5 pixels"), (second, "spectrum", "27 × 27 bins")
    for top, name, detail in labels:
        page.text(16, top + 34, name)
        page.text(16, top + 49, detail, fontsize=8, color="0.3")
    order = np.argsort(-(abs(spectrum) ** 2).sum(0))[:8]
    for place, kernel in enumerate(order):
        left = 110 + place * 98
        page.signed(left, first, KERNEL_SIDE, kernel_taps(spectrum[:, kernel], 5))
        page.panel(left, second, KERNEL_SIDE, spectrum_image(spectrum[:, kernel]), cmap="viridis",
                   vmin=0)


def main():
    arguments = sys.argv[1:] + [None] * 3
    model = arguments[0] or os.path.join(ROOT, "runs", "lenet", "model.safetensors")
    picture = arguments[1] or os.path.join(ROOT, "tests", "images", "ankle-boot.png")
    metadata, tensors = reader.read_model(model)
    pixels = reader.read_png(picture)
    output = dict(reader.forward(metadata, tensors, pixels))
    page = Page()
    draw_titles(page)
    draw_input(page, pixels, output["fft1"])
    draw_band(page, 1, output["conv1"], reader.radius_of(len(output["fourier_pool1"])))
    draw_band(page, 2, output["conv2"], None)
    draw_band(page, 3, output["conv3"], reader.radius_of(len(output["fourier_pool2"])))
    for top, channel in zip(ROWS, strongest(output["conv3"])):
        page.signed(COLUMNS[4], top, SIDE, output["ifft1"][channel])
    draw_scale(page)
    draw_probabilities(page, json.loads(metadata["class_names"]), output["softmax1"])
    draw_frame(page)
    draw_kernels(page, tensors["conv1.spectrum"][:, :, 0])
    page.save(arguments[2] or os.path.join(ROOT, "models", "picture.png"))


if __name__ == "__main__":
    main()
