"""A preview follows its image, its mask and its region."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp

STEP = 8
NAME = f"cells slic {STEP}px (preview)"


@pytest.fixture
def cells(viewer: Any, picture: np.ndarray) -> Any:
    """An image layer."""
    return viewer.add_image(picture, name="cells", scale=(0.5, 0.5), translate=(3, -2))


@pytest.fixture
def shown(panel: Any, cells: Any, viewer: Any, until: Any) -> Callable[..., Any]:
    """A preview that has come to rest, with or without a mask or region; returns its layer."""

    def preview(**fields: Any) -> Any:
        panel.step.value = STEP
        for name, value in fields.items():
            getattr(panel, name).value = value
        panel.preview()
        until(lambda: NAME in viewer.layers and panel.settled)
        return viewer.layers[NAME]

    return preview


def _labels(layer: Any) -> np.ndarray:
    return np.asarray(layer.data[0][:, :])


def _corners(layer: Any, size: tuple[int, int] = (95, 127)) -> np.ndarray:
    return np.array([layer.data_to_world(corner) for corner in ((0, 0), size)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", (2.0, 3.0)),
        ("translate", (40, 50)),
        ("rotate", 30),
        ("shear", (0.2,)),
        ("affine", np.array([[1, 0.1, 5], [0, 1, 6], [0, 0, 1]])),
    ],
)
def test_the_preview_moves_with_its_image(
    shown: Any, panel: Any, cells: Any, viewer: Any, name: str, value: Any
) -> None:
    shown(boundaries=True)
    setattr(cells, name, value)
    assert panel.settled, "nothing is planned anew"
    for layer in viewer.layers[1:]:
        np.testing.assert_allclose(_corners(layer), _corners(cells), atol=1e-9)


def test_a_move_while_a_plan_is_made_counts(
    panel: Any, cells: Any, viewer: Any, until: Any
) -> None:
    panel.step.value = STEP
    panel.preview()
    cells.translate = (70, 80)
    until(lambda: NAME in viewer.layers)
    until(lambda: np.allclose(_corners(viewer.layers[NAME]), _corners(cells)))


def test_the_size_of_a_pixel_changes_a_step_in_micrometers(
    panel: Any, cells: Any, viewer: Any, until: Any
) -> None:
    cells.units = ("um", "um")
    panel.unit.value, panel.step_um.value = "um", 4.0
    panel.preview()
    until(lambda: "cells slic 4um (preview)" in viewer.layers)
    layer = viewer.layers["cells slic 4um (preview)"]
    cells.scale = (0.25, 0.25)
    assert panel.level.current_choice == "128 x 96, 0.25 µm"
    wanted = nsp.superpixels(np.asarray(cells.data), "slic", step=16).compute()
    until(lambda: np.array_equal(_labels(layer), wanted))


def test_other_pixels_are_other_labels(
    shown: Any, cells: Any, picture: np.ndarray, until: Any
) -> None:
    layer = shown()
    cells.data = picture[::-1].copy()
    wanted = nsp.superpixels(picture[::-1].copy(), "slic", step=STEP).compute()
    until(lambda: np.array_equal(_labels(layer), wanted))


def test_a_mask_that_is_painted_on_changes_the_preview(
    shown: Any, viewer: Any, cells: Any, until: Any
) -> None:
    where = np.ones((96, 128), np.uint8)
    mask = viewer.add_labels(where, name="where", scale=cells.scale, translate=cells.translate)
    layer = shown(mask=mask)
    until(lambda: _labels(layer).all())
    mask.brush_size = 40
    mask.paint((48, 64), 0)
    until(lambda: not _labels(layer)[48, 64] and _labels(layer)[0, 0])


def test_a_shape_that_is_added_changes_the_preview(
    shown: Any, viewer: Any, cells: Any, until: Any
) -> None:
    box = np.array([[0, 0], [0, 40], [40, 40], [40, 0]], float)
    drawn = viewer.add_shapes([box], name="drawn", scale=cells.scale, translate=cells.translate)
    layer = shown(mask=drawn)
    until(lambda: _labels(layer)[20, 20] and not _labels(layer)[70, 70])
    drawn.add_rectangles(box + 50)
    until(lambda: _labels(layer)[20, 20] and _labels(layer)[70, 70])
    drawn.translate = (3 + 20, -2 + 20)
    until(lambda: not _labels(layer)[20, 20] and _labels(layer)[70, 70])


@pytest.mark.parametrize("field", ["mask", "region"])
def test_a_mask_or_region_that_is_removed_stops_the_preview_and_is_told(
    shown: Any, panel: Any, viewer: Any, cells: Any, until: Any, told: list[str], field: str
) -> None:
    box = np.array([[0, 0], [0, 40], [40, 40], [40, 0]], float)
    drawn = viewer.add_shapes([box], name="drawn", scale=cells.scale, translate=cells.translate)
    shown(**{field: drawn})
    viewer.layers.remove(drawn)
    until(lambda: not panel.previewing)
    assert list(viewer.layers) == [cells]
    until(lambda: panel.settled)
    assert not panel.previewing
    assert len(told) == 1
    assert "drawn" in told[0]
    assert f"chosen as {field}" in told[0]


def test_a_mask_that_is_removed_is_told_without_a_preview_too(
    panel: Any, cells: Any, viewer: Any, told: list[str]
) -> None:
    panel.mask.value = viewer.add_labels(np.ones((96, 128), int), name="where")
    viewer.layers.remove(viewer.layers["where"])
    assert len(told) == 1
    assert panel.mask.value is None


def test_a_preview_that_ended_follows_nothing(shown: Any, panel: Any, cells: Any) -> None:
    shown()
    panel.stop_preview()
    cells.translate = (1, 1)
    cells.data = cells.data[::-1].copy()
    assert panel.settled
    assert not panel.previewing
