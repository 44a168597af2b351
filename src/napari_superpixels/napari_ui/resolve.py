"""From what a user asked for in the window to a plan; everything here runs off the main thread."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_superpixels.axes import Axis
from napari_superpixels.engine.intent import resolve_method
from napari_superpixels.engine.measure import is_blank, measure, sample_places
from napari_superpixels.engine.plan import Plan, make_plan
from napari_superpixels.errors import InputError, SuperpixelsError
from napari_superpixels.io import Block, Source, join_channels, open_source, reopen, with_mask
from napari_superpixels.models.compute import AUTO, Compute
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.napari_ui.grids import check_one_grid, mask_level, polygons_on
from napari_superpixels.napari_ui.snapshot import LayerSnapshot, PolygonsSnapshot

COMPARED_BLOCKS, COMPARED_PX = 3, 16
"""How many blocks of a file are compared with the layer that came from it, and their edge."""

Calibrations = dict[str, tuple[float, str | None, float]]
"""By axis, as `open` takes it."""


class Measured:
    """The statistics of the image that was measured last: a changed parameter leaves them."""

    def __init__(self) -> None:
        self._last: tuple[str, Statistics] | None = None

    def statistics(self, plan: Plan, cancel: threading.Event | None = None) -> Statistics:
        """Return the statistics of a plan's image; measured where they are not known.

        Raises
        ------
        Cancelled
            If it was cancelled.
        InputError
            If no pixel of it holds data.
        """
        last, source = self._last, plan.source
        known = last is not None and last[0] == source.identity
        if last is None or not known or (plan.projected and last[1].projection is None):
            statistics = measure(source, cancel, projected=plan.projected)
            if not any((*statistics.minimum, *statistics.maximum)) and is_blank(source):
                raise InputError(
                    f"No pixel of {source.name} holds data; choose another image or mask."
                )
            self._last = last = source.identity, statistics
        return last[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asked for: made on the main thread, resolved elsewhere."""

    images: tuple[LayerSnapshot, ...]
    """Image layers on one grid; several are the channels of one image."""
    level: int = 0
    """Pyramid level to work on."""
    method: str = "slic"
    """Name of the method."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """``step`` in pixels of the level or ``step_um``, and the method's own."""
    mask: LayerSnapshot | PolygonsSnapshot | None = None
    """Where to analyse."""
    measured: Measured = field(default_factory=Measured, compare=False, repr=False)
    """What is known of images already."""
    region: Mapping[str, tuple[int, int]] | None = None
    """What is written, in pixels of the level; everything where it is None."""
    device: str = AUTO
    """What computes."""


def resolve(request: Request, cancel: threading.Event | None = None) -> Plan:
    """Open what was asked for and plan it; reads as much as measuring the image needs.

    Parameters
    ----------
    request
        What was asked for.
    cancel
        Set it, from any thread, to stop measuring.

    Raises
    ------
    Cancelled
        If it was cancelled.
    SuperpixelsError
        In one sentence, if anything does not fit.
    """
    source = resolve_source(request)
    region = region_of(request, source)
    method = resolve_method(source, request.method, dict(request.settings))
    compute = Compute(request.device)
    compute.check_here()
    plan = make_plan(source, method, region=region, compute=compute)
    if not plan.deferred:
        return plan
    return replace(plan, statistics=request.measured.statistics(plan, cancel))


def region_of(request: Request, source: Source) -> dict[str, tuple[int, int]] | None:
    """Return the region of a request in the axes of its source.

    A file may call its planes t where the layer, without labels, has z; and either may have axes
    of a single plane that the other lacks.
    """
    if request.region is None:
        return None
    image = request.images[0]
    shown = [n for n, size in zip(image.letters, image.shape(request.level)) if size > 1]
    stored = [a.name for a in source.axes.items if a.size > 1 and a.name != "c"]
    names = {"y": "y", "x": "x", **dict(zip(reversed(shown), reversed(stored)))}
    return {names[name]: span for name, span in request.region.items() if name in names}


