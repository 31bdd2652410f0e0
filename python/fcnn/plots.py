"""Pictures by matplotlib: what layers make of an image, and kernels with their spectra.

Spectra are amplitudes with zero frequency in the middle, on a logarithmic scale from a thousandth
of the largest; bins that are not computed are grey. Maps are orange below 0 and violet above.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from . import arrays
from ._status import UsageError
from .band import Band
from .layers import Layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import ArrayLike

    from .network import Model

_CLASSES = 10  # bars of the likeliest ones


def _pyplot() -> ModuleType:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("plots need matplotlib: Debian's python3-matplotlib, or pip install "
                          "matplotlib") from None
    return pyplot


def _bare(axes: Axes) -> Axes:
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def _numbered(axes: Axes, size: int) -> None:
    """Frequencies at the edges: kx to the right, ky downwards, zero in the middle."""
    radius = size // 2
    ticks = sorted({0, radius, 2 * radius})
    names = [str(tick - radius) for tick in ticks]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    axes.set(xlabel="kx", ylabel="ky")


def plot_spectrum(band: Band, axes: Axes, size: int | None = None, largest: float | None = None,
                  ticks: bool = True) -> AxesImage:
    """Draws the amplitudes of a single band.

    Parameters
    ----------
    band : Band
        Of bins [bins].
    axes : matplotlib.axes.Axes
    size : int, optional
        Side of the plane that is shown, odd; what the band has not is grey.
    largest : float, optional
        The amplitude of the brightest colour; by default the largest.
    ticks : bool
        Whether the axes have their frequencies.

    Raises
    ------
    fcnn.UsageError
        The band is of many images or channels; ``band[0, 3]`` is of one.
    """
    from matplotlib.colors import LogNorm
    if len(band.shape) > 1:
        which = ", ".join("0" * (len(band.shape) - 1))
        raise UsageError(f"{band!r}: expected a single band, such as band[{which}]")
    n = 2 * band.radius + 1
    size = n if size is None else size
    plane = np.full((size, size), np.nan)
    edge = (size - n) // 2
    plane[edge:edge + n, edge:edge + n] = band.spectrum()
    largest = float(np.nanmax(plane)) if largest is None else largest
    norm = LogNorm(largest / 1000, largest, clip=True) if largest > 0 else None
    _bare(axes).set_facecolor("#e2e2e2")
    image = axes.imshow(np.maximum(plane, largest / 1000), norm=norm, cmap="viridis",
                        interpolation="nearest")
    if edge:
        axes.add_patch(_frame(edge, n))
    if ticks:
        _numbered(axes, size)
    return image


def _frame(edge: int, n: int):
    from matplotlib.patches import Rectangle
    return Rectangle((edge - 0.5, edge - 0.5), n, n, fill=False, edgecolor="black", linewidth=0.8)


def plot_map(values: ArrayLike, axes: Axes, largest: float | None = None) -> AxesImage:
    """Draws a map, [h][w], with 0 in white."""
    values = np.asarray(values)
    largest = float(np.abs(values).max()) if largest is None else largest
    return _bare(axes).imshow(values, cmap="PuOr", vmin=-largest or -1, vmax=largest or 1,
                              interpolation="nearest")


def _shown_layers(model: Model, layers) -> list[Layer]:
    """Those asked for; by default the last of each section that has maps, without pools."""
    if layers is not None:
        asked = [layers] if isinstance(layers, (str, int)) else list(layers)
        return [model.layers[layer] for layer in asked]
    last: dict[str, Layer] = {}
    for layer in model.layers:
        if layer.layout != "vector" and layer.type != "fft" and "pool" not in layer.type:
            last[layer.name.split(".")[0]] = layer
    return list(last.values())


def _strongest(maps: np.ndarray, count: int) -> np.ndarray:
    """Channels of maps [channels][size][size] by their root mean square."""
    return np.argsort(-np.sqrt((maps.astype(float) ** 2).mean((1, 2))), kind="stable")[:count]


def _picture(image: np.ndarray) -> np.ndarray:
    """An image [h][w][c] as imshow takes it, floats from 0 to 1."""
    if image.dtype.kind == "u":
        image = image / np.iinfo(image.dtype).max
    image = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return np.clip(image, 0, 1)


class _Sheet:
    """A figure that is filled from above, in inches."""

    LEFT, CELL, GAP, LARGE = 1.75, 1.0, 0.08, 1.9

    def __init__(self, pyplot: ModuleType, columns: int, height: float) -> None:
        self.width = self.LEFT + columns * (self.CELL + self.GAP) + 0.2
        self.height, self.top = height, 0.6
        self.figure = pyplot.figure(figsize=(self.width, height))

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes whose upper left corner lies at x, y from the sheet's."""
        return self.figure.add_axes((x / self.width, 1 - (y + height) / self.height,
                                     width / self.width, height / self.height))

    def text(self, x: float, y: float, text: str, **style: object) -> None:
        """Writes below y."""
        self.figure.text(x / self.width, 1 - y / self.height, text, va="top", **style)

    def cell(self, column: int, row: int) -> Axes:
        """A small picture, in a row below the top."""
        step = self.CELL + self.GAP
        return self.axes(self.LEFT + column * step, self.top + row * step, self.CELL, self.CELL)


