import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superpixels.tiling import Box, Interval, Lattice


@st.composite
def lattices(draw, largest=12):
    axes = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, largest)) for _ in range(axes))
    step = tuple(draw(st.integers(1, largest + 3)) for _ in range(axes))
    return Lattice(shape, step, draw(st.integers(1, 3)))


@given(lattice=lattices())
def test_cells_cover_the_image_once(lattice):
    seen = np.zeros(lattice.shape, int)
    for cell in np.ndindex(lattice.cells):
        pixels = lattice.to_pixels(Box.of(*((i, i + 1) for i in cell)))
        assert all(1 <= n <= s for n, s in zip(pixels.shape, lattice.step, strict=True))
        seen[pixels.slices] += 1
    assert (seen == 1).all()


@given(lattice=lattices())
def test_labels_number_the_cells_of_all_planes_from_one(lattice):
    labels = [
        lattice.label(cell, plane)
        for plane in range(lattice.planes)
        for cell in np.ndindex(lattice.cells)
    ]
    assert labels == list(range(1, lattice.last_label + 1))
    assert len(labels) == lattice.cells_per_plane * lattice.planes


@given(lattice=lattices(), data=st.data())
def test_pixels_and_back_to_cells(lattice, data):
    cells = data.draw(nonempty_boxes(lattice.cells))
    pixels = lattice.to_pixels(cells)
    assert Box.whole(lattice.shape).covers(pixels)
    assert lattice.to_cells(pixels) == cells


@given(lattice=lattices(), data=st.data())
def test_the_cells_of_pixels_are_those_they_touch(lattice, data):
    pixels = data.draw(nonempty_boxes(lattice.shape))
    cells = lattice.to_cells(pixels)
    assert lattice.to_pixels(cells).covers(pixels)
    for side, touched, step in zip(pixels, cells, lattice.step, strict=True):
        assert list(range(touched.start, touched.stop)) == sorted(
            {i // step for i in range(side.start, side.stop)}
        )


@st.composite
def nonempty_boxes(draw, shape):
    sides = []
    for size in shape:
        start = draw(st.integers(0, size - 1))
        sides.append(Interval(start, draw(st.integers(start + 1, size))))
    return Box(tuple(sides))


@pytest.mark.parametrize(
    ("planes", "dtype"), [(1, np.uint32), (2**16 - 1, np.uint32), (2**16, np.uint64)]
)
def test_labels_get_the_bits_they_need(planes, dtype):
    lattice = Lattice((2**12, 2**12), (16, 16), planes)
    assert lattice.label_dtype == dtype
    assert lattice.last_label <= np.iinfo(dtype).max


def test_one_pixel_smaller_than_a_cell():
    lattice = Lattice((1, 1), (16, 16))
    assert lattice.cells == (1, 1)
    assert lattice.to_pixels(Box.of((0, 1), (0, 1))) == Box.of((0, 1), (0, 1))
    assert lattice.last_label == 1