def resolve_source(request: Request) -> Source:
    """Open the layers of a request as one image with its mask.

    Files are opened again where a layer came from one: such a source can be resumed and run on
    other machines. Else the arrays of the layers are used as they are.

    Raises
    ------
    SuperpixelsError
        In one sentence, if a layer cannot be used or layers do not fit each other.
    """
    check_request(request)
    images, level, mask = request.images, request.level, request.mask
    source = join_channels(open_layers(images, level))
    if isinstance(mask, PolygonsSnapshot):
        return with_mask(source, polygons_on(images[0], mask, level))
    return source if mask is None else with_mask(source, mask_of(images[0], mask, level))


def check_request(request: Request) -> None:
    """Refuse what is wrong with the layers themselves, before anything is opened.

    Raises
    ------
    InputError
        If there is no layer, one cannot be labelled, or they lie on different grids.
    """
    if not request.images:
        raise InputError("No image layer is chosen; open an image, or choose its layer.")
    for image in request.images:
        check_layer(image, request.level)
    check_one_grid(request.images, request.level)


def check_layer(image: LayerSnapshot, level: int) -> None:
    """Refuse a layer that holds no image we can label.

    Raises
    ------
    InputError
        If it has no such level, no pixels, or axes that are no t, z, y, x.
    """
    if 0 in image.shape(level):
        raise InputError(
            f"The layer {image.name!r} has the shape {image.shape(level)} and so no pixels; "
            f"choose one that is not empty."
        )
    _ = image.letters


def open_layers(images: tuple[LayerSnapshot, ...], level: int) -> list[Source]:
    """Open layers one by one, or channels of one file together.

    Raises
    ------
    SuperpixelsError
        If one of them cannot be used.
    """
    together = _one_file(images, level)
    return [open_layer(image, level) for image in images] if together is None else [together]


def open_layer(image: LayerSnapshot, level: int) -> Source:
    """Open one layer: from its file where it shows that file, else from its arrays.

    Raises
    ------
    SuperpixelsError
        If neither can be used.
    """
    found = _from_file(image, level)
    return found if found is not None else _from_arrays(image, level)


def mask_of(image: LayerSnapshot, mask: LayerSnapshot, level: int) -> Any:
    """Return the array of a label layer as a mask for a level of an image.

    An array in memory is copied, so that painting on it does not reach into what is computed.

    Raises
    ------
    InputError
        If it does not cover the image.
    """
    array = mask.levels[mask_level(image, mask, level)]
    return array != 0 if isinstance(array, np.ndarray) else array


def array_arguments(image: LayerSnapshot, level: int) -> dict[str, Any]:
    """Return the arguments besides the arrays that open a layer from them."""
    letters = image.letters
    said = calibration_of(image, level)
    return {
        "axes": letters + "s" * image.rgb,
        "level": level if is_pyramid(image) else 0,
        "calibration": said if any(v != (1.0, None, 0.0) for v in said.values()) else None,
    }


def is_pyramid(image: LayerSnapshot) -> bool:
    """Whether the levels of a layer are opened together, so that coarser ones are known."""
    shapes = {image.shape(i) for i in range(len(image.levels))}
    return len(shapes) == len(image.levels) > 1


def calibration_of(image: LayerSnapshot, level: int) -> Calibrations:
    """Return spacing, unit and origin of a level of a layer, by axis."""
    placement = image.placement.at_level(image.factors(level))
    units = (None if unit == "pixel" else unit for unit in placement.units)
    rows = zip(placement.spacing, units, placement.origin)
    return dict(zip(image.letters, rows))


def _from_arrays(image: LayerSnapshot, level: int) -> Source:
    arrays = list(image.levels) if is_pyramid(image) else image.levels[level]
    try:
        source = open_source(arrays, **array_arguments(image, level))
    except SuperpixelsError as error:
        raise type(error)(f"The layer {image.name!r} cannot be used: {error}") from error
    return replace(source, name=image.name)


