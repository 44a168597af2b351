"""Instances out of core: equal to the reference however the image is cut, stopped and resumed."""

import os
import threading

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

import napari_superpixels as nsp
from napari_superpixels.engine.events import TileDone, TilesLost
from napari_superpixels.engine.records import STATE, partial_path
from napari_superpixels.engine.stage import Stage
from napari_superpixels.errors import (
    Cancelled,
    IncompleteRunError,
    OutputError,
    PlanError,
    SourceError,
    TakenError,
)
from napari_superpixels.labels.instances import InstanceSettings, find_instances
from napari_superpixels.testing.instances import comb, snake, spiral

SETTINGS = st.fixed_dictionaries(
    {
        "connectivity": st.sampled_from([4, 8]),
        "min_px": st.integers(1, 5),
        "max_px": st.sampled_from([None, 12, 60]),
        "classes": st.sampled_from([None, (2,)]),
        "split": st.booleans(),
        "distance_px": st.integers(1, 4),
        "largest_px": st.integers(3, 40),
        "exact": st.just(False),
    }
)
WINDOWS = st.tuples(st.integers(1, 40), st.integers(1, 40))


@st.composite
def class_maps(draw):
    """Noise, or blobs of two classes."""
    shape = draw(st.tuples(st.integers(1, 36), st.integers(1, 36)))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    if draw(st.booleans()):
        image = rng.integers(0, 3, shape)
    else:
        smooth = ndimage.gaussian_filter(rng.standard_normal(shape), 2)
        image = np.digitize(smooth, np.quantile(smooth, [0.4, 0.8]))
    return image.astype(draw(st.sampled_from([np.uint8, np.int16, np.uint32, np.int64])))


def files_of(result):
    """Labels of all levels, and the bytes of the table."""
    levels = sorted(path.name for path in result.path.iterdir() if path.name.isdigit())
    arrays = [zarr.open_array(result.path / name, mode="r")[...] for name in levels]
    return arrays, result.table.read_bytes()


def assert_same(one, other):
    (levels, table), (others, other_table) = files_of(one), files_of(other)
    assert table == other_table
    for level, its in zip(levels, others, strict=True):
        np.testing.assert_array_equal(level, its)


@given(class_maps(), SETTINGS, WINDOWS, st.integers(1, 3))
def test_the_tiling_never_shows(tmp_path_factory, image, settings, window, workers):
    expected = find_instances(image, InstanceSettings(**settings))
    folder = tmp_path_factory.mktemp("instances")
    result = nsp.instances(image, folder / "o", window=window, workers=workers, **settings)
    np.testing.assert_array_equal(result.labels[...], expected.labels)
    assert result.count == len(expected.rows)
    rows = [line.split(",") for line in result.table.read_text().splitlines()[1:]]
    names = ("kind", "area", "top", "left", "bottom", "right")
    measured = [[int(row[1]), *map(int, row[3:8])] for row in rows]
    assert measured == [[int(row[name]) for name in names] for row in expected.rows]


@pytest.mark.parametrize("make", [snake, spiral, comb])
@pytest.mark.parametrize("window", [(5, 5), (9, 32), (32, 3)])
def test_objects_that_wind_through_all_tiles_are_one(make, window, tmp_path):
    image = make(32)
    whole = nsp.instances(image, tmp_path / "whole.zarr")
    cut = nsp.instances(image, tmp_path / "cut.zarr", window=window)
    assert whole.count == cut.count == 1
    assert_same(whole, cut)


@pytest.fixture(scope="module")
def classes():
    """A few hundred objects of two classes, some of them narrow in the middle."""
    rng = np.random.default_rng(3)
    smooth = ndimage.gaussian_filter(rng.standard_normal((600, 260)), 3)
    return np.digitize(smooth, np.quantile(smooth, [0.6, 0.85])).astype(np.uint8)


PIECES = {"split": True, "min_px": 4, "window": 120}


@pytest.fixture(scope="module")
def whole(classes, tmp_path_factory):
    """What is found in one go."""
    return nsp.instances(classes, tmp_path_factory.mktemp("whole") / "whole.zarr", **PIECES)


def test_tasks_in_any_order_give_the_same(classes, whole, tmp_path, monkeypatch):
    run = Stage.run
    monkeypatch.setattr(Stage, "run", lambda self, tasks: run(self, iter([*tasks][::-1])))
    assert_same(whole, nsp.instances(classes, tmp_path / "out.zarr", **PIECES))


