import tracemalloc

import numpy as np
import pytest
import tifffile

from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.io import CACHE_BYTES, close_handles, open_source
from napari_superpixels.tiling import Box

STORAGES = {
    "one uncompressed strip": {},
    "uncompressed strips": {"rowsperstrip": 7},
    "deflate strips": {"rowsperstrip": 7, "compression": "zlib"},
    "one deflate strip": {"rowsperstrip": 100, "compression": "zlib"},
    "uncompressed tiles": {"tile": (32, 48)},
    "predicted lzw tiles": {"tile": (16, 32), "compression": "lzw", "predictor": True},
    "zstd BigTIFF": {"tile": (32, 32), "compression": "zstd", "bigtiff": True},
    "big endian": {"byteorder": ">"},
    "big endian deflate": {"byteorder": ">", "compression": "zlib", "tile": (32, 32)},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "image.tif"


@pytest.fixture
def rgb(rng):
    return rng.integers(0, 256, (75, 101, 3), dtype=np.uint8)


def write_pyramid(path, rgb, levels=3, **options):
    options = {"tile": (32, 32), "photometric": "rgb", "compression": "zlib", **options}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(rgb, subifds=levels - 1, **options)
        for k in range(1, levels):
            tiff.write(rgb[:: 2**k, :: 2**k], subfiletype=1, **options)


def write_svs(path, rgb, mpp=0.499):
    """Write what Aperio scanners write: baseline, thumbnail, levels, in one chain of pages."""
    text = "Aperio Image Library v11.2.1 \r\n{1}x{0} (32x32) JPEG/RGB Q=70|MPP = {2}|AppMag = 20"
    options = {"photometric": "rgb", "metadata": None, "compression": "jpeg"}
    with tifffile.TiffWriter(path) as tiff:
        for image, kind in (
            (rgb, {"tile": (32, 32)}),
            (rgb[::4, ::4], {"rowsperstrip": 16}),
            (rgb[::2, ::2], {"tile": (32, 32)}),
        ):
            description = text.format(*image.shape[:2], mpp)
            tiff.write(image, description=description, software=False, **kind, **options)


@pytest.mark.parametrize("storage", STORAGES)
def test_rgb(path, rgb, storage, assert_reads):
    tifffile.imwrite(path, rgb, photometric="rgb", **STORAGES[storage])
    source = open_source(path)
    assert (source.axes.names, source.rgb, source.notes) == ("cyx", True, ())
    assert source.name == "image"
    assert_reads(source, np.moveaxis(rgb, 2, 0)[None])
    assert_reads(open_source(path, channels=[1]), np.moveaxis(rgb, 2, 0)[None, 1:2], boxes=2)


@pytest.mark.parametrize("storage", STORAGES)
def test_separate_planes(path, rgb, storage, assert_reads):
    planes = np.ascontiguousarray(np.moveaxis(rgb, 2, 0))
    options = STORAGES[storage] | {"planarconfig": "separate"}
    tifffile.imwrite(path, planes, photometric="rgb", **options)
    source = open_source(path)
    assert source.rgb
    assert_reads(source, planes[None])
    assert_reads(open_source(path, channels=[2, 0]), planes[None, [2, 0]], boxes=2)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("letters", ["ZYX", "CYX", "TZCYX"])
@pytest.mark.parametrize("ome", [True, False])
def test_stacks(path, rng, storage, letters, ome, assert_reads):
    shape = {"ZYX": (4,), "CYX": (5,), "TZCYX": (2, 3, 4)}[letters]
    stack = rng.integers(0, 60000, (*shape, 40, 51), dtype=np.uint16)
    options = {**STORAGES[storage], "photometric": "minisblack", "ome": ome}
    tifffile.imwrite(path, stack, metadata={"axes": letters}, **options)
    source = open_source(path)
    assert not source.rgb
    assert not source.notes
    expected = {"ZYX": (4, 1), "CYX": (1, 5), "TZCYX": (6, 4)}[letters]
    assert_reads(source, stack.reshape(*expected, 40, 51), boxes=3)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f2", "f4", "f8", "u8"])
def test_types_are_kept(path, rng, dtype, assert_reads):
    image = rng.integers(0, 100, (40, 50)).astype(dtype)
    tifffile.imwrite(path, image, compression="zlib", tile=(16, 16))
    assert open_source(path).dtype == dtype
    assert_reads(open_source(path), image[None, None])


def test_bilevel(path, assert_reads):
    image = np.eye(40, 50, dtype=bool)
    tifffile.imwrite(path, image)
    assert_reads(open_source(path), image.astype(np.uint8)[None, None])


def test_pages_without_names_are_guessed(path, rng):
    tifffile.imwrite(path, rng.integers(0, 9, (7, 20, 30), dtype=np.uint8), metadata=None,
                     photometric="minisblack")  # fmt: skip
    source = open_source(path)
    assert source.axes.names == "zyx"
    assert "axes guessed as 'zyx'" in source.notes[0]
    assert open_source(path, axes="cyx").channels == 7


def test_alpha(path, rng):
    rgba = rng.integers(0, 2, (20, 30, 4), dtype=np.uint8)
    tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"])
    source = open_source(path)
    assert (source.channels, source.rgb, source.has_alpha) == (3, True, True)
    block = source.read(0, Box.of((0, 20), (3, 30)))
    np.testing.assert_array_equal(block.valid, rgba[:, 3:, 3] != 0)


def test_a_fourth_band_is_no_alpha(path, rng):
    bands = rng.integers(0, 9, (20, 30, 4), dtype=np.uint8)
    tifffile.imwrite(path, bands, photometric="rgb", extrasamples=["unspecified"])
    source = open_source(path)
    assert (source.channels, source.rgb, source.has_alpha) == (4, False, False)
    assert open_source(path, channels=[0, 1, 2], rgb=True).rgb


def test_ome_spacing(path, rng):
    metadata = {"axes": "TZYX", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm",
                "PhysicalSizeY": 0.3, "PhysicalSizeZ": 2.0, "TimeIncrement": 5.0}  # fmt: skip
    tifffile.imwrite(path, np.zeros((2, 3, 20, 30), np.uint8), ome=True, metadata=metadata)
    axes = open_source(path).axes
    units = {axis.name: (axis.spacing, axis.unit) for axis in axes.items}
    assert units == {
        "t": (5.0, "second"),
        "z": (2.0, "micrometer"),
        "y": (0.3, "micrometer"),
        "x": (250.0, "nanometer"),
    }


def test_imagej_spacing(path):
    tifffile.imwrite(path, np.zeros((3, 20, 30), np.uint16), imagej=True, resolution=(4.0, 2.0),
                     metadata={"spacing": 1.5, "unit": "um", "axes": "ZYX"})  # fmt: skip
    axes = open_source(path).axes
    assert [(axis.spacing, axis.unit) for axis in axes.items] == [
        (1.5, "micrometer"),
        (0.5, "micrometer"),
        (0.25, "micrometer"),
    ]


def test_resolution_in_centimeters_is_said_aloud(path):
    image = np.zeros((20, 30), np.uint8)
    tifffile.imwrite(path, image, resolution=(20000, 40000), resolutionunit="CENTIMETER")
    source = open_source(path)
    assert (source.axes["x"].spacing, source.axes["y"].spacing) == (0.5, 0.25)
    assert "resolution tag" in source.notes[0]
    tifffile.imwrite(path, image, resolution=(72, 72), resolutionunit="INCH")
    assert open_source(path).axes["x"].unit is None


@pytest.mark.parametrize("level", [0, 1, 2])
def test_pyramids(path, rgb, level, assert_reads):
    write_pyramid(path, rgb, resolution=(10000, 10000), resolutionunit="CENTIMETER")
    source = open_source(path, level=level)
    assert source.level_shapes == ((75, 101), (38, 51), (19, 26))
    x = source.axes["x"]
    assert (x.spacing, x.origin) == (2.0**level, (2**level - 1) / 2)
    assert_reads(source, np.moveaxis(rgb[:: 2**level, :: 2**level], 2, 0)[None])


@pytest.mark.parametrize("level", [0, 1])
def test_svs(tmp_path, rgb, level, assert_reads):
    path = tmp_path / "slide.svs"
    write_svs(path, rgb)
    source = open_source(path, level=level)
    assert (source.format, source.name, source.rgb) == ("Aperio SVS", "slide", True)
    assert source.level_shapes == ((75, 101), (38, 51))
    assert source.axes["y"].unit == "micrometer"
    assert source.axes["y"].spacing == pytest.approx(0.499 * 2**level)
    with tifffile.TiffFile(path) as tiff:
        decoded = tiff.series[0].levels[level].asarray()
    assert_reads(source, np.moveaxis(decoded, 2, 0)[None])


def test_the_largest_image_is_read(path, rgb):
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(rgb[:20, :20], photometric="rgb", metadata={"name": "small"})
        tiff.write(rgb, photometric="rgb")
    source = open_source(path)
    assert source.axes.plane_shape == (75, 101)
    assert "of 2 images in the file the largest" in source.notes[0]


def test_data_sets_of_several_files(tmp_path, rng, assert_reads):
    stack = rng.integers(0, 99, (2, 40, 51), dtype=np.uint16)
    write_two_files(tmp_path, stack)
    source = open_source(tmp_path / "a.ome.tif")
    assert_reads(source, stack[:, None])
    close_handles()
    (tmp_path / "b.ome.tif").unlink()
    with pytest.raises(SourceError, match=r"missing|gone|No such file"):
        open_source(tmp_path / "a.ome.tif").read(1, Box.whole((40, 51)))


def write_two_files(folder, stack):
    """Write a data set whose second plane lies in another file, as the OME-TIFF standard says."""
    names = ["a.ome.tif", "b.ome.tif"]
    planes = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" FirstC="0" FirstT="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:0000000{z}-0000-0000-0000-000000000000</UUID></TiffData>'
        for z, name in enumerate(names)
    )
    for z, name in enumerate(names):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:0000000{z}-0000-0000-0000-000000000000"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="51" SizeY="40" '
            f'SizeZ="2" SizeC="1" SizeT="1">{planes}</Pixels></Image></OME>'
        )
        tifffile.imwrite(folder / name, stack[z], description=xml, metadata=None,
                         compression="zlib")  # fmt: skip


