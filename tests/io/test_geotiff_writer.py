import multiprocessing
import resource
import signal

import numpy as np
import pytest
import rasterio
import zarr

from napari_superpixels.axes import Axes
from napari_superpixels.errors import InputError, OutputError, SourceError
from napari_superpixels.io import geotiff_writer
from napari_superpixels.io._reader import GeoReference
from napari_superpixels.io.geotiff_writer import export_geotiff
from napari_superpixels.io.ome_zarr_writer import Layout, create_arrays, finish_image
from napari_superpixels.kernels.mode import mode_downsample

PLACE = {
    "crs": rasterio.crs.CRS.from_epsg(3035).to_wkt(),
    "transform": [10.0, 0.0, 4_000_000.0, 0.0, -10.0, 3_000_000.0],
}


def make_labels(path, names="yx", shape=(90, 70), dtype=np.uint32, place=None, factors=((2, 3),)):
    """Write a label image of random labels; return those of the finest level."""
    layout = Layout(
        axes=Axes.of(names, shape),
        dtype=np.dtype(dtype),
        chunk=(32, 32),
        tile=(32, 32),
        factors=factors,
        cells=(6, 5),
        cell_chunk=(6, 5),
    )
    create_arrays(path, layout)
    top = np.iinfo(dtype).max
    labels = np.random.default_rng(0).integers(top - 9, top, shape, dtype, endpoint=True)
    labels[..., :7, :5] = 0
    zarr.open_array(path / "0", mode="r+")[...] = labels
    if factors:
        coarse = zarr.open_array(path / "1", mode="r+")
        for place_ in np.ndindex(shape[:-2]):
            coarse[place_] = mode_downsample(labels[place_], factors[0])
    finish_image(path, layout, "x", {"level": 0, "georeference": place, "location": None})
    return labels


