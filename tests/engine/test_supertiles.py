"""Super-tiles: whatever they hold, the pixels are those of the slow way, and files are whole."""

import itertools
import threading
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import zarr

from napari_superpixels.engine.events import TileDone
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.engine.run import run_plan
from napari_superpixels.engine.supertile import supertile
from napari_superpixels.engine.tasks import Tasks, layout_of
from napari_superpixels.errors import Cancelled
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.testing.fake import Fake
from napari_superpixels.tiling import Box


@dataclass(frozen=True, kw_only=True)
class Fixed(Fake):
    """Its windows have one shape, as those of networks."""

    name: ClassVar[str] = "fixed"
    fixed_windows: ClassVar[bool] = True
    align_cells: ClassVar[int] = 2
    window_px: ClassVar[int] = 48


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of about 16 px, so that small images have many levels and shards."""
    monkeypatch.setattr("napari_superpixels.engine.geometry.CHUNK_PX", 16)


def noise(*shape):
    return np.random.default_rng(sum(shape)).integers(0, 99, shape, dtype=np.uint8)


def levels_of(path):
    names = sorted((p.name for p in path.iterdir() if p.name.isdigit()), key=int)
    return [zarr.open_array(path / name, mode="r") for name in names]


def check(plan, out):
    """Compare a run with the slow way: one window after the other, then level by level."""
    result = run_plan(plan, out, workers=3)
    levels = [array[...] for array in levels_of(result.path)]
    np.testing.assert_array_equal(levels[0], lazy_labels(plan).compute(scheduler="synchronous"))
    for (fine, coarse), factor in zip(itertools.pairwise(levels), plan.level_factors, strict=True):
        for plane in np.ndindex(fine.shape[:-2]):
            np.testing.assert_array_equal(coarse[plane], mode_downsample(fine[plane], factor))
    return result


@pytest.mark.parametrize("method", [Fake(step=8), Fake(step=5), Fixed(step=8), Fixed(step=6)])
@pytest.mark.parametrize("shape", [(201, 170), (16, 300), (8, 9), (130, 64)])
def test_levels_made_within_the_task_are_those_made_after_it(
    method, shape, small_chunks, fake_plan, tmp_path
):
    for window in (None, 32, 48):
        plan = fake_plan(noise(*shape), "yx", method, window=window)
        check(plan, tmp_path / f"{window}.zarr")


def test_planes_and_regions_have_super_tiles_of_their_own(small_chunks, fake_plan, tmp_path):
    stack = noise(2, 3, 150, 90)
    region = {"t": (1, 2), "z": (1, 3), "y": (24, 150), "x": (8, 80)}
    plan = fake_plan(stack, "tzyx", Fixed(step=4), window=16, region=region)
    assert plan.group == (2, 2)
    assert plan.tiles == 2 * 4 * 3
    check(plan, tmp_path / "out.zarr")


@pytest.mark.parametrize("factors", [((3, 3),), ((2, 1), (1, 4), (5, 3)), ((4, 4), (4, 4))])
def test_any_factors_of_a_pyramid(factors, small_chunks, fake_plan, tmp_path):
    shapes = [(210, 170)]
    for fy, fx in factors:
        shapes.append((shapes[-1][0] // fy, shapes[-1][1] // fx))
    plan = fake_plan(noise(210, 170), "yx", window=64)
    plan = replace(plan, source=replace(plan.source, level_shapes=tuple(shapes)))
    assert plan.level_factors == factors
    check(plan, tmp_path / "out.zarr")


def test_a_super_tile_is_one_file_a_level_as_far_as_chunks_are_whole(small_chunks, fake_plan):
    plan = fake_plan(noise(300, 300), "yx", window=128)
    layout = layout_of(plan)
    shards = [layout.shard_shape(level) for level in range(len(layout.factors) + 1)]
    assert shards == [(128, 128), (64, 64), (32, 32), (16, 16), None, None]
    assert [layout.chunk_shape(level) for level in (0, 3)] == [(16, 16), (16, 16)]
    assert layout.levels_at_once == 4
    alone = layout_of(fake_plan(noise(100, 100), "yx", window=128))
    assert alone.shard_shape(0) == (112, 112), "nothing beside it: filled up to whole chunks"
    assert alone.levels_at_once == len(alone.factors) + 1


def test_each_file_belongs_to_one_super_tile(small_chunks, fake_plan, tmp_path):
    plan = fake_plan(noise(300, 210), "yx", Fixed(step=8), window=16)
    result = run_plan(plan, tmp_path / "out.zarr")
    tiles = plan.supertiles.grid
    for level in range(layout_of(plan).levels_at_once):
        files = [p for p in (result.path / str(level) / "c").rglob("*") if p.is_file()]
        assert len(files) == np.prod(tiles)
    assert {len(supertile(plan, n).windows) for n in range(plan.tiles)} >= {4}


def test_the_image_is_read_once_for_a_super_tile(fake_plan, tmp_path, monkeypatch):
    plan = fake_plan(noise(200, 200), "yx", Fixed(step=8), window=16)
    reads = []
    read = type(plan.source).read
    monkeypatch.setattr(
        type(plan.source), "read", lambda *given: (reads.append(given[2]), read(*given))[1]
    )
    run_plan(plan, tmp_path / "out.zarr")
    assert len(reads) == plan.tiles == 49
    assert len(plan.windows) == 169
    whole = Box.whole(plan.lattice.shape)
    assert all(whole.covers(box) for box in reads)


def files_of(path):
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and ".run" not in file.parts
    }


def test_files_do_not_tell_the_workers(small_chunks, fake_plan, tmp_path):
    plan = fake_plan(noise(300, 210), "yx", Fixed(step=8), window=16)
    paths = [tmp_path / str(n) / "out.zarr" for n in (1, 2, 9)]
    for workers, path in zip((1, 2, 9), paths, strict=True):
        path.parent.mkdir()
        run_plan(plan, path, workers=workers)
    first, *others = map(files_of, paths)
    assert all(other == first for other in others)


@pytest.mark.parametrize("left", [b"", b"torn", None])
def test_what_a_dead_run_left_of_a_file_is_replaced(left, small_chunks, fake_plan, tmp_path):
    plan = fake_plan(noise(300, 300), "yx", window=128)
    reference = tmp_path / "reference" / "out.zarr"
    reference.parent.mkdir()
    run_plan(plan, reference)
    cancel, out = threading.Event(), tmp_path / "out.zarr"

    def at_first(event):
        if isinstance(event, TileDone):
            cancel.set()

    with pytest.raises(Cancelled):
        run_plan(plan, out, listener=at_first, cancel=cancel, workers=1)
    state = RunState(partial_path(out))
    missing = [n for n in range(9) if f"0/{n}" not in state.done()]
    assert missing, "something is left to do"
    for level, number in itertools.product("0123", missing):
        row, column = divmod(number, 3)
        file = state.partial / level / "c" / str(row) / str(column)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Written before its record: torn, or whole and of other labels.
        file.write_bytes(left if left is not None else (reference / level / "c/1/1").read_bytes())
    run_plan(plan, out, resume=True)
    assert files_of(out) == files_of(reference)


def test_tasks_are_found_by_their_name(small_chunks, fake_plan, tmp_path):
    plan = fake_plan(noise(300, 300), "yx", window=128)
    result = run_plan(plan, tmp_path / "out.zarr")
    tasks = Tasks(plan, RunState(result.path), 1)
    assert tasks.levels == (0, 4, 5)
    for level in tasks.levels:
        names = [task.name for task in tasks.of(level)]
        assert names == [f"{level}/{n}" for n in range(tasks.size(level))]
        assert tasks.named(names[-1]).place == tasks.at(level, len(names) - 1).place
    assert sum(task.pixels for task in tasks.of(0)) == 300 * 300
