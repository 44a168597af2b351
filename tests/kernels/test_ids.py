import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superpixels.kernels.ids import NODATA, codes_of, expand_ids
from napari_superpixels.testing.strategies import KINDS, make_codes
from napari_superpixels.tiling import Lattice


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
@pytest.mark.parametrize("plane", [0, 3])
def test_expand_ids_gives_the_labels_of_the_lattice(dtype, plane):
    lattice = Lattice((14, 23), (4, 5), planes=4)
    codes = make_codes(np.random.default_rng(0), "random", (14, 23), (4, 5))
    codes[2, 3:6] = NODATA
    labels = expand_ids(codes, (0, 0), (4, 5), lattice.cells, plane, np.dtype(dtype))
    assert labels.dtype == dtype
    for y, x in np.ndindex(codes.shape):
        code = int(codes[y, x])
        cell = (y // 4 + code // 3 - 1, x // 5 + code % 3 - 1)
        assert labels[y, x] == (0 if code == NODATA else lattice.label(cell, plane))


def test_labels_above_32_bits():
    codes = np.full((2, 2), 4, np.uint8)
    cells = (2**17, 2**17)
    labels = expand_ids(codes, (7, 9), (2, 2), cells, 1, np.dtype(np.uint64))
    assert (labels == 2**34 + 7 * 2**17 + 9 + 1).all()


@given(
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    step=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    first=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
)
def test_labels_go_back_to_codes(shape, step, first, kind, seed):
    rng = np.random.default_rng(seed)
    codes = make_codes(rng, kind, shape, step)
    codes[rng.random(shape) < 0.2] = NODATA
    cells = (40, 41)
    labels = expand_ids(codes, first, step, cells, 2, np.dtype(np.uint32))
    assert (codes_of(labels, first, step, cells, 2) == codes).all()


def test_labels_do_not_depend_on_the_window():
    codes = make_codes(np.random.default_rng(1), "random", (24, 30), (4, 5))
    whole = expand_ids(codes, (0, 0), (4, 5), (6, 6), 0, np.dtype(np.uint32))
    part = expand_ids(codes[8:20, 10:25], (2, 2), (4, 5), (6, 6), 0, np.dtype(np.uint32))
    assert (part == whole[8:20, 10:25]).all()
