import itertools
import json
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
import zarr

from napari_superpixels import api
from napari_superpixels.engine.events import RunFinished, RunStarted, TileDone, TileFailed
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.engine.run import run_plan
from napari_superpixels.errors import Cancelled, IncompleteRunError, OutputError, PlanError
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.testing.fake import Fake


def chunk_files(path):
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and ".run" not in file.parts
    }


def test_a_run_writes_what_the_lazy_array_computes(image, fake_plan, tmp_path):
    plan = fake_plan(image, window=24)
    result = run_plan(plan, tmp_path / "out.zarr")
    np.testing.assert_array_equal(result.labels[:], lazy_labels(plan).compute())
    assert result.report.computed == result.report.tiles == plan.tiles
    assert not partial_path(tmp_path / "out.zarr").exists()


def test_workers_do_not_show(image, fake_plan, tmp_path):
    plan = fake_plan(image, window=16)
    run_plan(plan, tmp_path / "one.zarr", workers=1)
    run_plan(plan, tmp_path / "many.zarr", workers=7)
    assert chunk_files(tmp_path / "one.zarr") | {"zarr.json": b""} == chunk_files(
        tmp_path / "many.zarr"
    ) | {"zarr.json": b""}


def test_planes_regions_and_cell_tables(fake_plan, tmp_path):
    stack = np.random.default_rng(1).integers(0, 99, (2, 3, 2, 40, 50), dtype=np.uint8)
    region = {"t": (1, 2), "z": (1, 3), "y": (8, 40)}
    stack = np.moveaxis(stack, 2, 1)
    plan = fake_plan(stack, "tczyx", window=16, region=region)
    result = run_plan(plan, tmp_path / "out.zarr")
    labels = result.labels[:]
    assert labels.shape == (1, 2, 32, 50)
    np.testing.assert_array_equal(labels, lazy_labels(plan).compute())
    means = zarr.open_array(tmp_path / "out.zarr" / "cells" / "means", mode="r")[:]
    counts = zarr.open_array(tmp_path / "out.zarr" / "cells" / "counts", mode="r")[:]
    assert means.shape == (1, 2, 4, 7, 2)
    everything = lazy_labels(fake_plan(stack, "tczyx")).compute()
    for z in range(2):
        for r, c in np.ndindex(4, 7):
            plane = 3 + 1 + z
            inside = everything[1, 1 + z] == plane * 35 + (r + 1) * 7 + c + 1
            assert counts[0, z, r, c] == inside.sum()
            if inside.any():
                expected = stack[1, :, 1 + z][:, inside].mean(axis=1)
                np.testing.assert_allclose(means[0, z, r, c], expected, rtol=1e-6)
            else:
                assert np.isnan(means[0, z, r, c]).all()
    assert result.report.superpixels == (counts > 0).sum()


def test_levels_are_modes_of_the_level_before(fake_plan, tmp_path):
    image = np.random.default_rng(3).integers(0, 9, (1300, 1100), dtype=np.uint8)
    result = run_plan(fake_plan(image, "yx", window=200), tmp_path / "out.zarr")
    levels = [zarr.open_array(result.path / str(n), mode="r")[:] for n in range(3)]
    assert [level.shape for level in levels] == [(1300, 1100), (650, 550), (325, 275)]
    for fine, coarse in itertools.pairwise(levels):
        np.testing.assert_array_equal(coarse, mode_downsample(fine, (2, 2)))


def test_metadata_carries_space_and_provenance(fake_plan, tmp_path):
    image = np.zeros((1300, 1100), np.uint8)
    plan = fake_plan(image, "yx", region={"y": (16, 1300)})
    result = run_plan(plan, tmp_path / "out.zarr")
    attributes = zarr.open_group(result.path, mode="r").attrs.asdict()
    multiscale = attributes["ome"]["multiscales"][0]
    assert [axis["name"] for axis in multiscale["axes"]] == ["y", "x"]
    scale, translation = multiscale["datasets"][1]["coordinateTransformations"]
    assert scale["scale"] == [2, 2]
    assert translation["translation"] == [16.5, 0.5]
    assert "image-label" in attributes["ome"]
    assert attributes["napari_superpixels"]["hash"] == plan.hash
    assert attributes["napari_superpixels"]["versions"]["numpy"] == np.__version__
    assert attributes["napari_superpixels"]["method"]["settings"]["step"] == 8


@dataclass(frozen=True)
class Faulty(Fake):
    """Raises where a pixel of the tile has the value 999."""

    def model(self, facts, statistics):
        return FaultyModel(super().model(facts, statistics), repaired)


repaired = threading.Event()


@dataclass(frozen=True)
class FaultyModel:
    inner: object
    repaired: object = field(compare=False)

    def __call__(self, tile, *, threads=1, pulse):
        if not self.repaired.is_set() and (tile.pixels == 999).any():
            raise RuntimeError("a cosmic ray")
        return self.inner(tile, threads=threads, pulse=pulse)

    def prepare(self):
        pass

    def bytes_for(self, shape):
        return self.inner.bytes_for(shape)


