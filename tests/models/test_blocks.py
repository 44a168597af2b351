"""The halo of the sampling networks: every block reads in a window what it reads in the image."""

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.kernels.connectivity import HALO_CELLS
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.models.ssn import STRIDE
from napari_superpixels.testing.weights import write_random_weights
from napari_superpixels.tiling import Box, Interval, Windows, WindowShape

RGB = ImageFacts(channels=3, dtype=np.dtype(np.uint8), rgb=True)


def reads(model, width: int, place: Interval) -> dict[int, tuple[int, int]]:
    """Return where the blocks of a row of pixels are read, by where they begin."""
    row = Interval(0, model.step)
    blocks = model._blocks((model.step, width), (model.step,) * 2, Box((row, place)))
    return {b.core[1].start: (b.read[1].start, b.read[1].stop) for b in blocks}


def holds(method, model, halo: int, cells: int) -> bool:
    """Whether with that halo no window's border shows in what the blocks read."""
    step, near = method.step, method.cone_cells + HALO_CELLS
    width = cells * step - step // 2
    whole = reads(model, width, Interval(0, width))
    shape = WindowShape(method.align_cells // 2 + 1, halo, method.align_cells)
    for window in Windows.over((cells,), Box((Interval(0, cells),)), (shape,)):
        read, used = window.read[0], window.core[0].grow(near)
        used = used.clip(Interval(0, cells))
        shift = read.start * step
        place = Interval(used.start * step - shift, min(used.stop * step, width) - shift)
        found = reads(model, min(read.stop * step, width) - shift, place)
        if any(whole[k + shift] != (a + shift, b + shift) for k, (a, b) in found.items()):
            return False
    return True


@pytest.mark.parametrize("name", ["ssn", "hcssn"])
@pytest.mark.parametrize("step", [3, 9, 16, 39])
def test_the_halo_is_enough_and_not_much_too_large(tmp_path, name, step):
    weights = str(write_random_weights(tmp_path, name))
    kind = {"ssn": nsp.Ssn, "hcssn": nsp.Hcssn}[name]
    method = kind(step=step, iterations=2, weights=weights)
    model = method.model(RGB, None)
    sizes = range(2 * method.halo_cells, 2 * (method.halo_cells + method.align_cells), 3)
    declared = method.halo_cells
    assert all(holds(method, model, declared, cells) for cells in sizes)
    spare = -(-(2 * method.reach() + STRIDE) // step)
    short = declared - spare - 2
    assert not all(holds(method, model, short, cells) for cells in sizes)
