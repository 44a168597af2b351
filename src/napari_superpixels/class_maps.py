"""What is made of class maps: instances."""

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_superpixels.api import open as open_image

if TYPE_CHECKING:
    from napari_superpixels.engine.events import Listener
    from napari_superpixels.engine.instances import InstancesResult


def instances(
    image: Any,
    out: str | os.PathLike[str],
    *,
    window: int | tuple[int, int] | None = None,
    workers: int | None = None,
    listener: "Listener | None" = None,
    cancel: threading.Event | None = None,
    resume: bool = False,
    **settings: Any,
) -> "InstancesResult":
    """Number the objects of a class map, of any size, into a multiscale OME-Zarr label image.

    An object is made of pixels of one class that touch. Its id is the rank of its first pixel in
    raster order, from 1; beside the labels lies a table, ``objects.csv``.

    Parameters
    ----------
    image
        A class map: whole numbers, one plane, 0 is background; from `open`, or whatever `open`
        takes.
    out
        Folder to write; must not exist. While unfinished it lies beside it as ``OUT.partial``.
    window
        Edge of a tile in pixels, 2048 by default. Never changes ids.
    workers
        Processors to use; all that this process may by default. Never changes ids.
    listener, cancel, resume
        As for `run`.
    **settings
        ``classes``, numbers or the names that the class map has for them, all by default;
        ``connectivity``, 4 (default) or 8; ``min_px`` and ``max_px``, sizes of instances that are
        kept, in pixels; ``split``, whether objects are split where they are narrow, with
        ``distance_px``, the least distance of the middles of two pieces, ``largest_px``, how long
        or wide an object may be to be split, and ``exact``, whether a larger one is refused
        (default) or stays whole.

    Returns
    -------
    InstancesResult
        ``path``, ``labels`` (a zarr array), ``count``, ``table``, ``whole`` (objects too large to
        be split) and ``report``.

    Raises
    ------
    InputError
        If the image is no class map of one plane, or a setting cannot be used.
    OutputError
        If the output exists, is in use or belongs to another plan.
    PlanError
        If an object is too large to be split, or a tile for the memory.
    IncompleteRunError
        If some tiles failed twice; resume after the repair.
    Cancelled
        If it was cancelled.
    """
    from napari_superpixels.engine.events import ignore
    from napari_superpixels.engine.instance_intent import intended_instances
    from napari_superpixels.engine.instances import run_instances
    from napari_superpixels.engine.intent import check_means

    check_means(workers=workers, cancel=cancel)
    plan = intended_instances(open_image(image), settings, window)
    return run_instances(plan, Path(out), workers=workers, listener=listener or ignore,
                         cancel=cancel, resume=resume)  # fmt: skip
