#!/usr/bin/python3
"""Classifies PNG pictures with a spectral model file, in float64, by numpy alone.

Usage: numpy_inference.py MODEL PNG... [--compare JSON] [--tolerance T]

An independent reading of the file and of the mathematics, to check fcnn-infer
against. Prints the probabilities as JSON; with --compare, the output of
`fcnn-infer MODEL PNG... --top CLASSES --json`, prints one line a picture instead
and exits 1 if a probability differs by more than the tolerance.

Needs Debian's python3-numpy. Conventions:
  c_k = mean(x exp(-i t_k)), t_k = 2 pi (ky y + kx x) / n, over the whole plane;
  stored are X_0 = c_0 and X_k = sqrt(2) c_k for kx > 0, or kx = 0 and ky > 0, in
  shells of equal max(|ky|, |kx|), each walked along its half perimeter.
"""

import argparse
import json
import math
import struct
import sys
import zlib

import numpy as np

# ---- Files ----


def read_model(path):
    """The metadata and the tensors, complex ones as complex128."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        array = np.frombuffer(data[start:end], "<f4").reshape(entry["shape"])
        tensors[name] = array.astype(np.float64)
        if name.endswith(".spectrum"):
            tensors[name] = tensors[name][..., 0] + 1j * tensors[name][..., 1]
    return metadata, tensors


def read_cfg(text):
    """[(section, ordinal, {key: value})] of a cfg, the ordinals counted from 1 a name."""
    sections, seen = [], {}
    for line in text.splitlines():
        line = line.split("#")[0].split(";")[0].strip()
        if line.startswith("["):
            name = line.strip("[]").strip()
            seen[name] = seen.get(name, 0) + 1
            sections.append((name, seen[name], {}))
        elif line:
            key, value = line.split("=", 1)
            sections[-1][2][key.strip()] = value.strip()
    return sections


def paeth(left, up, corner):
    """The neighbour nearest to left + up - corner (PNG specification, section 9.4)."""
    estimate = left + up - corner
    return min((left, up, corner), key=lambda value: abs(estimate - value))


def unfilter(kind, row, above, bpp):
    """One PNG row back from its filter; bpp is bytes a pixel."""
    out = bytearray(row)
    for i, byte in enumerate(row):
        left = out[i - bpp] if i >= bpp else 0
        corner = above[i - bpp] if i >= bpp else 0
        guess = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[kind]
        out[i] = (byte + guess) & 255
    return out


def read_png(path):
    """Pixels [height][width][channels] of a grey or RGB picture, 255 for 1 whatever its bits."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        sys.exit(f"{path}: expected a PNG picture")
    position, packed, header = 8, b"", None
    while position < len(data):
        length, kind = struct.unpack(">I4s", data[position:position + 8])
        body = data[position + 8:position + 8 + length]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        position += length + 12
    width, height, depth, colour, _, _, interlaced = header
    if depth not in (8, 16) or colour not in (0, 2) or interlaced:
        sys.exit(f"{path}: expected grey or RGB of 8 or 16 bits without interlace, found depth "
                 f"{depth}, colour type {colour}, interlace {interlaced}")
    samples = 3 if colour == 2 else 1
    bpp = samples * depth // 8
    raw, stride, above, rows = zlib.decompress(packed), width * bpp, bytearray(width * bpp), []
    for y in range(height):
        start = y * (stride + 1)
        above = unfilter(raw[start], raw[start + 1:start + 1 + stride], above, bpp)
        rows.append(above)
    numbers = np.frombuffer(b"".join(rows), ">u1" if depth == 8 else ">u2").astype(np.float64)
    return numbers.reshape(height, width, samples) / (1 if depth == 8 else 257)


# ---- Bands ----


def shell_order(radius):
    """Frequencies (ky, kx) of a band's bins, [bins][2]."""
    order = [(0, 0)]
    for s in range(1, radius + 1):
        order += [(s, kx) for kx in range(s + 1)]
        order += [(ky, s) for ky in range(s - 1, -s - 1, -1)]
        order += [(-s, kx) for kx in range(s - 1, 0, -1)]
    return np.array(order)


