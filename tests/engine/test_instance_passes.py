"""What single passes make of a class image, and what becomes of runs that fail."""

import csv
import errno
import threading

import numpy as np
import pytest
import zarr

import napari_superpixels as nsp
from napari_superpixels.engine.events import RunFinished, RunStarted, TileDone, TileFailed
from napari_superpixels.engine.instance_files import Crops, InstanceFiles
from napari_superpixels.engine.instance_intent import intended_instances
from napari_superpixels.engine.instance_objects import rows_of_pieces
from napari_superpixels.engine.instance_seams import join_tiles
from napari_superpixels.engine.instance_work import class_values
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.errors import Cancelled, IncompleteRunError, OutputError, TakenError
from napari_superpixels.labels.instances import InstanceSettings, find_instances, row_of
from napari_superpixels.tiling import Box


def until(image, out, tile, **settings):
    """Stop when a task is done; return the files of the passes up to there."""
    cancel = threading.Event()

    def at(event):
        if isinstance(event, TileDone) and event.tile == tile:
            cancel.set()

    with pytest.raises(Cancelled):
        nsp.instances(image, out, listener=at, cancel=cancel, workers=1, **settings)
    source = nsp.open(image, axes="yx")
    window = settings.pop("window", None)
    plan = intended_instances(source, settings, window)
    return InstanceFiles(plan, RunState(partial_path(out)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.uint64, np.int64])
def test_wanted_classes_alone_are_read(dtype):
    image = np.arange(12, dtype=dtype).reshape(3, 4) % 5
    plan = intended_instances(nsp.open(image, axes="yx"), {"classes": [2, 4]})
    values = class_values(plan, Box.of((1, 3), (0, 4)))
    expected = np.where(np.isin(image, [2, 4]), image, 0)[1:3]
    np.testing.assert_array_equal(values, expected)
    assert values.dtype.kind == "u"


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint64])
def test_classes_at_the_ends_of_their_type(dtype, tmp_path):
    limits = np.iinfo(dtype)
    image = np.array([[limits.min or 1, 0, limits.max]], dtype)
    for name, wanted in (("a", None), ("b", [int(limits.min or 1), int(limits.max)])):
        result = nsp.instances(image, tmp_path / name, classes=wanted)
        assert result.labels[...].tolist() == [[1, 0, 2]]
        kinds = [int(row["class"]) for row in csv.DictReader(result.table.read_text().split())]
        assert kinds == [limits.min or 1, limits.max]


def test_seams_hold_whole_objects_where_they_begin(tmp_path):
    image = np.zeros((8, 12), np.uint8)
    image[1, 2:10] = image[1:7, 5] = 1
    image[5, 9] = 1  # touches no side of its tile
    files = until(image, tmp_path / "out.zarr", "0/5", window=4)
    seams = join_tiles(files, lambda: None)
    (owner,) = seams[seams["area"] > 0]
    assert owner["root"] == 14
    assert owner["area"] == 8 + 5
    assert [owner[n] for n in ("top", "left", "bottom", "right")] == [1, 2, 7, 10]
    assert set(seams["tile"]) == {0}
    assert int(files.borders.sum()) == len(seams)


def test_pieces_are_measured_like_objects():
    rng = np.random.default_rng(0)
    pieces = rng.integers(0, 4, (9, 11)).astype(np.int32)
    rows = rows_of_pieces(pieces, (5, 7), 3, 100)
    for number, row in enumerate(rows, 1):
        assert row == row_of(pieces == number, (5, 7), 3, 100)


def test_crops_come_back_one_by_one(tmp_path):
    boxes = np.array([[0, 0, 2, 3], [4, 4, 5, 6]])
    crops = Crops(np.array([3, 9], np.int32), boxes, np.arange(8, dtype=np.int32))
    first, second = crops.each()
    assert first[0] == 3
    assert first[2].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert second[1] == (4, 4, 5, 6)
    assert second[2].tolist() == [[6, 7]]