def _draw_head(model: Model, image: np.ndarray, x, sheet: _Sheet) -> None:
    """The picture, as the network sees it, its spectrum, and the classes."""
    first = model.layers[0]
    axes = [_bare(sheet.axes(0.15 + at * (sheet.LARGE + 0.15), sheet.top, sheet.LARGE, sheet.LARGE))
            for at in range(3)]
    style = {"fontsize": 9, "loc": "left"}
    axes[0].imshow(_picture(image), cmap="gray", vmin=0, vmax=1)
    axes[0].set_title(f"picture\n{image.shape[0]} x {image.shape[1]} pixels", **style)
    seen = model.output(x, 0)[0].transpose(1, 2, 0)
    seen = seen * model.statistics.deviation + model.statistics.mean
    axes[1].imshow(_picture(seen), cmap="gray", vmin=0, vmax=1)
    axes[1].set_title(f"as the network sees it\n{first.size} x {first.size}", **style)
    band = model.output(x, 0, domain="frequency")[0]
    of_all = Band(np.sqrt((np.abs(band.bins) ** 2).sum(0)))  # channels
    plot_spectrum(of_all, axes[2], ticks=False)
    axes[2].set_title(f"its spectrum, by FFT\n{band.bins.shape[-1]} bins, radius {band.radius}",
                      **style)
    p = model.predict(x)[0]
    best = np.argsort(-p, kind="stable")[:_CLASSES]
    left = 3 * (sheet.LARGE + 0.15) + 1.5
    bars = sheet.axes(left, sheet.top, sheet.width - left - 0.75, sheet.LARGE)
    drawn = bars.barh(range(len(best)), p[best], color=["#35528b"] + ["#9aa4ae"] * (len(best) - 1))
    bars.bar_label(drawn, [f"{p[at]:.1%}" for at in best], padding=2, fontsize=8)
    bars.set_yticks(range(len(best)), [model.classes[at] for at in best], fontsize=9)
    bars.set(xlim=(0, 1), xticks=[])
    bars.spines[["top", "right", "bottom"]].set_visible(False)
    bars.set_title("probability", **style)
    bars.invert_yaxis()
    sheet.top += sheet.LARGE + 0.4


def _draw_layer(model: Model, layer: Layer, x, sheet: _Sheet, count: int) -> None:
    """A layer's strongest channels, their spectra above their maps where it has bands."""
    maps = model.output(x, layer.index)[0]
    chosen = _strongest(maps, count)
    own, _, part = layer.name.partition(".")
    text = f"{_part_of(model, own, part)}{layer.channels} channels\n{layer.size} x {layer.size}"
    if layer.layout == "band":
        band = model.output(x, layer.index, domain="frequency")[0]
        full = layer.size // 2
        text += f"\nradius {band.radius}" + (f" of {full}" if band.radius < full else "")
        largest = float(np.abs(band.bins).max())
        for at, channel in enumerate(chosen):
            plot_spectrum(band[int(channel)], sheet.cell(at, 0), 2 * full + 1, largest,
                          ticks=False)
    sheet.text(0.15, sheet.top, own, fontsize=11, fontweight="bold")
    sheet.text(0.15, sheet.top + 0.25, text, fontsize=8, color="#5c6670")
    row, largest = int(layer.layout == "band"), float(np.abs(maps[chosen]).max())
    for at, channel in enumerate(chosen):
        axes = sheet.cell(at, row)
        plot_map(maps[channel], axes, largest)
        axes.set_xlabel(f"{channel}" if at else f"channel {channel}", fontsize=8, labelpad=2)
    sheet.top += _height(layer)


