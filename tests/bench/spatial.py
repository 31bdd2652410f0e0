"""The spatial twin of a cfg, for measurements: the same channels and map sizes with max pooling.

`read(path, overrides)` gives the cfg's sections, `translate(...)` a `Network`, a list of layers in
plain tuples that needs no PyTorch, and `module(network)` the PyTorch module. Section by section:

| cfg | PyTorch |
| --- | --- |
| fft | nothing; its size is the side of the images, unless the first convolution has a stride |
| conv | Conv2d of the same taps, padded by zeros so that the map is as large as the cfg's, with a bias where no norm follows; then its norm and activation |
| first conv with stride | Conv2d with that stride on images of the data's size, padded as little as gives the cfg's map: 512 px, 11 taps, stride 4, padding 2, 127 px as in torchvision |
| first conv, then fourier_pool to a third or less | the same: the pool is a stride |
| norm=batch, norm | BatchNorm2d; with norm "none" left out, and convolutions have biases |
| activation | ReLU, whatever the cfg has; linear: nothing |
| fourier_pool | MaxPool2d(3, stride 2), with padding 1 where the size wants it; other ratios AdaptiveMaxPool2d; behind the norm and activation that follow it |
| max_pool, avg_pool | the same |
| dropout | Dropout2d on maps, then Dropout |
| shortcut | an addition |
| ifft | Flatten, before the first dense |
| dense | Linear; its activation |
| softmax | nothing: the loss is the cross-entropy of the logits |

A `fed` network gets images of another size than its maps are made for, with an average pool to the
classifier's map, as in torchvision. What has no twin in space is a `Failed`: a kernel of size=full.
"""
import re
from typing import NamedTuple

OVERRIDE = re.compile(r"([a-z_]+)(?:\[(\d+|\*)\])?\.([a-z_0-9]+)=(.*)")


class Failed(Exception):
    """What cannot be measured; the message says which and why."""


class Section(NamedTuple):
    name: str
    ordinal: int  # among those of its name, from 1
    keys: dict

    @property
    def id(self):
        return f"{self.name}{self.ordinal}"

    def number(self, key, otherwise):
        return int(self.keys.get(key, otherwise))


