"""Labels lie exactly on their image: compared by world coordinates of napari's own layers."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Image, Labels, Shapes
from napari.utils._proxies import PublicOnlyProxy

import napari_superpixels as nsp
from napari_superpixels.napari_ui.placement import Placement, labels_placement, map_points
from napari_superpixels.napari_ui.snapshot import LayerSnapshot

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # napari shows it anyway


def edges(layer, shape=None):
    """The outer corners of a layer's pixels in the world."""
    shape = layer.data.shape[: layer.ndim] if shape is None else shape
    corners = product(*((-0.5, n - 0.5) for n in shape))
    return np.array([layer.data_to_world(corner) for corner in corners])


def near(low, high):
    return st.floats(low, high).filter(lambda x: abs(x) > 0.05)


@st.composite
def transforms(draw, ndim):
    """Everything that a layer may have: keyword arguments."""
    numbers = st.lists(near(-4, 4), min_size=ndim, max_size=ndim)
    keywords = {"scale": draw(numbers), "translate": draw(numbers)}
    if draw(st.booleans()):
        angle = draw(st.floats(-180, 180))
        keywords["rotate"] = angle if ndim == 2 or draw(st.booleans()) else [angle, 20, -30]
        if ndim == 4:
            keywords["rotate"] = angle
    kind = draw(st.sampled_from(["none", "upper", "matrix"]))
    if kind == "upper":
        count = ndim * (ndim - 1) // 2
        keywords["shear"] = draw(st.lists(near(-1, 1), min_size=count, max_size=count))
    elif kind == "matrix":
        keywords["shear"] = np.eye(ndim) + np.tril(np.full((ndim, ndim), draw(near(-1, 1))), -1)
    if draw(st.booleans()):
        affine = np.eye(ndim + 1)
        affine[-3:-1, -3:-1] = [[draw(near(0.5, 2)), 0.1], [-0.2, draw(near(0.5, 2))]]
        affine[:-1, -1] = draw(numbers)
        keywords["affine"] = affine
    return keywords | {"units": ["s", "mm", "um", "um"][-ndim:]}


@st.composite
def layers(draw):
    ndim = draw(st.integers(2, 4))
    shape = draw(st.lists(st.integers(1, 9), min_size=ndim, max_size=ndim))
    rgb = draw(st.booleans())
    data = np.zeros((*shape, 3) if rgb else shape, np.uint8)
    return Image(data, rgb=rgb, axis_labels="tzyx"[-ndim:], **draw(transforms(ndim)))


@given(layers())
def test_a_placement_is_the_layers_own_transform(layer):
    placement = Placement.of(layer)
    shape = layer.data.shape[: layer.ndim]
    corners = np.array(list(product(*((-0.5, n - 0.5) for n in shape))))
    np.testing.assert_allclose(placement.to_world(corners), edges(layer), atol=1e-9)
    np.testing.assert_allclose(placement.to_data(edges(layer)), corners, atol=1e-6)
    again = Image(np.zeros(shape), **placement.as_layer_kwargs())
    np.testing.assert_allclose(edges(again), edges(layer), atol=1e-9)
    assert (again.units, again.axis_labels) == (layer.units, layer.axis_labels)


@given(layers(), st.data())
def test_levels_keep_the_outer_edges(layer, data):
    """Also where factors are no whole numbers, as napari shows levels."""
    shape = layer.data.shape[: layer.ndim]
    coarse = tuple(data.draw(st.integers(1, n)) for n in shape)
    placement = Placement.of(layer).at_level([n / m for n, m in zip(shape, coarse)])
    labels = Labels(np.zeros(coarse, np.uint32), **placement.as_layer_kwargs())
    np.testing.assert_allclose(edges(labels), edges(layer), atol=1e-8)


@given(layers(), st.data())
def test_a_part_lies_on_its_pixels(layer, data):
    shape = layer.data.shape[: layer.ndim]
    origin = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    placement = Placement.of(layer).cropped(origin)
    labels = Labels(np.zeros([n - o for n, o in zip(shape, origin)], np.uint32),
                    **placement.as_layer_kwargs())  # fmt: skip
    for corner in product((0, 1, 7.5), repeat=layer.ndim):
        np.testing.assert_allclose(
            labels.data_to_world(corner), layer.data_to_world(np.add(corner, origin)), atol=1e-8
        )


