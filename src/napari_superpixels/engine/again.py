"""The plan of an unfinished output, made again from what it says of itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_superpixels.engine.intent import resolve_method
from napari_superpixels.engine.measure import measure
from napari_superpixels.engine.plan import Plan, make_plan
from napari_superpixels.errors import OutputError
from napari_superpixels.io import reopen
from napari_superpixels.models.compute import AUTO, CUDA, Compute, cuda_count


def plan_again(manifest: dict[str, Any], out: Path, device: str | None) -> Plan:
    """Make the plan of a manifest again; its image is measured again.

    Parameters
    ----------
    manifest
        Of the output.
    out
        Its name.
    device
        Where to go on; None for where it was begun.

    Raises
    ------
    OutputError
        If it was begun on another kind of device than is asked for, or than there is here.
    InputError, SourceError
        If its image or its weights are not what they were.
    """
    provenance = manifest["provenance"]
    compute = _compute_again(provenance, out, device)
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
    if made.deferred:
        made = replace(made, statistics=measure(source, projected=made.projected))
    core, chunk = ((c[0], c[1]) for c in (provenance["window_cells"], provenance["chunk_cells"]))
    return replace(made, core=core, chunk=chunk)


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
    if kind == CUDA and not cuda_count():
        raise OutputError(
            f"{out} was begun on {kind!r}, and there is no such device here; resume it on a "
            f"machine with one, or run anew."
        )
    return Compute(asked, begun["precision"])
