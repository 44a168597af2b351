"""Which layers lie on one grid, which can be masks, and where outlines lie on an image."""

import numpy as np
import pytest
import rasterio.features
from napari.layers import Image, Labels, Shapes

from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.grids import check_one_grid, mask_level, polygons_on
from napari_superpixels.napari_ui.snapshot import LayerSnapshot, PolygonsSnapshot
from napari_superpixels.tiling import Box

MOVED = {"scale": (0.5, 0.25), "translate": (30, -20), "rotate": 33, "shear": [0.2]}


def image(*shapes, **keywords):
    shapes = shapes or ((60, 80),)
    data = [np.zeros(shape, np.uint8) for shape in shapes]
    if len(shapes) == 1:
        return LayerSnapshot.of(Image(data[0], name="image", **keywords))
    return LayerSnapshot.of(Image(data, multiscale=True, name="image", **keywords))


def mask(*shapes, **keywords):
    data = [np.zeros(shape, np.uint8) for shape in shapes]
    multiscale = len(shapes) > 1
    layer = Labels(data if multiscale else data[0], multiscale=multiscale, name="mask", **keywords)
    return LayerSnapshot.of(layer)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        (MOVED, MOVED),
        ({"translate": (0, 0)}, {"translate": (0.4, -0.4)}),
        ({"scale": (2, 2), "units": ("um", "um")}, {"scale": (2000, 2000), "units": ("nm", "nm")}),
        ({"scale": (2, 2)}, {"affine": np.diag([2, 2, 1])}),
    ],
)
def test_layers_on_one_grid(first, second):
    check_one_grid((image(**first), image(**second)), 0)


@pytest.mark.parametrize(
    ("shape", "keywords"),
    [
        ((60, 81), {}),
        ((60, 80), {"translate": (0.6, 0)}),
        ((60, 80), {"scale": (1, 1.01)}),
        ((60, 80), {"rotate": 2}),
        ((60, 80), {"scale": (-1, 1), "translate": (59, 0)}),
        ((3, 60, 80), {}),
    ],
)
def test_layers_on_different_grids_are_named_with_their_sizes(shape, keywords):
    other = LayerSnapshot.of(Image(np.zeros(shape), name="other", **keywords))
    sizes = " x ".join(map(str, shape))
    with pytest.raises(InputError) as caught:
        check_one_grid((image(), other), 0)
    assert f"'image' (60 x 80) and 'other' ({sizes}) lie on different grids" in str(caught.value)


PYRAMID = ((60, 80), (30, 40), (15, 20))


@pytest.mark.parametrize(
    ("shapes", "level", "chosen"),
    [
        (PYRAMID[:1], 0, 0),
        (PYRAMID, 0, 0),
        (PYRAMID, 2, 2),
        (PYRAMID[:1], 1, 0),
        (PYRAMID[:2], 2, 0),
        (((60, 80), (20, 27)), 1, 0),
        (((4, 60, 80), (4, 30, 40)), 1, 1),
    ],
)
def test_the_level_of_a_mask_that_fits(shapes, level, chosen):
    where = MOVED if len(shapes[0]) == 2 else {}
    levels = PYRAMID if len(shapes[0]) == 2 else [(4, *shape) for shape in PYRAMID]
    assert mask_level(image(*levels, **where), mask(*shapes, **where), level) == chosen


def test_a_coarse_mask_over_the_same_part_of_the_world():
    coarse = mask((15, 20), scale=(4, 4), translate=(1.5, 1.5))
    assert mask_level(image(*PYRAMID), coarse, 0) == 0
    shifted = mask((15, 20), scale=(4, 4), translate=(4, 1.5))
    with pytest.raises(InputError, match="covers"):
        mask_level(image(*PYRAMID), shifted, 0)


def test_a_flat_mask_on_a_stack():
    assert mask_level(image((5, 60, 80), scale=(3, 2, 2)), mask((60, 80), scale=(2, 2)), 0) == 0


@pytest.mark.parametrize(
    ("shape", "keywords", "extent"),
    [
        ((60, 81), {}, "-0.5:59.5 x -0.5:80.5"),
        ((60, 80), {"translate": (7, 0)}, "6.5:66.5 x -0.5:79.5"),
        ((30, 40), {}, "-0.5:29.5 x -0.5:39.5"),
        ((3, 60, 80), {}, "-0.5:59.5 x -0.5:79.5"),
    ],
)
def test_a_mask_of_another_extent_is_told_both(shape, keywords, extent):
    with pytest.raises(InputError) as caught:
        mask_level(image(), mask(shape, **keywords), 0)
    assert str(caught.value).startswith(f"The mask 'mask' ({' x '.join(map(str, shape))}) covers")
    assert f"covers {extent} but the image 'image' (60 x 80) covers -0.5:59.5 x -0.5:79.5" in str(
        caught.value
    )


