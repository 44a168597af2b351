"""What networks of segmentation and regression see of an image: samples around 0.

Red, green and blue have the mean and the spread of ImageNet, so that weights from there fit; every
channel of other images has the averages of the three.
"""

from dataclasses import dataclass
from typing import Self

from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What is subtracted from samples of 0 to 1, and what the rest is divided by."""

    mean: tuple[float, ...]
    """One number a channel."""
    std: tuple[float, ...]
    """One number a channel."""

    @classmethod
    def of(cls, channels: int) -> Self:
        """Return that of images of so many channels."""
        if channels == len(MEAN):
            return cls(MEAN, SPREAD)
        mean, std = (round(sum(each) / len(each), 3) for each in (MEAN, SPREAD))
        return cls((mean,) * channels, (std,) * channels)

    def __call__(self, image: Tensor) -> Tensor:
        """Return samples of 0 to 1, (N, C, Y, X), as networks see them."""
        mean, std = (image.new_tensor(each)[:, None, None] for each in (self.mean, self.std))
        return (image - mean) / std
