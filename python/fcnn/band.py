"""Bands: Fourier coefficients of real maps, in fcnn's coordinates and order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from . import _api, _checks
from ._status import UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def bin_count(radius: int) -> int:
    """Bins of a band of this radius: 1 + 2 r (r + 1)."""
    return 1 + 2 * radius * (radius + 1)


def frequencies(radius: int) -> tuple[np.ndarray, np.ndarray]:
    """``ky`` and ``kx`` of a band's bins, int64 [bins], in shell order.

    Shell 0 is DC; shell s has the 4 s bins of the stored half plane (kx > 0, or kx = 0 and ky > 0)
    whose larger component is s, from (s, 0) along (s, s) and (-s, s) to (-s, 1).
    """
    ky, kx = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    for s in range(1, radius + 1):
        j = np.arange(4 * s)
        ky.append(np.clip(2 * s - j, -s, s))
        kx.append(np.minimum(np.minimum(j, s), 4 * s - j))
    return np.concatenate(ky), np.concatenate(kx)


class Band:
    """The Fourier coefficients with ``|ky| <= radius`` and ``|kx| <= radius`` of real maps.

    Of an n x n map x with t = 2 pi (ky y + kx x) / n the coordinates are ``X_0 = mean(x)`` and
    ``X_k = sqrt(2) mean(x exp(-i t))``. So values do not depend on the size of the map, and
    ``mean(x**2) = sum(abs(X)**2)``.

    Parameters
    ----------
    bins : array of complex, [..., bins]
        In shell order (see :func:`fcnn.frequencies`), 1 + 2 r (r + 1) of them, kept as complex64.
        Axes before the last are images and channels, or none.

    Examples
    --------
    >>> band = model.output(x, "conv1.activation", domain="frequency")
    >>> band.radius, band.bins.shape
    (6, (1, 16, 85))
    >>> maps = band.crop(3).maps()          # its low frequencies as a 7 x 7 map
    >>> fcnn.Band.from_maps(maps).energy    # what each shell has, [..., 4]
    """

    def __init__(self, bins: ArrayLike) -> None:
        self.bins = np.ascontiguousarray(bins, np.complex64)
        count = self.bins.shape[-1] if self.bins.ndim else 0
        self.radius = (math.isqrt(2 * count - 1) - 1) // 2 if count else -1
        if self.radius < 0 or bin_count(self.radius) != count:
            raise UsageError(f"a band of {count} bins: expected 1 + 2 r (r + 1): 1, 5, 13, 25, ...")

    @classmethod
    def from_maps(cls, maps: ArrayLike, radius: int | None = None) -> Band:
        """The band of real maps, [..., n, n]; radius at most, and by default, (n - 1) // 2."""
        maps = np.ascontiguousarray(maps, np.float32)
        if maps.ndim < 2 or maps.shape[-1] != maps.shape[-2] or maps.shape[-1] < 1:
            raise UsageError(f"maps of shape {'x'.join(map(str, maps.shape))}: expected square "
                             "ones, [..., n, n]")
        size = maps.shape[-1]
        radius = (size - 1) // 2 if radius is None else _checks.integer(radius, "radius")
        if not 0 <= radius <= (size - 1) // 2:
            raise UsageError(f"a radius of {radius} for maps of {size}x{size}: expected 0 to "
                             f"{(size - 1) // 2}")
        lead = maps.shape[:-2]
        bins = np.empty((*lead, bin_count(radius)), np.complex64)
        if maps.size:
            _api.check(_api.lib.fcnn_maps_to_bands(_api.address(maps), math.prod(lead), size,
                                                   radius, _api.address(bins)))
        return cls(bins)

    def maps(self, size: int | None = None) -> np.ndarray:
        """The real maps, float32 [..., size, size]; size at least, and by default, 2 radius + 1."""
        size = 2 * self.radius + 1 if size is None else _checks.integer(size, "size")
        if size < 2 * self.radius + 1:
            raise UsageError(f"maps of {size}x{size} from a band of radius {self.radius}: expected "
                             f"at least {2 * self.radius + 1}; crop it before")
        lead = self.bins.shape[:-1]
        maps = np.empty((*lead, size, size), np.float32)
        if maps.size:
            _api.check(_api.lib.fcnn_bands_to_maps(_api.address(self.bins), math.prod(lead),
                                                   self.radius, size, _api.address(maps)))
        return maps

    def crop(self, radius: int) -> Band:
        """The low frequencies of this radius: the first bins, which is Fourier pooling."""
        radius = _checks.integer(radius, "radius")
        if not 0 <= radius <= self.radius:
            raise UsageError(f"a crop to radius {radius}: expected 0 to {self.radius}")
        return Band(self.bins[..., :bin_count(radius)])

    @property
    def shape(self) -> tuple[int, ...]:
        """That of ``bins``: images, channels, bins."""
        return self.bins.shape

    @property
    def frequency(self) -> tuple[np.ndarray, np.ndarray]:
        """``ky`` and ``kx`` of the bins, int64 [bins]."""
        return frequencies(self.radius)

    @property
    def energy(self) -> np.ndarray:
        """Energy of each shell, [..., radius + 1]; their sum is the maps' mean square."""
        starts = [0] + [bin_count(s - 1) for s in range(1, self.radius + 1)]
        return np.add.reduceat(np.abs(self.bins) ** 2, starts, axis=-1)

    def spectrum(self) -> np.ndarray:
        """Amplitudes of the whole plane with DC in the middle, float32 [..., n, n], n = 2 r + 1."""
        return np.abs(self.full(shifted=True)).astype(np.float32)

    def full(self, shifted: bool = False) -> np.ndarray:
        """The whole plane as ``numpy.fft.fft2(maps)`` has it, complex64 [..., n, n], n = 2 r + 1.

        Divided by n**2: c_0 = X_0, c_k = X_k / sqrt(2) and c_-k = conj(c_k), so that
        ``numpy.fft.ifft2(band.full()) * n**2`` are the maps.

        Parameters
        ----------
        shifted : bool
            Zero frequency in the middle, as ``numpy.fft.fftshift``.
        """
        n = 2 * self.radius + 1
        ky, kx = self.frequency
        plane = np.zeros((*self.bins.shape[:-1], n, n), np.complex64)
        half = self.bins[..., 1:] / np.float32(math.sqrt(2))
        plane[..., 0, 0] = self.bins[..., 0].real
        plane[..., ky[1:], kx[1:]] = half
        plane[..., -ky[1:], -kx[1:]] = half.conj()
        return np.fft.fftshift(plane, axes=(-2, -1)) if shifted else plane

    @classmethod
    def from_full(cls, plane: ArrayLike) -> Band:
        """The band of such a plane, [..., n, n] with n odd and DC first: the inverse of full()."""
        plane = np.asarray(plane)
        if plane.ndim < 2 or plane.shape[-1] != plane.shape[-2] or plane.shape[-1] % 2 == 0:
            raise UsageError(f"a plane of shape {'x'.join(map(str, plane.shape))}: expected "
                             "[..., n, n], n odd")
        ky, kx = frequencies((plane.shape[-1] - 1) // 2)
        bins = plane[..., ky, kx] * np.float32(math.sqrt(2))
        bins[..., 0] = plane[..., 0, 0].real
        return cls(bins)

    def __getitem__(self, which: object) -> Band:
        """Some of the images or channels: ``band[0, 3]``."""
        which = which if isinstance(which, tuple) else (which,)
        return Band(self.bins[(*which, Ellipsis, slice(None))])

    def __len__(self) -> int:
        if self.bins.ndim < 2:
            raise TypeError("a single band has no length")
        return len(self.bins)

    def _with(self, other, rule) -> Band:
        if isinstance(other, Band):
            radius = max(self.radius, other.radius)
            return Band(rule(self._widened(radius), other._widened(radius)))
        return Band(rule(self.bins, other))

    def _widened(self, radius: int) -> np.ndarray:
        missing = bin_count(radius) - self.bins.shape[-1]
        return np.pad(self.bins, [(0, 0)] * (self.bins.ndim - 1) + [(0, missing)])

    def __add__(self, other: Band) -> Band:
        """The band of the sum of the maps; missing bins of the narrower one are 0."""
        return self._with(other, np.add) if isinstance(other, Band) else NotImplemented

    def __sub__(self, other: Band) -> Band:
        return self._with(other, np.subtract) if isinstance(other, Band) else NotImplemented

    def __mul__(self, factor: ArrayLike) -> Band:
        """Each bin times a number, or a transfer function of the bins, [bins]."""
        return NotImplemented if isinstance(factor, Band) else self._with(factor, np.multiply)

    __rmul__ = __mul__

    def __truediv__(self, divisor: ArrayLike) -> Band:
        return NotImplemented if isinstance(divisor, Band) else self._with(divisor, np.divide)

    def __neg__(self) -> Band:
        return Band(-self.bins)

    __array_priority__ = 1  # an array times a band is a band

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        array = self.bins if dtype is None else self.bins.astype(dtype, copy=False)
        return array.copy() if copy else array

    def __repr__(self) -> str:
        lead = " x ".join(map(str, self.bins.shape[:-1])) or "one"
        n = 2 * self.radius + 1
        return f"<fcnn.Band: {lead}, radius {self.radius}, {self.bins.shape[-1]} bins ({n}x{n})>"
