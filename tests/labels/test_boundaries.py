import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_superpixels.kernels.ids import codes_of, expand_ids
from napari_superpixels.labels.boundaries import draw_boundaries, find_boundaries
from napari_superpixels.labels.check import count_components, pixels_outside_cells, split_labels
from napari_superpixels.testing.strategies import make_codes
from napari_superpixels.tiling import Box, Lattice

images = st.tuples(st.integers(1, 14), st.integers(1, 14), st.integers(1, 4), st.integers(0, 2**31))


def draw_labels(spec, dtype=np.uint32):
    rows, columns, ids, seed = spec
    return np.random.default_rng(seed).integers(0, ids, (rows, columns)).astype(dtype)


def test_thin_and_thick_on_a_square():
    labels = np.zeros((5, 5), np.uint32)
    labels[1:4, 1:4] = 3
    thin = ["01110", "10010", "10010", "11110", "00000"]
    thick = ["01110", "11111", "11011", "11111", "01110"]
    for mode, rows in (("thin", thin), ("thick", thick)):
        expected = np.array([[char == "1" for char in row] for row in rows])
        assert (find_boundaries(labels, mode=mode) == expected).all()


@given(spec=images)
def test_boundaries_equal_shifts(spec):
    labels = draw_labels(spec)
    padded = np.pad(labels, 1, mode="edge")
    right, below = padded[1:-1, 2:] != labels, padded[2:, 1:-1] != labels
    left, above = padded[1:-1, :-2] != labels, padded[:-2, 1:-1] != labels
    assert (find_boundaries(labels) == (right | below)).all()
    assert (find_boundaries(labels, mode="thick") == (right | below | left | above)).all()


def test_draw_leaves_the_picture_alone():
    rgb = np.full((4, 6, 3), 9, np.uint8)
    labels = np.repeat([[1, 2]], 4, 0).repeat(3, 1)
    drawn = draw_boundaries(rgb, labels, (255, 0, 1))
    assert (rgb == 9).all()
    assert (drawn[:, 2] == (255, 0, 1)).all()
    assert (np.delete(drawn, 2, axis=1) == 9).all()


@given(spec=images)
def test_components_equal_scipy(spec):
    labels = draw_labels(spec, np.uint64)
    ids, counts = count_components(labels)
    expected = [int(i) for i in np.unique(labels) if i]
    assert ids.dtype == labels.dtype
    assert ids.tolist() == expected
    assert counts.tolist() == [ndimage.label(labels == i)[1] for i in expected]


def test_many_components():
    labels = np.indices((60, 70)).sum(0) % 2 + 1
    ids, counts = count_components(labels.astype(np.uint32))
    assert ids.tolist() == [1, 2]
    assert counts.tolist() == [2100, 2100]


@given(seed=st.integers(0, 2**31), plane=st.integers(0, 2))
def test_pixels_outside_are_those_that_were_moved(seed, plane):
    rng = np.random.default_rng(seed)
    lattice = Lattice((30, 34), (5, 4), planes=3)
    codes = make_codes(rng, "random", (20, 24), (5, 4))
    # The array lies in the middle of the image: all codes point to cells that exist.
    labels = expand_ids(codes, (1, 1), (5, 4), lattice.cells, plane, lattice.label_dtype)
    assert pixels_outside_cells(labels, lattice, (5, 4), plane=plane) == 0
    assert (codes_of(labels, (1, 1), (5, 4), lattice.cells, plane) == codes).all()
    places = np.unravel_index(rng.choice(labels.size, 7, replace=False), labels.shape)
    labels[places] = np.where(np.arange(7) < 5, lattice.last_label + 1, 0)
    assert pixels_outside_cells(labels, lattice, (5, 4), plane=plane) == 5


@pytest.mark.parametrize(("row", "column", "outside"), [(2, 2, 0), (3, 3, 0), (4, 2, 1), (2, 0, 1)])
def test_three_by_three_cells_are_inside(row, column, outside):
    lattice = Lattice((50, 50), (10, 10))
    labels = np.array([[lattice.label((row, column))]], np.uint32)
    assert pixels_outside_cells(labels, lattice, (29, 20)) == outside


def test_labels_of_the_next_row_or_another_plane_are_outside():
    lattice = Lattice((50, 50), (10, 10), planes=2)
    label = np.array([[lattice.label((1, 4))]], np.uint32)
    assert pixels_outside_cells(label, lattice, (20, 0)) == 1
    assert pixels_outside_cells(label, lattice, (10, 40)) == 0
    assert pixels_outside_cells(label, lattice, (10, 40), plane=1) == 1


def test_split_labels_are_found_in_exactly_one_window():
    lattice = Lattice((12, 12), (2, 2))
    labels = np.zeros((12, 12), np.uint32)
    labels[4, 4] = labels[6, 6] = lattice.label((2, 2))
    labels[0, 0:2] = lattice.label((0, 0))
    found = []
    for r, c in np.ndindex(2, 2):
        core = Box.of((3 * r, 3 * r + 3), (3 * c, 3 * c + 3))
        read = Box(tuple(side.grow(1) for side in core)).clip(Box.whole(lattice.cells))
        part = labels[lattice.to_pixels(read).slices]
        found += split_labels(part, lattice, read, core).tolist()
    assert found == [lattice.label((2, 2))]
