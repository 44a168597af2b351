"""What the form tells of layers."""

import numpy as np
import pytest
from napari.layers import Image

from napari_superpixels.napari_ui.layer_facts import layers_of_image, length_text, level_label


@pytest.mark.parametrize(
    ("um", "text"),
    [
        (0.004, "4 nm"),
        (0.0001, "0.1 nm"),
        (0.25, "0.25 µm"),
        (0.4991, "0.499 µm"),
        (65, "65 µm"),
        (5e5, "0.5 m"),
        (300e6, "300 m"),
        (2.5e9, "2.5 km"),
        (1e-6, "0.001 nm"),
    ],
)
def test_a_length_has_the_unit_that_suits_it(um: float, text: str) -> None:
    assert length_text(um) == text


def _layer(size: int = 32, **keywords: object) -> Image:
    return Image(np.zeros((size, size), np.uint8), **keywords)


def _of(file: str, channel: int) -> dict[str, object]:
    opened = {"image": file, "channels": [channel]}
    return {"metadata": {"napari_superpixels": {"opened": opened, "channel": channel}}}


def test_channels_of_one_file_are_one_image() -> None:
    layers = [_layer(**_of("a.tif", 0)), _layer(**_of("b.tif", 0)), _layer(**_of("a.tif", 1))]
    assert layers_of_image(layers[2], layers) == [layers[0], layers[2]]


def test_other_grids_and_layers_of_no_file_are_other_images() -> None:
    first = _layer(**_of("a.tif", 0))
    moved = _layer(**_of("a.tif", 1), translate=(1, 0))
    small = _layer(16, **_of("a.tif", 2))
    of_nothing = [_layer(), _layer()]
    layers = [first, moved, small, *of_nothing]
    for layer in layers:
        assert layers_of_image(layer, layers) == [layer]


def test_colours_are_an_image_of_their_own() -> None:
    facts = _of("a.tif", 0)
    colours = Image(np.zeros((32, 32, 3), np.uint8), rgb=True, **facts)
    other = _layer(**facts)
    assert layers_of_image(other, [colours, other]) == [other]


def test_a_level_tells_width_height_and_length() -> None:
    layer = Image(np.zeros((32, 64), np.uint8), scale=(0.5, 0.5), units=("um", "um"))
    assert level_label(layer, 0) == "64 x 32, 0.5 µm"
    assert level_label(_layer(), 0) == "32 x 32"
