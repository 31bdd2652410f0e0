"""Pictures by matplotlib: what layers make of an image, and kernels with their spectra.

Spectra are amplitudes with zero frequency in the middle, on a logarithmic scale from a thousandth
of the largest; bins that are not computed are grey. Maps are orange below 0 and violet above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import arrays
from ._status import UsageError
from .band import Band
from .layers import Layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .network import Model

_CLASSES = 10  # bars of the likeliest ones


def _pyplot():
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


def plot_spectrum(band: Band, axes: Axes, size: int | None = None, largest: float | None = None):
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
    """
    from matplotlib.colors import LogNorm
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
    return image


def _frame(edge: int, n: int):
    from matplotlib.patches import Rectangle
    return Rectangle((edge - 0.5, edge - 0.5), n, n, fill=False, edgecolor="black", linewidth=0.8)


def plot_map(values, axes: Axes, largest: float | None = None):
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


def _draw_head(model: Model, image: np.ndarray, x, figure: Figure, grid) -> None:
    """The picture, as the network sees it, its spectrum, and the classes."""
    first = model.layers[0]
    axes = [_bare(figure.add_subplot(grid[0, 2 * at:2 * at + 2])) for at in range(3)]
    axes[0].imshow(_picture(image), cmap="gray", vmin=0, vmax=1)
    axes[0].set_title(f"picture\n{image.shape[0]} x {image.shape[1]} pixels")
    seen = model.output(x, 0)[0].transpose(1, 2, 0)
    seen = seen * model.statistics.deviation + model.statistics.mean
    axes[1].imshow(_picture(seen), cmap="gray", vmin=0, vmax=1)
    axes[1].set_title(f"as the network sees it\n{first.size} x {first.size}")
    band = model.output(x, 0, domain="frequency")[0]
    mean = Band(np.sqrt((np.abs(band.bins) ** 2).sum(0)))  # of all channels
    plot_spectrum(mean, axes[2])
    axes[2].set_title(f"its spectrum, by FFT\n{band.bins.shape[-1]} bins, radius {band.radius}")
    p = model.predict(x)[0]
    best = np.argsort(-p, kind="stable")[:_CLASSES]
    bars = figure.add_subplot(grid[0, 7:])
    bars.barh(range(len(best)), p[best], color=["#35528b"] + ["#9aa4ae"] * (len(best) - 1))
    bars.set_yticks(range(len(best)), [model.classes[at] for at in best])
    bars.set_xlim(0, 1)
    bars.set_title("probability")
    bars.invert_yaxis()


def _draw_layer(model: Model, layer: Layer, x, figure: Figure, grid, row: int, count: int) -> None:
    """A layer's strongest channels, their spectra above their maps where it has bands."""
    maps = model.output(x, layer.index)[0]
    chosen = _strongest(maps, count)
    lines = 2 if layer.layout == "band" else 1
    text = f"{layer.name}\n{layer.channels} channels\n{layer.size} x {layer.size}"
    if lines == 2:
        band = model.output(x, layer.index, domain="frequency")[0]
        full = layer.size // 2
        cut = f" of {full}" if band.radius < full else ""
        text += f"\nradius {band.radius}{cut}"
        largest = float(np.abs(band.bins).max())
    figure.add_subplot(grid[row, 0]).axis("off")
    figure.axes[-1].text(0, 1, text, va="top", transform=figure.axes[-1].transAxes)
    for at, channel in enumerate(chosen):
        if lines == 2:
            axes = figure.add_subplot(grid[row, 1 + at])
            plot_spectrum(band[int(channel)], axes, layer.size // 2 * 2 + 1, largest)
        axes = figure.add_subplot(grid[row + lines - 1, 1 + at])
        plot_map(maps[channel], axes, float(np.abs(maps[chosen]).max()))
        axes.set_xlabel(f"channel {channel}")


def plot(model: Model, x, layers=None, channels: int = 8) -> Figure:
    """Draws an image on its way through a network: spectra and maps of each layer's strongest
    channels.

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
    rows = [2 if layer.layout == "band" else 1 for layer in shown]
    columns = 1 + max(channels, 8)
    ratios = [2.2] + [1] * sum(rows)
    figure = pyplot.figure(figsize=(1.25 * columns, 1.35 * sum(ratios)), constrained_layout=True)
    grid = figure.add_gridspec(1 + sum(rows), columns, height_ratios=ratios)
    _draw_head(model, images[0], x, figure, grid)
    row = 1
    for layer, lines in zip(shown, rows):
        _draw_layer(model, layer, x, figure, grid, row, channels)
        row += lines
    return figure


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
        plot_spectrum(bands[at], axes[1, at], largest=largest)
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
