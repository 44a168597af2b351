"""Where a run writes: unique by itself, as typed, or where the same plan was begun."""

import threading
from pathlib import Path

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.engine.events import TileDone
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import partial_path
from napari_superpixels.errors import Cancelled, InputError, OutputError
from napari_superpixels.napari_ui.outputs import Output, place_for, proposed_name, unused_path


def _plan(step: int = 8) -> Plan:
    image = np.random.default_rng(0).integers(0, 255, (96, 96), dtype=np.uint8)
    return nsp.plan(image, "slic", step=step, window=32)


def _begin(plan: Plan, out: Path) -> None:
    """Run a plan until its first window is done."""
    cancel = threading.Event()

    def stop(event: object) -> None:
        if isinstance(event, TileDone):
            cancel.set()

    with pytest.raises(Cancelled):
        nsp.run(plan, out, workers=1, listener=stop, cancel=cancel)


def test_a_proposed_name_is_one_that_files_can_have() -> None:
    assert proposed_name("cells [0]: a/b", "slic", "16px") == "cells [0]_ a_b slic 16px.zarr"


def test_a_proposed_name_that_is_in_use_gets_a_number(tmp_path: Path) -> None:
    wanted = Output(tmp_path, "a.zarr", typed=False)
    for expected in ("a.zarr", "a 2.zarr", "a 3.zarr"):
        place = place_for(wanted, _plan())
        assert (place.path.name, place.resume) == (expected, False)
        place.path.mkdir()


def test_an_unfinished_output_of_the_same_plan_is_gone_on_with(tmp_path: Path) -> None:
    _begin(_plan(), tmp_path / "a.zarr")
    place = place_for(Output(tmp_path, "a.zarr", typed=False), _plan())
    assert (place.path.name, place.resume) == ("a.zarr", True)
    nsp.run(_plan(), place.path, resume=place.resume)
    assert place.path.exists()


def test_an_unfinished_output_of_another_plan_is_left_alone(tmp_path: Path) -> None:
    _begin(_plan(), tmp_path / "a.zarr")
    place = place_for(Output(tmp_path, "a.zarr", typed=False), _plan(step=16))
    assert (place.path.name, place.resume) == ("a 2.zarr", False)


def test_a_typed_name_is_taken_as_it_is_and_refused_by_the_run(tmp_path: Path) -> None:
    _begin(_plan(), tmp_path / "a.zarr")
    place = place_for(Output(tmp_path, "a.zarr", typed=True), _plan(step=16))
    assert place.path == tmp_path / "a.zarr"
    with pytest.raises(OutputError, match="belongs to another plan"):
        nsp.run(_plan(step=16), place.path, resume=place.resume)


def test_a_partial_folder_without_a_run_is_stepped_around(tmp_path: Path) -> None:
    partial_path(tmp_path / "a.zarr").mkdir()
    assert place_for(Output(tmp_path, "a.zarr", typed=False), _plan()).path.name == "a 2.zarr"


@pytest.mark.parametrize(
    ("name", "file"),
    [("a", "a.zarr"), ("v1.2", "v1.2.zarr"), ("a.tif", "a.tif.zarr"), ("a.ZARR", "a.ZARR")],
)
def test_a_name_ends_in_zarr(tmp_path: Path, name: str, file: str) -> None:
    assert place_for(Output(tmp_path, name, typed=True), _plan()).path.name == file


@pytest.mark.parametrize("name", ["", "  ", "a/b.zarr", ".."])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"cells\.zarr"):
        place_for(Output(tmp_path, name, typed=True), _plan())


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        place_for(Output(tmp_path / "no", "a.zarr", typed=False), _plan())


def test_a_script_writes_where_nothing_lies(tmp_path: Path) -> None:
    output = Output(tmp_path, "cells", typed=True)
    assert unused_path(output) == tmp_path / "cells.zarr"
    (tmp_path / "cells.zarr").mkdir()
    partial_path(tmp_path / "cells 2.zarr").mkdir()
    assert unused_path(output) == tmp_path / "cells 3.zarr"


def test_a_place_that_another_is_writing_at_is_stepped_around(tmp_path: Path) -> None:
    wanted = Output(tmp_path, "a.zarr", typed=False)
    _begin(_plan(), tmp_path / "a.zarr")
    assert place_for(wanted, _plan(), {tmp_path / "a.zarr"}).path.name == "a 2.zarr"


def test_a_file_is_no_folder_to_write_in(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("")
    with pytest.raises(OutputError, match="notes is no folder but a file; choose another"):
        place_for(Output(tmp_path / "notes", "a.zarr", typed=True), _plan())
