"""What a segmentation network says, window by window."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.tile import no_pulse, read_box
from napari_superpixels.models.protocol import Tile


def raw_scores(plan: Plan) -> NDArray[np.float32]:
    """Return the scores of all windows' cores, (K, Y, X); compare with `logits.difference`."""
    model: Any = plan.model
    model = getattr(model, "inner", model)
    out = np.empty((model.trained.scores, *plan.pixels.shape), np.float32)
    step = plan.lattice.step
    for window in plan.windows:
        block = plan.source.read(0, read_box(plan, window))
        tile = Tile(
            pixels=block.pixels,
            valid=block.valid,
            step=(step[0], step[1]),
            cut=((False, False), (False, False)),
            wanted=window.core.relative_to(window.read),
        )
        core = plan.lattice.to_pixels(window.core).relative_to(plan.pixels)
        out[:, *core.slices] = model.scores(tile, no_pulse)
    return out
