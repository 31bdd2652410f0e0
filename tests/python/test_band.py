"""fcnn.Band against numpy.fft, in the coordinates of framework/band.h."""

import math
import unittest

from common import Case, fcnn, generator, np


def coordinates(maps, radius):
    """X_0 = mean(x), X_k = sqrt(2) mean(x exp(-i t)), by numpy, bin for bin of the shells."""
    plane = np.fft.fft2(maps) / maps.shape[-1] ** 2
    bins = [plane[..., 0, 0]]
    for s in range(1, radius + 1):
        shell = [(s, j) for j in range(s + 1)]
        shell += [(2 * s - j, s) for j in range(s + 1, 3 * s + 1)]
        shell += [(-s, 4 * s - j) for j in range(3 * s + 1, 4 * s)]
        bins += [math.sqrt(2) * plane[..., ky, kx] for ky, kx in shell]
    return np.stack(bins, axis=-1)


class Bands(Case):
    def test_coordinates(self):
        rng = generator()
        for size, radius in ((1, 0), (3, 1), (9, 4), (9, 2), (16, 7), (25, 12)):
            maps = rng.normal(0, 1, (2, 3, size, size))
            band = fcnn.Band.from_maps(maps, radius)
            self.assertEqual(band.bins.dtype, np.complex64)
            self.assert_near(band.bins, coordinates(maps, radius), 1e-6, f"size {size}")

    def test_order(self):
        ky, kx = fcnn.frequencies(9)
        self.assertEqual(len(ky), 1 + 2 * 9 * 10)
        self.assertEqual(len({*zip(ky.tolist(), kx.tolist())}), len(ky))
        self.assertTrue(((kx > 0) | ((kx == 0) & (ky >= 0))).all())
        shells = np.maximum(np.abs(ky), kx)
        self.assertTrue((np.diff(shells) >= 0).all())

    def test_round_trip(self):
        maps = generator().normal(0, 1, (4, 11, 11)).astype(np.float32)
        band = fcnn.Band.from_maps(maps)
        self.assertEqual(band.radius, 5)
        self.assert_near(band.maps(), maps, 1e-6)
        self.assert_near(band.full() * 121, np.fft.fft2(maps), 1e-6)
        self.assert_near(np.fft.fftshift(band.full(), (-2, -1)), band.full(shifted=True), 1e-7)
        self.assert_near(fcnn.Band.from_full(band.full()).bins, band.bins, 3e-7)
        self.assert_near(band.spectrum()[0, 5, 5], abs(maps[0].mean()), 1e-5)

    def test_finer_grid(self):
        y, x = np.mgrid[:7, :7] * 2 * np.pi / 7
        band = fcnn.Band.from_maps(1 + np.cos(2 * y - x))
        y, x = np.mgrid[:20, :20] * 2 * np.pi / 20
        self.assert_near(band.maps(20), 1 + np.cos(2 * y - x), 1e-6)

    def test_energy(self):
        maps = generator().normal(0, 1, (3, 9, 9))
        band = fcnn.Band.from_maps(maps)
        self.assertEqual(band.energy.shape, (3, 5))
        self.assert_near(band.energy.sum(-1), (maps ** 2).mean((1, 2)), 1e-6)
        self.assert_near(band.energy[:, 0], maps.mean((1, 2)) ** 2, 1e-5)

    def test_crop(self):
        maps = generator().normal(0, 1, (9, 9))
        band = fcnn.Band.from_maps(maps)
        plane = np.fft.fft2(maps)
        plane[3:7], plane[:, 3:7] = 0, 0
        self.assertEqual(len(band.crop(2).bins), 13)
        self.assert_near(band.crop(2).maps(9), np.fft.ifft2(plane).real, 1e-6)
        self.assertTrue((band.crop(2).bins == band.bins[:13]).all())

    def test_arithmetic(self):
        rng = generator()
        a, b = rng.normal(0, 1, (2, 5, 9, 9))
        left, right = fcnn.Band.from_maps(a), fcnn.Band.from_maps(b)
        self.assert_near((left + 2 * right).maps(), a + 2 * b, 1e-6)
        self.assert_near((left - right.crop(2)).maps(), a - right.crop(2).maps(9), 1e-6)
        ky, kx = left.frequency
        shifted = left * np.exp(2j * np.pi * ky / 9)
        self.assert_near(shifted.maps(), np.roll(a, -1, axis=1), 1e-6)
        self.assert_near(left[3].bins, left.bins[3], 1e-9)
        self.assertEqual(len(left), 5)
        self.assertIn("radius 4", repr(left))

    def test_refused(self):
        self.refused(fcnn.UsageError, "7 bins 1, 5, 13", fcnn.Band, np.zeros(7))
        self.refused(fcnn.UsageError, "3x4 square", fcnn.Band.from_maps, np.zeros((3, 4)))
        self.refused(ValueError, "radius 2 0 to 1", fcnn.Band.from_maps, np.zeros((3, 3)), 2)
        band = fcnn.Band.from_maps(np.zeros((5, 5)))
        self.refused(fcnn.UsageError, "3x3 at least 5", band.maps, 3)
        self.refused(fcnn.UsageError, "crop 3 0 to 2", band.crop, 3)


if __name__ == "__main__":
    unittest.main()
