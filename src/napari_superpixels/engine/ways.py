"""The ways to run a plan: here and now, on the workers of a cluster, or a part of it."""

import threading
from pathlib import Path
from typing import Any

from napari_superpixels.engine.events import Listener
from napari_superpixels.engine.parts import Part, run_part
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.run import RunResult, run_plan
from napari_superpixels.errors import InputError
from napari_superpixels.io.image_group import check_into


def check_way(plan: Plan, *, part: Any, client: Any, workers: Any, into: Any) -> None:
    """Refuse ways of running that exclude each other, and an image that labels cannot go into.

    Raises
    ------
    InputError
        With the one to leave out.
    SourceError, OutputError
        If the image cannot be written into.
    """
    if part is not None and client is not None:
        raise InputError("Both part and client are given; give one of them.")
    if part is not None and into is not None:
        raise InputError(f"A part cannot be written into an image; give into={into!r} to finish().")
    if client is not None and workers is not None:
        raise InputError(
            f"workers is {workers}, but a cluster has its own threads; leave workers out."
        )
    if into is not None:
        check_exportable(plan)
        source, axes = plan.source, plan.axes
        check_into(source.location, into, letters=axes.names, shape=axes.shape, level=source.level)


def check_exportable(plan: Plan) -> None:
    """Refuse to export what is neither labels nor classes.

    Raises
    ------
    InputError
        With what it is.
    """
    if not plan.output.labels:
        raise InputError(
            f"{plan.method.name} gives {plan.output.noun} here, but GeoTIFFs and labels inside an "
            f"image are made of labels and classes alone; leave that out, and use the OME-Zarr."
        )


def run_way(
    plan: Plan,
    out: Path,
    *,
    workers: int | None,
    listener: Listener,
    cancel: threading.Event | None,
    resume: bool,
    client: Any,
    part: Any,
) -> RunResult:
    """Run a plan where and as far as it is wanted.

    Parameters and errors are those of `run_plan`, `run_part` and `Cluster`.
    """
    if part is not None:
        one = Part.of(part)
        return run_part(plan, out, one, workers=workers, listener=listener, cancel=cancel)
    hire = None
    if client is not None:
        from napari_superpixels.engine.cluster import crew_of

        hire = crew_of(client, plan)
    return run_plan(
        plan, out, workers=workers, listener=listener, cancel=cancel, resume=resume, hire=hire
    )
