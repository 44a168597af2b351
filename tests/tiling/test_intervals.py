import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superpixels.tiling import Box, Interval

ends = st.tuples(st.integers(-20, 20), st.integers(-20, 20))
intervals = ends.map(lambda pair: Interval(min(pair), max(pair)))


def members(interval):
    return set(range(interval.start, interval.stop))


@given(a=intervals)
def test_an_interval_is_its_integers(a):
    assert len(a) == len(members(a))
    assert {i for i in range(-30, 30) if i in a} == members(a)
    assert np.arange(-20, 20)[a.shift(20).slice].tolist() == sorted(members(a))


@given(a=intervals, b=intervals)
def test_clip_is_the_intersection_and_lies_inside(a, b):
    clipped = a.clip(b)
    assert members(clipped) == members(a) & members(b)
    assert b.covers(clipped)
    assert clipped.clip(b) == clipped


@given(a=intervals, b=intervals)
def test_covers_is_subset(a, b):
    if len(b):
        assert a.covers(b) == (members(b) <= members(a))
    assert a.covers(a)


@given(a=intervals, offset=st.integers(-9, 9), amount=st.integers(0, 9), factor=st.integers(1, 9))
def test_shift_grow_scale(a, offset, amount, factor):
    assert members(a.shift(offset)) == {i + offset for i in members(a)}
    assert a.shift(offset).shift(-offset) == a
    assert a.grow(amount).covers(a)
    assert len(a.grow(amount)) == len(a) + 2 * amount
    assert a.grow(amount).grow(-amount) == a
    assert members(a.scale(factor)) == {i * factor + j for i in members(a) for j in range(factor)}


def test_an_interval_does_not_run_backwards():
    with pytest.raises(AssertionError, match="runs backwards"):
        Interval(3, 2)


boxes = st.integers(1, 3).flatmap(lambda n: st.tuples(*[intervals] * n)).map(Box)
box_pairs = st.integers(1, 3).flatmap(
    lambda n: st.tuples(st.tuples(*[intervals] * n).map(Box), st.tuples(*[intervals] * n).map(Box))
)


@given(box=boxes)
def test_a_box_is_its_sides(box):
    pairs = [(side.start, side.stop) for side in box]
    assert Box.of(*pairs) == box
    assert box.shape == tuple(stop - start for start, stop in pairs)
    assert box.start == tuple(start for start, _ in pairs)
    assert [box[axis] for axis in range(len(pairs))] == list(box)
    assert box.relative_to(box) == Box.whole(box.shape)


@given(pair=box_pairs)
def test_boxes_clip_and_cover_side_by_side(pair):
    a, b = pair
    clipped = a.clip(b)
    assert b.covers(clipped)
    assert list(clipped) == [s.clip(t) for s, t in zip(a, b, strict=True)]
    assert a.covers(b) == all(s.covers(t) for s, t in zip(a, b, strict=True))


@given(pair=box_pairs)
def test_relative_boxes_cut_the_same_pixels(pair):
    outer, inner = pair
    inner = inner.clip(outer)
    image = np.arange(40 ** len(outer.shape)).reshape((40,) * len(outer.shape))
    shifted = [Box(tuple(side.shift(20) for side in box)) for box in (outer, inner)]
    part = image[shifted[0].slices]
    assert (part[inner.relative_to(outer).slices] == image[shifted[1].slices]).all()
