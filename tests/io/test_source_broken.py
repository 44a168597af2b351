"""Real broken files: one sentence with value, expectation and repair, at open or at read."""

import struct

import numpy as np
import pytest
import tifffile

from napari_superpixels.errors import InputError, SourceError, SuperpixelsError
from napari_superpixels.io import open_source
from napari_superpixels.tiling import Box

SHAPE = (64, 96)


@pytest.fixture(params=["tif", "svs", "uncompressed", "separate files"])
def slide(request, tmp_path, rng):
    """Return a file whose pixels come first and whose directory comes last, or the reverse."""
    path = tmp_path / f"image.{'svs' if request.param == 'svs' else 'tif'}"
    rgb = rng.integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    options = {"photometric": "rgb", "tile": (16, 16), "compression": "zlib", "metadata": None}
    if request.param == "svs":
        options["description"] = "Aperio Image Library v11.2.1 \r\n96x64 (16x16)|MPP = 0.5"
    if request.param == "uncompressed":
        options = {"photometric": "rgb", "rowsperstrip": 8}
    tifffile.imwrite(path, rgb, **options)
    return path


def cut(path, kept):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])


def one_sentence(error):
    text = str(error)
    return "\n" not in text and len(text) < 400 and ";" in text and "Traceback" not in text


def test_missing_file(tmp_path):
    with pytest.raises(SourceError, match=r"no file or folder .*absent\.tif; check") as caught:
        open_source(tmp_path / "absent.tif")
    assert isinstance(caught.value, OSError)


def test_an_address_is_no_path():
    with pytest.raises(SourceError, match=r"is an address.*download"):
        open_source("https://example.org/image.tif")


@pytest.mark.parametrize("suffix", ["tif", "svs", "ndpi", "png", "jpg", "zarr", "ome.tif"])
@pytest.mark.parametrize("content", [b"this is text", b"", b"\0"])
def test_wrong_magic(tmp_path, suffix, content):
    path = tmp_path / f"text.{suffix}"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=rf"text\.{suffix}") as caught:
        open_source(path)
    assert one_sentence(caught.value)


def test_unknown_formats_are_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="no known format; give OME-Zarr"):
        open_source(path)


@pytest.mark.parametrize("suffix", ["tif", "png", "jpg"])
@pytest.mark.parametrize("tail", [b"", b"\0" * 4, b"\xff" * 100, b"\x08\0\0\0" + b"\xff" * 60])
def test_magic_and_nothing_behind_it(tmp_path, suffix, tail):
    magic = {"tif": b"II*\0", "png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff"}[suffix]
    path = tmp_path / f"stub.{suffix}"
    path.write_bytes(magic + tail)
    with pytest.raises(SourceError, match=rf"stub\.{suffix}") as caught:
        open_source(path)
    assert one_sentence(caught.value)
    assert caught.value.__suppress_context__


def test_cut_so_that_the_directory_is_gone(slide):
    """The directory of a TIFF may lie at its end."""
    data = bytearray(slide.read_bytes())
    data[4:8] = struct.pack("<I", len(data) + 100)
    slide.write_bytes(data)
    with pytest.raises(SourceError, match=r"directory of the TIFF file.*copy it again") as caught:
        open_source(slide)
    assert one_sentence(caught.value)
    assert caught.value.__suppress_context__


def test_cut_in_the_directory(slide):
    slide.write_bytes(slide.read_bytes()[:60])
    with pytest.raises(SourceError, match="image") as caught:
        open_source(slide).read(0, Box.whole(SHAPE))
    assert one_sentence(caught.value)


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_cut_so_that_pixels_are_gone(slide, kept):
    cut(slide, kept)
    source = open_source(slide)
    assert any("cut short" in note for note in source.notes)
    source.read(0, Box.of((0, 8), (0, 16)))
    with pytest.raises(
        SourceError, match=r"is cut short: the pixels at y .*replace the file"
    ) as caught:
        source.read(0, Box.whole(SHAPE))
    assert one_sentence(caught.value)


def test_broken_tiles(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros(SHAPE, np.uint8), tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages.first.dataoffsets[5], tiff.pages.first.databytecounts[5]
    data = bytearray(path.read_bytes())
    data[offset : offset + count] = b"\xff" * count
    path.write_bytes(data)
    source = open_source(path)
    assert not source.read(0, Box.of((32, 64), (0, 96))).pixels.any()
    with pytest.raises(
        SourceError,
        match=r"tile at y 0, x 80 of .* cannot be decoded .*with a good copy and run again",
    ) as caught:
        source.read(0, Box.of((0, 20), (80, 96)))
    assert caught.value.__suppress_context__


def test_an_unknown_compression(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros(SHAPE, np.uint8), tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["Compression"].overwrite(60001)
    with pytest.raises(SourceError, match=r"save it again with another compression"):
        open_source(path)


def test_an_empty_tiff(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["ImageLength"].overwrite(0)
    with pytest.raises(SuperpixelsError, match=r"image\.tif"):
        open_source(path)


def test_a_file_that_changes_is_not_read_on(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros(SHAPE, np.uint8))
    source = open_source(path)
    tifffile.imwrite(path, np.ones((80, 96), np.uint8))
    with pytest.raises(SourceError, match=r"changed after it was opened.*open the image again"):
        source.read(0, Box.whole(SHAPE))
    path.unlink()
    with pytest.raises(SourceError, match="is gone now"):
        source.read(0, Box.whole(SHAPE))


def test_input_errors_are_value_errors():
    with pytest.raises(ValueError, match="channels="):
        open_source(np.ones((9, 9)), channels=[1])
    assert issubclass(InputError, SuperpixelsError)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("metadata", [{}, None])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_stack_that_lost_pages_is_refused(tmp_path, rng, compression, metadata, bigtiff):
    path = tmp_path / "stack.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as tiff:
        for page in rng.integers(0, 256, (12, *SHAPE), dtype=np.uint8):
            tiff.write(page, compression=compression, metadata=metadata)
    with tifffile.TiffFile(path) as tiff:
        end = tiff.pages[7].offset
    assert open_source(path).axes["z"].size == 12
    for kept in (end, end + 5):
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(SourceError, match=r"cut short: it ends after \d+ bytes and 7 pages"):
            open_source(path)


def test_a_slide_that_lost_side_images_is_read_with_a_note(tmp_path, rng):
    path = tmp_path / "slide.svs"
    rgb = rng.integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    text = "Aperio Image Library v11.2.1 \r\n96x64 (16x16)|MPP = 0.5"
    with tifffile.TiffWriter(path) as tiff:
        for image, kind in ((rgb, {"tile": (16, 16)}), (rgb[::4, ::4], {"rowsperstrip": 16})):
            tiff.write(image, description=text, metadata=None, photometric="rgb",
                       compression="zlib", **kind)  # fmt: skip
    with tifffile.TiffFile(path) as tiff:
        end = tiff.pages[1].offset
    path.write_bytes(path.read_bytes()[:end])
    source = open_source(path)
    assert any("what follows its page number 1 is lost" in note for note in source.notes)
    np.testing.assert_array_equal(source.read(0, Box.whole(SHAPE)).pixels, rgb.transpose(2, 0, 1))


def test_a_last_page_without_its_pixels_is_said(tmp_path, rng):
    path = tmp_path / "stack.tif"
    stack = rng.integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    tifffile.imwrite(path, stack, metadata=None, photometric="minisblack", compression="zlib")
    cut(path, 0.95)
    assert any("of its last page" in note for note in open_source(path).notes)
