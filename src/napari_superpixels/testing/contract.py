"""What every superpixel method must keep: subclass `MethodContract` and name the settings.

Example
-------
A method's tests are then a few lines::

    class TestSlic(MethodContract):
        methods = (Slic(step=4, iterations=2), Slic(step=7, iterations=3))
"""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_superpixels import api
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.plan import Plan, make_plan
from napari_superpixels.engine.tile import assign, no_pulse, read_box
from napari_superpixels.labels.check import count_components, pixels_outside_cells
from napari_superpixels.models.protocol import Method
from napari_superpixels.testing.short_halo import ShortHalo


def noise(shape: tuple[int, ...], seed: int = 0, high: int = 255) -> NDArray[np.uint8]:
    """Return uniform noise, the image on which influence travels farthest."""
    return np.random.default_rng(seed).integers(0, high, shape, dtype=np.uint8)


def hashed_noise(seed: int, side: int) -> NDArray[np.uint8]:
    """Return white noise, shape (side, side, 3), from a hash: the same with any numpy."""
    value = np.arange(3 * side * side, dtype=np.uint32) + np.uint32(seed * 0x9E3779B1 % 2**32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = (value ^ (value >> np.uint32(shift))) * np.uint32(factor)
    planes = (value >> np.uint32(24)).astype(np.uint8).reshape(3, side, side)
    return np.moveaxis(planes, 0, -1)


def labels_of(image: Any, method: Method, *, mask: Any = None, **options: Any) -> NDArray[Any]:
    """Label an image; by default in one window."""
    source = api.open(image, mask=mask)
    plan = api.plan(source, method, **options)
    return np.asarray(lazy_labels(plan).compute())


class MethodContract:
    """Tests of one method."""

    methods: tuple[Method, ...] = ()
    """Settings to test; small steps and few iterations keep it fast."""
    memory_shape: ClassVar[tuple[int, int]] = (400, 500)
    """Image for the test of the declared memory."""
    sensitive: ClassVar[tuple[tuple[Method, NDArray[Any], int], ...]] = ()
    """Settings, an image and a window for which a halo two cells short gives other labels."""

    def test_windows_do_not_show(self) -> None:
        """Any window gives the labels of the whole image."""
        for number, method in enumerate(self.methods):
            for image in (noise((70, 83, 3), number), noise((64, 41), number)):
                whole = labels_of(image, method, window=4096)
                for window in (method.step, 3 * method.step, 32):
                    np.testing.assert_array_equal(labels_of(image, method, window=window), whole)

    def test_a_short_halo_shows(self) -> None:
        """The declared halo is needed: two cells less give other labels somewhere."""
        assert self.sensitive, (
            "without a case, no comparison of windows is known to be able to fail"
        )
        for method, image, window in self.sensitive:
            whole = labels_of(image, method, window=4096)
            np.testing.assert_array_equal(labels_of(image, method, window=window), whole)
            source = api.open(image)
            cut = cast("Method", ShortHalo(method, missing=2))
            short = make_plan(source, cut, window=window)
            full = api.plan(source, method, window=window)
            assert short.halo == full.halo - 2 - full.output.ring
            short = _with_statistics(short, full)
            assert (np.asarray(lazy_labels(short).compute()) != whole).any()

    def test_a_copy_that_starts_at_another_cell_agrees(self) -> None:
        """Away from the cut, labels of a crop are those of the image with shifted ids."""
        for method in self.methods:
            step, reach = method.step, method.halo_cells
            size = step * (2 * reach + 6)
            image = noise((size, size, 3))
            rows, columns = 2, 3
            crop = image[rows * step :, columns * step :]
            whole, part = labels_of(image, method), labels_of(crop, method)
            far = (slice((reach + rows) * step, None), slice((reach + columns) * step, None))
            near = (slice(reach * step, None), slice(reach * step, None))
            width, cut_width = -(-size // step), -(-crop.shape[1] // step)
            r, c = np.divmod(part[near].astype(np.int64) - 1, cut_width)
            np.testing.assert_array_equal((r + rows) * width + c + columns + 1, whole[far])

    def test_labels_are_connected_and_near_their_cell(self) -> None:
        """One component a label, inside the 3 x 3 cells around its own; every pixel labelled."""
        for method in self.methods:
            image = noise((61, 47, 3))
            labels = labels_of(image, method)
            lattice = api.plan(api.open(image), method).lattice
            assert labels.min() > 0
            assert set(count_components(labels)[1]) == {1}
            assert pixels_outside_cells(labels, lattice, (0, 0)) == 0

    def test_nodata_is_zero_and_moves_no_window(self) -> None:
        """Masked pixels get 0, the others never; windows agree with a mask too."""
        for method in self.methods:
            image, mask = noise((60, 57, 3)), noise((60, 57), 5, 4) > 0
            mask[: 2 * method.step, : 2 * method.step] = False
            whole = labels_of(image, method, mask=mask)
            np.testing.assert_array_equal(whole == 0, ~mask)
            tiled = labels_of(image, method, mask=mask, window=2 * method.step)
            np.testing.assert_array_equal(tiled, whole)

    def test_masked_pixels_have_no_influence(self) -> None:
        """What lies under the mask changes no label."""
        for method in self.methods:
            image, mask = noise((50, 57, 3)), noise((50, 57), 5, 4) > 0
            other = np.where(mask[..., None], image, noise((50, 57, 3), 9))
            one, two = (labels_of(each, method, mask=mask) for each in (image, other))
            np.testing.assert_array_equal(one, two)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 3), (17, 16)])
    def test_any_size_from_one_pixel_up(self, shape: tuple[int, int]) -> None:
        """Images of one row, or smaller than a cell, work wherever the step fits one side."""
        for method in self.methods:
            if method.step <= max(shape):
                assert labels_of(noise(shape), method).shape == shape

    def test_the_model_is_picklable_and_threads_do_not_show(self) -> None:
        """A model gives the same codes after a pickle and with any number of threads."""
        for method in self.methods:
            plan = api.plan(api.open(noise((90, 83, 3))), method)
            assert pickle.loads(pickle.dumps(plan.method)) == method
            one, two = (_codes(plan, threads) for threads in (1, 3))
            again = _codes(pickle.loads(pickle.dumps(plan)), 1)
            np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(one, again)

    def test_a_cancel_is_noticed(self) -> None:
        """The pulse is called, and what it raises comes out."""

        class StopNowError(Exception):
            pass

        def pulse() -> None:
            raise StopNowError

        for method in self.methods:
            plan = api.plan(api.open(noise((40, 40, 3))), method)
            with pytest.raises(StopNowError):
                _codes(plan, 1, pulse)

    def test_the_declared_memory_is_an_upper_bound(self) -> None:
        """`bytes_for` bounds what numpy allocates at once, as tracemalloc sees it."""
        import tracemalloc

        for method in self.methods:
            height, width = self.memory_shape
            plan = api.plan(api.open(noise((height, width, 3))), method)
            _codes(plan, 1)
            tracemalloc.start()
            _codes(plan, 1)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak <= plan.model.bytes_for((height, width)) + height * width


def _with_statistics(plan: Plan, measured: Plan) -> Plan:
    return replace(plan, statistics=measured.statistics)


def _codes(plan: Plan, threads: int, pulse: Callable[[], None] = no_pulse) -> NDArray[np.uint8]:
    window = plan.windows[0]
    block = plan.source.read(0, read_box(plan, window))
    return assign(plan, window, window.core, block, threads=threads, pulse=pulse)
