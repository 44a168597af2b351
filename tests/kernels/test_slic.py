"""The fast SLIC equals the plain one, on any window and any number of threads."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_superpixels.kernels.bands import banded
from napari_superpixels.kernels.slic import slic
from napari_superpixels.kernels.slic_reference import slic_reference


def image(rng, channels, shape, spread=300):
    """Noise on blocks, so that clusters move and pixels are contested."""
    coarse = rng.integers(-spread, spread, (channels, *(n // 5 + 1 for n in shape)))
    blocks = np.kron(coarse, np.ones((1, 5, 5), int))[:, : shape[0], : shape[1]]
    return (blocks + rng.integers(-spread // 4 - 1, spread // 4 + 1, blocks.shape)).astype(np.int16)


def assert_equal(features, valid, step, position, iterations, cut, threads):
    with banded(threads, lambda: None) as bands:
        fast = slic(features, valid, step, position, iterations, cut=cut, bands=bands)
        codes = fast.codes(fast.exact, bands)
    plain = slic_reference(features, valid, step, position, iterations, cut)
    assert fast.exact == plain.exact
    if 0 in plain.exact.shape:
        return
    keep = np.ones(features.shape[1:], bool) if valid is None else valid
    (sy, sx), (rows, columns) = step, fast.exact
    keep = keep[rows.start * sy : rows.stop * sy, columns.start * sx : columns.stop * sx]
    np.testing.assert_array_equal(codes, np.where(keep, plain.codes, 255))
    inner = fast.exact.slices
    np.testing.assert_array_equal(fast.centres[inner], plain.centres[inner])


sides = st.tuples(st.booleans(), st.booleans())


@settings(max_examples=60, deadline=None)
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
