import json

import numpy as np
import pytest
import rasterio
import tifffile
import zarr

import napari_superpixels as nsp
from napari_superpixels.cli import EXIT_BAD_INPUT, EXIT_INCOMPLETE

CORNER = rasterio.Affine(2.0, 0.0, 500_000.0, 0.0, -2.0, 5_000_000.0)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (3, 90, 120), dtype=np.uint8)


@pytest.fixture
def scene(tmp_path, pixels):
    """A GeoTIFF."""
    path = tmp_path / "scene.tif"
    facts = {"count": 3, "height": 90, "width": 120, "dtype": "uint8", "photometric": "rgb"}
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:32633", transform=CORNER, **facts
    ) as file:
        file.write(pixels)
    return path


@pytest.fixture
def image(tmp_path, pixels):
    """An OME-Zarr 0.5 image of two levels."""
    path = tmp_path / "image.zarr"
    group = zarr.create_group(path, zarr_format=3)
    datasets = []
    for number, level in enumerate((pixels, pixels[:, ::2, ::2])):
        group.create_array(str(number), data=level, dimension_names=["c", "y", "x"])
        scale = {"type": "scale", "scale": [1.0, 0.5 * 2**number, 0.5 * 2**number]}
        datasets.append({"path": str(number), "coordinateTransformations": [scale]})
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"name": "image", "axes": axes, "datasets": datasets}],
    }
    return path


QUICK = ("--step", 8, "--iterations", 2)


def test_run_writes_a_geotiff_beside_the_zarr(shell, scene, tmp_path):
    out, tif = tmp_path / "out.zarr", tmp_path / "labels.tif"
    code, printed, _ = shell("run", scene, out, "--geotiff", tif, *QUICK, "--json")
    assert code == 0
    assert json.loads(printed)["geotiff"] == str(tif)
    with rasterio.open(tif) as file:
        assert file.crs == rasterio.crs.CRS.from_epsg(32633)
        assert file.transform == CORNER
        np.testing.assert_array_equal(file.read(1), zarr.open_array(out / "0", mode="r")[:])


def test_a_region_lies_where_its_pixels_do(shell, scene, tmp_path):
    whole, part = tmp_path / "whole.zarr", tmp_path / "part.zarr"
    window = ("--region", "y=20:70", "--region", "x=48:120")
    assert shell("run", scene, whole, "--geotiff", tmp_path / "whole.tif", *QUICK)[0] == 0
    assert shell("run", scene, part, "--geotiff", tmp_path / "part.tif", *window, *QUICK)[0] == 0
    with rasterio.open(tmp_path / "whole.tif") as one, rasterio.open(tmp_path / "part.tif") as two:
        assert two.bounds == (500_096.0, 5_000_000.0 - 144, 500_240.0, 5_000_000.0 - 32)
        there = one.window(*two.bounds)
        np.testing.assert_array_equal(one.read(1, window=there), two.read(1))


def test_run_writes_into_the_image(shell, image, tmp_path):
    out = tmp_path / "out.zarr"
    code, printed, _ = shell("run", image, out, "--into", "slic", *QUICK)
    assert code == 0
    assert f"also in {image / 'labels' / 'slic'}" in printed
    group = zarr.open_group(image / "labels" / "slic", mode="r")
    np.testing.assert_array_equal(group["0"][:], zarr.open_array(out / "0", mode="r")[:])
    assert group["1"].shape == (45, 60)
    assert zarr.open_group(image / "labels").attrs["ome"]["labels"] == ["slic"]


def test_exports_after_the_run(shell, image, tmp_path):
    out, tif = tmp_path / "out.zarr", tmp_path / "labels.tif"
    assert shell("run", image, out, *QUICK)[0] == 0
    code, printed, _ = shell("export", out, tif, "--level", 1, "--into", "later")
    assert code == 0
    assert printed.split() == [str(tif), str(image / "labels" / "later")]
    assert tifffile.imread(tif).shape == (45, 60)
    code, printed, _ = shell("export", out, "--into", "again", "--json")
    assert json.loads(printed) == {"into": str(image / "labels" / "again")}
    moved = image.rename(tmp_path / "moved.zarr")
    assert shell("export", out, "--into", "third", "--image", moved)[0] == 0
    assert zarr.open_group(moved / "labels").attrs["ome"]["labels"] == ["later", "again", "third"]


