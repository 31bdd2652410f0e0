"""fcnn's layers in space, of PyTorch's operations: a map of n x n pixels stands for a band.

Written from the formulas of DESIGN.md alone, so that what they compute is a check of the C library.
Every change of grid is two real matrices, one an axis; see :func:`resample`.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .band import frequencies
from .config import Section

def _sides(x: torch.Tensor) -> tuple[int, int]:
    """Height and width of maps, as numbers also while the module is traced."""
    return int(x.shape[-2]), int(x.shape[-1])


# ---- Changes of grid ----


def _axis(points: int, radius: int, source: int) -> np.ndarray:
    """cos and sin of 2 pi k y / points by k, [points][2 R + 1], R the largest k that source has."""
    k = np.arange(min(radius, source // 2) + 1)
    angle = 2 * np.pi * np.outer(np.arange(points), k) / points
    return np.concatenate([np.cos(angle), np.sin(angle[:, 1:])], axis=1)


@functools.lru_cache(maxsize=512)
def _matrices(size: int, source: int, radius: int, dtype, device) -> tuple:
    """Synthesis and analysis of the frequencies up to radius, or their product if that is less.

    The frequency that both halves of an even axis share enters by half, as it belongs half to its
    mirror image.
    """
    synthesis, analysis = _axis(size, radius, source), _axis(source, radius, source).T
    reach = min(radius, source // 2)
    weight = np.array([1.0] + [1.0 if 2 * k == source else 2.0 for k in range(1, reach + 1)])
    analysis = analysis * np.concatenate([weight, weight[1:]])[:, np.newaxis] / source
    whole = len(analysis) * (size + source) >= size * source
    parts = [synthesis @ analysis] if whole else [analysis, synthesis]
    return tuple(torch.tensor(part, dtype=dtype, device=device) for part in parts)


def resample(x: torch.Tensor, size: int, radius: int) -> torch.Tensor:
    """Maps [n][c][h][w] on a grid of size x size, of their frequencies up to radius alone."""
    height, width = _sides(x)
    if height == width == size and 2 * radius + 1 >= size and size % 2:
        return x
    rows = _matrices(size, height, radius, x.dtype, x.device)
    columns = _matrices(size, width, radius, x.dtype, x.device)
    for matrix in columns:
        x = x @ matrix.T
    for matrix in rows:
        x = matrix @ x
    return x


# ---- Bands ----


@functools.lru_cache(maxsize=64)
def _places(radius: int, device) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.tensor(k, device=device) for k in frequencies(radius))


def to_bins(x: torch.Tensor, radius: int) -> torch.Tensor:
    """Complex coordinates [n][c][bins] of maps: X_0 = mean(x), X_k = sqrt(2) mean(x exp(-i t))."""
    ky, kx = _places(radius, x.device)
    plane = torch.fft.rfft2(x, norm="forward")
    bins = plane[..., ky % _sides(x)[0], kx]
    return torch.cat([bins[..., :1], bins[..., 1:] * math.sqrt(2)], dim=-1)


def from_bins(bins: torch.Tensor, radius: int, size: int) -> torch.Tensor:
    """Maps [n][c][size][size] of a band."""
    ky, kx = _places(radius, bins.device)
    values = torch.cat([bins[..., :1], bins[..., 1:] / math.sqrt(2)], dim=-1)
    # In the column kx = 0 both halves of the plane are given.
    column = (kx == 0) & (ky > 0)
    places = torch.cat([ky % size, -ky[column] % size]), torch.cat([kx, kx[column]])
    plane = values.new_zeros((*bins.shape[:-1], size, size // 2 + 1))
    plane[..., places[0], places[1]] = torch.cat([values, values[..., column].conj()], dim=-1)
    return torch.fft.irfft2(plane, s=(size, size), norm="forward")


# ---- Input ----


def _reflected(count: int, frame: int) -> np.ndarray:
    """Which of count points each point of a line with a mirrored frame is."""
    period = max(2 * (count - 1), 1)
    at = np.arange(-frame, count + frame) % period
    return np.where(at < count, at, period - at)


class _Layer(nn.Module):
    """A module that prints its parameters' shapes and its settings."""

    def extra_repr(self) -> str:
        said = [f"{name}={'x'.join(map(str, value.shape))}"
                for name, value in self.named_parameters(recurse=False)]
        said += [f"{name}={value}" for name, value in vars(self).items()
                 if isinstance(value, (int, float, str)) and name != "training"]
        return ", ".join(said)