def bin_count(size):
    """Bins of the band that stands for a size x size map."""
    radius = (size - 1) // 2
    return 1 + 2 * radius * (radius + 1)


def radius_of(bins):
    """Radius of a band with this many bins."""
    return (math.isqrt(2 * bins - 1) - 1) // 2


def to_map(band, size):
    """Maps [channels][size][size] of a band [bins][channels]."""
    order = shell_order(radius_of(len(band)))
    plane = np.zeros((band.shape[1], size, size), complex)
    plane[:, 0, 0] = band[0].real
    ky, kx = order[1:].T
    plane[:, ky, kx] = band[1:].T / math.sqrt(2)  # negative indices wrap, as frequencies do
    plane[:, -ky, -kx] = band[1:].T.conj() / math.sqrt(2)
    return np.fft.ifft2(plane).real * size * size


def to_band(maps, radius):
    """The inverse of to_map, cut at the radius."""
    ky, kx = shell_order(radius).T
    band = math.sqrt(2) * np.fft.fft2(maps)[:, ky, kx].T / (maps.shape[1] * maps.shape[2])
    band[0] /= math.sqrt(2)
    return band


def picture_to_band(pixels, metadata, radius):
    """A picture of any size, normalised, by its own transform."""
    mean = np.array(json.loads(metadata["input_mean"]))
    deviation = np.array(json.loads(metadata["input_deviation"]))
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, len(mean), axis=2)  # grey expands to RGB
    if pixels.shape[2] != len(mean):
        sys.exit(f"expected a picture of {len(mean)} channels, found {pixels.shape[2]}")
    x = ((pixels / 255 - mean) / deviation).transpose(2, 0, 1)
    height, width = x.shape[1:]
    ky, kx = shell_order(radius).T
    inside = (2 * abs(ky) <= height) & (2 * abs(kx) <= width)  # bins it lacks are 0
    # An even side's Nyquist bin is shared by k and -k.
    share = np.where(2 * abs(ky) == height, 0.5, 1) * np.where(2 * abs(kx) == width, 0.5, 1)
    spectrum = np.fft.fft2(x)[:, ky % height, kx % width] / (height * width)
    band = math.sqrt(2) * np.where(inside, share * spectrum, 0).T
    band[0] /= math.sqrt(2)
    return band


# ---- Layers ----