def test_pieces_that_begin_in_later_rows_of_tiles_get_their_ranks(tmp_path):
    y, x = np.mgrid[:90, :40]
    image = np.zeros((90, 40), np.uint8)
    for middle in (15, 42, 69):
        image[(y - middle) ** 2 + (x - 14) ** 2 < 200] = 1
    image[30:40, 34:39] = 1  # begins between two pieces
    settings = {"split": True, "distance_px": 8}
    expected = find_instances(image, InstanceSettings(**settings))
    assert len(expected.rows) == 4
    result = nsp.instances(image, tmp_path / "out.zarr", window=10, **settings)
    np.testing.assert_array_equal(result.labels[...], expected.labels)


def test_events_tell_every_task_once(tmp_path):
    told = []
    image = np.ones((600, 40), np.uint8)
    result = nsp.instances(image, tmp_path / "out.zarr", window=25, listener=told.append)
    (started,) = [event for event in told if isinstance(event, RunStarted)]
    tiles = [event.tile for event in told if isinstance(event, TileDone)]
    assert len(tiles) == len(set(tiles)) == started.tiles == result.report.tiles
    assert started.pixels == result.report.pixels == image.size
    assert isinstance(told[-1], RunFinished)
    assert "1 instances" in str(result.report)


def test_a_cancel_before_anything_begins(tmp_path):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        nsp.instances(np.ones((9, 9), np.uint8), tmp_path / "out.zarr", cancel=cancel)
    assert not (tmp_path / "out.zarr").exists()


def test_two_at_once_on_one_output(tmp_path):
    image, out = np.ones((40, 40), np.uint8), tmp_path / "out.zarr"
    refused = []

    def another(event):
        if isinstance(event, TileDone) and event.tile == "0/0":
            with pytest.raises(TakenError, match="is being written") as caught:
                nsp.instances(image, out, resume=True)
            refused.append(caught.value)

    assert nsp.instances(image, out, listener=another, window=20).count == 1
    assert len(refused) == 1


def test_a_chunk_that_cannot_be_read_is_told_and_done_after_the_repair(tmp_path):
    image = np.kron(np.eye(4, dtype=np.uint8), np.ones((16, 16), np.uint8))
    stored, out = tmp_path / "classes.zarr", tmp_path / "out.zarr"
    zarr.create_array(stored, data=image, chunks=(16, 16))
    expected = nsp.instances(stored, tmp_path / "whole.zarr", window=16)
    chunk = next(path for path in stored.rglob("1") if path.parent.name == "1")
    good = chunk.read_bytes()
    chunk.write_bytes(b"torn")
    failures = []
    with pytest.raises(IncompleteRunError, match=r"1 of .* failed, the first at y 16:32, x 16:32"):
        nsp.instances(
            stored,
            out,
            window=16,
            listener=lambda e: failures.append(e) if isinstance(e, TileFailed) else None,
        )
    assert [failure.retrying for failure in failures] == [True, False]
    assert not out.exists()
    chunk.write_bytes(good)
    assert nsp.resume(out).table.read_bytes() == expected.table.read_bytes()


@pytest.mark.parametrize("name", ["write", "write_crops"])
def test_a_full_disk_is_one_sentence_and_nothing_is_lost(name, tmp_path, monkeypatch):
    y, x = np.mgrid[:44, :74]
    image = ((y - 22) ** 2 + (x - 20) ** 2 < 400) | ((y - 22) ** 2 + (x - 52) ** 2 < 400)
    out, settings = tmp_path / "out.zarr", {"split": True, "window": 30}
    with monkeypatch.context() as patched:

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        patched.setattr(InstanceFiles, name, full)
        with pytest.raises(OutputError, match="make room there and resume"):
            nsp.instances(image, out, **settings)
    result = nsp.instances(image, out, resume=True, **settings)
    expected = find_instances(image, InstanceSettings(split=True))
    np.testing.assert_array_equal(result.labels[...], expected.labels)
