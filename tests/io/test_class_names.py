"""What the metadata of an OME-Zarr call its classes."""

import numpy as np
import pytest
import zarr

import napari_superpixels as nsp
from napari_superpixels.io.class_names import class_names


def class_map(path, properties, nested=True):
    """Write a small class map whose metadata say that of label values."""
    root = zarr.create_group(path, zarr_format=3 if nested else 2)
    root.create_array("0", data=np.eye(5, dtype=np.uint8))
    axes = [{"name": name, "type": "space"} for name in "yx"]
    scale = [{"type": "scale", "scale": [1, 1]}]
    entry = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    ome = {"version": "0.5" if nested else "0.4", "multiscales": [entry]}
    ome |= {"image-label": {"properties": properties}}
    root.attrs.update({"ome": ome} if nested else ome)
    return path


NAMED = [
    {"label-value": 0, "class": "nodata"},
    {"label-value": 1, "class": "nuclei"},
    {"label-value": 7, "name": "glia"},
    {"label-value": 8},
]


@pytest.mark.parametrize("nested", [True, False])
def test_names_of_label_values(nested, tmp_path):
    source = nsp.open(class_map(tmp_path / "c.zarr", NAMED, nested))
    assert class_names(source) == ((1, "nuclei"), (7, "glia"))


@pytest.mark.parametrize("properties", [None, 5, [{"class": "nuclei"}], ["nuclei"]])
def test_what_cannot_be_understood_names_nothing(properties, tmp_path):
    assert class_names(nsp.open(class_map(tmp_path / "c.zarr", properties))) == ()


def test_arrays_and_other_files_name_nothing(tmp_path):
    np.save(tmp_path / "c.npy", np.eye(5, dtype=np.uint8))
    assert class_names(nsp.open(tmp_path / "c.npy")) == ()
    assert class_names(nsp.open(np.eye(5, dtype=np.uint8))) == ()