def _part_of(model: Model, section: str, part: str) -> str:
    """A line that names what of a section is drawn: its activation's function, or its norm."""
    if not part:
        return ""
    activation = model.config[section].get("activation", "linear")
    return f"{part.replace('activation', str(activation)).replace('+', ', ')}\n"


def _height(layer: Layer) -> float:
    return (2 if layer.layout == "band" else 1) * (_Sheet.CELL + _Sheet.GAP) + 0.35


def plot(model: Model, x: ArrayLike, layers: Sequence[str | int] | str | int | None = None,
         channels: int = 8) -> Figure:
    """Draws an image on its way through a network: spectra and maps of the strongest channels.

    Parameters
    ----------
    model : Model
    x : array
        One image, as :meth:`Model.predict` takes it; of several the first is drawn.
    layers : names or numbers, optional
        By default the last layer of each section before the classifier, without pools.
    channels : int
        Of each layer at the most.

    Returns
    -------
    matplotlib.figure.Figure
        ``.savefig("picture.png")`` writes it.
    """
    pyplot = _pyplot()
    _, images = arrays.images(x, model.channels)
    x = images[:1]
    shown = _shown_layers(model, layers)
    if any(layer.layout == "vector" for layer in shown):
        raise UsageError("a layer of the classifier has no maps to draw; layers before it have")
    sheet = _Sheet(pyplot, max(channels, 8), _Sheet.LARGE + 1.1 + sum(map(_height, shown)))
    _draw_head(model, images[0], x, sheet)
    for layer in shown:
        _draw_layer(model, layer, x, sheet, channels)
    return sheet.figure


def plot_kernels(model: Model, layer: str = "conv1", count: int = 16) -> Figure:
    """Draws a convolution's kernels, in space and as amplitudes of their spectra.

    Parameters
    ----------
    model : Model
    layer : str
        A convolution: ``"conv1"``.
    count : int
        Filters at the most; of each the kernel of its strongest channel.

    Returns
    -------
    matplotlib.figure.Figure
    """
    pyplot = _pyplot()
    bands, taps = _kernels(model, layer)
    count = min(count, len(taps))
    figure, axes = pyplot.subplots(2, count, figsize=(1.1 * count, 2.6), squeeze=False,
                                   constrained_layout=True)
    largest = float(np.abs(bands.bins[:count]).max())
    for at in range(count):
        plot_map(taps[at], axes[0, at])
        plot_spectrum(bands[at], axes[1, at], largest=largest, ticks=False)
        axes[0, at].set_title(f"filter {at}", fontsize="small")
    axes[0, 0].set_ylabel("taps" if f"{layer}.weight" in model.weights else "kernel")
    axes[1, 0].set_ylabel("spectrum")
    return figure


def _kernels(model: Model, layer: str) -> tuple[Band, np.ndarray]:
    """Of each filter the strongest channel's kernel: spectra, and taps [filters][k][k]."""
    name = f"{layer}.weight"
    if name in model.weights and model.weights[name].ndim == 4:
        taps = model.weights[name].transpose(2, 3, 0, 1)
        strongest = (taps ** 2).sum((2, 3)).argmax(1)
        taps = taps[np.arange(len(taps)), strongest]
        side = max(2 * taps.shape[1] + 1, 15)  # a grid fine enough to look at
        framed = np.zeros((len(taps), side, side), np.float32)
        framed[:, :taps.shape[1], :taps.shape[2]] = taps
        return Band.from_maps(framed), taps
    name = f"{layer}.spectrum"
    if name not in model.weights:
        raise UsageError(f"{layer} is no convolution; those are "
                         f"{', '.join(one.name for one in model.config if one.kind == 'conv')}")
    spectra = model.weights[name].transpose(1, 2, 0)
    strongest = (np.abs(spectra) ** 2).sum(2).argmax(1)
    band = Band(spectra[np.arange(len(spectra)), strongest])
    return band, np.fft.fftshift(band.maps(), axes=(-2, -1))
