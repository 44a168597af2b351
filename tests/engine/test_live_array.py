"""Indexing a live level is indexing the whole array of labels."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from napari_superpixels import api
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.live import LiveView
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.errors import InputError
from napari_superpixels.labels.boundaries import find_boundaries
from napari_superpixels.testing.fake import Fake

SHAPE = (2, 3, 41, 70)


@pytest.fixture(scope="module")
def stack():
    """A live view of a small movie of stacks, all of it made, and its labels."""
    image = np.random.default_rng(5).integers(0, 99, SHAPE, dtype=np.uint8)
    plan = make_plan(api.open(image, axes="tzyx"), Fake())
    view = LiveView(plan)
    view.labels[0][...]
    assert view.wait(60)
    yield view, lazy_labels(plan).compute()
    view.close()


@st.composite
def indices(draw):
    """Whatever one may index an array of four axes with, but for arrays."""
    parts = [draw(st.one_of(st.integers(-size, size - 1), st.slices(size))) for size in SHAPE]
    count = draw(st.integers(0, len(parts)))
    if draw(st.booleans()):
        return tuple(parts[:count])
    behind = draw(st.integers(0, len(parts) - count))
    return (*parts[:count], Ellipsis, *parts[len(parts) - behind :])


@given(indices())
def test_indexing_is_that_of_the_whole_array(stack, index):
    view, labels = stack
    expected = labels[index]
    part = view.labels[0][index]
    assert part.shape == expected.shape
    assert part.dtype == labels.dtype
    np.testing.assert_array_equal(part, expected)


@given(indices())
def test_boundaries_are_indexed_alike(stack, index):
    view, labels = stack
    planes = labels.reshape(-1, *SHAPE[2:])
    whole = np.stack([find_boundaries(plane) for plane in planes]).reshape(SHAPE)
    np.testing.assert_array_equal(view.boundaries[0][index], whole[index])


@pytest.mark.parametrize("index", [5, -3, (0, 3), (0, 0, 41), (0, 0, 0, -71), (0, 0, 0, 0, 0)])
def test_an_index_outside_is_refused(stack, index):
    with pytest.raises(IndexError):
        stack[0].labels[0][index]


@pytest.mark.parametrize("index", [None, "y", 1.5, [0, 1], np.ones(2, bool)])
def test_an_index_of_another_kind_is_refused(stack, index):
    with pytest.raises(IndexError, match="takes whole numbers and slices"):
        stack[0].labels[0][index]


def test_a_level_looks_like_an_array(stack):
    level = stack[0].labels[0]
    assert (level.shape, level.ndim, level.size) == (SHAPE, 4, 2 * 3 * 41 * 70)
    assert (level.dtype, stack[0].boundaries[0].dtype) == (np.uint32, np.uint8)
    assert len(level) == 2
    assert not hasattr(level, "chunks"), "viewers would read whole chunks"
    assert repr(level) == "<LiveLevel 0, exact: (2, 3, 41, 70) uint32>"


def test_only_the_coarsest_level_becomes_an_array(stack):
    view = stack[0]
    for level in (*view.labels[:-1], *view.boundaries[:-1]):
        with pytest.raises(InputError, match=r"preview of 2 x 3 x 41 x 70 pixels.*press Run"):
            np.asarray(level)
    coarsest = np.asarray(view.labels[-1])
    assert coarsest.shape == view.labels[-1].shape
    assert (coarsest > 0).all()
    assert np.asarray(view.labels[-1], np.uint64).dtype == np.uint64
