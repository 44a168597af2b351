"""`nsp.show`: labels of any plan, placed, live, and gone with their layer."""

from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp


def test_labels_appear_as_a_run_gives_them(viewer: Any, picture: np.ndarray, until: Any) -> None:
    layer = nsp.show(viewer, nsp.plan(picture, "slic", step=8))
    assert layer in viewer.layers
    wanted = nsp.superpixels(picture, "slic", step=8).compute()
    until(lambda: np.array_equal(np.asarray(layer.data[0][:, :]), wanted))
    viewer.layers.remove(layer)


def test_tiles_reach_the_screen_by_themselves(
    make_napari_viewer: Any, picture: np.ndarray, until: Any, no_threads: Any
) -> None:
    viewer = make_napari_viewer(show=True)
    layer = nsp.show(viewer, nsp.plan(picture, "slic", step=8))
    until(lambda: layer.data_level == 0)
    wanted = nsp.superpixels(picture, "slic", step=8).compute()
    until(lambda: layer.get_value((50, 60)) == (0, wanted[50, 60]))
    viewer.close()


def test_it_lies_where_the_image_says(viewer: Any) -> None:
    plan = nsp.plan(nsp.sample_path("scene"), "slic", step=16)
    layer = nsp.show(viewer, plan)
    y, x = plan.source.axes["y"], plan.source.axes["x"]
    np.testing.assert_allclose(layer.scale, (y.spacing, x.spacing))
    np.testing.assert_allclose(layer.translate, (y.origin, x.origin))
    viewer.layers.clear()


def test_it_lies_on_the_layer_that_is_given(viewer: Any, picture: np.ndarray, until: Any) -> None:
    image = viewer.add_image(picture, scale=(2, 3), rotate=20, translate=(5, 6))
    layer = nsp.show(viewer, nsp.plan(picture, "slic"), image_layer=image, boundaries=True)
    for one in viewer.layers[1:]:
        for corner in ((0, 0), (95, 127)):
            np.testing.assert_allclose(one.data_to_world(corner), image.data_to_world(corner))
    viewer.layers.remove(layer)
    until(lambda: list(viewer.layers) == [image])


def test_a_stack_is_shown_plane_by_plane(viewer: Any, until: Any) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (3, 64, 64), dtype=np.uint8)
    plan = nsp.plan(nsp.open(stack, axes="zyx"), "slic", step=8)
    layer = nsp.show(viewer, plan)
    wanted = nsp.superpixels(nsp.open(stack, axes="zyx"), "slic", step=8).compute()
    for z in range(3):
        viewer.dims.set_point(0, z)
        until(lambda z=z: np.array_equal(np.asarray(layer.data[0][z]), wanted[z]))
    viewer.layers.clear()


def test_what_is_no_plan_is_refused(viewer: Any, picture: np.ndarray) -> None:
    with pytest.raises(nsp.SuperpixelsError, match="Only a plan"):
        nsp.show(viewer, picture)


def test_a_layer_with_other_axes_is_refused(
    viewer: Any, picture: np.ndarray, no_threads: Any
) -> None:
    image = viewer.add_image(np.zeros((3, 8, 8)))
    with pytest.raises(nsp.SuperpixelsError, match="3 axes"):
        nsp.show(viewer, nsp.plan(picture, "slic"), image_layer=image)
    assert list(viewer.layers) == [image]
