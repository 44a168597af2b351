from fractions import Fraction
from math import floor

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from napari_superpixels.tiling import Interval, Lattice, Nearest

sizes = st.integers(1, 60)


@st.composite
def lookups(draw):
    size, count = draw(sizes), draw(sizes)
    if draw(st.booleans()):
        return Nearest.between(size, count)
    return Nearest(size, count, draw(st.integers(1, 50)), draw(st.integers(1, 50)))


@st.composite
def parts(draw, length):
    start = draw(st.integers(0, length))
    return Interval(start, draw(st.integers(start, length)))


def one_by_one(lookup):
    """What each sample looks at, by the definition."""
    ratio = Fraction(lookup.numerator, lookup.denominator)
    centres = (floor((j + Fraction(1, 2)) * ratio) for j in range(lookup.count))
    return np.array([min(at, lookup.size - 1) for at in centres])


@given(lookups(), st.data())
def test_a_part_is_looked_up_as_the_definition_says(lookup, data):
    part = data.draw(parts(lookup.count))
    expected = one_by_one(lookup)[part.slice]
    np.testing.assert_array_equal(lookup(part), expected)
    cover = lookup.cover(part)
    if len(part):
        assert (cover.start, cover.stop) == (expected[0], expected[-1] + 1)
    else:
        assert len(cover) == 0


@given(lookups(), st.data())
def test_those_that_look_at_a_part_are_found(lookup, data):
    part = data.draw(parts(lookup.size))
    looks = one_by_one(lookup)
    expected = np.flatnonzero((looks >= part.start) & (looks < part.stop))
    np.testing.assert_array_equal(np.arange(lookup.count)[lookup.looking_at(part).slice], expected)


@given(sizes)
def test_an_axis_of_the_same_length_looks_at_itself(size):
    np.testing.assert_array_equal(Nearest.between(size, size)(Interval(0, size)), np.arange(size))


@given(st.integers(1, 300), st.integers(2, 40), st.integers(1, 40))
def test_a_resampled_lattice_has_the_same_cells(size, step, new_step):
    lattice = Lattice((size, size), (step, step), 3)
    other = lattice.resampled((new_step, new_step))
    assert (other.cells, other.planes) == (lattice.cells, 3)
    assert other.step == (new_step, new_step)
    # Two ways from its pixels to cells: by counting, and through the pixels of the image.
    through = Nearest(size, other.shape[0], step, new_step)(Interval(0, other.shape[0])) // step
    np.testing.assert_array_equal(through, np.arange(other.shape[0]) // new_step)


def test_a_lattice_of_the_same_step_is_the_same():
    lattice = Lattice((101, 77), (8, 5))
    assert lattice.resampled((8, 5)) == lattice
