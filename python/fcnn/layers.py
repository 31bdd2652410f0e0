"""What a network consists of: its layers as a table, its weights as a mapping."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import _api, _checks
from ._status import UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .network import Model


@dataclass(frozen=True)
class Layer:
    """A layer of the graph. What is computed in one, as a norm with its activation, is one layer.

    Attributes
    ----------
    index : int
        Its place in the order of computation.
    name, type : str
        ``"conv1"``, ``"conv"``.
    layout : str
        Of its output: ``"band"``, ``"map"`` or ``"vector"``.
    channels : int
    size : int
        Side of the map, or of the map that the band stands for.
    radius, bins : int
        Of a band, as computed; else 0.
    parameters : int
        Numbers that are trained, and buffers.
    multiply_adds : int
        Of an image, forward.
    """

    index: int
    name: str
    type: str
    layout: str
    channels: int
    size: int
    radius: int
    bins: int
    parameters: int
    multiply_adds: int


def read_layers(handle) -> tuple[Layer, ...]:
    """The layers of an ``fcnn_network``."""
    records = [_api.lib.fcnn_network_layer(handle, index)
               for index in range(_api.lib.fcnn_network_layer_count(handle))]
    return tuple(Layer(index, r.name.decode(), r.type.decode(), _api.LAYOUTS[r.layout], r.channels,
                       r.size, r.radius, r.bins, r.parameters, r.multiply_adds)
                 for index, r in enumerate(records))


class Layers(Sequence):
    """The layers in the order of computation, by number or by name; ``print`` shows a table.

    A layer that is two, ``"conv1.norm+activation"``, is also found as ``"conv1.activation"``.
    """

    def __init__(self, model: Model, layers: tuple[Layer, ...]) -> None:
        self._model, self._layers = model, layers

    def __len__(self) -> int:
        return len(self._layers)

    def __getitem__(self, which: int | slice | str) -> Layer | tuple[Layer, ...]:
        if not isinstance(which, str):
            return self._layers[which]
        index = _api.lib.fcnn_network_find_layer(self._model._open(),
                                                 _checks.text(which, "layer"))
        if index < 0:
            _api.check(_api.USAGE)
        return self._layers[index]

    def __repr__(self) -> str:
        rows = [("layer", "type", "output", "channels", "size", "bins", "parameters",
                 "multiply-adds")]
        for layer in self._layers:
            rows.append((layer.name, layer.type, layer.layout, str(layer.channels),
                         f"{layer.size}x{layer.size}" if layer.layout != "vector" else "",
                         f"{layer.bins:,}" if layer.layout == "band" else "",
                         f"{layer.parameters:,}" if layer.parameters else "",
                         f"{layer.multiply_adds:,}" if layer.multiply_adds else ""))
        rows.append(("total", "", "", "", "", "", f"{self.parameters:,}",
                     f"{self.multiply_adds:,}"))
        widths = [max(map(len, column)) for column in zip(*rows)]
        return "\n".join("  ".join(cell.ljust(width) if at < 3 else cell.rjust(width)
                                   for at, (cell, width) in enumerate(zip(row, widths))).rstrip()
                         for row in rows)

    @property
    def parameters(self) -> int:
        """Parameters of all layers."""
        return sum(layer.parameters for layer in self._layers)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all layers, an image, forward."""
        return sum(layer.multiply_adds for layer in self._layers)


def read_weights(handle) -> dict[str, tuple[int, tuple[int, ...], bool]]:
    """Number, shape and whether it is trained, of each weight of an ``fcnn_network``."""
    records = {}
    for index in range(_api.lib.fcnn_network_weight_count(handle)):
        record = _api.lib.fcnn_network_weight(handle, index)
        shape = tuple(record.shape[:record.rank])
        records[record.name.decode()] = (index, shape, bool(record.trained))
    return records


class Weights(MutableMapping):
    """A network's parameters and buffers by name, as numpy arrays.

    Reading copies out, writing copies in: ``weights["conv1.weight"] *= 2`` doubles them, and
    ``weights["conv1.weight"][0] = 0``, which changes a copy, does nothing. Shapes are those of the
    model file: convolutions float32 [taps][taps][filters][channels], dense layers
    [units][features], a spectrum complex64 [bins][filters][channels] in shell order, norms and
    activations [channels]. Nothing can be added or deleted.
    """

    def __init__(self, model: Model, records: dict[str, tuple[int, tuple[int, ...], bool]]
                 ) -> None:
        self._model, self._records = model, records

    def _handle(self):
        return self._model._open()

    def _find(self, name: str) -> tuple[int, tuple[int, ...], bool]:
        try:
            return self._records[name]
        except KeyError:
            raise KeyError(f"{name}: the weights are {', '.join(self._records)}") from None

    def __getitem__(self, name: str) -> np.ndarray:
        index, shape, _ = self._find(name)
        array = np.empty(shape, np.float32)
        _api.check(_api.lib.fcnn_network_read_weight(self._handle(), index, _api.address(array)))
        return array.view(np.complex64)[..., 0] if name.endswith(".spectrum") else array

    def __setitem__(self, name: str, values: ArrayLike) -> None:
        index, shape, _ = self._find(name)
        array = np.asarray(values)
        if name.endswith(".spectrum") and array.shape == shape[:-1]:
            array = np.ascontiguousarray(array, np.complex64)[..., np.newaxis].view(np.float32)
        if array.shape != shape:
            wanted = shape[:-1] if name.endswith(".spectrum") else shape
            raise UsageError(f"{name} of shape {'x'.join(map(str, array.shape))}: expected "
                             f"{'x'.join(map(str, wanted))}")
        if array.dtype.kind == "c":
            raise UsageError(f"{name} of {array.dtype}: expected real numbers")
        try:
            with np.errstate(over="ignore"):
                array = np.ascontiguousarray(array, np.float32)
        except (TypeError, ValueError):
            raise UsageError(f"{name} of {array.dtype}: expected numbers") from None
        if not np.isfinite(array).all():
            raise UsageError(f"{name}: a value is not finite")
        _api.check(_api.lib.fcnn_network_write_weight(self._handle(), index, _api.address(array)))

    def __delitem__(self, name: str) -> None:
        raise TypeError("a network's weights cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def is_trained(self, name: str) -> bool:
        """Whether it is a parameter; else it is a buffer, such as a running mean."""
        return self._find(name)[2]

    def __repr__(self) -> str:
        rows = [(name, "x".join(map(str, shape)), "" if trained else "buffer")
                for name, (_, shape, trained) in self._records.items()]
        widths = [max(map(len, column)) for column in zip(*rows)] if rows else []
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                         for row in rows)