class Input(_Layer):
    """[fft]: an image of any size is placed, normalised and resampled to the input map."""

    def __init__(self, section: Section, mean: np.ndarray, deviation: np.ndarray) -> None:
        super().__init__()
        self.size, self.placement, self.pad = section["size"], section["placement"], section["pad"]
        self.crop, self.margin = float(section["crop"]), float(section["margin"])
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))

    def _framed(self, x: torch.Tensor) -> torch.Tensor:
        top, left = (math.floor(self.margin * side + 0.5) for side in _sides(x))
        if self.pad == "zero":
            return functional.pad(x, (left, left, top, top))
        for axis, frame in (-2, top), (-1, left):
            index = torch.tensor(_reflected(_sides(x)[axis], frame), device=x.device)
            x = x.index_select(axis, index)
        return x

    def forward(self, x: torch.Tensor, mirrored: bool = False) -> torch.Tensor:
        if x.ndim != 4 or x.shape[1] != len(self.mean) or not x.is_floating_point():
            raise ValueError(f"images of shape {tuple(x.shape)} and {x.dtype}: expected "
                             f"[n][{len(self.mean)}][h][w] of floats from 0 to 1")
        if self.placement == "crop":
            height, width = _sides(x)
            side = max(math.floor(self.crop * min(height, width) + 0.5), 1)
            top, left = (height - side) // 2, (width - side) // 2
            x = x[..., top:top + side, left:left + side]
        x = (x - self.mean[:, None, None]) / self.deviation[:, None, None]
        if self.pad != "none":
            x = self._framed(x)
        if mirrored:
            x = x.flip(-1)
        return resample(x, self.size, (self.size - 1) // 2)


# ---- Layers with weights ----


class Convolution(_Layer):
    """[conv] of compact taps, [taps][taps][filters][channels], p counted from the centre."""

    def __init__(self, section: Section, weight: np.ndarray, bias: np.ndarray | None,
                 border: str) -> None:
        super().__init__()
        self.stride, self.border = section["stride"], border
        self.weight = nn.Parameter(torch.tensor(weight))
        self.register_parameter("bias", None if bias is None else nn.Parameter(torch.tensor(bias)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stride > 1:  # taps and samples are on the even grid of one point more
            size = _sides(x)[1]
            x = resample(x, size + 1, (size - 1) // 2)
        before = (len(self.weight) - 1) // 2
        after = len(self.weight) - 1 - before
        mode = "circular" if self.border == "wrap" else "constant"
        x = functional.pad(x, (before, after, before, after), mode)
        return functional.conv2d(x, self.weight.permute(2, 3, 0, 1), self.bias, self.stride)


class FreeConvolution(_Layer):
    """[conv] whose spectrum is the parameter, [bins][filters][channels][2] in shell order."""

    def __init__(self, section: Section, spectrum: np.ndarray, bias: np.ndarray | None) -> None:
        super().__init__()
        self.stride = section["stride"]
        numbers = np.ascontiguousarray(spectrum)[..., np.newaxis].view(np.float32)
        self.spectrum = nn.Parameter(torch.tensor(numbers))
        self.register_parameter("bias", None if bias is None else nn.Parameter(torch.tensor(bias)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        radius = (math.isqrt(2 * len(self.spectrum) - 1) - 1) // 2
        size = _sides(x)[1]
        x = to_bins(x, radius)
        y = torch.einsum("kfc,nck->nfk", torch.view_as_complex(self.spectrum), x)
        if self.stride > 1:
            y = from_bins(y, radius, size + 1)[..., ::self.stride, ::self.stride]
        else:
            y = from_bins(y, radius, size)
        return y if self.bias is None else y + self.bias[:, None, None]


class Norm(_Layer):
    """Batch norm over images and pixels; running statistics move by a tenth a batch.

    The running variance is the biased one.
    """

    EPSILON, MOMENTUM = 1e-5, 0.1

    def __init__(self, gamma: np.ndarray, beta: np.ndarray, running_mean: np.ndarray,
                 running_variance: np.ndarray) -> None:
        super().__init__()
        self.gamma, self.beta = (nn.Parameter(torch.tensor(value)) for value in (gamma, beta))
        self.register_buffer("running_mean", torch.tensor(running_mean))
        self.register_buffer("running_variance", torch.tensor(running_variance))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, variance = self.running_mean, self.running_variance
        if not self.training:
            return functional.batch_norm(x, mean, variance, self.gamma, self.beta, False, 0.0,
                                         self.EPSILON)
        batch_mean, batch_variance = torch.zeros_like(mean), torch.zeros_like(variance)
        y = functional.batch_norm(x, batch_mean, batch_variance, self.gamma, self.beta, True, 1.0,
                                  self.EPSILON)
        count = x.numel() / x.shape[1]
        mean.lerp_(batch_mean, self.MOMENTUM)
        variance.lerp_(batch_variance * ((count - 1) / count), self.MOMENTUM)
        return y


class Dense(_Layer):
    """[dense]: weight [units][features], the maps flat as [channels][height][width]."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        self.weight, self.bias = (nn.Parameter(torch.tensor(value)) for value in (weight, bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x.flatten(1), self.weight, self.bias)


# ---- Activations ----

POINTWISE = {
    "linear": lambda x, slope: x,
    "relu": lambda x, slope: functional.relu(x),
    "leaky_relu": functional.leaky_relu,
    "gelu": lambda x, slope: functional.gelu(x),
    "square": lambda x, slope: x * x,
}


def _smooth(size: int) -> int:
    """The next size with no prime factor above 7."""
    while True:
        rest = size
        for prime in 2, 3, 5, 7:
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1


class Pointwise(_Layer):
    """A rule a pixel; on bands it is evaluated on a grid that may be finer than the map."""

    def __init__(self, rule: str, slope: float, grid: int | str) -> None:
        super().__init__()
        self.rule, self.slope, self.grid = rule, float(slope), grid

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.grid == "same":
            return POINTWISE[self.rule](x, self.slope)
        size = _sides(x)[1]
        radius = (size - 1) // 2
        fine = resample(x, _smooth(size) if self.grid == "auto" else self.grid, radius)
        return resample(POINTWISE[self.rule](fine, self.slope), size, radius)


class Srelu(_Layer):
    """a x + b [x^2] / s: the square keeps bins up to window, s is the map's root mean square.

    With a saturation c the square's map q at 2 window + 2 points across becomes q / (1 + |q| / c).
    """

    def __init__(self, a: np.ndarray, b: np.ndarray, window: int, saturation: float) -> None:
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.tensor(value)) for value in (a, b))
        self.window, self.saturation = window, saturation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = _sides(x)[1]
        radius = (size - 1) // 2
        window = min(self.window, radius)
        x = resample(x, size, radius)
        # The square reaches 2 radius: on this grid what folds back misses the window.
        square = resample(x, 2 * radius + window + 1, radius) ** 2
        if self.saturation:
            square = resample(square, 2 * window + 2, window)
            square = square / (1 + square.abs() / self.saturation)
        else:
            square = square / torch.sqrt(square.mean((2, 3), keepdim=True) + 1e-5)
        bounded = self.b[:, None, None] * resample(square, size, window)
        return self.a[:, None, None] * x + bounded


class PerBin(_Layer):
    """modrelu, crelu and ctanh: a rule of the bins of the stored half plane."""

    def __init__(self, rule: str, b: np.ndarray | None = None) -> None:
        super().__init__()
        self.rule = rule
        self.register_parameter("b", None if b is None else nn.Parameter(torch.tensor(b)))

    def _modrelu(self, bins: torch.Tensor) -> torch.Tensor:
        square = bins.real ** 2 + bins.imag ** 2
        # Bins that an image lacks are 0 in fcnn; rounding gives them a phase here, which b raises.
        some = square > 1e-12 * square.amax(-1, keepdim=True)
        modulus = torch.sqrt(torch.where(some, square, torch.ones_like(square)))
        scale = functional.relu(modulus + self.b[:, None]) / modulus
        return bins * torch.where(some, scale, torch.zeros_like(scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = _sides(x)[1]
        radius = (size - 1) // 2
        bins = to_bins(x, radius)
        if self.rule == "modrelu":
            bins = self._modrelu(bins)
        else:
            rule = functional.relu if self.rule == "crelu" else torch.tanh
            bins = torch.complex(rule(bins.real), rule(bins.imag))
        return from_bins(bins, radius, size)


# ---- Pools and the rest ----


class FourierPool(_Layer):
    """Keeps the low frequencies."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return resample(x, self.size, (self.size - 1) // 2)


class WindowPool(_Layer):
    """[max_pool] and [avg_pool]; pixels beyond the edge count for nothing."""

    def __init__(self, section: Section) -> None:
        super().__init__()
        self.kind = section.kind
        self.size, self.stride, self.pad = section["size"], section["stride"], section["pad"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        frame = (self.pad,) * 4
        if self.kind == "max_pool":
            return functional.max_pool2d(functional.pad(x, frame, value=-math.inf), self.size,
                                         self.stride)
        inside = functional.pad(torch.ones_like(x[:1, :1]), frame)
        return (functional.avg_pool2d(functional.pad(x, frame), self.size, self.stride)
                / functional.avg_pool2d(inside, self.size, self.stride))


class Dropout(_Layer):
    """Drops whole channels in training and scales the others."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = float(rate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        drop = functional.dropout2d if x.ndim == 4 else functional.dropout
        return drop(x, self.rate, self.training)


class Shortcut(_Layer):
    """Adds an earlier output, cropped or extended by zeros in frequency."""

    def forward(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        size = _sides(x)[1]
        return x + resample(other, size, (min(size, _sides(other)[1]) - 1) // 2)