def outlines(shapes_layer, level=0, **keywords):
    """The mask that a Shapes layer makes on an image of 60 x 80 and its half."""
    on = image((60, 80), (30, 40), **keywords)
    polygons = polygons_on(on, PolygonsSnapshot.of(shapes_layer), level)
    shape = on.plane_shape(level)
    return polygons.on(shape).reader.read(Box.whole(shape).slices)


TRIANGLE = np.array([[5.2, 6.1], [5.2, 70.3], [50.7, 30.9]])


def by_gdal(corners, shape=(60, 80)):
    ring = [(x + 0.5, y + 0.5) for y, x in [*corners, corners[0]]]
    return rasterio.features.rasterize([({"type": "Polygon", "coordinates": [ring]}, 1)], shape)


@pytest.mark.parametrize("keywords", [{}, MOVED, {"scale": (2, 2), "affine": np.diag([3, -1, 1])}])
def test_outlines_lie_where_they_were_drawn(keywords):
    """Drawn on a layer of the world, over an image that lies anywhere in it."""
    layer = Image(np.zeros((60, 80)), **keywords)
    world = np.array([layer.data_to_world(corner) for corner in TRIANGLE])
    drawn = Shapes([world], shape_type="polygon")
    expected = by_gdal(TRIANGLE)
    differing = (outlines(drawn, **keywords) != expected).sum()
    assert differing <= 2  # napari keeps corners in single precision
    assert expected.sum() > 1000


def test_outlines_of_a_layer_that_was_moved_itself():
    drawn = Shapes([TRIANGLE / 4 - 3], shape_type="polygon", scale=(4, 4), translate=(12, 12))
    assert (outlines(drawn) != by_gdal(TRIANGLE)).sum() <= 2


def test_outlines_on_a_coarser_level():
    drawn = Shapes([TRIANGLE], shape_type="polygon")
    assert (outlines(drawn, level=1) != by_gdal((TRIANGLE + 0.5) / 2 - 0.5, (30, 40))).sum() <= 2


@pytest.mark.parametrize("keywords", [{}, {"rotate": 30, "scale": (1, 0.5)}])
def test_an_ellipse(keywords):
    box = np.array([[10, 20], [10, 60], [50.5, 60], [50.5, 20]])
    layer = Image(np.zeros((60, 80)), **keywords)
    y, x = np.mgrid[:60, :80]
    world = np.array([layer.data_to_world(p) for p in zip(y.ravel(), x.ravel())])
    inside = (((world - (30.25, 40)) / (20.25, 20)) ** 2).sum(axis=1) <= 1
    drawn = outlines(Shapes([box], shape_type="ellipse"), **keywords)
    assert (drawn.ravel() != inside).sum() <= 4  # where the two touch
    assert inside.sum() > 1000


def test_shapes_are_joined_and_hold_for_all_planes():
    square = np.array([[0, 0], [0, 10], [10, 10], [10, 0.0]]) - 0.5
    corners = [np.insert(square + n, 0, 3, axis=1) for n in (0, 20)]
    drawn = Shapes(corners, shape_type="rectangle", scale=(5, 1, 1))
    on = LayerSnapshot.of(Image(np.zeros((9, 60, 80)), scale=(5, 1, 1)))
    polygons = polygons_on(on, PolygonsSnapshot.of(drawn), 0)
    inside = polygons.on((60, 80)).reader.read(Box.whole((60, 80)).slices)
    assert inside.sum() == 200
    assert inside[:10, :10].all()
    assert inside[20:30, 20:30].all()


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Shapes(name="roi"), r"'roi' has no shapes; draw one"),
        (Shapes([TRIANGLE], shape_type="path", name="roi"), r"'roi' holds a path, which encloses"),
        (Shapes([TRIANGLE[:2]], shape_type="line", name="roi"), r"'roi' holds a line"),
        (
            Shapes([np.insert(TRIANGLE, 0, z, axis=1) for z in (1, 2)], shape_type="polygon"),
            r"'Shapes' lie on 2 planes",
        ),
    ],
)
def test_other_shapes_are_no_mask(layer, words):
    with pytest.raises(InputError, match=words):
        outlines(layer)
