"""What a preview shows and what a run gives lie on the image and are called alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Layer

from napari_superpixels.napari_ui.reader import read


def _edges(layer: Any) -> np.ndarray:
    """The world positions of the outer edges of a layer's pixels, along y and x."""
    shape = layer.data[0].shape if layer.multiscale else layer.data.shape
    last = np.array(shape[-2:]) - 0.5
    lead = (0,) * (len(shape) - 2)
    return np.array([layer.data_to_world((*lead, *at))[-2:] for at in ((-0.5, -0.5), last)])


EVEN, TWICE = (200, 100, 50), (200, 100, 100)


@pytest.mark.parametrize(
    ("sizes", "level"), [(EVEN, 0), (EVEN, 1), (EVEN, 2), (TWICE, 0), (TWICE, 2)]
)
def test_at_every_level_of_a_layer(
    panel: Any, viewer: Any, until: Any, sizes: tuple[int, ...], level: int
) -> None:
    """Also where two levels have one size, so that only the array of one of them is opened."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 255, (size, size), dtype=np.uint8) for size in sizes]
    image = viewer.add_image(arrays, multiscale=True, name="cells", scale=(3, 3), translate=(7, 9))
    whole = [image.data_to_world((edge, edge)) for edge in (-0.5, sizes[0] - 0.5)]
    panel.level.value = level
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    np.testing.assert_allclose(_edges(viewer.layers[-1]), whole)
    panel.run()
    until(lambda: not panel.running)
    assert len(viewer.layers) == 3
    np.testing.assert_allclose(_edges(viewer.layers[-1]), whole)


def test_a_run_is_called_the_same_when_its_file_is_opened(
    panel: Any, viewer: Any, until: Any, tmp_path: Path, picture: np.ndarray
) -> None:
    viewer.add_image(picture, name="cells", scale=(0.5, 0.5), units=("um", "um"))
    panel.unit.value = "um"
    panel.step_um.value = 8.0
    panel.run()
    until(lambda: not panel.running)
    (path,) = tmp_path.glob("*.zarr")
    ((data, keywords, kind),) = read(str(path))
    opened = Layer.create(data, keywords, kind)
    assert viewer.layers[-1].name == opened.name == "cells slic 16px"
