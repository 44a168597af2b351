import numpy as np
import pytest
from napari.layers import Layer
from skimage.io import imread

import napari_superpixels as nsp
from napari_superpixels.napari_ui import samples as contributed


@pytest.mark.parametrize("name", ["slide", "nuclei", "histology", "scene"])
def test_every_sample_is_layers_of_the_file(name):
    found = [Layer.create(*data) for data in getattr(contributed, name)()]
    assert len(found) == (3 if name == "scene" else 1)
    for layer in found:
        opened = layer.metadata["napari_superpixels"]["opened"]
        assert opened["image"] == str(nsp.sample_path(name))


def test_pictures_are_themselves():
    ((data, _, _),) = contributed.histology()
    np.testing.assert_array_equal(data, imread(nsp.sample_path("histology"))[..., :3])


def test_an_unknown_sample_is_one_sentence():
    with pytest.raises(nsp.SuperpixelsError, match="no sample 'slides'; give one of 'slide', "):
        nsp.sample_path("slides")
