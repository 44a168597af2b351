"""What a learned method must keep, with random weights: `MethodContract` with float's tolerance.

Equal plans give equal labels. Windows of another shape may change the last bits of a network's
output, so there a few pixels may choose another cell, each with nearly equal logits. Noise lets
connectivity spread a single change over a whole cell: it is the raw assignment that is compared.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_superpixels import api
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.plan import Plan, make_plan
from napari_superpixels.io import Source
from napari_superpixels.kernels.connectivity import HALO_CELLS
from napari_superpixels.models.grid_network import CELL
from napari_superpixels.models.protocol import Method
from napari_superpixels.testing.contract import MethodContract, labels_of, noise
from napari_superpixels.testing.logits import (
    LARGEST_MARGIN,
    LARGEST_SHARE,
    difference,
    raw_logits,
)
from napari_superpixels.testing.reach import reach_of
from napari_superpixels.testing.short_halo import ShortHalo
from napari_superpixels.testing.weights import write_random_weights


class _Learned(MethodContract):
    """Makes the settings, with random weights."""

    methods: tuple[Any, ...] = ()
    method_class: ClassVar[type[Any]]
    configs: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Parameters of its network, one for each of `steps`."""
    steps: ClassVar[tuple[int, ...]] = (16,)
    memory_shape: ClassVar[tuple[int, int]] = (112, 150)
    settings: ClassVar[dict[str, Any]] = {}
    """Settings beside the step and the weights."""

    @pytest.fixture(autouse=True)
    def _write_weights(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        folder = tmp_path_factory.mktemp("weights")
        made = []
        for seed, (config, step) in enumerate(zip(self.configs, self.steps, strict=True)):
            path = self.write(folder, seed, config)
            made.append(self.method_class(step=step, weights=str(path), **self.settings))
        self.methods = tuple(made)

    def write(self, folder: Path, seed: int, config: dict[str, Any]) -> Path:
        """Write random weights of one of `configs`."""
        return write_random_weights(folder, self.method_class.name, seed, **config)


class NetworkContract(_Learned):
    """Tests of one network that gives the association itself."""

    def test_windows_do_not_show(self) -> None:
        """Windows of other shapes, with no more halo than the network asks for, agree."""
        for number, method in enumerate(self.methods):
            for image in strips(method, number):
                source = api.open(image)
                whole = raw_logits(api.plan(source, method, window=max(image.shape)))
                for core in (5, 9):
                    tiled = raw_logits(_with_halo(source, method, core * method.align_cells, 0))
                    assert difference(tiled, whole).allowed

    def test_the_same_plan_gives_the_same_bits(self) -> None:
        """Nothing is left to chance."""
        for method in self.methods:
            plan = api.plan(api.open(noise((70, 83, 3))), method)
            np.testing.assert_array_equal(raw_logits(plan), raw_logits(plan))

    def test_a_nan_shows_the_declared_halo(self) -> None:
        """What a pixel without a number spoils lies within the declared halo, and fills it.

        Of small cells not every pixel of the network's is used, which may save a cell.
        """
        for method in self.methods:
            model: Any = api.plan(api.open(noise((16, 16, 3))), method).model
            reach = reach_of(model.network(), method.step, method.network_halo + 1)
            assert 0 <= method.network_halo - reach <= (method.step < CELL)

    def test_a_short_halo_shows(self) -> None:
        """The declared halo is needed: two cells less, or the alignment, change the logits.

        By more than float's last bits: whether a pixel of noise then chooses another cell depends
        on the weights.
        """
        for method in self.methods:
            image, align = strips(method, 0)[0], method.align_cells
            source = api.open(image)
            whole = raw_logits(api.plan(source, method, window=max(image.shape)))
            finite = np.isfinite(whole)
            full, short = (
                raw_logits(_with_halo(source, method, 3 * align + 1, missing))[finite]
                for missing in (0, max(2, align))
            )
            assert abs(full - whole[finite]).max() <= LARGEST_MARGIN
            assert abs(short - whole[finite]).max() > LARGEST_MARGIN

    def test_a_copy_that_starts_at_another_cell_agrees(self) -> None:
        """Away from the cut, choices in a crop are those in the image."""
        for method in self.methods:
            step, align = method.step, method.align_cells
            reach = method.halo_cells + align
            size = step * align * (-(-(2 * reach + 6) // align))
            image = noise((size, size, 3))
            rows, columns = 2 * align, 3 * align
            crop = image[rows * step :, columns * step :]
            whole, part = (
                raw_logits(api.plan(api.open(each), method, window=size)) for each in (image, crop)
            )
            far = (slice((reach + rows) * step, None), slice((reach + columns) * step, None))
            near = (slice(reach * step, None), slice(reach * step, None))
            assert difference(part[:, *near], whole[:, *far]).allowed

    def test_nodata_is_zero_and_moves_no_window(self) -> None:
        """Masked pixels get 0, the others never; windows agree with a mask too."""
        for method in self.methods:
            image = strips(method, 4)[0]
            mask = noise(image.shape[:2], 5, 4) > 0
            mask[: 2 * method.step, : 2 * method.step] = False
            source = api.open(image, mask=mask)
            labels = api.superpixels(source, method, window=max(image.shape)).compute()
            np.testing.assert_array_equal(labels == 0, ~mask)
            whole = raw_logits(api.plan(source, method, window=max(image.shape)))
            tiled = raw_logits(_with_halo(source, method, 6 * method.align_cells, 0))
            assert difference(tiled[:, mask], whole[:, mask]).allowed


class SamplingContract(_Learned):
    """Tests of one sampling network: its labels are the same bits in all windows."""

    settings: ClassVar[dict[str, Any]] = {"iterations": 2}

    def test_windows_do_not_show(self) -> None:
        """Any window gives the labels of the whole image, over several blocks."""
        for number, method in enumerate(self.methods):
            for image in _long_strips(method, number):
                whole = labels_of(image, method, window=max(image.shape))
                for core in (5, 2 * method.align_cells + 1):
                    tiled = labels_of(image, method, window=core * method.step)
                    np.testing.assert_array_equal(tiled, whole)

    def test_a_short_halo_shows(self) -> None:
        """Two cells less than the cone of the clustering give other choices somewhere."""
        for method in self.methods:
            image = _long_strips(method, 0)[0]
            whole = labels_of(image, method, window=max(image.shape))
            missing = method.halo_cells - method.cone_cells + 2
            cut: Any = ShortHalo(method, missing=missing)
            short = make_plan(api.open(image), cut, window=5 * method.step)
            assert (np.asarray(lazy_labels(short).compute()) != whole).any()

    def test_a_copy_that_starts_at_another_cell_agrees(self) -> None:
        """Away from the cut, labels of a crop are those of the image; bit by bit for a block.

        Four cells are a whole number of the network's strides, whatever the step.
        """
        for method in self.methods:
            step, align, reach = method.step, method.align_cells, method.halo_cells
            image = noise((3 * step, step * (2 * reach + align), 3))
            whole = labels_of(image, method).astype(np.int64)
            for columns in (align, 4):
                part = labels_of(image[:, columns * step :], method)
                near = (slice(None), slice(reach * step, None))
                width = 2 * reach + align
                r, c = np.divmod(part[near].astype(np.int64) - 1, width - columns)
                far = whole[:, (reach + columns) * step :]
                differs = r * width + c + columns + 1 != far
                assert differs.mean() <= LARGEST_SHARE * (columns != align)


def _long_strips(method: Any, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return two images of noise, lying and standing, of several blocks."""
    long = method.step * (2 * method.halo_cells + 3 * method.align_cells) + 5
    lying = noise((2 * method.step + 3, long, 3), seed)
    return lying, np.swapaxes(lying, 0, 1).copy()


def strips(method: Any, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return two images of noise, lying and standing: long enough to be cut, and cheap."""
    step, align = method.step, method.align_cells
    long = step * (2 * method.halo_cells + 9 * align) + 5
    lying = noise((4 * step * align + 3, long, 3), seed)
    return lying, np.swapaxes(lying, 0, 1).copy()


def _with_halo(source: Source, method: Method, core: int, missing: int) -> Plan:
    """Make a plan with the halo that the raw assignment needs, or some cells less."""
    cut: Any = ShortHalo(method, missing=missing + HALO_CELLS)
    plan = make_plan(source, cut, window=core * method.step)
    assert plan.halo == method.halo_cells - HALO_CELLS - missing
    return plan
