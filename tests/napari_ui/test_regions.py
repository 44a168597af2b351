"""Pixels that the view shows and that a shape covers."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from napari.utils._proxies import PublicOnlyProxy

from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.regions import region_of_shapes, region_of_view


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.canvas.size = (100, 200)
    return viewer


def look_at(viewer, y, x, zoom):
    """Centre the canvas of 100 x 200 at a place of the world."""
    viewer.scene.camera.center = (0, y, x)
    viewer.scene.camera.zoom = zoom


def test_the_canvas_is_cut_out_of_the_image(viewer):
    layer = viewer.add_image(np.zeros((1000, 1000)))
    look_at(viewer, 300, 400, 2)  # 50 x 100 pixels around that place
    assert region_of_view(viewer, layer, 0) == {"y": (275, 326), "x": (350, 451)}
    look_at(viewer, 300.5, 400.5, 2)  # whole pixels
    assert region_of_view(viewer, layer, 0) == {"y": (276, 326), "x": (351, 451)}


def test_it_ends_where_the_image_does(viewer):
    layer = viewer.add_image(np.zeros((90, 80)))
    look_at(viewer, 80, 10, 1)
    assert region_of_view(viewer, layer, 0) == {"y": (30, 90), "x": (0, 80)}
    look_at(viewer, 45, 45, 0.01)
    assert region_of_view(viewer, layer, 0) == {"y": (0, 90), "x": (0, 80)}


def test_pixels_are_those_of_the_level(viewer):
    shapes = ((1000, 1200), (500, 600), (250, 300))
    layer = viewer.add_image([np.zeros(shape) for shape in shapes], multiscale=True)
    look_at(viewer, 499.5, 599.5, 1)
    assert region_of_view(viewer, layer, 0) == {"y": (450, 550), "x": (500, 700)}
    assert region_of_view(viewer, layer, 2) == {"y": (112, 138), "x": (125, 175)}


def test_scale_and_translation_count(viewer):
    layer = viewer.add_image(np.zeros((400, 400)), scale=(2, 0.5), translate=(100, -50))
    look_at(viewer, 300, 0, 1)
    assert region_of_view(viewer, layer, 0) == {"y": (75, 126), "x": (0, 301)}


def test_units_of_layers_are_converted(viewer):
    """The world has the smallest unit; a camera is in it."""
    viewer.add_image(np.zeros((10, 10)), units=("nm", "nm"))
    layer = viewer.add_image(np.zeros((400, 400)), units=("um", "um"))
    look_at(viewer, 100_000, 200_000, 0.001)
    assert region_of_view(viewer, layer, 0) == {"y": (50, 151), "x": (100, 301)}


def test_of_a_rotated_layer_it_is_the_box_around(viewer):
    layer = viewer.add_image(np.zeros((400, 400)), rotate=90)  # the pixel (y, x) lies at (-x, y)
    look_at(viewer, -200, 200, 1)
    assert region_of_view(viewer, layer, 0) == {"y": (100, 301), "x": (150, 251)}
    layer.rotate = 45
    region = region_of_view(viewer, layer, 0)
    half = (50 + 100) / np.sqrt(2)
    centre = layer.world_to_data((-200, 200))
    for name, middle in zip("yx", centre):
        assert region[name] == pytest.approx(
            (max(0, middle - half), min(400, middle + half)), abs=1.5
        )


def test_only_the_plane_that_is_shown(viewer):
    layer = viewer.add_image(np.zeros((3, 7, 50, 60)), scale=(2, 10, 1, 1))
    look_at(viewer, 25, 30, 1)
    viewer.dims.set_point((0, 1), (4, 30))
    assert region_of_view(viewer, layer, 0) == {
        "t": (2, 3), "z": (3, 4), "y": (0, 50), "x": (0, 60)
    }  # fmt: skip


@pytest.mark.parametrize("point", [0.5, 1.5, 2.49, 2.51])
def test_between_planes_it_is_the_one_that_napari_shows(viewer, point):
    stack = np.arange(5)[:, None, None] * np.ones((1, 20, 20))
    layer = viewer.add_image(stack)
    look_at(viewer, 10, 10, 1)
    viewer.dims.set_point(0, point)
    shown = int(layer.get_value((viewer.dims.point[0], 3, 3)))
    assert region_of_view(viewer, layer, 0)["z"] == (shown, shown + 1)


def test_from_the_side_all_rows_count(viewer):
    layer = viewer.add_image(np.zeros((30, 50, 60)))
    viewer.dims.order = (1, 0, 2)  # z runs down, y is a slider
    look_at(viewer, 15, 30, 10)  # 10 x 20 around
    assert region_of_view(viewer, layer, 0) == {"z": (10, 21), "y": (0, 50), "x": (20, 41)}


def test_in_three_dimensions_all_is_shown(viewer):
    layer = viewer.add_image(np.zeros((30, 50, 60)))
    viewer.dims.ndisplay = 3
    assert region_of_view(viewer, layer, 0) == {"z": (0, 30), "y": (0, 50), "x": (0, 60)}


def test_a_layer_of_fewer_axes_than_the_viewer(viewer):
    viewer.add_image(np.zeros((5, 100, 100)))
    layer = viewer.add_image(np.zeros((100, 100)))
    look_at(viewer, 0, 0, 2)
    assert region_of_view(viewer, layer, 0) == {"y": (0, 26), "x": (0, 51)}


def test_colours_are_no_axis(viewer):
    layer = viewer.add_image(np.zeros((40, 50, 3), np.uint8), rgb=True)
    look_at(viewer, 20, 25, 1)
    assert region_of_view(viewer, layer, 0) == {"y": (0, 40), "x": (0, 50)}


def test_nothing_in_view_is_refused(viewer):
    layer = viewer.add_image(np.zeros((40, 50)), name="cells")
    look_at(viewer, 500, 500, 1)
    with pytest.raises(InputError, match=r"shows no pixel of 'cells'; move it into view"):
        region_of_view(viewer, layer, 0)


def test_through_the_proxy_of_plugins(viewer):
    layer = viewer.add_image(np.zeros((1000, 1000)))
    look_at(viewer, 300, 400, 2)
    proxy = PublicOnlyProxy(viewer)
    assert region_of_view(proxy, proxy.layers[0], 0) == region_of_view(viewer, layer, 0)


def test_in_a_grid_a_layer_has_a_part_of_the_canvas(viewer):
    for _ in range(2):
        layer = viewer.add_image(np.zeros((1000, 1000)))
    look_at(viewer, 500, 500, 1)
    viewer.canvas.grid.enabled = True
    region = region_of_view(viewer, layer, 0)
    assert region["x"][1] - region["x"][0] == pytest.approx(100, abs=2)


def older(viewer):
    """What there is of a viewer before napari 0.9."""
    return SimpleNamespace(dims=viewer.dims, layers=viewer.layers, camera=viewer.scene.camera)


def test_older_napari_tells_what_a_layer_holds_ready(viewer):
    layer = viewer.add_image([np.zeros((3, 400, 600)), np.zeros((3, 100, 150))], multiscale=True)
    layer.data_level, layer.corner_pixels = 1, np.array([[0, 10, 20], [0, 29, 59]])
    viewer.dims.set_point(0, 2)
    region = region_of_view(older(viewer), layer, 0)
    assert region == {"z": (2, 3), "y": (40, 120), "x": (80, 240)}
    assert region_of_view(older(viewer), layer, 1) == {"z": (2, 3), "y": (10, 30), "x": (20, 60)}


def shapes(*corners, **keywords):
    return Shapes([np.array(one, float) for one in corners], shape_type="rectangle", **keywords)


SQUARE = [(10, 20), (10, 40), (30, 40), (30, 20)]


def test_a_rectangle_is_a_region():
    image = Image(np.zeros((100, 100)))
    assert region_of_shapes(shapes(SQUARE), image, 0) == {"y": (10, 31), "x": (20, 41)}
    outside = np.array(SQUARE) - 15.2
    assert region_of_shapes(shapes(outside), image, 0) == {"y": (0, 16), "x": (5, 26)}


def test_of_a_level_and_a_moved_layer():
    image = Image([np.zeros((100, 100)), np.zeros((50, 50))], multiscale=True,
                  scale=(2, 2), translate=(10, 0))  # fmt: skip
    layer = shapes(SQUARE, scale=(4, 4))
    assert region_of_shapes(layer, image, 0) == {"y": (15, 56), "x": (40, 81)}
    assert region_of_shapes(layer, image, 1) == {"y": (7, 28), "x": (20, 41)}


def test_the_selected_shape_counts_and_all_planes():
    image = Image(np.zeros((5, 100, 100)))
    layer = shapes(*([(2, *c) for c in np.add(SQUARE, n)] for n in (0, 50)))
    with pytest.raises(InputError, match=r"has 2 shapes, but a region is one; select one"):
        region_of_shapes(layer, image, 0)
    layer.selected_data = {1}
    assert region_of_shapes(layer, image, 0) == {"y": (60, 81), "x": (70, 91)}
    layer.selected_data = {0, 1}
    with pytest.raises(InputError, match="has 2 selected shapes"):
        region_of_shapes(layer, image, 0)


def test_the_box_around_an_ellipse():
    layer = Shapes([np.array(SQUARE, float)], shape_type="ellipse", rotate=0)
    region = region_of_shapes(layer, Image(np.zeros((100, 100)), rotate=45), 0)
    radius = np.hypot(10, 0)
    centre = Image(np.zeros((100, 100)), rotate=45).world_to_data((20, 30))
    for name, middle in zip("yx", centre):
        start, stop = max(0, middle - radius), middle + radius
        assert region[name] == pytest.approx((start, stop), abs=1.5)


@pytest.mark.parametrize(
    ("corners", "words"),
    [([], "has no shapes; draw a rectangle"), ([np.add(SQUARE, 500)], "lies outside 'Image'")],
)
def test_other_shapes_are_refused(corners, words):
    layer = shapes(*corners) if corners else Shapes()
    with pytest.raises(InputError, match=words):
        region_of_shapes(layer, Image(np.zeros((100, 100))), 0)
