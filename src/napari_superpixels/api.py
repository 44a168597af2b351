"""The public face: a handful of functions that the shell, the plugin and notebooks share.

Example
-------
>>> import numpy as np
>>> import napari_superpixels as nsp
>>> image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
>>> labels = nsp.superpixels(image, "slic", step=16)
>>> labels.shape, str(labels.dtype)
((96, 128), 'uint32')
>>> int(labels[:16, :16].compute().max()) <= 6 * 8
True
"""

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dask.array as da
    from distributed import Client

    from napari_superpixels.engine.events import Listener
    from napari_superpixels.engine.instances import InstancesResult
    from napari_superpixels.engine.plan import Plan, Region
    from napari_superpixels.engine.run import RunResult
    from napari_superpixels.io.source import Source
    from napari_superpixels.models.protocol import Method

__all__ = [
    "finish",
    "open",
    "plan",
    "resume",
    "run",
    "superpixels",
]


def open(  # noqa: A001 - the name that tifffile, rasterio and zarr use as well
    image: Any,
    *,
    axes: str | None = None,
    level: int = 0,
    channels: Sequence[int] | None = None,
    mask: Any = None,
    rgb: bool | None = None,
    calibration: Mapping[str, Sequence[Any]] | None = None,
) -> "Source":
    """Open an image of any size; no pixel is read.

    Parameters
    ----------
    image
        Path of an OME-Zarr, zarr, TIFF, SVS, GeoTIFF, PNG or JPEG; or a numpy, dask, zarr or
        xarray array; or a list of the levels of one image, arrays or paths, the finest first.
    axes
        Names of the axes, e.g. ``"zyx"`` or ``"cyx"`` (``s`` for RGB samples); by default from
        the file, else guessed and logged.
    level
        Pyramid level to work on; 0 is the finest.
    channels
        Which channels to use; all by default.
    mask
        Array or path, shape (Y, X) of that level (or of another one): nonzero where the image is
        to be analysed. Or `Polygons`, in pixels of that level.
    rgb
        Whether three channels are red, green and blue; by default from the file, else guessed.
    calibration
        By axis, the distance between samples and its unit, e.g. ``{"y": (0.5, "micrometer")}``, and
        maybe where the first lies; by default from the file.

    Returns
    -------
    Source
        Metadata and a lazy reader.

    Raises
    ------
    SourceError
        If the image is missing, broken or of an unknown format.
    InputError
        If axes, level, channels or mask do not fit it.
    """
    from napari_superpixels.io import open_source, tell_notes

    source = open_source(
        image,
        axes=axes,
        level=level,
        channels=channels,
        mask=mask,
        rgb=rgb,
        calibration=calibration,
    )
    if source is not image:
        tell_notes(source)
    return source


def plan(
    source: Any,
    method: "str | Method" = "slic",
    *,
    region: "Region | None" = None,
    window: int | tuple[int, int] | None = None,
    device: str = "auto",
    precision: str = "exact",
    cancel: threading.Event | None = None,
    **settings: Any,
) -> "Plan":
    """Decide how an image will be computed; reads at most 64 MB, to measure statistics.

    Parameters
    ----------
    source
        From `open`, or whatever `open` takes.
    method
        ``"slic"``, ``"ssn_pix"``, ``"ssn"``, ``"hcssn"``, ``"scn"``, ``"ainet"``, ``"pcnet"`` or
        ``"hcnet"``, or their settings, e.g. ``Slic(step=16)``; or ``"segment"``, for classes or
        numbers.
    region
        What is written, in pixels per axis, e.g. ``{"y": (0, 512)}``; grown to whole cells.
        Labels are those of the whole image.
    window
        Edge of a window in pixels; chosen for you when left out. Never changes the labels.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or, of several, e.g. ``"cuda:1"``. Never changes the
        labels of ``slic`` and ``ssn_pix``; for the others it belongs to the plan, and only where
        they are computed must there be one.
    precision
        ``"exact"`` or, of learned methods, ``"fast"``: half precision.
    cancel
        Set it, from any thread, to stop measuring; then `Cancelled` is raised.
    **settings
        Parameters of the method when it is given by name: ``step`` in pixels, or ``step_um`` in
        micrometers; ``compactness``; ``iterations``; ``weights``; of ``"segment"`` ``weights``,
        ``exact``, ``probabilities``, ``flips``, ``scales``, ``patch`` and ``decoding``.

    Returns
    -------
    Plan
        A frozen value; print it.

    Raises
    ------
    InputError
        If a parameter, the region or the step does not fit.
    """
    from napari_superpixels.engine.intent import intended
    from napari_superpixels.engine.measure import measure

    where = device, precision
    made = intended(open(source), method, settings, where, region=region, window=window)
    if not made.deferred:
        return made
    return replace(made, statistics=measure(made.source, cancel, projected=made.projected))


def superpixels(  # noqa: PLR0913 - each is an argument of `open` or of `plan`
    image: Any,
    method: "str | Method" = "slic",
    *,
    axes: str | None = None,
    level: int = 0,
    channels: Sequence[int] | None = None,
    mask: Any = None,
    rgb: bool | None = None,
    calibration: Mapping[str, Sequence[Any]] | None = None,
    region: "Region | None" = None,
    window: int | tuple[int, int] | None = None,
    device: str = "auto",
    precision: str = "exact",
    **settings: Any,
) -> "da.Array":
    """Label an image lazily: only what is asked for is computed.

    Parameters
    ----------
    image, axes, level, channels, mask, rgb, calibration
        As for `open`.
    method, region, window, device, precision, **settings
        As for `plan`.

    Returns
    -------
    dask.array.Array
        Labels with the axes (t, z) y, x; uint32, or uint64 where ids need it; 0 is nodata. Of
        ``"segment"`` ids of classes, uint8 or uint16, probabilities (t, c, z) y, x or numbers.

    Raises
    ------
    SourceError
        If the image cannot be read.
    InputError
        If a parameter does not fit.
    """
    from napari_superpixels.engine.geometry import view_window
    from napari_superpixels.engine.intent import intended
    from napari_superpixels.engine.lazy import lazy_labels

    source = open(image, axes=axes, level=level, channels=channels, mask=mask, rgb=rgb,
                  calibration=calibration)  # fmt: skip
    where = device, precision
    made = intended(source, method, settings, where, region=region, window=window)
    if window is None and not made.method.fixed_windows:
        window = view_window(source.axes.plane_shape)
        made = intended(source, made.method, {}, where, region=region, window=window)
    made.compute.check_here()
    return lazy_labels(made)