def _one_file(images: tuple[LayerSnapshot, ...], level: int) -> Source | None:
    """Return several channels of one file, opened once; None where they are anything else."""
    first, channels = images[0], [image.channel for image in images]
    if first.opened is None or None in channels or len(images) == 1:
        return None
    if len(set(channels)) < len(channels) or any(_file(i) != _file(first) for i in images):
        return None
    if any(_from_file(image, level) is None for image in images):
        return None
    opened = {**first.opened, "level": level, "channels": channels, "mask": None}
    return _calibrated(reopen(opened), first, level)


def _file(image: LayerSnapshot) -> dict[str, Any]:
    """Return how the file of a layer is opened, but for the choice of level and channels."""
    opened = image.opened or {}
    return {name: opened[name] for name in opened if name not in ("level", "channels")}


def _from_file(image: LayerSnapshot, level: int) -> Source | None:
    """Return the file that a layer shows, None where it shows anything else.

    An array in memory never counts as its file: anybody may have written into it.
    """
    if isinstance(image.levels[level], np.ndarray):
        return None
    try:
        source = _open_file(image, level)
        if source is None or not _shows(image, source, level):
            return None
        return _calibrated(source, image, level)
    except SuperpixelsError:
        return None  # the arrays are there whatever became of the file


def _open_file(image: LayerSnapshot, level: int) -> Source | None:
    if image.opened is not None:
        if not _untouched(image, level):
            return None
        chosen = {} if image.channel is None else {"channels": [image.channel]}
        return reopen({**image.opened, "level": level, "mask": None, **chosen})
    return None if image.path is None else open_source(image.path, level=level)


def _untouched(image: LayerSnapshot, level: int) -> bool:
    """Whether a level still is the array of our reader, by its name.

    What is computed from such an array has another name, however few pixels it changes.
    """
    return getattr(image.levels[level], "name", None) in image.arrays[level : level + 1]


def _shows(image: LayerSnapshot, source: Source, level: int) -> bool:
    """Whether a layer has the pixels of a source: its axes, its type, and a few blocks of it.

    Pixels without data are not compared, for there a layer may show what it likes.
    """
    array = image.levels[level]
    shown = open_source(array, axes=image.letters + "s" * image.rgb)
    ours, theirs = ([n for n in one.axes.leading_shape if n > 1] for one in (shown, source))
    same_axes = ours == theirs and shown.axes.plane_shape == source.axes.plane_shape
    same_samples = (shown.dtype, shown.channels) == (source.dtype, source.channels)
    if not same_axes or not same_samples or shown.rgb != source.rgb:
        return False
    places = sample_places(shown.axes.plane_shape, shown.axes.planes, COMPARED_BLOCKS, COMPARED_PX)
    return all(_equal(source.read(*place), shown.read(*place)) for place in places)


def _equal(stored: Block, shown: Block) -> bool:
    """Whether two blocks agree where the first holds data."""
    where = ... if stored.valid is None else stored.valid
    return np.array_equal(stored.pixels[:, where], shown.pixels[:, where])


def _calibrated(source: Source, image: LayerSnapshot, level: int) -> Source:
    """Return a file with what its layer says about lengths, where that differs from the file's."""
    said = {
        name: one
        for name, one in calibration_of(image, level).items()
        if one[1] is not None and name in source.axes
    }
    if source.opened is None or all(_agrees(source.axes[n], one) for n, one in said.items()):
        return source
    return reopen({**source.opened, "calibration": said})


def _agrees(axis: Axis, said: tuple[float, str | None, float]) -> bool:
    """Whether a layer and a file tell one spacing, to less than a pixel over the whole axis."""
    same = np.isclose(axis.spacing, said[0], rtol=max(1e-6, 1 / axis.size))
    return axis.unit == said[1] and bool(same)
