"""Colours of labels, measured as they are drawn: differences in CIE Lab between neighbours."""

import numpy as np
import pytest
from napari.layers import Labels
from skimage.color import rgb2lab

from napari_superpixels.api import sample_path
from napari_superpixels.io import open_source
from napari_superpixels.napari_ui.colours import REACH, superpixel_colours
from napari_superpixels.tiling import Lattice

BESIDE, TOUCHING = 30, 5
"""Smallest difference in Lab of cells side by side, and of cells that may touch; 2.3 is just
noticeable."""


def colours_of(colormap):
    """The colours of the labels 1, 2 ... n in Lab, shape (n, 3), and n."""
    rgba = colormap.map(np.arange(1, len(colormap.colors), dtype=np.uint32))
    assert (rgba[:, 3] == 1).all()
    return rgb2lab(rgba[None, :, :3].astype(float))[0], len(rgba)


def nearest(lab, difference):
    """The smallest difference of colour between labels that differ by a number."""
    ahead = np.roll(lab, -(difference % len(lab)), axis=0)
    return np.linalg.norm(lab - ahead, axis=1).min()


def offsets(height, width, reach):
    """By how much the ids of two cells differ that are at most `reach` apart, from all pairs."""
    rows, columns = np.arange(min(height, reach + 1)), np.arange(min(width, 2 * reach + 1))
    row, column = (some.ravel() for some in np.meshgrid(rows, columns, indexing="ij"))
    apart = np.maximum(abs(row[:, None] - row), abs(column[:, None] - column))
    label = row * width + column
    found = np.unique((label[:, None] - label)[apart <= reach])
    return found[found > 0]


@pytest.mark.parametrize("widths", [range(k, 2001, 10) for k in range(1, 11)], ids=str)
def test_neighbours_differ_at_every_width(widths):
    for width in widths:
        lab, _ = colours_of(superpixel_colours((1000, width)))
        assert min(nearest(lab, d) for d in offsets(1000, width, 1)) > BESIDE, width
        assert min(nearest(lab, d) for d in offsets(1000, width, REACH)) > TOUCHING, width


@pytest.mark.parametrize("cells", [(1, 1), (1, 2), (2, 1), (3, 3), (1, 500), (500, 1)])
def test_small_lattices(cells):
    lab, _ = colours_of(superpixel_colours(cells))
    pairs = offsets(*cells, REACH)
    assert pairs.size or cells == (1, 1)
    assert all(nearest(lab, d) > TOUCHING for d in pairs)


@pytest.mark.parametrize("name", ["slide", "nuclei", "histology", "scene"])
@pytest.mark.parametrize("step", [4, 7, 8, 12, 16, 24, 32, 50])
def test_neighbours_differ_in_the_samples(name, step):
    shape = open_source(sample_path(name)).axes.plane_shape
    height, width = Lattice(shape, (step, step)).cells
    lab, _ = colours_of(superpixel_colours((height, width)))
    assert min(nearest(lab, d) for d in offsets(height, width, 1)) > BESIDE
    assert min(nearest(lab, d) for d in offsets(height, width, REACH)) > TOUCHING


@pytest.mark.parametrize("cells", [(64, 64), (49, 48), (8, 1), (1, 8), (640, 127), (25, 98)])
def test_planes_over_each_other_differ_too(cells):
    height, width = cells
    lab, _ = colours_of(superpixel_colours(cells, planes=12))
    assert min(nearest(lab, d) for d in offsets(height, width, 1)) > BESIDE
    for row in range(-min(2, height - 1), min(2, height - 1) + 1):
        for column in range(-min(2, width - 1), min(2, width - 1) + 1):
            assert nearest(lab, height * width + row * width + column) > TOUCHING


def test_forty_nine_colours_would_not_do():
    """napari's own cycle on a lattice as wide: the measure above finds equal colours."""
    lab, _ = colours_of(Labels(np.zeros((2, 2), np.uint32)).colormap)
    assert nearest(lab, 49) == 0


def test_zero_is_transparent_and_colours_are_stable():
    colormap = superpixel_colours((40, 49))
    assert (colormap.map(np.uint32(0)) == 0).all()
    again = superpixel_colours((40, 49))
    np.testing.assert_array_equal(colormap.colors, again.colors)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_ids_beyond_the_colours_go_round(dtype):
    """What the tests above assume of napari: the label i has the colour (i - 1) mod n."""
    colormap = superpixel_colours((99, 139))
    count = len(colormap.colors) - 1
    ids = np.array([1, 2, count, count + 1, np.iinfo(dtype).max // 2], dtype)
    places = (ids.astype(object) - 1) % count + 1
    expected = np.asarray(colormap.colors)[places.astype(int)]
    np.testing.assert_array_equal(colormap.map(ids), expected)
    assert count <= 254, "so a pixel is one byte on its way to the graphics card"


def test_it_fits_a_layer():
    layer = Labels(np.arange(16, dtype=np.uint32).reshape(4, 4))
    layer.colormap = superpixel_colours((4, 4))
    np.testing.assert_array_equal(layer.get_color(7), superpixel_colours((4, 4)).map(7))
