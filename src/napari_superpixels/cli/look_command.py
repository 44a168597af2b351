"""The commands ``plan`` and ``info``: what would be done, and what would be read."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from napari_superpixels import api
from napari_superpixels.cli import options as opt
from napari_superpixels.cli.work import tell_idle
from napari_superpixels.io.class_names import classes_of


def plan(  # noqa: PLR0913 - one option each
    image: Annotated[str, typer.Argument(help="The image.")],
    method: opt.Method = "slic",
    step: opt.Step = None,
    step_um: opt.StepUm = None,
    compactness: opt.Compactness = None,
    iterations: opt.Iterations = None,
    weights: opt.Weights = None,
    exact: opt.Exact = None,
    probabilities: opt.Probabilities = None,
    flips: opt.Flips = None,
    scales: opt.Scales = None,
    patch: opt.Patch = None,
    decoding: opt.Decoding = None,
    axes: opt.AxesOption = None,
    level: opt.Level = 0,
    channels: opt.Channels = None,
    rgb: opt.Rgb = None,
    mask: opt.Mask = None,
    region: opt.RegionOption = None,
    window: opt.Window = None,
    device: opt.DeviceOption = "auto",
    precision: opt.Precision = "exact",
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Show what a run would do: lattice, windows, memory, output."""
    settings = opt.settings_of(
        step=step,
        step_um=step_um,
        compactness=compactness,
        iterations=iterations,
        weights=weights,
        exact=exact,
        probabilities=probabilities,
        flips=flips,
        scales=opt.scales_of(scales),
        patch=patch,
        decoding=decoding,
    )
    picks = opt.channels_of(channels)
    source = api.open(image, axes=axes, level=level, channels=picks, mask=mask, rgb=rgb)
    made = api.plan(
        source,
        method,
        region=opt.region_of(region),
        window=window,
        device=device,
        precision=precision,
        **settings,
    )
    if not as_json:
        typer.echo(str(made))
        tell_idle(made, settings)
        return
    cost = {
        "hash": made.hash,
        "halo_cells": made.halo,
        "windows": len(made.windows) * len(made.planes),
        "tiles": made.tiles,
        "tile_bytes": made.cost.total,
        "bytes_on_one_processor": made.projected_bytes(1),
        "notes": list(made.notes),
    }
    typer.echo(json.dumps(made.provenance() | cost))


def info(
    image: Annotated[str, typer.Argument(help="The image.")],
    axes: opt.AxesOption = None,
    level: opt.Level = 0,
    channels: opt.Channels = None,
    rgb: opt.Rgb = None,
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Show what would be read: axes, levels, spacing, nodata."""
    picks = opt.channels_of(channels)
    source = api.open(image, axes=axes, level=level, channels=picks, rgb=rgb)
    classes = classes_of(source)
    facts = source.describe() | {"classes": [one._asdict() for one in classes]}
    if as_json:
        typer.echo(json.dumps(facts, default=str))
        return
    for name, value in _readable(facts):
        typer.echo(f"{name:<12} {value}")


def _readable(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a person wants to know of an image, as names and short texts."""
    for name in ("name", "location", "format"):
        yield name, str(facts[name])
    for axis in facts["axes"]:
        spacing = f", {axis['spacing']:g} {axis['unit']} apart" if axis["unit"] else ""
        yield f"axis {axis['name']}", f"{axis['size']}{spacing}"
    yield "levels", ", ".join(f"{height} x {width}" for height, width in facts["levels"])
    kind = "RGB" if facts["rgb"] else f"{facts['channels']} channel(s)"
    yield "samples", f"{facts['dtype']}, {kind}{', alpha' if facts['alpha'] else ''}"
    yield "nodata", "none" if facts["nodata"] is None else f"{facts['nodata']:g}"
    yield "chunks", " x ".join(map(str, facts["chunk_shape"]))
    if facts["crs"]:
        yield "crs", facts["crs"].partition("[")[2].split(",")[0].strip('"')
    for one in facts["classes"]:
        yield f"class {one['id']}", f"{one['name']} {one['colour']}".strip()
    for note in facts["notes"]:
        yield "note", note
