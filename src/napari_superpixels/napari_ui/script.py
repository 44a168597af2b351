"""What was set in the window as Python that a person can paste: the same labels, without it."""

from collections.abc import Mapping, Sequence
from typing import Any

from napari_superpixels.io import Source, join_channels, with_mask
from napari_superpixels.models.compute import AUTO
from napari_superpixels.napari_ui.grids import mask_level, polygons_on
from napari_superpixels.napari_ui.resolve import (
    Request,
    array_arguments,
    check_request,
    is_pyramid,
    mask_of,
    open_layers,
    region_of,
)
from napari_superpixels.napari_ui.snapshot import LayerSnapshot, PolygonsSnapshot

LINE = 88
"""Calls longer than that get a line for each argument."""

SILENT = {"level": 0}
"""Arguments that need not be written where they are that; None never needs to be."""


def script_for(request: Request, *, out: str | None = None) -> str:
    """Return a script that gives the labels of a request; not for the main thread: it opens files.

    Parameters
    ----------
    request
        What was set.
    out
        Folder that it writes; named after image and method by default.

    Returns
    -------
    str
        For any Python where all images lie on disk; else for napari's console, where `viewer` is.

    Raises
    ------
    SuperpixelsError
        If the request cannot be used.
    """
    check_request(request)
    sources = open_layers(request.images, request.level)
    opening = _opening(request, sources)
    source = join_channels(sources)
    arguments = ["source", repr(request.method)]
    arguments += [f"{name}={value!r}" for name, value in request.settings.items()]
    region = region_of(request, source)
    arguments += [f"region={region!r}"] if region is not None else []
    arguments += [f"device={request.device!r}"] if request.device != AUTO else []
    name = out or f"{source.name}-{request.method}.zarr"
    return "\n".join([
        *_beginning(needs_viewer="viewer.layers" in opening),
        f"source = {opening}",
        f"plan = {_call('nsp.plan', arguments)}",
        "print(plan)",
        f"result = {_call('nsp.run', ['plan', repr(name)])}",
        "",
    ])  # fmt: skip


def _beginning(*, needs_viewer: bool) -> list[str]:
    head = ["# For napari's console: some of the image is in memory."] if needs_viewer else []
    return [*head, "import napari_superpixels as nsp", ""]


def _opening(request: Request, sources: Sequence[Source]) -> str:
    """Return the expression that opens the image with its mask."""
    mask = _mask(request, sources)
    if len(sources) == 1:
        return _open(sources[0], request.images[0], request.level, mask)
    parts = [
        _open(source, image, request.level, [])
        for source, image in zip(sources, request.images, strict=True)
    ]
    listed = "".join(f"{_indented(part)},\n" for part in parts)
    return _call("nsp.join_channels", [f"[\n{listed}]", *mask])


def _open(source: Source, image: LayerSnapshot, level: int, mask: list[str]) -> str:
    if source.opened is not None:
        given, arguments = repr(source.opened["image"]), dict(source.opened)
    else:
        given, arguments = _data(image, level), array_arguments(image, level)
    arguments = {name: value for name, value in arguments.items() if name not in ("image", "mask")}
    return _call("nsp.open", [given, *_keywords(arguments), *mask])


def _data(image: LayerSnapshot, level: int) -> str:
    """Return the expression for the arrays of a layer, as `resolve` takes them."""
    data = f"viewer.layers[{image.name!r}].data"
    if is_pyramid(image):
        return f"list({data})"
    return f"{data}[{level}]" if image.multiscale else data


def _mask(request: Request, sources: Sequence[Source]) -> list[str]:
    mask, image, level = request.mask, request.images[0], request.level
    if mask is None:
        return []
    if isinstance(mask, PolygonsSnapshot):
        return [f"mask=nsp.{polygons_on(image, mask, level)!r}"]
    masked = with_mask(sources[0], mask_of(image, mask, level)).opened
    if masked is not None:
        return [f"mask={masked['mask']!r}"]
    data = f"viewer.layers[{mask.name!r}].data"
    number = f"[{mask_level(image, mask, level)}]" if mask.multiscale else ""
    return [f"mask={data}{number}"]


def _keywords(values: Mapping[str, Any]) -> list[str]:
    shown = {n: v for n, v in values.items() if v is not None and v != SILENT.get(n)}
    return [f"{name}={value!r}" for name, value in shown.items()]


def _call(name: str, arguments: Sequence[str]) -> str:
    line = f"{name}({', '.join(arguments)})"
    if len(line) <= LINE and "\n" not in line:
        return line
    return f"{name}(\n" + "".join(f"{_indented(one)},\n" for one in arguments) + ")"


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())
