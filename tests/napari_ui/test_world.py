import pytest
from napari.layers import Image

from napari_superpixels.axes import Axes, Axis
from napari_superpixels.napari_ui.world import UNITS, layer_place


def test_channels_are_no_axis_of_a_layer():
    axes = Axes((Axis("t", 3, 2.0, "second"), Axis("c", 2), Axis("y", 4, 0.5, "micrometer", 7.0),
                 Axis("x", 5, 0.25, "micrometer", -1.0)))  # fmt: skip
    assert layer_place(axes) == {
        "scale": [2.0, 0.5, 0.25],
        "translate": [0.0, 7.0, -1.0],
        "axis_labels": ["t", "y", "x"],
        "units": ["second", "micrometer", "micrometer"],
    }


def test_an_image_without_units_has_none():
    assert "units" not in layer_place(Axes.of("zyx", (2, 3, 4)))


def test_a_unit_that_nobody_knows_is_pixels():
    axes = Axes((Axis("y", 4, 0.5, "blobs"), Axis("x", 5, 0.5, "nanometer")))
    assert layer_place(axes)["units"] == ["pixel", "nanometer"]


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_napari_knows_every_unit(unit):
    import numpy as np

    layer = Image(np.zeros((2, 2)), units=[unit, unit])
    assert str(layer.units[0]) == unit