def test_the_public_functions(image, tmp_path):
    out = tmp_path / "out.zarr"
    nsp.run(nsp.plan(image, step=8, iterations=2), out, into="one")
    assert nsp.write_into(out) == image / "labels" / "superpixels"
    assert nsp.export_geotiff(out, tmp_path / "x.tif", level=1) == tmp_path / "x.tif"
    array = np.zeros((40, 50), np.uint8)
    with pytest.raises(nsp.SuperpixelsError, match="was an array in memory"):
        nsp.run(nsp.plan(array, step=8), tmp_path / "array.zarr", into="one")
    assert not (tmp_path / "array.zarr").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["run", "SCENE", "OUT", "--into", "x"],
            "--into needs an OME-Zarr image, but scene is GeoTIFF",
        ),
        (["run", "IMAGE", "OUT", "--into", "a/b"], "cannot be called 'a/b'"),
        (["run", "IMAGE", "OUT", "--into", "x", "--region", "y=0:40"], "without region"),
        (["run", "IMAGE", "OUT", "--into", "x", "--level", "1"], "made on level 1"),
        (["run", "SCENE", "OUT", "--geotiff", "SCENE"], "exists already"),
        (["run", "SCENE", "OUT", "--geotiff", "nowhere/x.tif"], "does not exist"),
        (["run", "SCENE", "IMAGE", "OUT", "--geotiff", "x.tif"], "One GeoTIFF is given for 2"),
        (["export", "OUT"], "Nothing to export is given"),
        (["export", "OUT", "TIF"], "There is no label image"),
        (["export", "SCENE", "TIF"], "There is no label image"),
        (["export", "IMAGE", "TIF"], "is no finished label image of this software"),
    ],
)
def test_bad_use_is_one_sentence_before_anything_runs(
    shell, scene, image, tmp_path, arguments, words
):
    places = {"SCENE": scene, "IMAGE": image}
    places |= {"OUT": tmp_path / "out.zarr", "TIF": tmp_path / "labels.tif"}
    before = sorted(tmp_path.rglob("*"))
    code, printed, errors = shell(*(places.get(word, word) for word in arguments))
    assert code == EXIT_BAD_INPUT
    assert printed == ""
    assert errors.splitlines()[-1].startswith("Error: ")  # after what was guessed
    assert words in errors
    assert errors.count("Error: ") == errors.splitlines()[-1].count("Error: ") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unfinished_run_is_not_exported(shell, scene, tmp_path):
    out = tmp_path / "out.zarr"
    assert shell("run", scene, out, *QUICK)[0] == 0
    out.rename(tmp_path / "out.zarr.partial")
    code, _, errors = shell("export", out, tmp_path / "labels.tif")
    assert code == EXIT_BAD_INPUT
    assert "is not finished; resume it" in errors


def test_several_images_each_get_their_labels(shell, image, scene, tmp_path):
    code, _, errors = shell("run", image, scene, tmp_path / "outs", "--into", "slic", *QUICK)
    assert code == EXIT_INCOMPLETE
    assert "scene.tif" in errors
    assert (image / "labels" / "slic").is_dir()
    assert [path.name for path in (tmp_path / "outs").iterdir()] == ["image.zarr"]


def test_a_folder_of_labels_that_cannot_be_written_is_refused_first(shell, image, tmp_path):
    (image / "labels").write_text("in the way")
    code, printed, errors = shell("run", image, tmp_path / "out.zarr", "--into", "slic", *QUICK)
    assert (code, printed) == (EXIT_BAD_INPUT, "")
    assert errors.splitlines()[-1].startswith(
        f"Error: The folder {image / 'labels'} cannot be written to"
    )
    assert errors.count("Error: ") == 1
    assert not (tmp_path / "out.zarr").exists()


def test_what_killed_exports_left_goes_with_the_next(shell, image, tmp_path):
    out, tif = tmp_path / "out.zarr", tmp_path / "labels.tif"
    assert shell("run", image, out, *QUICK)[0] == 0
    (tmp_path / "labels.tif.partial").write_text("half")
    (tmp_path / "labels.tif.partial.aux.xml").write_text("half")
    (image / ".slic.partial" / "0").mkdir(parents=True)
    assert shell("export", out, tif, "--into", "slic")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "image.zarr",
        "labels.tif",
        "out.zarr",
    ]
    assert not (image / ".slic.partial").exists()


def test_a_skipped_output_gets_the_exports_that_are_missing(shell, image, tmp_path):
    out, tif = tmp_path / "out.zarr", tmp_path / "labels.tif"
    assert shell("run", image, out, *QUICK)[0] == 0
    again = ("run", image, out, *QUICK, "--skip-existing", "--geotiff", tif, "--into", "slic")
    for _ in range(2):
        code, printed, errors = shell(*again)
        assert (code, errors) == (0, "")
        assert "finished already, skipped" in printed
        assert tif.exists()
        assert (image / "labels" / "slic").is_dir()
