"""What a network tells of itself: its scores, its input's statistics, the files that it wrote."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Score:
    """How well images of known classes are classified.

    Attributes
    ----------
    accuracy, top5 : float
        Part of the images whose class is the most probable one, or among the five most probable.
    loss : float
        Mean cross-entropy, in nats.
    images : int
    confusion : int64 [classes][classes]
        Images of each class, by the class that they were taken for.
    """

    accuracy: float
    loss: float
    top5: float
    images: int
    confusion: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of each channel, of pixels from 0 to 1, by which the input is normalised.

    Attributes
    ----------
    mean, deviation : float32 [channels]
    """

    mean: np.ndarray
    deviation: np.ndarray


@dataclass(frozen=True)
class OnnxFile:
    """What :meth:`Model.to_onnx` wrote.

    Attributes
    ----------
    height, width : int
        Of the images that it takes.
    opset, nodes, bytes : int
        The version of ONNX's operators, how many there are, and the file's size.
    """

    height: int
    width: int
    opset: int
    nodes: int
    bytes: int