def run(  # noqa: PLR0913 - each is one thing to know of a run
    plan: "Plan",
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    listener: "Listener | None" = None,
    cancel: threading.Event | None = None,
    resume: bool = False,
    into: str | None = None,
    client: "Client | None" = None,
    part: tuple[int, int] | None = None,
    profile: str | os.PathLike[str] | None = None,
) -> "RunResult":
    """Compute a plan into a multiscale OME-Zarr label image.

    Parameters
    ----------
    plan
        From `plan`.
    out
        Folder to write; must not exist. While unfinished it lies beside it as ``OUT.partial``.
    workers
        Processors to use; all that this process may by default. Never changes the labels.
    listener
        Called with each event of `napari_superpixels.engine.events`.
    cancel
        Set it, from any thread, to stop within two seconds, or with the blocks being read.
    resume
        Whether to go on with an unfinished output.
    into
        Name under which to also write the labels into the image's own OME-Zarr (`write_into`).
    client
        Of `dask.distributed`: its workers do the work instead of this process. They must see image
        and output under the same paths, and have the same versions.
    part
        Which of how many parts to compute, e.g. ``(3, 64)``, counted from 1; `finish` makes the
        rest when all are done. A part that was stopped is simply started again.
    profile
        New JSON file for a trace of the run, to look at in ``chrome://tracing`` or Perfetto.

    Returns
    -------
    RunResult
        ``path``, ``labels`` (a zarr array) and ``report``; of a part, the unfinished output's.

    Raises
    ------
    OutputError
        If the output exists, is in use or belongs to another plan.
    InputError
        If its labels cannot go into the image; asked before anything runs.
    IncompleteRunError
        If some super-tiles failed twice, or the scheduler is gone; resume after the repair.
    Cancelled
        If it was cancelled.
    """
    from napari_superpixels.engine.events import ignore
    from napari_superpixels.engine.intent import check_run
    from napari_superpixels.engine.profile import profiled
    from napari_superpixels.engine.ways import check_way, run_way
    from napari_superpixels.exports import write_into

    check_run(plan, workers=workers, cancel=cancel)
    check_way(plan, part=part, client=client, workers=workers, into=into)
    with profiled(profile, listener or ignore) as told:
        result = run_way(plan, Path(out), workers=workers, listener=told, cancel=cancel,
                         resume=resume, client=client, part=part)  # fmt: skip
    if into is not None:
        write_into(out, name=into)
    return result


def resume(
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    device: str | None = None,
    listener: "Listener | None" = None,
    cancel: threading.Event | None = None,
    client: "Client | None" = None,
    profile: str | os.PathLike[str] | None = None,
) -> "RunResult | InstancesResult":
    """Go on with an unfinished output, with the plan that it was begun with.

    However it was begun: on threads, in parts, or on the cluster of a `client`; instances, on
    threads.

    Parameters
    ----------
    out
        Its name.
    workers, listener, cancel, client, profile
        As for `run`.
    device
        As for `plan`; of a learned method only another one of the kind that it was begun on.

    Raises
    ------
    OutputError
        If there is nothing to resume, its image was an array in memory, the image changed, or
        it was begun on another kind of device.
    PlanError
        If super-tiles of the finest level are left, and there is no device of that kind.
    """
    from napari_superpixels.engine.again import plan_of
    from napari_superpixels.engine.events import ignore
    from napari_superpixels.engine.instance_intent import check_threads_only, instance_plan_of
    from napari_superpixels.engine.instances import run_instances

    found = instance_plan_of(Path(out))
    if found is not None:
        check_threads_only(out, client=client, device=device)
        return run_instances(found, Path(out), workers=workers, listener=listener or ignore,
                             cancel=cancel, resume=True)  # fmt: skip
    plan = plan_of(Path(out), device)
    return run(plan, out, workers=workers, listener=listener, cancel=cancel, resume=True,
               client=client, profile=profile)  # fmt: skip


def finish(
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    device: str | None = None,
    listener: "Listener | None" = None,
    cancel: threading.Event | None = None,
    into: str | None = None,
    profile: str | os.PathLike[str] | None = None,
) -> "RunResult":
    """Make what is left of an output whose parts are done: coarser levels, metadata, its name.

    Parameters
    ----------
    out
        The output that the parts were given.
    workers, listener, cancel, into, profile
        As for `run`.
    device
        As for `resume`; asked where files of the finest level were altered since they were written.

    Raises
    ------
    IncompleteRunError
        If parts are missing; they are named.
    OutputError
        If there is nothing to finish, its image was an array in memory, or the image changed.
    """
    from napari_superpixels.engine.again import plan_of
    from napari_superpixels.engine.parts import check_parts

    plan = plan_of(Path(out), device)
    check_parts(plan, Path(out))
    return run(plan, out, workers=workers, listener=listener, cancel=cancel, resume=True, into=into,
               profile=profile)  # fmt: skip