def convolve(x, section, ordinal, tensors, state):
    """Y_k = H_k X_k and the bias, with the norm already in both."""
    h, stride = tensors[f"conv{ordinal}.spectrum"], int(section.get("stride", 1))
    y = np.einsum("koi,ki->ko", h, x[:len(h)])
    if stride > 1:
        # The strided convolution: samples of the whole one on an even grid.
        grid = state["size"] + 1
        state["size"] = grid // stride
        y = to_band(to_map(y, grid)[:, ::stride, ::stride], (state["size"] - 1) // 2)
    y[0] += tensors[f"conv{ordinal}.bias"]
    return y


def srelu(x, window, saturation, a, b):
    """a X + b [x^2] / rms(x) on the bins of radius <= window, or the square saturated."""
    radius = radius_of(len(x))
    window = min(window, radius)
    # x^2 reaches radius 2r; on this grid what folds back misses the window.
    square = to_band(to_map(x, 2 * radius + window + 1) ** 2, window)
    if saturation:
        energy = to_map(square, 2 * window + 2)
        square = to_band(energy / (1 + abs(energy) / saturation), window)
    else:
        square = square / np.sqrt(square[0].real + 1e-5)
    y = a * x
    y[:len(square)] += b * square
    return y


def activate(x, name, section, prefix, tensors):
    """An activation on a band: srelu, or relu on the band's own pixels."""
    if name == "linear":
        return x
    if name == "srelu":
        a, b = tensors[f"{prefix}.a"], tensors[f"{prefix}.b"]
        return srelu(x, int(section.get("window", 3)), float(section.get("saturation", 0)), a, b)
    if name == "relu" and section.get("grid", "same") == "same":
        radius = radius_of(len(x))
        return to_band(np.maximum(to_map(x, 2 * radius + 1), 0), radius)
    sys.exit(f"{prefix}: {name} is not among the activations of this script")


def connect(x, section, ordinal, tensors):
    """A dense layer; the maps flatten as [channels][height][width]."""
    y = tensors[f"dense{ordinal}.weight"] @ x.ravel() + tensors[f"dense{ordinal}.bias"]
    name = section.get("activation", "linear")
    if name not in ("linear", "relu"):
        sys.exit(f"dense{ordinal}: {name} is not among the activations of this script")
    return np.maximum(y, 0) if name == "relu" else y


def apply_layer(layer, x, tensors, state):
    """The output of one section; state holds the size of the current map."""
    name, ordinal, section = layer
    if name == "conv":
        x = convolve(x, section, ordinal, tensors, state)
        return activate(x, section.get("activation", "linear"), section,
                        f"conv{ordinal}.activation", tensors)
    if name == "activation":
        return activate(x, section.get("function", "linear"), section, f"activation{ordinal}",
                        tensors)
    if name == "fourier_pool":
        state["size"] = int(section["size"])
        return x[:bin_count(state["size"])]
    if name == "ifft":
        return to_map(x, state["size"])
    if name == "dense":
        return connect(x, section, ordinal, tensors)
    if name == "dropout":
        return x
    if name == "softmax":
        exponent = np.exp(x - x.max())
        return exponent / exponent.sum()
    sys.exit(f"[{name}] is not among the layers of this script")


def forward(metadata, tensors, pixels):
    """[(name, output)] of every layer, the last being the probabilities."""
    if metadata["form"] != "spectral":
        sys.exit(f"expected a spectral model, found a {metadata['form']} one")
    outputs, state = [], {}
    for layer in read_cfg(metadata["config"]):
        name, ordinal, section = layer
        if name == "net":
            continue
        if name == "fft":
            state["size"] = int(section["size"])
            x = picture_to_band(pixels, metadata, (state["size"] - 1) // 2)
        else:
            x = apply_layer(layer, x, tensors, state)
        outputs.append((f"{name}{ordinal}", x))
    return outputs


# ---- The program ----


def compare(results, path, tolerance):
    """Prints the largest difference of each picture; whether all are within tolerance."""
    with open(path) as file:
        theirs = json.load(file)["results"]
    if [entry["file"] for entry in theirs] != list(results):
        sys.exit(f"{path}: expected the pictures {list(results)} in this order")
    good = True
    for entry in theirs:
        ours, file = results[entry["file"]], entry["file"]
        other = {row["class"]: row["probability"] for row in entry["top"]}
        if other.keys() != ours.keys():
            sys.exit(f"{path}: {file}: expected the classes {list(ours)}, found {list(other)}")
        error = max(abs(ours[name] - other[name]) for name in ours)
        finite = all(map(math.isfinite, [*ours.values(), *other.values()]))
        same = finite and error <= tolerance
        good = good and same
        print(f"{file}: {max(ours, key=ours.get)}, largest difference of {len(ours)} "
              f"probabilities {error:.1e}: {'agrees' if same else 'DIFFERS'}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--compare", metavar="JSON")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    options = parser.parse_args()
    metadata, tensors = read_model(options.model)
    classes = json.loads(metadata["class_names"])
    results = {}
    for picture in options.pictures:
        probabilities = forward(metadata, tensors, read_png(picture))[-1][1]
        results[picture] = dict(zip(classes, probabilities.tolist()))
    if options.compare:
        sys.exit(0 if compare(results, options.compare, options.tolerance) else 1)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
