"""The unfinished output on disk: made empty, or found to belong to a plan."""

import json

from napari_superpixels.engine.manifest import difference, manifest_of
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState
from napari_superpixels.engine.tasks import layout_of
from napari_superpixels.errors import OutputError
from napari_superpixels.io.ome_zarr_writer import create_labels


def begin_output(state: RunState, plan: Plan) -> None:
    """Make the empty arrays of a plan, and the manifest last."""
    state.clear()
    create_labels(state.partial, layout_of(plan))
    state.write_manifest(manifest_of(plan))


def check_output(state: RunState, plan: Plan) -> None:
    """Refuse an unfinished output that is not of that plan.

    Raises
    ------
    OutputError
        With the first thing that differs.
    """
    manifest = state.read_manifest()
    if manifest["hash"] == plan.hash:
        return
    here = json.loads(json.dumps(plan.provenance()))
    raise OutputError(
        f"{state.partial} belongs to another plan ({difference(manifest['provenance'], here)}); "
        f"resume with that one, or remove it and run anew."
    )
