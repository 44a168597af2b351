"""Opening files in napari: which ones, and what becomes of them.

napari asks by the end of a name which readers there are, and lets the user choose; it never asks
twice. So what has an ending of ours opens whenever this reader is chosen, but what napari's own
reader does as well is left to it:

- PNG, JPEG and npy are not ours at all: they are read whole anyway.
- A small TIFF without pyramid, spacing, channels, georeference and nodata is handed to napari's
  reader: in memory, where scripts and other plugins can edit it. So are folders that are no zarr,
  and several files that are to be stacked.
- Slides, scenes and OME-TIFF are ours: napari would read them whole and lose levels, spacing,
  channels, georeference and nodata.
- Of zarr, our own label images are ours: other readers show them hidden, shifted or not at all.
  Images open here too, and another reader of OME-Zarr is as good a choice.
"""

import os
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

LayerData = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments and type of a layer, as napari takes them from readers."""

ReadFunction = Callable[[str | list[str]], list[Any]]

ENDINGS = (".svs", ".ndpi", ".scn", ".tif", ".tiff", ".btf", ".tf8")
"""Of files, in small letters; the manifest has the same."""

SMALL_BYTES = 64 * 2**20
"""A plain TIFF up to this size, unpacked, is better in memory."""


def get_reader(path: str | list[str]) -> ReadFunction | None:
    """Return the function that reads a path, None if it is not ours; opens nothing.

    Parameters
    ----------
    path
        A path, or several to be stacked.
    """
    if not isinstance(path, str):
        return read_as_napari
    if os.path.isdir(path):
        return read if _is_zarr(Path(path)) else read_as_napari
    return read if path.lower().endswith(ENDINGS) else None


def read(path: str | list[str]) -> list[LayerData]:
    """Return the layers of an image or of labels on disk.

    Raises
    ------
    SuperpixelsError
        If it cannot be read; one sentence that says why and what to do.
    """
    assert isinstance(path, str), "stacks are read by napari"
    return _read_zarr(Path(path)) if os.path.isdir(path) else _read_file(path)


def _read_file(path: str) -> list[LayerData]:
    from napari_superpixels.io import open_source
    from napari_superpixels.napari_ui.image_layers import layers_of

    source = open_source(path)
    return read_as_napari(path) if is_plain(source) else layers_of(source)


def _read_zarr(path: Path) -> list[LayerData]:
    from napari_superpixels.io.label_output import is_label_output
    from napari_superpixels.napari_ui.finished import finished_layer
    from napari_superpixels.napari_ui.image_layers import image_layers

    if is_label_output(path):
        return [finished_layer(path)]
    _check_finished(path)
    inside = [folder for folder in labels_inside(path) if is_label_output(folder)]
    return [*image_layers(path), *map(finished_layer, inside)]


def read_as_napari(path: str | list[str]) -> list[Any]:
    """Return what napari's own reader makes of a path, or of several that it stacks."""
    import npe2

    paths = [path] if isinstance(path, str) else path
    return npe2.read(paths, stack=not isinstance(path, str), plugin_name="napari")


def labels_inside(image: Path) -> list[Path]:
    """Return the groups of labels that lie in an OME-Zarr image."""
    folder = image / "labels"
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def is_plain(source: Any) -> bool:
    """Whether an image is a small TIFF that says nothing but its pixels."""
    axes = source.axes.items
    size = source.dtype.itemsize * prod(source.axes.shape)
    return (
        source.format in ("TIFF", "BigTIFF")
        and size <= SMALL_BYTES
        and len(source.level_shapes) == 1
        and (source.rgb or source.channels == 1)
        and not source.has_alpha
        and all(axis.spacing == 1 and axis.unit is None for axis in axes)
    )


def _check_finished(path: Path) -> None:
    from napari_superpixels.errors import SourceError

    if path.suffix == ".partial" and (path / ".run").is_dir():
        raise SourceError(
            f"{path} is an unfinished run; end it with napari-superpixels resume "
            f"{path.with_suffix('')} and open that"
        )


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup", ".zattrs"))
