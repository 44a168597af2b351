"""The fast SLIC equals the plain one, on any window and any number of threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_superpixels.kernels.bands import banded
from napari_superpixels.kernels.cells import LARGEST_CELL, Frame
from napari_superpixels.kernels.cone import NONE, WHOLE
from napari_superpixels.kernels.features import MAX_COMPACTNESS, Quanta, channel_features
from napari_superpixels.kernels.slic import slic
from napari_superpixels.kernels.slic_reference import slic_reference
from napari_superpixels.tiling import Box
from napari_superpixels.tiling.lattice import Lattice


def image(rng, channels, shape, spread=300):
    """Noise on blocks, so that clusters move and pixels are contested."""
    coarse = rng.integers(-spread, spread, (channels, *(n // 5 + 1 for n in shape)))
    blocks = np.kron(coarse, np.ones((1, 5, 5), int))[:, : shape[0], : shape[1]]
    return (blocks + rng.integers(-spread // 4 - 1, spread // 4 + 1, blocks.shape)).astype(np.int16)


def run(features, valid, step, position, iterations, cut=WHOLE, threads=1):
    """The fast form, and its codes in the exact cells."""
    with banded(threads, lambda: None) as bands:
        result = slic(features, valid, step, position, iterations, cut=cut, bands=bands)
        return result, result.codes(result.exact, bands)


def pixels(box, step, shape):
    return Lattice(shape, step).to_pixels(box).slices


def assert_equal(features, valid, step, position, iterations, cut=WHOLE, threads=1):
    fast, codes = run(features, valid, step, position, iterations, cut, threads)
    plain = slic_reference(features, valid, step, position, iterations, cut)
    assert fast.exact == plain.exact
    keep = np.ones(features.shape[1:], bool) if valid is None else valid
    keep = keep[pixels(fast.exact, step, keep.shape)]
    np.testing.assert_array_equal(codes, np.where(keep, plain.codes, 255))
    inner = fast.exact.slices
    np.testing.assert_array_equal(fast.centres[inner], plain.centres[inner])


sides = st.tuples(st.booleans(), st.booleans())


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.sampled_from([1, 2, 3, 4, 7]),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    step=st.tuples(st.integers(2, 19), st.integers(2, 19)),
    position=st.sampled_from([0, 1, 7, 144, 960]),
    iterations=st.integers(1, 5),
    cut=st.tuples(sides, sides),
    holes=st.sampled_from([None, 0.1, 0.6, 1.0]),
    threads=st.sampled_from([1, 2]),
)
def test_equals_the_reference(
    seed, channels, shape, step, position, iterations, cut, holes, threads
):
    rng = np.random.default_rng(seed)
    features = image(rng, channels, shape)
    valid = None if holes is None else rng.random(shape) >= holes
    assert_equal(features, valid, step, position, iterations, cut, threads)


@pytest.mark.parametrize("compactness", [0.01, 1.0, 2.5 / 0.26, 100.0, MAX_COMPACTNESS])
@pytest.mark.parametrize("channels", [1, 3, 8, 32])
def test_the_largest_features_do_not_overflow(channels, compactness):
    """Outliers at both ends, as far apart as features get, at every resolution."""
    rng = np.random.default_rng(channels)
    quanta = Quanta.for_compactness(compactness)
    raw = rng.choice([-1e9, 1e9, 0.0, 1.0], (channels, 1, 57, 61))[:, 0]
    features = channel_features(raw, [0.0] * channels, [1.0] * channels, quanta)
    assert_equal(features, None, (9, 9), quanta.position, 4)


@pytest.mark.parametrize("step", [(2, 2), (64, 64), (118, 118), (2, 100)])
def test_small_and_large_cells(step):
    shape = (2 * step[0] + 5, 3 * step[1] - 1)
    assert_equal(image(np.random.default_rng(4), 3, shape), None, step, 144, 4)


def test_cells_that_sums_could_not_hold_are_refused():
    with pytest.raises(AssertionError, match="callers check"):
        Frame(Lattice((500, 500), (LARGEST_CELL, 2)), 3, 144)


@pytest.mark.parametrize("position", [0, 144])
def test_ties_go_to_the_lowest_code(position):
    flat = np.zeros((3, 40, 40), np.int16)
    assert_equal(flat, None, (8, 8), position, 3)
    _, codes = run(flat, None, (8, 8), position, 1)
    if position == 0:
        assert (codes[8:, 8:] == 0).all()
        assert (codes[:8, :8] == 4).all()


def test_a_resting_image_is_left_alone():
    """Cells whose candidates rest are skipped: more iterations change nothing, as they should."""
    features = np.zeros((1, 64, 64), np.int16)
    features[:, :, 37:] = 800
    short, long = (run(features, None, (8, 8), 144, v) for v in (12, 40))
    np.testing.assert_array_equal(short[1], long[1])
    np.testing.assert_array_equal(short[0].centres, long[0].centres)


def test_threads_do_not_show():
    features = image(np.random.default_rng(6), 3, (150, 131))
    codes = [run(features, None, (8, 8), 144, 6, threads=n)[1] for n in (1, 2, 3, 5)]
    for other in codes[1:]:
        np.testing.assert_array_equal(codes[0], other)


def window(box, cells):
    """Which sides of a box of cells cut an image of that many cells."""
    return tuple((side.start > 0, side.stop < n) for side, n in zip(box, cells, strict=True))


@pytest.mark.parametrize("iterations", [1, 3, 5])
@pytest.mark.parametrize("masked", [False, True])
def test_windows_do_not_show(iterations, masked):
    """Codes and centres in a core are those of the whole image with a halo of 2 v - 1 cells."""
    rng = np.random.default_rng(iterations)
    step, shape, halo = (5, 7), (190, 243), 2 * iterations - 1
    features, cells = image(rng, 3, shape), Lattice(shape, step).cells
    valid = rng.random(shape) > 0.3 if masked else None
    whole, codes = run(features, valid, step, 144, iterations)
    for core in (Box.of((11, 20), (14, 15)), Box.of((0, 7), (20, 35)), Box.of((30, 38), (0, 9))):
        read = Box(tuple(side.grow(halo) for side in core)).clip(Box.whole(cells))
        part = pixels(read, step, shape)
        mask = None if valid is None else valid[part]
        cut = window(read, cells)
        tile, codes_there = run(features[:, *part], mask, step, 144, iterations, cut)
        inner = core.relative_to(read)
        assert tile.exact.covers(inner)
        there = pixels(inner.relative_to(tile.exact), step, codes_there.shape)
        np.testing.assert_array_equal(codes_there[there], codes[pixels(core, step, shape)])
        np.testing.assert_array_equal(tile.centres[inner.slices], whole.centres[core.slices])


def test_a_shorter_halo_would_show():
    """Without the last cell of halo some code changes: 2 v - 1 is not more than is needed."""
    step, shape = (4, 4), (120, 120)
    features = np.random.default_rng(7).integers(-300, 300, (1, *shape)).astype(np.int16)
    _, codes = run(features, None, step, 20, iterations=2)
    differences = 0
    for start in range(5, 24):
        read = Box.of((start - 2, start + 3), (start - 2, start + 3))  # a halo of 2, not 3
        _, tile = run(features[:, *pixels(read, step, shape)], None, step, 20, iterations=2)
        core = pixels(Box.of((start, start + 1), (start, start + 1)), step, shape)
        differences += (tile[8:12, 8:12] != codes[core]).sum()
    assert differences > 0


def test_the_cost_is_the_distance_to_the_centre():
    rng = np.random.default_rng(8)
    step, shape, position = (5, 8), (33, 50), 144
    features, valid = image(rng, 3, shape), rng.random(shape) > 0.3
    valid[:5, :8] = False
    result, _ = run(features, valid, step, position, 3)
    plain = slic_reference(features, valid, step, position, 3)
    box = Box.of((1, 7), (2, 6))
    part = pixels(box, step, shape)
    inside = valid[part]
    cost = result.cost(box)
    for code in range(9):
        index = np.arange(inside.size)
        got = cost(index, np.full(inside.size, code, np.uint8)).reshape(inside.shape)
        assert got.dtype == np.int32
        wanted = plain.distances[code][part]
        np.testing.assert_array_equal(got[inside], wanted[inside])
        np.testing.assert_array_equal((got == NONE)[~inside], (wanted == NONE)[~inside])
    assert not result.alive[0, 0]
    assert (
        result.cost(Box.whole((7, 7)))(np.array([51 * 5]), np.array([0], np.uint8)) == NONE
    ).all()


def test_pixels_without_data_cost_what_their_position_does():
    features, valid = np.full((1, 8, 8), 500, np.int16), np.ones((8, 8), bool)
    valid[3, 5] = False
    result, codes = run(features, valid, (8, 8), 16, 1)
    assert codes[3, 5] == 255
    y, x = result.centres[0, 0, 1:]
    cost = result.cost(Box.whole((1, 1)))(np.array([3 * 8 + 5]), np.array([4], np.uint8))
    assert cost[0] == (6 - y) ** 2 + (10 - x) ** 2


class StopNowError(Exception):
    pass


@pytest.mark.parametrize("threads", [1, 2])
def test_the_pulse_can_stop_the_work(threads):
    beats = []

    def pulse():
        beats.append(1)
        if len(beats) == 9:
            raise StopNowError

    features = image(np.random.default_rng(9), 3, (90, 90))
    with pytest.raises(StopNowError), banded(threads, pulse) as bands:
        slic(features, None, (8, 8), 144, 10, bands=bands)
    assert len(beats) == 9
