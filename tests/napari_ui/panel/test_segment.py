"""The panel *Segment*: classes where one looks, a run of them, what it says where it cannot."""

from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.testing.weights import write_random_segmentation

NAMES = ["class 1", "class 2", "class 3"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of weights, of a network that is exact."""
    return str(write_random_segmentation(tmp_path_factory.mktemp("weights"), "HCFPN"))


@pytest.fixture
def cells(viewer: Any, picture: np.ndarray) -> Any:
    """An image layer."""
    return viewer.add_image(picture, name="cells", scale=(0.5, 0.5), translate=(3, -2))


def test_it_has_no_step_and_no_list_of_one_method(segment: Any) -> None:
    names = {field.name for field in segment.form.fields}
    assert {"images", "level", "region", "boundaries", "device"} <= names
    assert not {"method", "step", "step_um", "unit"} & names
    fields = [*segment.form.fields, *segment.form.parameters.fields]
    assert [field.name for field in fields if not field.tooltip] == []
    assert segment.sentence.startswith("segment comes without weights; choose some under Weights")


def test_a_preview_is_the_classes_of_a_run(
    segment: Any, cells: Any, viewer: Any, weights: str, picture: np.ndarray, until: Any
) -> None:
    segment.parameter("weights").value = weights
    segment.preview()
    name = "cells segment HCFPN-0 (preview)"
    until(lambda: name in viewer.layers)
    layer = viewer.layers[name]
    assert list(layer.features["class"]) == NAMES
    wanted = nsp.superpixels(picture, "segment", weights=weights).compute(scheduler="threads")
    until(lambda: np.array_equal(np.asarray(layer.data[0][:, :]), wanted))
    segment.run()
    until(lambda: not segment.running)
    assert segment.sentence == "Run: classes in cells segment HCFPN-0.zarr."
    run = viewer.layers["cells segment classes"]
    np.testing.assert_array_equal(np.asarray(run.data), wanted)
    np.testing.assert_allclose(run.translate, cells.translate)
    assert not layer.visible
