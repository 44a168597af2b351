"""Names of channels, and single channels of an image."""

import numpy as np
import pytest
import rasterio
import tifffile
import zarr

from napari_superpixels.io import open_source
from napari_superpixels.tiling import Box


@pytest.fixture
def image(rng):
    return rng.integers(0, 999, (3, 20, 30), dtype=np.uint16)


def test_names_of_an_ome_tiff(tmp_path, image):
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP", "RFP"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", image, metadata=metadata)
    assert open_source(tmp_path / "a.ome.tif").channel_names == ("DAPI", "GFP", "RFP")
    assert open_source(tmp_path / "a.ome.tif", channels=[2, 0]).channel_names == ("RFP", "DAPI")


def test_names_of_an_ome_zarr(tmp_path, image):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("0", data=image)
    axes = [{"name": "c", "type": "channel"}, *({"name": n, "type": "space"} for n in "yx")]
    scale = [{"type": "scale", "scale": [1, 1, 1]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    channels = [{"label": "nuclei"}, {}, {"label": "walls"}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": levels}],
        "omero": {"channels": channels},
    }
    assert open_source(tmp_path / "a.zarr").channel_names == ("nuclei", "", "walls")


def test_names_of_a_geotiff(tmp_path, image):
    place = rasterio.Affine(10, 0, 1000, 0, -10, 2000)
    facts = {"driver": "GTiff", "height": 20, "width": 30, "count": 3, "dtype": "uint16"}
    with rasterio.open(tmp_path / "a.tif", "w", transform=place, crs=32618, **facts) as file:
        file.write(image)
        file.set_band_description(2, "near infrared")
    assert open_source(tmp_path / "a.tif").channel_names == ("", "near infrared", "")


def test_arrays_have_no_names(image):
    assert open_source(image, axes="cyx").channel_names == ("", "", "")


@pytest.mark.parametrize("planar", [True, False])
def test_one_channel_of_a_file(tmp_path, image, planar):
    if planar:
        zarr.create_array(tmp_path / "a.zarr", data=image, chunks=(1, 20, 30))
        source = open_source(tmp_path / "a.zarr", axes="cyx")
    else:
        zarr.create_array(tmp_path / "a.zarr", data=np.moveaxis(image, 0, 2))
        source = open_source(tmp_path / "a.zarr", axes="yxc")
    box = Box.of((3, 9), (4, 30))
    for number in range(3):
        alone = source.only(number)
        pixels = alone.read(0, box).pixels
        np.testing.assert_array_equal(pixels, image[number : number + 1, 3:9, 4:])
        again = open_source(**alone.opened)
        np.testing.assert_array_equal(again.read(0, box).pixels, pixels)
        assert alone.read_bytes_per_pixel == 2
    assert len({source.identity, *(source.only(i).identity for i in range(3))}) == 4


def test_one_channel_of_a_choice(image):
    chosen = open_source(image, axes="cyx", channels=[2, 0])
    pixels = chosen.only(1).read(0, Box.whole((20, 30))).pixels
    np.testing.assert_array_equal(pixels, image[:1])


def test_one_channel_keeps_alpha(rng):
    rgba = rng.integers(1, 255, (20, 30, 4), dtype=np.uint8)
    rgba[:5, :, 3] = 0
    green = open_source(rgba).only(1)
    assert (green.has_alpha, green.rgb, green.channels) == (True, False, 1)
    block = green.read(0, Box.whole((20, 30)))
    np.testing.assert_array_equal(block.pixels[0], rgba[..., 1])
    np.testing.assert_array_equal(block.valid, rgba[..., 3] > 0)