def test_sparse_tiles_are_filled(path, assert_reads):
    """Tiles that the file leaves out are zero."""
    tiles = [np.full((16, 16), 7, np.uint8), None, None, np.full((16, 16), 9, np.uint8)]
    tifffile.imwrite(path, iter(tiles), shape=(32, 32), dtype=np.uint8, tile=(16, 16),
                     compression="zlib")  # fmt: skip
    expected = np.kron([[7, 0], [0, 9]], np.ones((16, 16))).astype(np.uint8)
    assert_reads(open_source(path), expected[None, None])


def test_a_level_out_of_range(path, rgb):
    write_pyramid(path, rgb)
    with pytest.raises(InputError, match="has 3 levels; give a level from 0 to 2"):
        open_source(path, level=3)


def test_only_what_is_touched_is_decoded(path):
    size = 8192
    tiles = (np.full((256, 256), i % 251, np.uint8) for i in range((size // 256) ** 2))
    tifffile.imwrite(path, tiles, shape=(size, size), dtype=np.uint8, tile=(256, 256),
                     compression="zlib")  # fmt: skip
    source = open_source(path)
    tracemalloc.start()
    for y in range(0, size, 1024):
        block = source.read(0, Box.of((y, y + 1024), (0, size)))
        assert block.pixels[0, 0, 0] == (y // 256 * (size // 256)) % 251
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < CACHE_BYTES + 4 * 1024 * size < size * size + CACHE_BYTES


def test_identity_is_of_content_not_of_path(path, rgb):
    tifffile.imwrite(path, rgb, photometric="rgb")
    before = open_source(path).identity
    path.rename(path.with_name("other.tif"))
    assert open_source(path.with_name("other.tif")).identity == before
    tifffile.imwrite(path, 255 - rgb, photometric="rgb")
    assert open_source(path).identity != before


def test_complex_tiff_is_refused(path):
    tifffile.imwrite(path, np.zeros((20, 30), np.complex64))
    with pytest.raises(InputError, match="complex64"):
        open_source(path)


def write_pages(path, stack, **options):
    with tifffile.TiffWriter(path) as tiff:
        for page in stack:
            tiff.write(page, **options)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tail", [(), (3,)])
def test_pages_written_one_by_one_are_a_stack(path, rng, compression, tail, assert_reads):
    stack = rng.integers(0, 256, (12, 40, 51, *tail), dtype=np.uint8)
    write_pages(path, stack, compression=compression)
    source = open_source(path)
    assert source.axes.names == ("czyx" if tail else "zyx")
    assert source.rgb == bool(tail)
    assert "12 pages of equal size are read as z" in source.notes[0]
    assert_reads(source, np.moveaxis(stack, 3, 1) if tail else stack[:, None])


def test_pages_that_differ_are_no_stack(path, rng):
    page = rng.integers(0, 256, (40, 51), dtype=np.uint8)
    write_pages(path, [page, page.astype(np.uint16)])
    source = open_source(path)
    assert source.axes.names == "yx"
    assert "of 2 images in the file the first of the 2 of equal size" in source.notes[0]
    write_pages(path, [page, page[:20], page])
    assert "the first of the 2 of equal size" in open_source(path).notes[0]


def test_stacks_of_one_page_each_are_no_further_stack(path, rng):
    """A page may stand for many planes: two of them are two images."""
    stack = rng.integers(0, 256, (3, 40, 51), dtype=np.uint8)
    write_pages(path, [stack, stack], photometric="minisblack")
    source = open_source(path)
    assert source.axes.shape == (3, 40, 51)
    assert "first of the 2 of equal size" in source.notes[0]