def test_ranks_are_merged_a_few_rows_at_a_time(classes, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_superpixels.engine.instance_ranks.MOST_ROWS", 5)
    assert_same(whole, nsp.instances(classes, tmp_path / "out.zarr", **PIECES))


@pytest.fixture
def stored(classes, tmp_path):
    path = tmp_path / "classes.npy"
    np.save(path, classes)
    return path


def interrupt(image, out, tile, **settings):
    cancel = threading.Event()

    def at(event):
        if isinstance(event, TileDone) and event.tile == tile:
            cancel.set()

    with pytest.raises(Cancelled):
        nsp.instances(image, out, listener=at, cancel=cancel, workers=1, **settings)


@pytest.mark.parametrize("tile", ["0/0", "0/11", "1/0", "2/7", "3/0", "4/11", "5/0"])
def test_a_resume_from_any_pass_gives_the_same(stored, whole, tile, tmp_path):
    interrupt(stored, tmp_path / "out.zarr", tile, **PIECES)
    assert not (tmp_path / "out.zarr").exists()
    result = nsp.resume(tmp_path / "out.zarr")
    assert result.report.computed < whole.report.computed
    assert_same(whole, result)
    assert not (result.path / STATE).exists()


@pytest.mark.parametrize(
    "name", ["census/3", "seams", "objects/2", "pieces/2", "ids", "../objects.csv"]
)
def test_files_that_were_torn_are_made_again(stored, whole, name, tmp_path):
    out = tmp_path / "out.zarr"
    interrupt(stored, out, "4/11", **PIECES)
    torn = partial_path(out) / STATE / name
    torn.write_bytes(torn.read_bytes()[:-3])
    lost = []
    result = nsp.resume(out, listener=lambda e: lost.append(e) if isinstance(e, TilesLost) else 0)
    assert lost
    assert_same(whole, result)


def test_an_unfinished_output_is_not_mixed_with_another(stored, classes, tmp_path):
    out = tmp_path / "out.zarr"
    interrupt(stored, out, "0/3", window=80)
    with pytest.raises(TakenError, match="holds an unfinished run"):
        nsp.instances(stored, out, window=80)
    with pytest.raises(OutputError, match="belongs to another plan"):
        nsp.instances(stored, out, window=80, min_px=3, resume=True)
    interrupt(classes, tmp_path / "memory.zarr", "0/3", window=80)
    with pytest.raises(OutputError, match="array in memory"):
        nsp.resume(tmp_path / "memory.zarr")
    again = nsp.instances(classes, tmp_path / "memory.zarr", window=80, resume=True)
    assert_same(again, nsp.resume(out))


def test_an_image_that_changes_meanwhile_is_refused(stored, tmp_path):
    def touch(event):
        if isinstance(event, TileDone) and event.tile == "4/0":
            os.utime(stored, (1, 1))

    with pytest.raises(SourceError, match="changed while it was read"):
        nsp.instances(stored, tmp_path / "out.zarr", listener=touch)
    assert not (tmp_path / "out.zarr").exists()


def test_objects_that_changed_meanwhile_fail_their_tile(classes, tmp_path):
    image = zarr.create_array(tmp_path / "z", shape=classes.shape, dtype="u1", chunks=(600, 260))
    image[...] = classes

    def change(event):
        if isinstance(event, TileDone) and event.tile == "3/0":
            image[...] = 1

    with pytest.raises((IncompleteRunError, SourceError), match="changed while it was read"):
        nsp.instances(image, tmp_path / "out.zarr", listener=change, window=300)
    assert not (tmp_path / "out.zarr").exists()


def test_too_large_to_split_is_refused_and_leaves_nothing(classes, tmp_path):
    out, messages = tmp_path / "out.zarr", set()
    for window in (40, 70, 600):
        with pytest.raises(PlanError, match="or give exact=False") as caught:
            nsp.instances(classes, out, split=True, largest_px=30, window=window)
        messages.add(str(caught.value))
        assert not partial_path(out).exists()
    assert len(messages) == 1  # the first in raster order, whole, however the image is cut
    result = nsp.instances(classes, out, split=True, largest_px=30, exact=False, window=40)
    assert result.whole > 0


def test_levels_and_place_are_those_of_the_image(tmp_path):
    image = np.kron(np.eye(9, dtype=np.uint8), np.ones((100, 100), np.uint8))
    source = nsp.open(image, axes="yx", calibration={"y": (0.5, "um"), "x": (0.25, "um")})
    result = nsp.instances(source, tmp_path / "out.zarr", connectivity=8)
    assert result.count == 1
    opened = nsp.open(result.path)
    assert opened.level_shapes == ((900, 900), (450, 450))
    assert [axis.spacing for axis in opened.axes.items if axis.name in "yx"] == [0.5, 0.25]
    attributes = zarr.open_group(result.path, mode="r").attrs["napari_superpixels"]
    assert attributes["instances"] == 1


def test_masked_pixels_are_background(tmp_path):
    mask = np.ones((20, 30), bool)
    mask[:, 10:12] = False
    source = nsp.open(np.ones((20, 30), np.uint16), mask=mask)
    result = nsp.instances(source, tmp_path / "out.zarr", window=7)
    expected = find_instances(mask, InstanceSettings())
    np.testing.assert_array_equal(result.labels[...], expected.labels)
