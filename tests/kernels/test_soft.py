"""The integer soft SLIC: equal to plain numpy on any window, and close to the float operator."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from napari_superpixels.kernels import soft as kernel
from napari_superpixels.kernels.bands import banded
from napari_superpixels.kernels.cone import WHOLE, position_table
from napari_superpixels.kernels.features import Quanta
from napari_superpixels.kernels.lab import rgb_to_lab
from napari_superpixels.kernels.soft import soft_slic, weights_for
from napari_superpixels.kernels.soft_reference import soft_reference, soft_weights
from napari_superpixels.networks import association
from napari_superpixels.tiling import Box

DEFAULT = Quanta.for_compactness(2.5 / 0.26)


def blocks(rng, channels, shape, spread=300):
    """Noise on blocks, so that clusters move and pixels are contested."""
    coarse = rng.integers(-spread, spread, (channels, *(n // 5 + 1 for n in shape)))
    image = np.kron(coarse, np.ones((1, 5, 5), int))[:, : shape[0], : shape[1]]
    return (image + rng.integers(-spread // 4 - 1, spread // 4 + 1, image.shape)).astype(np.int16)


def run(features, valid, step, quanta, iterations, cut=WHOLE, threads=1):
    with banded(threads, lambda: None) as bands:
        return soft_slic(features, valid, step, quanta, iterations, cut=cut, bands=bands)


def codes_of(result, box=None):
    with banded(1, lambda: None) as bands:
        return result.codes(box or result.exact, bands)


def assert_equals_reference(features, valid, step, quanta, iterations, threads):
    fast = run(features, valid, step, quanta, iterations, threads=threads)
    plain = soft_reference(features, valid, step, quanta, iterations)
    keep = np.ones(features.shape[1:], bool) if valid is None else valid
    np.testing.assert_array_equal(codes_of(fast), np.where(keep, plain.codes, 255))
    np.testing.assert_array_equal(fast.centres, plain.centres)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.sampled_from([1, 2, 3, 5]),
    shape=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    step=st.tuples(st.integers(2, 19), st.integers(2, 19)),
    compactness=st.sampled_from([0.1, 3.0, 2.5 / 0.26, 40.0, 900.0]),
    iterations=st.integers(1, 4),
    holes=st.sampled_from([None, 0.1, 0.6, 1.0]),
    threads=st.sampled_from([1, 2]),
)
def test_equals_the_reference(seed, channels, shape, step, compactness, iterations, holes, threads):
    rng = np.random.default_rng(seed)
    features = blocks(rng, channels, shape)
    valid = None if holes is None else rng.random(shape) >= holes
    quanta = Quanta.for_compactness(compactness)
    assert_equals_reference(features, valid, step, quanta, iterations, threads)


def test_large_cells_of_extreme_features_do_not_overflow():
    features = np.full((3, 130, 200), 2700, np.int16)
    features[:, ::2] = -1200
    assert_equals_reference(features, None, (64, 64), DEFAULT, 3, 2)


@pytest.mark.parametrize("color", [1, 2, 5, 14, 15])
def test_weights_are_the_rounded_exponential(color):
    weights = weights_for(color)
    difference = np.arange(len(weights.table) - 1) << weights.shift
    exact = 2**16 * np.exp(-difference * (0.26 / color) ** 2)
    np.testing.assert_allclose(weights.table[:-1], exact, atol=0.5 + 1e-9, rtol=0)
    assert weights.table[0] == 2**16
    assert weights.table[-1] == 0
    beyond = len(weights.table) << weights.shift
    assert math.exp(-beyond * (0.26 / color) ** 2) < 2**-17
    assert len(weights.table) <= kernel.MAX_ENTRIES


def test_weights_are_the_same_numbers_everywhere():
    """Pinned: a machine that makes another table would make other labels."""
    found = {color: int(weights_for(color).table.sum(dtype=np.int64)) for color in (1, 14, 15)}
    assert found == {1: 1002597, 14: 23784591, 15: 27298908}


def test_a_float_quotient_is_the_integer_reciprocal():
    total = np.arange(2**16, 9 * 2**16 + 1)
    quotient = (2.0**kernel.RECIPROCAL_BITS / total).astype(np.int64)
    np.testing.assert_array_equal(quotient, 2**kernel.RECIPROCAL_BITS // total)


def test_weights_of_a_pixel_add_up_to_one():
    distances = np.random.default_rng(0).integers(0, 2**24, (9, 1000)) >> 8
    total = soft_weights(distances, weights_for(15)).sum(axis=0)
    assert np.abs(total - 2**16).max() <= 9


def test_a_cell_without_weight_keeps_its_centre():
    """The middle cell is half black, half white; its grey is far from every pixel."""
    features = np.zeros((1, 4, 12), np.int16)
    features[:, :, 6:] = 1500
    result = run(features, None, (4, 4), DEFAULT, 4)
    assert result.centres[0, :, 0].tolist() == [0, 750, 1500]
    assert set(codes_of(result)[:, 4:8].ravel()) == {3, 5}


def test_a_cell_without_data_is_no_candidate():
    features = blocks(np.random.default_rng(1), 2, (12, 12))
    valid = np.ones((12, 12), bool)
    valid[4:8, 4:8] = False
    image = codes_of(run(features, valid, (4, 4), DEFAULT, 4))
    assert (image[4:8, 4:8] == 255).all()
    rows, columns = np.nonzero(image != 255)
    chosen = image[rows, columns].astype(int)
    empty = (rows // 4 + chosen // 3 - 1 == 1) & (columns // 4 + chosen % 3 - 1 == 1)
    assert not empty.any()


def test_windows_agree_with_the_whole_where_they_are_exact():
    rng, step, iterations = np.random.default_rng(2), (3, 4), 3
    features = blocks(rng, 3, (60, 80))
    valid = rng.random((60, 80)) > 0.05
    whole = run(features, valid, step, DEFAULT, iterations)
    for top, left, rows, columns in [(0, 0, 14, 12), (3, 5, 12, 13), (8, 0, 12, 20)]:
        part = slice(top * 3, (top + rows) * 3), slice(left * 4, (left + columns) * 4)
        cut = ((top > 0, top + rows < 20), (left > 0, left + columns < 20))
        window = run(features[:, *part], valid[part], step, DEFAULT, iterations, cut=cut, threads=2)
        margin = 2 * iterations - 1
        assert window.exact[0].start == (margin if cut[0][0] else 0)
        assert min(window.exact.shape) > 0
        shifted = Box((window.exact[0].shift(top), window.exact[1].shift(left)))
        expected = codes_of(whole, shifted)
        np.testing.assert_array_equal(codes_of(window), expected)


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_the_cone_is_as_wide_as_said_and_no_wider(iterations):
    """Pixels less than 2 v - 1 cells from a cut depend on what lies beyond, the others do not."""
    quanta, touched = Quanta.for_compactness(0.5), set()
    for seed in range(40):
        features = blocks(np.random.default_rng(seed), 1, (8, 60), 60)
        whole = run(features, None, (4, 4), quanta, iterations)
        window = run(features[:, :, 16:], None, (4, 4), quanta, iterations)
        differing = codes_of(whole, Box.of((0, 2), (4, 15))) != codes_of(window)
        touched |= set(np.nonzero(differing.any(axis=0))[0] // 4)
    assert max(touched) == 2 * iterations - 2


def compare_with_float(image, step, iterations):
    """Share of pixels that differ from the float operator, and centres' differences in quanta."""
    scale = 0.26 / DEFAULT.color
    features = rgb_to_lab(image, DEFAULT.color)
    result = run(features, None, (step, step), DEFAULT, iterations)
    cell, offset = np.divmod(np.indices(image.shape[1:]), step)
    position = cell * DEFAULT.position + position_table(step, DEFAULT.position)[offset]
    stack = torch.from_numpy(np.concatenate([features, position]) * scale)[None]
    logits, _, centres = association.soft_slic(stack, (step, step), iterations)
    found = centres[0].permute(1, 2, 0).numpy() / scale
    found[..., -2:] -= np.moveaxis(np.indices(result.alive.shape), 0, -1) * DEFAULT.position
    differing = logits[0].argmax(dim=0).numpy() != codes_of(result)
    return differing.mean(), np.abs(found - result.centres)


@pytest.mark.parametrize(
    ("iterations", "share", "largest"), [(1, 0.004, 0.51), (2, 0.006, 4), (10, 0.012, 200)]
)
def test_close_to_the_float_operator_on_a_photograph(iterations, share, largest):
    """Centres are rounded to a quantum (1/15 Lab); iterations let a few cells drift apart."""
    image = np.ascontiguousarray(data.astronaut().transpose(2, 0, 1)[:, :304, :400])
    differing, centres = compare_with_float(image, 16, iterations)
    assert differing < share
    assert centres.max() < largest
    assert np.quantile(centres, 0.9) < 1.5
