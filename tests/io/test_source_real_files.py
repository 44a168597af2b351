"""Real slides and scenes, as they ship with the package."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile

from napari_superpixels.errors import SourceError
from napari_superpixels.io import open_source
from napari_superpixels.tiling import Box

DATA = Path(__file__).parents[2] / "src" / "napari_superpixels" / "sample_data"


def real(name):
    return DATA / Path(name).name


def test_a_slide(assert_reads):
    path = real("wsi/cmu-1-small-region.svs")
    source = open_source(path)
    assert source.axes.plane_shape == (2967, 2220)
    assert (source.axes["y"].spacing, source.axes["y"].unit) == (0.499, "micrometer")
    assert_reads(source, np.moveaxis(tifffile.imread(path), 2, 0)[None])


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6])
def test_a_cut_slide(tmp_path, kept):
    data = real("wsi/cmu-1-small-region.svs").read_bytes()
    path = tmp_path / "cut.svs"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SourceError, match=r"cut\.svs"):
        open_source(path).read(0, Box.whole((2967, 2220)))


def test_a_scene(assert_reads):
    path = real("geo/mosaic_cog1.tif")
    source = open_source(path)
    assert source.level_shapes == ((790, 779), (395, 390), (198, 195))
    assert (source.nodata, source.axes["x"].unit) == (0.0, "meter")
    with rasterio.open(path) as file:
        bands = file.read()
    assert_reads(source, bands[None])
    valid = source.read(0, Box.whole((790, 779))).valid
    np.testing.assert_array_equal(valid, (bands != 0).any(axis=0))
