"""Files that are written at once: zarr reads them, and they are whole."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec

from napari_superpixels.io import whole_files
from napari_superpixels.io.whole_files import crc32c, write_whole

SHAPE, CHUNK, SHARD = (2, 50, 70), (1, 8, 16), (1, 24, 32)


def make(path, shape=SHAPE, chunk=CHUNK, shard=SHARD, dtype="u4", fill=0):
    codec = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")
    return zarr.create_array(
        path, shape=shape, chunks=chunk, shards=shard, dtype=dtype, compressors=codec,
        fill_value=fill,
    )  # fmt: skip


def noise(shape, dtype="u4"):
    return np.random.default_rng(1).integers(0, 5, shape).astype(dtype)


def write_all(array, values, pool=None):
    """Write file by file, the last ones cut at the array's end."""
    edges = array.shards or array.chunks
    starts = (range(0, n, e) for n, e in zip(array.shape, edges, strict=True))
    for corner in itertools.product(*starts):
        triples = zip(corner, edges, array.shape, strict=True)
        place = tuple(slice(a, min(a + e, n)) for a, e, n in triples)
        write_whole(array, place, values[place], pool)


@pytest.mark.parametrize("dtype", ["u1", "u4", "u8", "f4"])
@pytest.mark.parametrize("shard", [SHARD, None])
def test_zarr_reads_what_is_written(dtype, shard, tmp_path):
    array = make(tmp_path / "a.zarr", shard=shard, dtype=dtype)
    values = noise(SHAPE, dtype)
    write_all(array, values)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.zarr", mode="r")[...], values)


def test_a_box_may_be_several_files_and_leave_out_the_last_axes(tmp_path):
    array = make(tmp_path / "a.zarr", (3, 50, 70, 3), (1, 24, 32, 3), None)
    values = noise(array.shape)
    write_whole(array, (1, slice(24, 50), slice(0, 64)), values[1, 24:50, :64])
    found = array[...]
    np.testing.assert_array_equal(found[1, 24:50, :64], values[1, 24:50, :64])
    assert not found[0].any()
    assert not found[1, :24].any()


def test_the_same_file_as_zarr_writes_but_for_its_order(tmp_path):
    """The chunks of a shard lie in another order, and blosc's blocks are larger."""
    ours, theirs = make(tmp_path / "a.zarr"), make(tmp_path / "b.zarr")
    values = noise(SHAPE)
    values[:, 24:48, 32:64] = 0
    values[1, :8, :16] = 0
    write_all(ours, values)
    theirs[...] = values
    files = [sorted(p.relative_to(path) for p in path.rglob("*") if p.is_file())
             for path in (tmp_path / "a.zarr", tmp_path / "b.zarr")]  # fmt: skip
    assert files[0] == files[1], "nothing is written for the fill value alone"
    for name in files[0]:
        sizes = [(tmp_path / root / name).stat().st_size for root in ("a.zarr", "b.zarr")]
        assert sizes[0] <= 1.1 * sizes[1] + 64


@pytest.mark.parametrize("fill", [0, 7, np.nan])
def test_a_file_of_the_fill_value_alone_is_removed(fill, tmp_path):
    dtype = "f4" if np.isnan(fill) else "u4"
    array = make(tmp_path / "a.zarr", dtype=dtype, fill=fill)
    write_all(array, noise(SHAPE, dtype) + 8)
    assert len(list((tmp_path / "a.zarr" / "c").rglob("*/*/*"))) == 2 * 3 * 3
    write_all(array, np.full(SHAPE, fill, dtype))
    assert not [path for path in (tmp_path / "a.zarr" / "c").rglob("*") if path.is_file()]
    np.testing.assert_array_equal(array[...], np.full(SHAPE, fill, dtype))


def test_what_lay_there_is_neither_read_nor_kept(tmp_path):
    array, values = make(tmp_path / "a.zarr"), noise(SHAPE)
    file = tmp_path / "a.zarr" / "c" / "0" / "0" / "0"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"torn")
    write_all(array, values)
    np.testing.assert_array_equal(array[...], values)


def test_equal_bytes_on_any_threads(tmp_path):
    values, found = noise(SHAPE), []
    for threads in (1, 5):
        array = make(tmp_path / f"{threads}.zarr")
        with ThreadPoolExecutor(threads) as pool:
            write_all(array, values, pool)
        folder = tmp_path / f"{threads}.zarr"
        paths = sorted(p for p in folder.rglob("*") if p.is_file())
        found.append({p.relative_to(folder): p.read_bytes() for p in paths})
    assert found[0] == found[1]


def test_a_box_that_cuts_a_file_is_a_fault_of_ours(tmp_path):
    array = make(tmp_path / "a.zarr")
    for side in (slice(0, 8), slice(8, 24)):
        with pytest.raises(AssertionError, match="a file"):
            write_whole(array, (0, side, slice(0, 32)), noise((side.stop - side.start, 32)))


def test_nothing_is_left_where_a_file_cannot_be_written(tmp_path, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    array = make(tmp_path / "a.zarr")
    monkeypatch.setattr(whole_files.Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(array, (0, slice(0, 24), slice(0, 32)), noise((24, 32)))
    assert not [path for path in (tmp_path / "a.zarr" / "c").rglob("*") if path.is_file()]


def test_a_pulse_ends_the_writing_between_two_files_and_before_a_name_is_given(tmp_path):
    found = []
    for calls in (1, 2, 3):
        array, left = make(tmp_path / f"{calls}.zarr"), iter(range(calls))

        def pulse(left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_whole(array, (0, slice(0, 48), slice(0, 32)), noise((48, 32)), pulse=pulse)
        folder = tmp_path / f"{calls}.zarr" / "c"
        found.append([path.name for path in folder.rglob("*") if path.is_file()])
    assert found == [[], ["0"], ["0"]]


def test_the_checksum_is_that_of_the_standard():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
