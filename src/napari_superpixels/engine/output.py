"""The unfinished output on disk: made empty, found to belong to a plan, made whole."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_superpixels.engine.manifest import (
    Resumable,
    identity_now,
    judge,
    manifest_of,
    provenance_of,
)
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState
from napari_superpixels.engine.tasks import layout_of
from napari_superpixels.errors import IncompleteRunError, SourceError, TakenError
from napari_superpixels.io.ome_zarr_writer import create_arrays, finish_image

METADATA = "zarr.json"
"""What tells of a group or array."""


def begin_output(state: RunState, plan: Plan) -> None:
    """Make the empty arrays of a plan, and the manifest last.

    Raises
    ------
    TakenError
        If an unfinished run lies there; the lock must be held, so that it is nobody's.
    SourceError
        If the image is not the one that was planned.
    OutputError
        If nothing can be written there.
    """
    refuse_unfinished(state)

    def make() -> None:
        state.clear()
        create_arrays(state.partial, layout_of(plan))

    manifest = manifest_of(plan)
    if manifest["seen"] not in {None, plan.source.identity}:
        raise SourceError(
            f"The image {plan.source.location} has changed since it was planned, so the plan's "
            f"statistics may be of another one; open it and plan again."
        )
    state.write(make)
    state.write_manifest(manifest)


def check_output(state: RunState, plan: Plan) -> None:
    """Refuse an unfinished output that is not of that plan; restore what tells of its arrays.

    Raises
    ------
    OutputError
        With the first thing that differs.
    """
    manifest = judge(state.read_manifest(), plan, state.read_failures(), str(state.partial))
    state.write(lambda: _restore_metadata(state, plan))
    state.write_manifest(manifest)


def finish_output(state: RunState, plan: Plan, out: Path, count: int) -> int | None:
    """Write the metadata that makes the output whole; return the number of superpixels, if any.

    Parameters
    ----------
    state, plan, out
        Of the run.
    count
        Super-tiles that there must be.

    Raises
    ------
    IncompleteRunError
        If somebody removed some of them while the run went on.
    SourceError
        If the image changed while it was read.
    """
    refuse_changed(state, plan, "labels")
    state.check(lambda: None, quick=True)
    records = state.done()
    refuse_lost(state, out, len(records), count)
    layout, made = layout_of(plan), provenance_of(plan)
    state.write(lambda: finish_image(state.partial, layout, out.stem, made))
    return superpixels_of(records.values())


def superpixels_of(records: Iterable[Mapping[str, Any]]) -> int | None:
    """Return how many superpixels some super-tiles hold; None where none of them counted any."""
    counts = [record["superpixels"] for record in records if "superpixels" in record]
    return sum(counts) if counts else None


def refuse_unfinished(state: RunState) -> None:
    """Refuse to begin where an unfinished run lies; the lock must be held, so that it is nobody's.

    Raises
    ------
    TakenError
        If one does.
    """
    if state.manifest_path.exists():
        raise TakenError(
            f"{state.partial} holds an unfinished run; resume it, or remove it to start anew."
        )


def refuse_changed(state: RunState, plan: Resumable, things: str) -> None:
    """Refuse to finish things that were found in an image that changed meanwhile.

    Raises
    ------
    SourceError
        If it did.
    """
    seen = state.read_manifest().get("seen")
    if seen is not None and seen != identity_now(plan):
        raise SourceError(
            f"The image {plan.source.location} changed while it was read, so its {things} may be "
            f"of two images; remove {state.partial} and run again."
        )


def refuse_lost(state: RunState, out: Path, there: int, count: int) -> None:
    """Refuse to finish an output with fewer super-tiles than it must have.

    Raises
    ------
    IncompleteRunError
        If somebody removed some of them while the run went on.
    """
    if there != count:
        raise IncompleteRunError(
            f"{count - there} of {count} tiles of {state.partial} were altered or removed "
            f"while the run went on; resume {out}, they will be done again."
        )


def _restore_metadata(state: RunState, plan: Plan) -> None:
    """Write again what tells of the arrays, where that is not as it was made."""
    fresh = state.folder / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    create_arrays(fresh, layout_of(plan))
    for made in fresh.rglob(METADATA):
        there = state.partial / made.relative_to(fresh)
        if not there.is_file() or there.read_bytes() != made.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            made.replace(there)
    shutil.rmtree(fresh)