def corrupt(path):
    """Damage the last chunk of an array."""
    chunk = sorted((path / "c").rglob("*"))[-1]
    chunk.write_bytes(b"\x00" + chunk.read_bytes()[: chunk.stat().st_size // 2])


def names_in(folder):
    return sorted(child.name for child in folder.iterdir())


def test_labels_nodata_crs_and_transform_come_through(tmp_path):
    labels = make_labels(tmp_path / "x.zarr", place=PLACE)
    export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")
    with rasterio.open(tmp_path / "x.tif") as file:
        np.testing.assert_array_equal(file.read(1), labels)
        assert file.dtypes == ("uint32",)
        assert file.nodata == 0
        assert file.crs == rasterio.crs.CRS.from_epsg(3035)
        assert tuple(file.transform)[:6] == tuple(PLACE["transform"])
        assert file.profile["compress"] == "deflate"
        assert file.profile["tiled"]
    assert names_in(tmp_path) == ["x.tif", "x.zarr"]


def test_a_coarser_level_has_larger_pixels_from_the_same_corner(tmp_path):
    labels = make_labels(tmp_path / "x.zarr", place=PLACE)
    export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif", level=1)
    with rasterio.open(tmp_path / "x.tif") as file:
        np.testing.assert_array_equal(file.read(1), mode_downsample(labels, (2, 3)))
        assert tuple(file.transform)[:6] == (30.0, 0.0, 4_000_000.0, 0.0, -20.0, 3_000_000.0)


def test_the_place_of_a_part_and_of_a_level_agree_with_affine_algebra():
    numbers = (2.0, 0.5, 100.0, -0.25, -3.0, 900.0)
    where = rasterio.Affine(*numbers)
    moved = GeoReference(None, numbers).moved(5, 7)
    assert moved.transform == tuple(where @ rasterio.Affine.translation(7, 5))[:6]
    coarser = moved.coarser((2, 4))
    expected = where @ rasterio.Affine.translation(7, 5) @ rasterio.Affine.scale(4, 2)
    assert coarser.transform == tuple(expected)[:6]


def test_planes_are_bands_with_names(tmp_path):
    labels = make_labels(
        tmp_path / "x.zarr", names="tzyx", shape=(2, 3, 20, 30), factors=(), place=PLACE
    )
    export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")
    with rasterio.open(tmp_path / "x.tif") as file:
        np.testing.assert_array_equal(file.read(), labels.reshape(6, 20, 30))
        assert file.descriptions[:4] == ("t=0 z=0", "t=0 z=1", "t=0 z=2", "t=1 z=0")


def test_an_image_without_place_gives_a_plain_tiff(tmp_path):
    labels = make_labels(tmp_path / "x.zarr")
    export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        file = rasterio.open(tmp_path / "x.tif")
    with file:
        assert file.crs is None
        assert file.transform == rasterio.Affine.identity()
        np.testing.assert_array_equal(file.read(1), labels)


def test_a_rare_projection_is_kept_beside_the_file(tmp_path):
    rotated = "+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39.25 +lon_0=180"
    crs = rasterio.crs.CRS.from_string(rotated)
    make_labels(tmp_path / "x.zarr", place=PLACE | {"crs": crs.to_wkt()})
    export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")
    with rasterio.open(tmp_path / "x.tif") as file:
        assert file.crs == crs
    assert names_in(tmp_path) == ["x.tif", "x.tif.aux.xml", "x.zarr"]


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_overviews_hold_whole_labels_however_large(tmp_path, dtype):
    """GDAL may compute modes in floating point, which would round large labels."""
    labels = make_labels(tmp_path / "x.zarr", shape=(700, 1500), dtype=dtype, place=PLACE)
    export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")
    with rasterio.open(tmp_path / "x.tif") as file:
        assert file.dtypes == (np.dtype(dtype).name,)
        assert file.overviews(1) == [2, 4]
        np.testing.assert_array_equal(file.read(1), labels)
    for overview in (0, 1):
        with rasterio.open(tmp_path / "x.tif", overview_level=overview) as file:
            assert set(np.unique(file.read(1))) <= set(np.unique(labels))


def test_pieces_and_tiles_do_not_show(tmp_path, monkeypatch):
    labels = make_labels(tmp_path / "x.zarr", shape=(1100, 600), place=PLACE)
    whole = geotiff_writer.pieces
    monkeypatch.setattr(geotiff_writer, "pieces", lambda shape: whole(shape, 512))
    export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")
    with rasterio.open(tmp_path / "x.tif") as file:
        np.testing.assert_array_equal(file.read(1), labels)


def test_labels_that_gdal_cannot_hold_are_refused(tmp_path, monkeypatch):
    make_labels(tmp_path / "x.zarr", dtype=np.uint64)
    monkeypatch.setattr(geotiff_writer, "dtype_rev", {"uint32": 4})
    with pytest.raises(InputError, match=r"labels are uint64, which GDAL .* cannot hold"):
        export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")
    assert names_in(tmp_path) == ["x.zarr"]


def test_more_planes_than_bands_are_refused(tmp_path, monkeypatch):
    make_labels(tmp_path / "x.zarr", names="zyx", shape=(4, 9, 9), factors=())
    monkeypatch.setattr(geotiff_writer, "MAX_BANDS", 3)
    with pytest.raises(InputError, match="4 planes, but a TIFF holds at most 3 bands"):
        export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")


def test_a_file_that_exists_is_kept(tmp_path):
    make_labels(tmp_path / "x.zarr")
    (tmp_path / "x.tif").write_text("mine")
    with pytest.raises(OutputError, match=r"x\.tif exists already"):
        export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")
    assert (tmp_path / "x.tif").read_text() == "mine"
    with pytest.raises(OutputError, match=r"folder .*nowhere does not exist"):
        export_geotiff(tmp_path / "x.zarr", tmp_path / "nowhere" / "x.tif")


def test_what_is_no_finished_label_image_is_refused(tmp_path):
    out = tmp_path / "x.tif"
    make_labels(tmp_path / "done.zarr")
    cases = {"x.zarr": "x.zarr is not finished; resume it", "no.zarr": "There is no label image"}
    (tmp_path / "x.zarr.partial").mkdir()
    for name, words in cases.items():
        with pytest.raises(SourceError, match=words):
            export_geotiff(tmp_path / name, out)
    (tmp_path / "folder").mkdir()
    zarr.create_group(tmp_path / "other.zarr")
    zarr.create_array(tmp_path / "array.zarr", shape=(3, 3), dtype="u4")
    with pytest.raises(InputError, match="level=2 does not exist"):
        export_geotiff(tmp_path / "done.zarr", out, level=2)
    create_only = Layout(
        axes=Axes.of("yx", (9, 9)), dtype=np.dtype(np.uint32), chunk=(9, 9), tile=(9, 9),
        factors=(), cells=(1, 1), cell_chunk=(1, 1),
    )  # fmt: skip
    create_arrays(tmp_path / "unfinished", create_only)
    for name in ("folder", "other.zarr", "array.zarr", "unfinished"):
        with pytest.raises(SourceError, match="is no finished label image of this software"):
            export_geotiff(tmp_path / name, out)
    assert not out.exists()


def test_a_damaged_chunk_leaves_no_file(tmp_path):
    make_labels(tmp_path / "x.zarr")
    corrupt(tmp_path / "x.zarr" / "0")
    with pytest.raises(SourceError, match=r"A chunk of the labels .*x\.zarr .* cannot be read"):
        export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")
    assert names_in(tmp_path) == ["x.zarr"]


def _export_with_little_room(labels, out, limit, answers):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        export_geotiff(labels, out)
        answers.put("written")
    except OutputError as error:
        answers.put(str(error))


@pytest.mark.parametrize("missing", [400_000, 100])
def test_a_full_disk_leaves_no_file(tmp_path, missing):
    """Of the last bytes GDAL says nothing when they cannot be written."""
    make_labels(tmp_path / "x.zarr", shape=(700, 1500), place=PLACE)
    export_geotiff(tmp_path / "x.zarr", tmp_path / "whole.tif")
    limit = (tmp_path / "whole.tif").stat().st_size - missing
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    arguments = (tmp_path / "x.zarr", tmp_path / "x.tif", limit, answers)
    child = context.Process(target=_export_with_little_room, args=arguments)
    child.start()
    child.join()
    assert "could not be written whole" in answers.get()
    assert names_in(tmp_path) == ["whole.tif", "x.zarr"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    make_labels(tmp_path / "x.zarr")
    check = geotiff_writer._check_whole

    def interfere(*arguments):
        check(*arguments)
        (tmp_path / "x.tif").write_text("mine")

    monkeypatch.setattr(geotiff_writer, "_check_whole", interfere)
    with pytest.raises(OutputError, match="exists already"):
        export_geotiff(tmp_path / "x.zarr", tmp_path / "x.tif")
    assert (tmp_path / "x.tif").read_text() == "mine"
    assert names_in(tmp_path) == ["x.tif", "x.zarr"]
