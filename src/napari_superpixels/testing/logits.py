"""What a grid network says before connectivity, window by window; how two results differ."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.tile import no_pulse, read_box
from napari_superpixels.models import clustering
from napari_superpixels.models.protocol import Tile

LARGEST_SHARE = 1e-6
"""Of the pixels, how many may choose another cell in windows of another shape."""
LARGEST_MARGIN = 1e-4
"""Between the two best logits of such a pixel."""


@dataclass(frozen=True)
class Difference:
    """How two raw assignments differ."""

    count: int
    """Pixels that choose another cell."""
    pixels: int
    """Of so many."""
    margin: float
    """The largest difference between the two best logits among those pixels; 0 for none."""

    @property
    def share(self) -> float:
        """Of the pixels."""
        return self.count / self.pixels

    @property
    def allowed(self) -> bool:
        """Whether this is float's last bits and no more."""
        return self.share <= LARGEST_SHARE and self.margin <= LARGEST_MARGIN


def difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> Difference:
    """Compare the choices of two arrays of logits, shape (9, Y, X)."""
    differs = one.argmax(axis=0) != other.argmax(axis=0)
    best = np.sort(one[:, differs], axis=0)
    margin = float((best[-1] - best[-2]).max()) if differs.any() else 0.0
    return Difference(int(differs.sum()), differs.size, margin)


def raw_logits(plan: Plan) -> NDArray[np.float32]:
    """Return the logits of all windows' cores, before connectivity, shape (9, Y, X)."""
    out = np.empty((9, *plan.pixels.shape), np.float32)
    for window in plan.windows:
        block = plan.source.read(0, read_box(plan, window))
        step = plan.lattice.step
        tile = Tile(
            pixels=block.pixels,
            valid=block.valid,
            step=(step[0], step[1]),
            cut=((False, False), (False, False)),
            wanted=window.core.relative_to(window.read),
        )
        valid = clustering.valid_of(block.pixels, block.valid)
        model: Any = plan.model
        model = getattr(model, "inner", model)
        pixels = plan.lattice.to_pixels
        core = pixels(window.core)
        found = model.logits(tile, valid, no_pulse)
        out[:, *core.slices] = found[:, *core.relative_to(pixels(window.read)).slices]
    return out