def test_a_failing_tile_is_retried_reported_and_resumed(image, fake_plan, tmp_path):
    repaired.clear()
    image[0, 60, 60] = 999
    plan, out = fake_plan(image, method=Faulty(reach=0), window=32), tmp_path / "out.zarr"
    events = []
    with pytest.raises(IncompleteRunError, match=r"y 32:64 px.*cosmic ray.*resume") as caught:
        run_plan(plan, out, listener=events.append)
    assert "\n" not in str(caught.value)
    assert not out.exists(), "nothing unfinished bears the name"
    failures = [event for event in events if isinstance(event, TileFailed)]
    retried = {f.tile for f in failures if f.retrying}
    assert retried == {f.tile for f in failures if not f.retrying}
    assert len([e for e in events if isinstance(e, TileDone)]) == plan.tiles - len(retried) > 0
    root = zarr.open_group(partial_path(out), mode="r")
    assert "ome" not in root.attrs, "no reader takes it for an image"
    repaired.set()
    result = run_plan(plan, out, resume=True)
    assert result.report.computed == len(retried)
    reference = run_plan(plan, tmp_path / "reference.zarr")
    assert chunk_files(out).keys() == chunk_files(reference.path).keys()
    np.testing.assert_array_equal(result.labels[:], reference.labels[:])


def test_events_add_up(image, fake_plan, tmp_path):
    events = []
    run_plan(fake_plan(image, window=32), tmp_path / "out.zarr", listener=events.append)
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunFinished)
    done = [event for event in events if isinstance(event, TileDone)]
    assert len(done) == events[0].tiles
    assert sum(event.pixels for event in done) == events[0].pixels == 101 * 135


def test_cancel_keeps_what_is_done(image, fake_plan, tmp_path):
    cancel, out = threading.Event(), tmp_path / "out.zarr"
    plan = fake_plan(image, window=8)

    def after_three(event):
        if isinstance(event, TileDone) and event.tile == "0/3":
            cancel.set()

    with pytest.raises(Cancelled, match="resumed"):
        run_plan(plan, out, listener=after_three, cancel=cancel, workers=1)
    done = RunState(partial_path(out)).done()
    assert 0 < len(done) < plan.tiles
    result = run_plan(plan, out, resume=True)
    assert result.report.computed == plan.tiles - len(done)
    np.testing.assert_array_equal(result.labels[:], lazy_labels(plan).compute())


def test_an_output_is_never_overwritten(image, fake_plan, tmp_path):
    plan, out = fake_plan(image), tmp_path / "out.zarr"
    run_plan(plan, out)
    with pytest.raises(OutputError, match="exists already; remove it or choose another"):
        run_plan(plan, out)
    with pytest.raises(OutputError, match="exists already"):
        run_plan(plan, out, resume=True)
    with pytest.raises(OutputError, match="does not exist; make it"):
        run_plan(plan, tmp_path / "nowhere" / "out.zarr")
    with pytest.raises(OutputError, match="no unfinished output"):
        run_plan(plan, tmp_path / "other.zarr", resume=True)


def interrupted(plan, out):
    cancel = threading.Event()

    def at_first(event):
        if isinstance(event, TileDone):
            cancel.set()

    with pytest.raises(Cancelled):
        run_plan(plan, out, listener=at_first, cancel=cancel, workers=1)


def test_another_plans_output_is_refused_with_the_difference(image, fake_plan, tmp_path):
    out = tmp_path / "out.zarr"
    interrupted(fake_plan(image, window=16), out)
    with pytest.raises(OutputError, match="unfinished run; resume it, or remove it"):
        run_plan(fake_plan(image, window=16), out)
    with pytest.raises(OutputError, match=r"its method.settings.step is 8, here it is 9"):
        run_plan(fake_plan(image, method=Fake(step=9), window=16), out, resume=True)
    changed = image.copy()
    changed[0, 0, 0] += 1
    with pytest.raises(OutputError, match=r"image has changed"):
        run_plan(fake_plan(changed, window=16), out, resume=True)


def test_two_runs_on_one_output(image, fake_plan, tmp_path):
    out = tmp_path / "out.zarr"
    state = RunState(partial_path(out))
    state.make_folder()
    with state.lock(), pytest.raises(OutputError, match=r"being written by process \d+ on"):
        run_plan(fake_plan(image), out)
    run_plan(fake_plan(image), out)


def test_a_torn_manifest_is_refused(image, fake_plan, tmp_path):
    out = tmp_path / "out.zarr"
    interrupted(fake_plan(image, window=16), out)
    RunState(partial_path(out)).manifest_path.write_text('{"hash": ')
    with pytest.raises(OutputError, match="no readable manifest"):
        run_plan(fake_plan(image, window=16), out, resume=True)


def test_an_array_in_memory_is_resumed_from_python_only(image, fake_plan, tmp_path):
    out = tmp_path / "out.zarr"
    interrupted(fake_plan(image, window=16), out)
    with pytest.raises(OutputError, match="array in memory"):
        api.resume(out)


def test_memory_that_is_not_there_is_refused_before_anything_is_written(
    image, fake_plan, tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_superpixels.engine.run.available_bytes", lambda: 1000)
    with pytest.raises(PlanError, match="choose a smaller window"):
        run_plan(fake_plan(image), tmp_path / "out.zarr")
    assert not list(tmp_path.iterdir())


def test_the_manifest_is_json(image, fake_plan, tmp_path):
    out = tmp_path / "out.zarr"
    interrupted(fake_plan(image, window=16), out)
    manifest = json.loads(RunState(partial_path(out)).manifest_path.read_text())
    assert manifest["provenance"]["lattice"]["cells"] == [13, 17]