class Network(NamedTuple):
    layers: tuple  # of (name, number...)
    channels: int  # of the images
    side: int
    classes: int

    def parameters(self):
        return sum(parameters(layer) for layer in self.layers)

    def macs(self):
        """Multiply-adds of an image's forward pass."""
        total, size = 0, self.side
        for kind, *n in self.layers:
            if kind == "conv":
                border = n[4] if n[4] != "same" else (n[2] - 1) / 2
                size = int((size + 2 * border - n[2]) // n[3] + 1)
                total += n[0] * n[1] * n[2]**2 * size**2
            elif kind in ("max_pool", "avg_pool"):
                size = (size + 2 * n[2] - n[0]) // n[1] + 1
            elif kind.startswith("adaptive"):
                size = n[0]
            elif kind == "linear":
                total += n[0] * n[1]
        return total


# ---- The cfg ----


def parse(text):
    """A cfg's sections, [net] first. The cfg is one that fcnn's programs took."""
    sections = []
    for line in text.splitlines():
        line = re.split("[#;]", line)[0].strip()
        if line.startswith("["):
            name = line.strip("[] \t")
            sections.append(Section(name, 1 + sum(s.name == name for s in sections), {}))
        elif line and sections:
            key, _, value = line.partition("=")
            sections[-1].keys[key.strip()] = value.strip()
    return sections


def read(path, overrides=()):
    """A file's sections, with the overrides in their keys."""
    with open(path, encoding="utf-8") as file:
        sections = parse(file.read())
    for override in overrides:
        name, index, key, value = parse_override(override)
        for section in sections:
            if section.name == name and index in (None, "*", str(section.ordinal)):
                section.keys[key] = value
    return sections


def parse_override(override):
    found = OVERRIDE.fullmatch(override)
    if not found:
        raise Failed(f"{override}: expected section.key=value, section[i].key or section[*].key")
    return found.groups()


def expand(path, overrides):
    """Overrides that fcnn's programs take: section[*].key=value becomes one for each section."""
    expanded = []
    for override in overrides:
        name, index, key, value = parse_override(override)
        if index == "*":
            expanded += [f"{name}[{section.ordinal}].{key}={value}" for section in read(path)
                         if section.name == name]
        else:
            expanded.append(override)
    return expanded


def images_of(sections):
    """Channels and side of the images that the cfg's data set has, as far as its name tells."""
    data = sections[0].keys.get("data", "fashion-mnist")
    if data == "fashion-mnist":
        return 1, 28
    if data.startswith("synthetic"):
        given = dict(re.findall(r"([a-z]+)=(\d+)", data))
        return int(given.get("channels", 3)), int(given.get("size", 32))
    return 3, 32 if "cifar" in data else None


def full_side(sections):
    """Side of the map that holds all of an image's bins."""
    return next(s.number("size", 0) for s in sections if s.name == "fft")


def optimizer(sections):
    """The optimizer's rule and the numbers that it takes."""
    keys = sections[0].keys
    names = {"learning_rate": 0.001, "weight_decay": 0.0, "momentum": 0.9}
    return {"rule": keys.get("optimizer", "adamw"),
            **{name: float(keys.get(name, default)) for name, default in names.items()}}


# ---- Layers ----


def parameters(layer):
    kind, *numbers = layer
    if kind == "conv":
        inputs, outputs, kernel, _, _, bias = numbers
        return outputs * (inputs * kernel**2 + bias)
    if kind == "norm":
        return 2 * numbers[0]
    if kind == "linear":
        return numbers[1] * (numbers[0] + 1)
    return 0


def padding(side, kernel, stride, size):
    """The smallest that makes a map of `size` from one of `side`; None if there is none."""
    fitting = (p for p in range(kernel) if (side + 2 * p - kernel) // stride + 1 == size)
    return next(fitting, None)


def pools_behind(sections):
    """Pools exchange places with the norms and activations that follow them."""
    sections = list(sections)
    for i in reversed(range(len(sections))):
        while (sections[i].name == "fourier_pool" and i + 1 < len(sections)
               and sections[i + 1].name in ("norm", "activation")):
            sections[i], sections[i + 1] = sections[i + 1], sections[i]
            i += 1
    return sections


class Translation:
    """The layers so far, and the map that they give."""

    def __init__(self, channels, classes, side, norm):
        self.channels, self.classes, self.wanted, self.norm = channels, classes, side, norm
        self.image_channels = channels
        self.layers = []
        self.side = self.size = None  # of the images; of the map, None behind the first dense
        self.saved = {}  # what shortcuts may add

    def add(self, *layer):
        self.layers.append(layer)

    def activate(self, section, key, default):
        if section.keys.get(key, default) != "linear":
            self.add("relu")

    def fft(self, section):
        self.side = self.size = section.number("size", 0)

    def conv(self, section, stride):
        if section.keys["size"] == "full":
            raise Failed(f"{section.id}: a kernel of size=full has no twin in space")
        kernel, filters = section.number("size", 0), section.number("filters", 0)
        size = (self.size + stride - 1) // stride
        border = (kernel - 1) // 2 if kernel % 2 else "same"
        if stride > 1:
            fits = padding(self.wanted or self.size, kernel, stride, size)
            if not self.layers and fits is not None:
                self.side, border = self.wanted or self.size, fits
            else:
                border = padding(self.size, kernel, stride, size)
            if border is None:
                raise Failed(f"{section.id}: no padding gives a map of {size} px")
        norm = section.keys.get("norm") == "batch" and self.norm
        self.add("conv", self.channels, filters, kernel, stride, border, not norm)
        self.channels, self.size = filters, size
        if norm:
            self.add("norm", filters)
        self.activate(section, "activation", "linear")

    def normalise(self):
        """A bias before a norm has no effect, so the convolution loses its own."""
        if self.norm:
            if self.layers[-1][0] == "conv":
                self.layers[-1] = (*self.layers[-1][:-1], False)
            self.add("norm", self.channels)

    def fourier_pool(self, section):
        size = section.number("size", 0)
        borders = [p for p in (0, 1) if (self.size + 2 * p - 3) // 2 + 1 == size]
        if size < self.size:
            self.add(*("max_pool", 3, 2, borders[0]) if borders else ("adaptive_max_pool", size))
        self.size = min(size, self.size)

    def window(self, section):
        kernel, stride = section.number("size", 0), section.number("stride", 1)
        pad = section.number("pad", 0)
        self.add(section.name, kernel, stride, pad)
        self.size = (self.size + 2 * pad - kernel) // stride + 1

    def shortcut(self, section, above):
        source = section.keys["from"]
        if re.fullmatch(r"-\d+", source):
            source = above[int(source)].id
        size, channels = self.saved.get(source, (None, None))
        if (size, channels) != (self.size, self.channels):
            raise Failed(f"{section.id}: {source} has no map of {self.size} px here")
        self.add("add", source)

    def dense(self, section):
        if self.size:
            self.channels, self.size = self.channels * self.size**2, None
            self.add("flatten")
        units = section.keys["units"]
        units = self.classes if units == "classes" else int(units)
        self.add("linear", self.channels, units)
        self.channels = units
        self.activate(section, "activation", "linear")

    def section(self, section, stride, above):
        if section.name == "conv":
            self.conv(section, stride)
        elif section.name == "norm":
            self.normalise()
        elif section.name == "activation":
            self.activate(section, "function", "srelu")
        elif section.name in ("max_pool", "avg_pool"):
            self.window(section)
        elif section.name == "shortcut":
            self.shortcut(section, above)
        elif section.name == "dropout":
            self.add("dropout2d" if self.size else "dropout", float(section.keys.get("rate", 0.5)))
        elif section.name in ("fft", "fourier_pool", "dense"):
            getattr(self, section.name)(section)
        elif section.name not in ("net", "ifft", "softmax"):
            raise Failed(f"[{section.name}]: a section that has no translation")
        self.saved[section.id] = self.size, self.channels

    def mark(self, section, names):
        """Outputs that a shortcut adds later are named."""
        if section.id in names:
            self.add("save", section.id)


def shortcut_sources(sections):
    names = set()
    for i, section in enumerate(sections):
        if section.name == "shortcut":
            source = section.keys["from"]
            names.add(sections[i + int(source)].id if source.startswith("-") else source)
    return names


def first_stride(sections):
    """The first convolution's stride, and the sections without the pool that is one."""
    at = next((i for i, s in enumerate(sections) if s.name == "conv"), None)
    if at is None:
        raise Failed("there is no [conv]")
    stride, after = sections[at].number("stride", 1), sections[at + 1]
    linear = sections[at].keys.get("activation", "linear") == "linear"
    if stride == 1 and linear and after.name == "fourier_pool":
        ratio = round(full_side(sections) / after.number("size", 1))
        if ratio >= 3:
            return ratio, [s for s in sections if s is not after]
    return stride, sections


def translate(sections, channels, classes, side=None, norm=True):
    """The twin for images of `side`, or of the fft's size where the cfg's maps do not fit."""
    t = Translation(channels, classes, side, norm)
    names = shortcut_sources(sections)
    above = []
    stride, kept = first_stride(sections)
    for section in pools_behind(kept):
        first = section.name == "conv" and section.ordinal == 1
        t.section(section, stride if first else section.number("stride", 1), above)
        t.mark(section, names)
        above.append(section)
    return Network(tuple(t.layers), channels, t.side, classes)


def fed(network, side):
    """The same layers on images of another side, with an average pool to the classifier's map. Pools
    to a given map give one in proportion."""
    if side == network.side:
        return network
    layers = [("adaptive_max_pool", max(round(layer[1] * side / network.side), 1))
              if layer[0] == "adaptive_max_pool" else layer for layer in network.layers]
    at = layers.index(("flatten",))
    channels = next(layer[2] for layer in reversed(layers[:at]) if layer[0] == "conv")
    size = round((layers[at + 1][1] / channels)**0.5)
    return network._replace(layers=(*layers[:at], ("adaptive_avg_pool", size), *layers[at:]),
                            side=side)


# ---- PyTorch ----


def module(network):
    """The network as a module of PyTorch."""
    from torch import nn

    def conv(inputs, outputs, kernel, stride, border, bias):
        return nn.Conv2d(inputs, outputs, kernel, stride, border, bias=bias)

    makers = {"conv": conv, "norm": nn.BatchNorm2d, "linear": nn.Linear, "max_pool": nn.MaxPool2d,
              "avg_pool": lambda *numbers: nn.AvgPool2d(*numbers, count_include_pad=False),
              "adaptive_max_pool": nn.AdaptiveMaxPool2d, "adaptive_avg_pool": nn.AdaptiveAvgPool2d,
              "dropout": nn.Dropout, "dropout2d": nn.Dropout2d, "flatten": nn.Flatten}

    class Spatial(nn.Module):
        """Layers in order; what is saved is added later."""

        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList()
            before = ""
            for kind, *numbers in network.layers:
                if kind == "relu":
                    self.parts.append(nn.ReLU(inplace=before in ("conv", "norm", "linear")))
                else:
                    maker = makers.get(kind, nn.Identity)  # save, add
                    self.parts.append(maker(*numbers))
                before = kind

        def forward(self, x):
            saved = {}
            for (kind, *numbers), part in zip(network.layers, self.parts):
                if kind == "save":
                    saved[numbers[0]] = x
                elif kind == "add":
                    x = x + saved[numbers[0]]
                else:
                    x = part(x)
            return x

    return Spatial()
