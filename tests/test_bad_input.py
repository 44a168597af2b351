"""Everything that a user can get wrong gives one sentence and nothing that looks finished."""

import shutil

import numpy as np
import pytest
import tifffile
import zarr

import napari_superpixels as nsp
from napari_superpixels.errors import IncompleteRunError, InputError, SourceError
from napari_superpixels.testing.files import break_silently


def noise(*shape):
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def tiff(path, image=None):
    image = noise(200, 300, 3) if image is None else image
    tifffile.imwrite(path, image, photometric="rgb", tile=(16, 16), compression="deflate")
    return path


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def run(image, out, **options):
    source_options = {k: options.pop(k) for k in ("axes", "mask", "level") if k in options}
    return nsp.run(nsp.plan(nsp.open(image, **source_options), **options), out)


def assert_one_sentence(error):
    text = str(error)
    assert text
    assert "\n" not in text
    assert "Traceback" not in text


FILES = {
    "missing": lambda folder: folder / "nowhere.tif",
    "folder": lambda folder: folder,
    "wrong magic tif": lambda folder: write(folder / "text.tif", b"no image at all"),
    "wrong magic svs": lambda folder: write(folder / "text.svs", b"no image at all"),
    "wrong magic png": lambda folder: write(folder / "text.png", b"no image at all"),
    "unknown ending": lambda folder: write(folder / "text.docx", b"no image at all"),
    "empty": lambda folder: write(folder / "empty.tif", b""),
    "truncated at its head": lambda folder: cut(tiff(folder / "head.tif"), 0.0001),
}


def write(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_image(kind, tmp_path):
    image = FILES[kind](tmp_path)
    with pytest.raises((SourceError, InputError)) as caught:
        run(image, tmp_path / "out.zarr")
    assert_one_sentence(caught.value)
    assert image.name in str(caught.value)
    assert not list(tmp_path.glob("out.zarr*"))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("ending", ["tif", "svs"])
def test_a_truncated_file(share, ending, tmp_path):
    image = cut(tiff(tmp_path / f"cut.{ending}", noise(700, 900, 3)), share)
    with pytest.raises((SourceError, IncompleteRunError)) as caught:
        run(image, tmp_path / "out.zarr", iterations=1)
    assert_one_sentence(caught.value)
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("share", [0.4, 0.6])
def test_a_truncated_real_slide(share, samples, tmp_path):
    image = tmp_path / "slide.svs"
    shutil.copy(samples / "cmu-1-small-region.svs", image)
    cut(image, share)
    with pytest.raises((SourceError, IncompleteRunError)) as caught:
        run(image, tmp_path / "out.zarr", iterations=1)
    assert_one_sentence(caught.value)
    assert not (tmp_path / "out.zarr").exists()


def test_an_unreadable_zarr_chunk_is_named_and_resumed_after_repair(tmp_path):
    image = noise(300, 400)
    stored = zarr.create_array(tmp_path / "in.zarr", shape=image.shape, chunks=(64, 64), dtype="u1")
    stored[:] = image
    chunk = tmp_path / "in.zarr" / "c" / "4" / "6"
    good = chunk.read_bytes()
    plan = nsp.plan(tmp_path / "in.zarr", step=4, iterations=1, window=64)
    break_silently(chunk)
    with pytest.raises(IncompleteRunError, match=r"y 192:256 px") as caught:
        nsp.run(plan, tmp_path / "out.zarr")
    assert_one_sentence(caught.value)
    assert not (tmp_path / "out.zarr").exists()
    chunk.write_bytes(good)
    result = nsp.run(plan, tmp_path / "out.zarr", resume=True)
    assert 0 < result.report.computed < result.report.tiles
    np.testing.assert_array_equal(
        result.labels[:], nsp.superpixels(image, step=4, iterations=1).compute()
    )


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.zeros((0, 40), np.uint8), {}, "0"),
        (noise(40, 50).astype(np.complex64), {}, "complex64"),
        (np.full((40, 50), "a"), {}, "<U1"),
        (noise(40, 50), {"step": 51}, "51 px"),
        (noise(40, 50), {"step": 1}, "step is 1"),
        (noise(40, 50), {"step": 2.5}, "step is 2.5"),
        (noise(40, 50), {"step": True}, "step is True"),
        (noise(40, 50), {"iterations": 0}, "iterations is 0"),
        (noise(40, 50), {"compactness": 0}, "compactness is 0"),
        (noise(40, 50), {"compactness": float("nan")}, "compactness is nan"),
        (noise(40, 50), {"method": "magic"}, "no method 'magic'"),
        (noise(40, 50), {"speed": 3}, "no parameter 'speed'"),
        (noise(40, 50), {"mask": noise(40, 49)}, "(40, 49)"),
        (noise(40, 50), {"axes": "zyx"}, "zyx"),
        (noise(40, 50), {"axes": "qx"}, "q"),
        (noise(40, 50), {"level": 2}, "level"),
        (noise(4, 4, 4, 4, 4, 4, 4), {}, "7"),
    ],
)
def test_arrays_and_settings(image, options, words, tmp_path):
    with pytest.raises((InputError, SourceError)) as caught:
        run(image, tmp_path / "out.zarr", **options)
    assert_one_sentence(caught.value)
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_nan_and_inf_pixels_are_nodata(tmp_path):
    image = noise(60, 70).astype(np.float32)
    image[10:20, 5:30] = np.nan
    image[40, 40:60] = np.inf
    labels = run(image, tmp_path / "out.zarr", step=8).labels[:]
    np.testing.assert_array_equal(labels == 0, ~np.isfinite(image))


@pytest.mark.parametrize("value", [0, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.bool_])
def test_a_constant_image_gives_the_lattice(value, dtype):
    labels = nsp.superpixels(np.full((32, 48), value, dtype), step=16).compute()
    rows, columns = np.mgrid[:32, :48] // 16
    np.testing.assert_array_equal(labels, rows * 3 + columns + 1)


def test_a_bool_image_is_zeros_and_ones():
    image = noise(60, 70) > 128
    np.testing.assert_array_equal(
        nsp.superpixels(image, step=8).compute(),
        nsp.superpixels(image.astype(np.uint8), step=8).compute(),
    )


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 300, 3), (2, 33)])
def test_images_of_one_row(shape):
    axes = "yxs" if len(shape) == 3 else "yx"
    labels = nsp.superpixels(noise(*shape), axes=axes, step=16).compute()
    assert labels.min() > 0


def test_an_image_without_any_data_is_all_nodata(tmp_path):
    result = run(np.full((40, 50), np.nan, np.float32), tmp_path / "out.zarr")
    assert result.labels[:].max() == 0
    assert result.report.superpixels == 0
