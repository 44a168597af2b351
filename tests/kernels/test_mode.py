import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superpixels.kernels.mode import mode_downsample


def mode_reference(labels, factor):
    shape = tuple(-(-n // f) for n, f in zip(labels.shape, factor, strict=True))
    out = np.empty(shape, labels.dtype)
    for r, c in np.ndindex(shape):
        rows, columns = (slice(i * f, (i + 1) * f) for i, f in zip((r, c), factor, strict=True))
        ids, counts = np.unique(labels[rows, columns], return_counts=True)
        out[r, c] = ids[np.argmax(counts)]  # ascending, and the first of equal counts
    return out


@given(
    shape=st.tuples(st.integers(1, 17), st.integers(1, 17)),
    factor=st.tuples(st.integers(1, 5), st.integers(1, 5)) | st.just((2, 2)),
    ids=st.integers(1, 6),
    big=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_reference(shape, factor, ids, big, seed):
    labels = np.random.default_rng(seed).integers(0, ids, shape)
    labels = labels.astype(np.uint64) + np.uint64(2**63) if big else labels.astype(np.uint32)
    got = mode_downsample(labels, factor)
    assert got.dtype == labels.dtype
    assert (got == mode_reference(labels, factor)).all()


def test_all_blocks_of_two_by_two():
    blocks = np.array(list(np.ndindex(4, 4, 4, 4)), np.uint32).reshape(-1, 2, 2)
    labels = blocks.transpose(1, 0, 2).reshape(2, -1)
    assert (mode_downsample(labels, (2, 2)) == mode_reference(labels, (2, 2))).all()


@pytest.mark.parametrize(
    ("block", "wins"),
    [
        ([[0, 0], [7, 7]], 0),
        ([[0, 7], [7, 7]], 7),
        ([[9, 7], [8, 6]], 6),
        ([[0, 7], [0, 8]], 0),
    ],
)
def test_zero_counts_and_ties_go_to_the_smaller(block, wins):
    assert mode_downsample(np.array(block, np.uint32), (2, 2))[0, 0] == wins
