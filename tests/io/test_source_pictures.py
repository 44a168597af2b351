import imagecodecs
import numpy as np
import pytest
from PIL import Image

from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.io import open_source
from napari_superpixels.tiling import Box


@pytest.fixture
def rgb(rng):
    return rng.integers(0, 256, (41, 57, 3), dtype=np.uint8)


@pytest.fixture
def png(tmp_path):
    return tmp_path / "picture.png"


def planar(rgb):
    return np.moveaxis(rgb, 2, 0)[None]


def test_rgb(png, rgb, assert_reads):
    Image.fromarray(rgb).save(png)
    source = open_source(png)
    assert (source.format, source.name, source.rgb, source.notes) == ("PNG", "picture", True, ())
    assert_reads(source, planar(rgb))


def test_grey(png, rgb, assert_reads):
    Image.fromarray(rgb[..., 0]).save(png)
    source = open_source(png)
    assert (source.axes.names, source.rgb) == ("yx", False)
    assert_reads(source, rgb[None, None, :, :, 0])


def test_sixteen_bits_are_kept(png, rng, assert_reads):
    grey = rng.integers(0, 65536, (41, 57), dtype=np.uint16)
    Image.fromarray(grey).save(png)
    assert open_source(png).dtype == np.uint16
    assert_reads(open_source(png), grey[None, None])
    colours = rng.integers(0, 65536, (41, 57, 3), dtype=np.uint16)
    png.write_bytes(imagecodecs.png_encode(colours))
    assert_reads(open_source(png), planar(colours))


def test_a_palette_becomes_rgb(png, rgb, assert_reads):
    picture = Image.fromarray(rgb).quantize(16)
    picture.save(png)
    source = open_source(png)
    assert source.rgb
    assert_reads(source, planar(np.asarray(picture.convert("RGB"))))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha(png, rgb, mode, assert_reads):
    rgba = np.dstack([rgb, rgb[..., 0] // 128])
    picture = Image.fromarray(rgba).convert(mode)
    picture.save(png)
    source = open_source(png)
    assert (source.rgb, source.has_alpha) == (mode == "RGBA", True)
    assert_reads(source, planar(np.asarray(picture)[..., :-1]))
    valid = source.read(0, Box.whole((41, 57))).valid
    np.testing.assert_array_equal(valid, rgba[..., 3] != 0)


def test_black_and_white(png, rgb, assert_reads):
    bits = rgb[..., 0] > 100
    Image.fromarray(bits).save(png)
    assert_reads(open_source(png), bits[None, None] * np.uint8(255))


def test_jpeg(tmp_path, rgb, assert_reads):
    path = tmp_path / "photo.jpg"
    Image.fromarray(rgb).save(path, quality=95)
    source = open_source(path)
    assert (source.format, source.rgb) == ("JPEG", True)
    assert_reads(source, planar(np.asarray(Image.open(path))))


def test_the_content_decides_not_the_name(tmp_path, rgb, assert_reads):
    path = tmp_path / "misnamed.jpg"
    Image.fromarray(rgb).save(path, format="png")
    assert open_source(path).format == "PNG"
    assert_reads(open_source(path), planar(rgb))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_cut_pictures_are_refused(tmp_path, rgb, suffix, kept):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(rgb).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(
        SourceError, match=rf"The picture .*cut\.{suffix} .*replace the file with a good copy"
    ):
        open_source(path)


def test_four_colours_are_refused(tmp_path, rgb):
    path = tmp_path / "print.jpg"
    Image.fromarray(rgb).convert("CMYK").save(path)
    with pytest.raises(SourceError, match=r"CMYK.*convert it to RGB"):
        open_source(path)


def test_pictures_have_one_level(png, rgb):
    Image.fromarray(rgb).save(png)
    with pytest.raises(InputError, match="give level=0"):
        open_source(png, level=1)
