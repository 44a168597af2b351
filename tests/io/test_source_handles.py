import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
import tifffile
import zarr

from napari_superpixels.io import close_handles, open_source
from napari_superpixels.io._handles import HANDLES, BlockCache, Handles
from napari_superpixels.tiling import Box


class Thing:
    def __init__(self):
        self.closed = False

    def close(self):
        assert not self.closed, "closed twice"
        self.closed = True


def test_handles_are_kept_and_the_oldest_closed():
    handles, opened = Handles(limit=2), []

    def opener():
        opened.append(Thing())
        return opened[-1]

    for key in "aabac":
        with handles.borrow(key, opener):
            pass
    assert len(opened) == 3
    assert [thing.closed for thing in opened] == [False, True, False]
    handles.close()
    assert all(thing.closed for thing in opened)
    assert len(handles) == 0


def test_what_is_in_use_is_closed_by_its_last_user():
    handles = Handles(limit=0)
    with handles.borrow("a", Thing) as outer:
        with handles.borrow("a", Thing) as inner:
            assert inner is outer
            handles.close()
        assert not outer.closed
    assert outer.closed


def test_lending_to_one_at_a_time():
    handles = Handles()
    with (
        handles.borrow("a", Thing, alone=True) as first,
        handles.borrow("a", Thing, alone=True) as second,
    ):
        assert first is not second
    with handles.borrow("a", Thing, alone=True) as third:
        assert third in (first, second)


def test_blocks_are_bounded():
    cache = BlockCache(limit_bytes=100)
    for i in range(10):
        cache.get(i, lambda: np.zeros(30, np.uint8))
    assert cache.nbytes == 90
    kept = cache.get(9, lambda: pytest.fail("it was there"))
    assert not kept.flags.writeable
    cache.get("large", lambda: np.zeros(1000, np.uint8))
    assert cache.nbytes == 1000


def make_tiff(folder, image):
    tifffile.imwrite(folder / "a.tif", image, tile=(16, 16), compression="zlib")
    return folder / "a.tif"


def make_geotiff(folder, image):
    profile = {"height": image.shape[0], "width": image.shape[1], "count": 1, "dtype": image.dtype}
    transform = rasterio.Affine(1, 0, 5, 0, -1, 7)
    with rasterio.open(folder / "g.tif", "w", "GTiff", transform=transform, **profile) as file:
        file.write(image, 1)
    return folder / "g.tif"


def make_zarr(folder, image):
    zarr.create_array(folder / "z.zarr", data=image, chunks=(16, 16))
    return folder / "z.zarr"


MAKERS = [make_tiff, make_geotiff, make_zarr]


@pytest.mark.parametrize("make", MAKERS)
def test_many_threads_read_at_once(tmp_path, rng, make):
    image = rng.integers(0, 60000, (200, 230), dtype=np.uint16)
    source = open_source(make(tmp_path, image))
    boxes = [Box.of((y, y + 40), (x, x + 50)) for y in range(0, 160, 9) for x in range(0, 180, 17)]
    with ThreadPoolExecutor(8) as pool:
        blocks = list(pool.map(lambda box: source.read(0, box).pixels[0], boxes))
    for box, block in zip(boxes, blocks):
        np.testing.assert_array_equal(block, image[box.slices])


@pytest.mark.parametrize("make", MAKERS)
def test_sources_travel_to_fresh_processes(tmp_path, rng, make):
    image = rng.integers(0, 60000, (50, 60), dtype=np.uint16)
    source = open_source(make(tmp_path, image))
    source.read(0, Box.of((0, 9), (0, 9)))
    (tmp_path / "source.pickle").write_bytes(pickle.dumps(source))
    code = (
        "import pickle, sys; from napari_superpixels.tiling import Box;"
        "source = pickle.load(open(sys.argv[1], 'rb'));"
        "sys.stdout.write(str(int(source.read(0, Box.whole((50, 60))).pixels.sum())))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "source.pickle")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout == str(int(image.sum()))
    assert not told.stderr


@pytest.mark.parametrize("make", MAKERS)
def test_pickles_of_files_hold_no_pixels(tmp_path, make):
    source = open_source(make(tmp_path, np.ones((500, 500), np.uint16)))
    source.read(0, Box.whole((500, 500)))
    assert len(pickle.dumps(source)) < 8000


def test_closing_lets_go_and_reading_opens_again(tmp_path):
    source = open_source(make_tiff(tmp_path, np.ones((50, 60), np.uint16)))
    source.read(0, Box.whole((50, 60)))
    assert len(HANDLES) > 0
    close_handles()
    assert len(HANDLES) == 0
    assert source.read(0, Box.whole((50, 60))).pixels.all()


def test_readers_are_imported_when_needed():
    code = (
        "import sys; import napari_superpixels.io;"
        "print([m for m in ('zarr','tifffile','rasterio','imagecodecs','dask','xarray') "
        "if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
