"""fcnn's networks as PyTorch modules, and back."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from . import torch_layers as layers
from ._status import UsageError
from .config import Config, Section, Value, load_config
from .network import Model, create
from .results import Statistics

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class _Node:
    """A step of the forward pass: a module by its name, and the nodes that it reads."""

    name: str
    kind: str
    inputs: list[int]


class Network(nn.Module):
    """A network of fcnn as a module in space: images to logits, the same function, trainable.

    Parameters and buffers have fcnn's names and shapes, so that ``state_dict()`` is
    ``model.weights``, a spectrum with a last dimension of 2, and ``fft1.mean`` and
    ``fft1.deviation`` beside them. Norms and dropout follow ``train()`` and ``eval()``.

    Attributes
    ----------
    config : fcnn.Config
    classes : list of str
    band_fraction : float
        The part of every radius that is kept.
    label_smoothing : float
        Of the cfg's loss, for ``torch.nn.functional.cross_entropy``.
    """

    def __init__(self, config: Config, classes: Sequence[str], statistics: Statistics,
                 weights: Mapping[str, np.ndarray], band_fraction: float = 1.0) -> None:
        super().__init__()
        self.config, self.classes = config, list(classes)
        self.band_fraction = band_fraction
        self.label_smoothing = float(config[-1]["label_smoothing"])
        self._weights, self._left = weights, False
        self._nodes: list[_Node] = []
        self._last: dict[str, int] = {}
        self.fft1 = layers.Input(config["fft1"], statistics.mean, statistics.deviation)
        self._add("fft1", "fft")
        for section in config[2:]:
            self._add_section(section)
            self._last[section.name] = len(self._nodes) - 1
        self._move_pools()
        self._ifft = next((at for at, node in enumerate(self._nodes) if node.kind == "ifft"),
                          len(self._nodes))
        del self._weights, self._left

    # ---- From sections to nodes ----

    def _add(self, name: str, kind: str, *inputs: int) -> None:
        before = [len(self._nodes) - 1] if self._nodes else []
        self._nodes.append(_Node(name, kind, before + list(inputs)))

    def _add_section(self, section: Section) -> None:
        kind, name = section.kind, section.name
        if kind == "conv":
            self._add_convolution(section)
        elif kind == "norm":
            self._add_norm(name)
        elif kind == "activation":
            self._add_activation(section, section["function"], name)
        elif kind == "dense":
            setattr(self, name, layers.Dense(self._weights[f"{name}.weight"],
                                             self._weights[f"{name}.bias"]))
            self._add(name, kind)
            if section["activation"] != "linear":
                self._add_pointwise(f"{name}.activation", section["activation"], section["slope"])
        elif kind == "shortcut":
            setattr(self, name, layers.Shortcut())
            self._add(name, kind, self._node_of(section))
        elif kind == "ifft":
            setattr(self, name, nn.Identity())
            self._add(name, kind)
            self._left = True
        elif kind != "softmax":
            made = {"fourier_pool": lambda: layers.FourierPool(section["size"]),
                    "max_pool": lambda: layers.WindowPool(section),
                    "avg_pool": lambda: layers.WindowPool(section),
                    "dropout": lambda: layers.Dropout(section["rate"])}
            if kind not in made:
                raise UsageError(f"[{kind}]: to_torch() does not know this section")
            setattr(self, name, made[kind]())
            self._add(name, kind)

    def _node_of(self, section: Section) -> int:
        """The node whose output a [shortcut] adds."""
        start = section["from"]
        if isinstance(start, int):
            names = [one.name for one in self.config]
            start = names[names.index(section.name) + start]
        return 0 if start == "fft1" else self._last[start]

    def _add_convolution(self, section: Section) -> None:
        name = section.name
        bias = self._weights.get(f"{name}.bias")
        spectrum = self._weights.get(f"{name}.spectrum")
        if spectrum is None:
            border = self.config["net"]["border"]
            made = layers.Convolution(section, self._weights[f"{name}.weight"], bias, border)
        else:
            made = layers.FreeConvolution(section, spectrum, bias)
        setattr(self, name, made)
        self._add(name, "conv")
        if section["norm"] == "batch":
            self._add_norm(f"{name}.norm")
        if section["activation"] != "linear":
            self._add_activation(section, section["activation"], f"{name}.activation")

    def _put(self, name: str, module: nn.Module) -> None:
        owner, _, own = name.rpartition(".")
        self.get_submodule(owner).add_module(own, module)

    def _add_norm(self, name: str) -> None:
        if f"{name}.gamma" not in self._weights:  # folded into a spectrum
            return
        ends = "gamma", "beta", "running_mean", "running_variance"
        self._put(name, layers.Norm(*(self._weights[f"{name}.{end}"] for end in ends)))
        self._add(name, "norm")

    def _add_pointwise(self, name: str, rule: str, slope: float, grid: int | str = "same") -> None:
        self._put(name, layers.Pointwise(rule, slope, grid))
        self._add(name, "activation")

    def _add_activation(self, section: Section, rule: str, name: str) -> None:
        space = self._left or self.config["net"]["domain"] == "space"
        if rule in layers.POINTWISE:
            grid = "same" if space else section["grid"]
            self._add_pointwise(name, rule, section["slope"], grid)
            return
        if rule == "srelu":
            made = layers.Srelu(self._weights[f"{name}.a"], self._weights[f"{name}.b"],
                                section["window"], section["saturation"])
        elif rule in ("modrelu", "crelu", "ctanh"):
            made = layers.PerBin(rule, self._weights.get(f"{name}.b"))
        else:
            raise UsageError(f"{section.name}: to_torch() does not know the activation {rule}")
        self._put(name, made)
        self._add(name, "activation")

    def _move_pools(self) -> None:
        """A norm directly followed by Fourier pooling is the pool, then the norm."""
        nodes, at = self._nodes, 0
        while at + 1 < len(nodes):
            norm, pool = nodes[at], nodes[at + 1]
            readers = sum(node.inputs.count(at) for node in nodes)
            if norm.kind == "norm" and pool.kind == "fourier_pool" and readers == 1:
                nodes[at] = _Node(pool.name, pool.kind, norm.inputs)
                nodes[at + 1] = _Node(norm.name, norm.kind, [at])
                at = max(at - 1, 0)
            else:
                at += 1

    # ---- Passes ----

    def outputs(self, x: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Each layer's name and output, in the order of computation.

        Maps are [n][channels][size][size], what a band of fcnn stands for; the last are logits.
        """
        return self._outputs(x, False)

    def _outputs(self, x: torch.Tensor, mirrored: bool) -> Iterator[tuple[str, torch.Tensor]]:
        """Those of images or of their mirror images."""
        last_use = {at: at for at in range(len(self._nodes))}
        for at, node in enumerate(self._nodes):
            last_use.update(dict.fromkeys(node.inputs, at))
        kept: dict[int, torch.Tensor] = {}
        for at, node in enumerate(self._nodes):
            values = [kept[one] for one in node.inputs] if node.inputs else [x, mirrored]
            y = self.get_submodule(node.name)(*values)
            if self.band_fraction < 1 and at < self._ifft:
                size = int(y.shape[-1])
                y = layers.resample(y, size, math.floor(self.band_fraction * ((size - 1) // 2)
                                                        + 0.5))
            kept[at] = y
            yield node.name, y
            for one in [one for one in kept if last_use[one] <= at and one != at]:
                del kept[one]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, [n][classes]: with test_mirror=1 and after eval() the mean of two passes.

        Parameters
        ----------
        x : torch.Tensor
            Float [n][c][h][w], 0 is black and 1 is white, of any size.
        """
        y = self._logits(x, False)
        if self.training or not self.config["net"]["test_mirror"]:
            return y
        return (y + self._logits(x, True)) / 2

    def _logits(self, x: torch.Tensor, mirrored: bool) -> torch.Tensor:
        y = x
        for _, y in self._outputs(x, mirrored):
            pass
        return y


def to_torch(model: Model) -> Network:
    """The same function as a ``torch.nn.Module``, which can be trained there.

    Returns
    -------
    fcnn.torch.Network
        In ``eval()`` mode. Input float32 [n][c][h][w], 0 to 1, of any size; output logits.

    Examples
    --------
    >>> module = model.to_torch()
    >>> module(torch.rand(8, 1, 28, 28)).softmax(dim=1)
    """
    return Network(model.config, model.classes, model.statistics, dict(model.weights),
                   model.band_fraction).eval()


def from_torch(module_or_state: nn.Module | Mapping, cfg: str | os.PathLike | Config | None = None,
               channels: int | None = None, classes: int | Sequence[str] | None = None,
               statistics: Statistics | None = None, **options: Value) -> Model:
    """Takes weights back from PyTorch.

    Parameters
    ----------
    module_or_state : torch.nn.Module or mapping
        What :func:`to_torch` made, trained further, or its ``state_dict()``: tensors or arrays by
        fcnn's names, in fcnn's shapes.
    cfg : path, text or Config
        Needed with a state; of a module, its own.
    channels : int, optional
        Of the images; by default those of the state's input statistics, else of its weights.
    classes : int or list of str, optional
        Names or their number; by default the module's, or as many as the last layer has.
    statistics : fcnn.Statistics, optional
        By default the state's, else mean 0 and deviation 1.
    **options
        As :func:`fcnn.create` takes: device, threads, batch, band_fraction.

    Raises
    ------
    fcnn.UsageError
        A weight that is missing, of another shape, or none of the cfg's network.
    """
    state = module_or_state
    if isinstance(state, Network):
        cfg = state.config if cfg is None else cfg
        classes = state.classes if classes is None else classes
        options.setdefault("band_fraction", state.band_fraction)
    elif isinstance(state, nn.Module) and cfg is None:
        raise UsageError(f"from_torch() of a {type(state).__name__}: expected a module that "
                         "to_torch() made, as fcnn.create(cfg, ...).to_torch(), or a state of its "
                         "names and shapes with cfg=")
    if isinstance(state, nn.Module):
        state = state.state_dict()
    if cfg is None:
        raise UsageError("from_torch() of a state needs its cfg")
    cfg = load_config(cfg)
    arrays = {name: value.detach().cpu().numpy() if isinstance(value, torch.Tensor)
              else np.asarray(value) for name, value in state.items()}
    mean, deviation = arrays.pop("fft1.mean", None), arrays.pop("fft1.deviation", None)
    if statistics is not None:
        mean, deviation = statistics.mean, statistics.deviation
    if channels is None:
        channels = len(mean) if mean is not None else _channels(cfg, arrays)
    if classes is None:
        dense = [section.name for section in cfg if section.kind == "dense"]
        classes = len(_one(arrays, f"{dense[-1]}.bias"))
    model = create(cfg, channels, classes if isinstance(classes, int) else list(classes), mean,
                   deviation, **options)
    missing, foreign = set(model.weights) - set(arrays), set(arrays) - set(model.weights)
    if missing or foreign:
        said = [f"lacks {', '.join(sorted(missing))}"] if missing else []
        said += [f"has {', '.join(sorted(foreign))}, which the cfg's network has not"
                 ] if foreign else []
        raise UsageError(f"the state {' and '.join(said)}")
    for name in model.weights:
        model.weights[name] = arrays[name]
    return model


def _one(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in arrays:
        raise UsageError(f"the state lacks {name}")
    return arrays[name]


def _channels(cfg: Config, arrays: Mapping[str, np.ndarray]) -> int:
    """Of the images, by the first convolution's weights."""
    first = next((section.name for section in cfg if section.kind == "conv"), None)
    if first is None:
        raise UsageError("from_torch() needs channels=, as the cfg has no [conv]")
    name = f"{first}.spectrum" if f"{first}.spectrum" in arrays else f"{first}.weight"
    return _one(arrays, name).shape[2 if name.endswith("spectrum") else 3]
