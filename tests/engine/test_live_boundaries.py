"""Boundaries of finished labels, which appear where they are looked at."""

import shutil

import numpy as np
import pytest
import zarr

from napari_superpixels import api
from napari_superpixels.engine.live_boundaries import LiveBoundaries
from napari_superpixels.errors import SourceError
from napari_superpixels.labels.boundaries import find_boundaries
from napari_superpixels.testing.gate import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Labels of a small stack on disk, with three levels."""
    image = np.random.default_rng(2).integers(0, 250, (2, 1100, 1030), dtype=np.uint8)
    plan = api.plan(api.open(image, axes="zyx"), "slic", step=8, iterations=1)
    out = tmp_path_factory.mktemp("finished") / "labels.zarr"
    return api.run(plan, out).path


@pytest.fixture
def boundaries():
    """Make views of boundaries, which are closed at the end."""
    views = []

    def make(*arguments, **options):
        views.append(LiveBoundaries(*arguments, **options))
        return views[-1]

    yield make
    for view in views:
        view.close()


def seen(view, level, index=np.s_[...]):
    level[index]
    assert view.wait(PATIENCE_SECONDS)
    return level[index]


def boundaries_of(labels):
    planes = labels.reshape(-1, *labels.shape[-2:])
    return np.reshape([find_boundaries(plane) for plane in planes], labels.shape)


def test_levels_on_disk_show_their_boundaries(boundaries, finished):
    group = zarr.open_group(finished, mode="r")
    view = boundaries(finished)
    shapes = [(2, 1100, 1030), (2, 550, 515), (2, 275, 258), (2, 138, 129)]
    assert [level.shape for level in view.levels] == shapes
    assert [level.kind for level in view.levels] == ["exact", "exact", "blank", "blank"], (
        "of cells of 2 pixels boundaries would cover all"
    )
    for number in (0, 1):
        expected = boundaries_of(group[str(number)][...])
        np.testing.assert_array_equal(seen(view, view.levels[number]), expected)
        assert view.levels[number].dtype == np.uint8
    assert view.status().done == 2 * (4 + 1)
    assert not seen(view, view.levels[2]).any()
    assert not np.asarray(view.levels[3]).any()
    assert view.status().failed == 0


def test_asking_neither_reads_nor_waits(boundaries, finished):
    view = boundaries(finished)
    assert not view.levels[0][1, :100, :100].any()
    assert seen(view, view.levels[0], np.s_[1, :100, :100]).any()
    assert view.status().done == 1, "one tile of one plane"


@pytest.mark.parametrize("count", [1, 2])
def test_arrays_can_be_given(boundaries, count):
    labels = np.random.default_rng(0).integers(0, 3, (300, 290)).astype(np.uint16)
    view = boundaries([labels, labels[::2, ::2]][:count])
    assert [level.shape for level in view.levels] == [(300, 290), (150, 145)]
    np.testing.assert_array_equal(seen(view, view.levels[0]), boundaries_of(labels))
    assert view.levels[1].kind == "blank", "the coarsest must be there at once"


def test_tiles_are_whole_chunks(boundaries, finished):
    group = zarr.open_group(finished, mode="r")
    view = boundaries(finished)
    for number in (0, 1):
        for edge, chunk in zip(view._view.levels[number].grid.edge, group[str(number)].chunks[1:]):
            assert edge % chunk == 0
            assert 512 <= edge <= 1200


def test_a_broken_chunk_is_told_in_a_sentence(boundaries, finished, tmp_path):
    broken = shutil.copytree(finished, tmp_path / "broken.zarr")
    for file in (broken / "0" / "c" / "0").rglob("*"):
        if file.is_file():
            file.write_bytes(b"no zstd")
    errors = []
    view = boundaries(broken, on_error=errors.append)
    assert not seen(view, view.levels[0], np.s_[0]).any()
    assert seen(view, view.levels[0], np.s_[1]).any()
    assert view.status().failed == 4
    (error,) = errors
    assert isinstance(error, SourceError)
    assert "A chunk of the labels" in str(error)


def test_what_is_no_label_image_is_refused(tmp_path):
    with pytest.raises(SourceError, match="There is no label image"):
        LiveBoundaries(tmp_path / "nothing.zarr")