ROTATED = {"scale": (0.5, 0.25), "translate": (30, -20), "rotate": 33, "shear": [0.2],
           "affine": [[1, 0.1, 3], [0, 2, 4], [0, 0, 1]], "units": ("um", "um")}  # fmt: skip


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("region", [None, {"y": (16, 48), "x": (8, 40)}])
def test_labels_of_a_plan_lie_on_the_image(level, region):
    image = np.random.default_rng(0).integers(0, 255, (101, 203), dtype=np.uint8)
    layer = Image([image, image[::2, ::2], image[::3, ::4]], multiscale=True, **ROTATED)
    snapshot = LayerSnapshot.of(layer)
    if level == 2:
        region = None
    plan = nsp.plan(nsp.open(list(layer.data), axes="yx", level=level), step=8, region=region)
    where = labels_placement(snapshot, level, plan)
    labels = Labels(np.zeros(plan.axes.shape, np.uint32), **where.as_layer_kwargs())
    factors = np.array(snapshot.factors(level))
    start, stop = np.array(plan.pixels.start), np.add(plan.pixels.start, plan.pixels.shape)
    expected = product(*zip(start * factors - 0.5, stop * factors - 0.5))
    np.testing.assert_allclose(
        edges(labels), [layer.data_to_world(corner) for corner in expected], atol=1e-9
    )
    assert (labels.units, labels.axis_labels) == (layer.units, layer.axis_labels)


def test_labels_of_planes_of_a_stack_lie_on_the_image():
    stack = np.zeros((2, 5, 32, 32), np.uint8)
    layer = Image(stack, scale=(10, 3, 0.5, 0.5), translate=(1, 2, 3, 4))
    region = {"t": (1, 2), "z": (2, 4), "y": (8, 16)}
    plan = nsp.plan(nsp.open(stack, axes="tzyx"), step=8, region=region)
    where = labels_placement(LayerSnapshot.of(layer), 0, plan)
    labels = Labels(np.zeros(plan.axes.shape, np.uint32), **where.as_layer_kwargs())
    for mine, theirs in (((0, 0, 0, 0), (1, 2, 8, 0)), ((0, 1, 7, 3), (1, 3, 15, 3))):
        np.testing.assert_allclose(labels.data_to_world(mine), layer.data_to_world(theirs))


@pytest.mark.parametrize(("axes", "lead"), [("zyx", (1,)), ("tzyx", (1, 1))])
def test_labels_may_have_axes_of_one_plane_that_the_layer_lacks(axes, lead):
    layer = Image(np.zeros((32, 40), np.uint8), **ROTATED)
    plan = nsp.plan(nsp.open(np.zeros((*lead, 32, 40), np.uint8), axes=axes), step=8)
    where = labels_placement(LayerSnapshot.of(layer), 0, plan)
    labels = Labels(np.zeros((*lead, 32, 40), np.uint32), **where.as_layer_kwargs())
    np.testing.assert_allclose(edges(labels)[:4, -2:], edges(layer))


def test_and_the_layer_may_have_axes_that_labels_lack():
    layer = Image(np.zeros((1, 32, 40), np.uint8), scale=(5, 2, 3), axis_labels=("z", "y", "x"))
    plan = nsp.plan(nsp.open(np.zeros((32, 40), np.uint8)), step=8)
    where = labels_placement(LayerSnapshot.of(layer), 0, plan)
    labels = Labels(np.zeros((32, 40), np.uint32), **where.as_layer_kwargs())
    np.testing.assert_allclose(edges(labels), edges(layer)[:4, 1:])
    assert labels.axis_labels == ("y", "x")


def test_placements_are_values():
    layer = Image(np.zeros((4, 5)), **ROTATED)
    assert Placement.of(layer) == Placement.of(PublicOnlyProxy(layer))
    assert hash(Placement.of(layer)) == hash(Placement.of(layer))
    assert Placement.of(layer) != Placement.of(Image(np.zeros((4, 5))))


def test_spacing_counts_what_the_affine_stretches():
    layer = Image(np.zeros((4, 5)), scale=(-2, 3), rotate=25, affine=np.diag([10, 10, 1]))
    np.testing.assert_allclose(Placement.of(layer).spacing, (20, 30))


@given(layers(), layers())
def test_points_map_as_world_coordinates_do(first, second):
    points = np.array([[1.5, -2.0, 3.0, 0.25][-first.ndim :], [0.0] * first.ndim])
    mapped = map_points(points, Placement.of(first), Placement.of(second))
    if first.ndim >= 2 and second.ndim == first.ndim:
        expected = [second.world_to_data(first.data_to_world(point)) for point in points]
        np.testing.assert_allclose(mapped, expected, atol=1e-5)
    assert mapped.shape == (2, second.ndim)


def test_points_map_between_units_and_numbers_of_axes():
    shapes = Shapes([np.array([[5, 0, 0], [5, 0, 4000], [5, 2000, 0.0]])], shape_type="polygon",
                    units=("pixel", "nm", "nm"))  # fmt: skip
    image = Image(np.zeros((20, 20)), scale=(0.5, 0.5), translate=(1, 0), units=("um", "um"))
    mapped = map_points(shapes.data[0], Placement.of(shapes), Placement.of(image))
    np.testing.assert_allclose(mapped, [[-2, 0], [-2, 8], [2, 0]])
