import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.enums import Resampling

from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.io import open_source
from napari_superpixels.tiling import Box

HEIGHT, WIDTH = 150, 203


@pytest.fixture
def bands(rng):
    return rng.integers(1, 60000, (3, HEIGHT, WIDTH), dtype=np.uint16)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scene.tif"


def write(path, bands, *, overviews=(), mask=None, crs="EPSG:32618", **options):
    profile = {
        "driver": "GTiff",
        "count": bands.shape[0],
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
        "crs": crs,
        "transform": Affine(10, 0, 500000, 0, -20, 4600000),
        "tiled": True,
        "blockxsize": 64,
        "blockysize": 64,
        "compress": "deflate",
    }
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **(profile | options)) as file,
    ):
        file.write(bands)
        if mask is not None:
            file.write_mask(mask)
    if overviews:
        with rasterio.open(path, "r+") as file:
            file.build_overviews(overviews, Resampling.nearest)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_bands(path, bands, interleave, assert_reads):
    write(path, bands, interleave=interleave)
    source = open_source(path)
    assert (source.axes.names, source.rgb, source.notes) == ("cyx", False, ())
    assert source.chunk_shape == (64, 64)
    assert_reads(source, bands[None])
    assert_reads(open_source(path, channels=[2, 0]), bands[None, [2, 0]])


def test_one_band_has_no_channel_axis(path, bands, assert_reads):
    write(path, bands[:1])
    assert open_source(path).axes.names == "yx"
    assert_reads(open_source(path, axes="yx"), bands[None, :1])


def test_georeference_and_spacing(path, bands):
    write(path, bands)
    source = open_source(path)
    assert "UTM zone 18N" in source.georeference.crs
    assert source.georeference.transform == (10, 0, 500000, 0, -20, 4600000)
    y, x = source.axes["y"], source.axes["x"]
    assert (y.spacing, y.unit, y.origin) == (20, "meter", -(4600000 - 10))
    assert (x.spacing, x.unit, x.origin) == (10, "meter", 500005)


TRANSFORMS = {
    "north up": Affine(10, 0, 500000, 0, -20, 4600000),
    "south up": Affine(10, 0, 500000, 0, 20, 4600000),
    "west": Affine(-10, 0, 500000, 0, -20, 4600000),
}


@pytest.mark.parametrize("kind", TRANSFORMS)
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("corner", [(0, 0), (37, 51)])
def test_axes_agree_with_the_georeference(path, bands, kind, level, corner):
    write(path, bands[:, :128, :192], height=128, width=192, overviews=[2],
          transform=TRANSFORMS[kind])  # fmt: skip
    source = open_source(path, level=level)
    a, _, c, _, e, f = source.georeference.moved(*corner).transform
    true, steps = {"x": c + a / 2, "y": f + e / 2}, {"x": a, "y": e}
    for name, pixel in zip("yx", corner):
        axis = source.axes[name]
        assert axis.spacing > 0
        assert axis.origin + pixel * axis.spacing == np.sign(steps[name]) * true[name]


@pytest.mark.parametrize("level", [0, 1])
def test_rotated_grids_have_lengths(path, bands, level):
    write(path, bands[:, :128, :192], height=128, width=192, overviews=[2],
          transform=Affine(3, -8, 500000, 4, 6, 4600000))  # fmt: skip
    source = open_source(path, level=level)
    y, x = source.axes["y"], source.axes["x"]
    assert (y.spacing, x.spacing) == (10 * 2**level, 5 * 2**level)
    assert (y.origin, x.origin) == ((0, 0), (5, 2.5))[level]
    assert "rotated or sheared" in source.notes[0]


def test_degrees(path, bands):
    write(path, bands, crs="EPSG:4326", transform=Affine(0.5, 0, -180, 0, -0.5, 90))
    assert open_source(path).axes["x"].unit == "degree"


def test_nodata(path, bands):
    bands[:, 3:9, 5:7] = 0
    bands[0, 20, 20] = 0
    write(path, bands, nodata=0)
    source = open_source(path)
    assert source.nodata == 0.0
    valid = source.read(0, Box.of((1, HEIGHT), (2, WIDTH))).valid
    np.testing.assert_array_equal(valid, (bands != 0).any(axis=0)[1:, 2:])
    assert source.read(0, Box.of((9, 64), (0, 64))).valid is None


def test_float_nodata_and_nan(path, bands):
    floats = bands.astype(np.float32)
    floats[:, 0, 0], floats[:, 1, 1] = np.nan, -3.4028234663852886e38
    write(path, floats, nodata=-3.4028234663852886e38)
    valid = open_source(path).read(0, Box.of((0, 3), (0, 3))).valid
    np.testing.assert_array_equal(valid, ~np.diag([True, True, False]))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_overviews_are_levels(path, bands, level, assert_reads):
    write(path, bands, overviews=[2, 4])
    source = open_source(path, level=level)
    assert source.level_shapes == ((150, 203), (75, 102), (38, 51))
    with rasterio.open(path, **({"overview_level": level - 1} if level else {})) as file:
        assert_reads(source, file.read()[None])
        assert source.georeference.transform == tuple(file.transform)[:6]


def test_a_level_out_of_range(path, bands):
    write(path, bands, overviews=[2])
    with pytest.raises(InputError, match="has 2 levels; give a level from 0 to 1"):
        open_source(path, level=2)


def test_colours_and_alpha(path, rng, assert_reads):
    rgba = rng.integers(0, 2, (4, HEIGHT, WIDTH), dtype=np.uint8)
    write(path, rgba, photometric="RGB", alpha="yes")
    source = open_source(path)
    assert (source.rgb, source.channels, source.has_alpha) == (True, 3, True)
    assert_reads(source, rgba[None, :3])
    valid = source.read(0, Box.of((3, 50), (0, WIDTH))).valid
    np.testing.assert_array_equal(valid, rgba[3, 3:50] != 0)


def test_the_mask_of_the_data_set(path, bands):
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[10:30, 40:] = 0
    write(path, bands, mask=mask)
    source = open_source(path)
    assert source.describe()["masked"]
    valid = source.read(0, Box.of((5, 64), (7, 70))).valid
    np.testing.assert_array_equal(valid, mask[5:64, 7:70] != 0)
    mine = np.ones((HEIGHT, WIDTH), bool)
    mine[0] = False
    both = open_source(path, mask=mine).read(0, Box.whole((HEIGHT, WIDTH))).valid
    np.testing.assert_array_equal(both, (mask != 0) & mine)


def test_gdal_tags_without_georeference(path, bands, assert_reads):
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        write(path, bands, crs=None, transform=None, nodata=5)
    source = open_source(path)
    assert (source.georeference, source.nodata, source.axes["y"].unit) == (None, 5.0, None)
    assert_reads(source, bands[None])


def test_a_read_that_fails_names_file_and_block(path, bands):
    write(path, bands)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3] + b"\xff" * (len(data) - len(data) // 3))
    source = open_source(path)
    with pytest.raises(SourceError, match=r"GDAL cannot read the block 0:3.*scene\.tif") as caught:
        source.read(0, Box.whole((HEIGHT, WIDTH)))
    assert caught.value.__suppress_context__
