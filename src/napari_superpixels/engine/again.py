"""The plan of an unfinished output, made again from its manifest."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_superpixels.engine.intent import resolve_method
from napari_superpixels.engine.plan import Plan, make_plan
from napari_superpixels.engine.records import RunState, is_output, partial_path
from napari_superpixels.errors import OutputError
from napari_superpixels.io.reopening import reopen
from napari_superpixels.models.compute import AUTO, Compute


def plan_of(out: Path, device: str | None = None) -> Plan:
    """Return the plan with which an unfinished output was begun; statistics are to be measured.

    Parameters
    ----------
    out
        The output.
    device
        Where to go on; None for where it was begun.

    Raises
    ------
    OutputError
        If there is nothing unfinished, its image was an array in memory, or it was begun on another
        kind of device than is asked for.
    SourceError, InputError
        If its image is gone or broken, or its weights are.
    """
    partial = partial_path(out)
    if is_output(out):
        raise OutputError(f"{out} is finished already; there is nothing left to do.")
    if out.exists():
        raise OutputError(f"{out} is no output of a run; give the name of an unfinished output.")
    if not partial.exists():
        raise OutputError(f"There is no unfinished output {partial}; check the name, or run anew.")
    manifest = RunState(partial).read_manifest()
    if manifest["opened"] is None:
        raise OutputError(
            f"{out} was made from an array in memory, which cannot be found again; resume it "
            f"from Python with run(plan, out, resume=True)."
        )
    return _made_again(manifest, _compute_again(manifest["provenance"], out, device))


def _made_again(manifest: dict[str, Any], compute: Compute) -> Plan:
    provenance = manifest["provenance"]
    source = reopen(manifest["opened"])
    step = provenance["lattice"]["step_px"]
    spans = zip(provenance["region_cells"], step, source.axes.plane_shape, strict=True)
    region = {
        name: (start * s, min(stop * s, size))
        for name, ((start, stop), s, size) in zip("yx", spans, strict=True)
    }
    leading = [name for name in source.axes.names if name in "tz"]
    region |= {name: (a, b) for name, (a, b) in zip(leading, provenance["planes"], strict=True)}
    named = provenance["method"]
    method = resolve_method(source, named["name"], named["settings"])
    made = make_plan(source, method, region=region, compute=compute)
    names = ("window_cells", "chunk_cells", "tile_windows")
    # Outputs of older versions lack the last, and are refused by their hash.
    core, chunk, group = ((y, x) for y, x in (provenance.get(name, (1, 1)) for name in names))
    return replace(made, core=core, chunk=chunk, group=group)


def _compute_again(provenance: dict[str, Any], out: Path, device: str | None) -> Compute:
    """Return where to go on: of a network on a device of the same kind."""
    begun = provenance.get("computed")
    if begun is None:
        return Compute(device or AUTO)
    kind, asked = begun["device"], begun["device"] if device in (None, AUTO) else device
    if asked.partition(":")[0] != kind:
        raise OutputError(
            f"{out} was begun on {kind!r}, and a network's last bits are others on {asked!r}; "
            f"resume it on {kind!r}, or run anew."
        )
    return Compute(asked, begun["precision"])
