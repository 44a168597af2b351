"""Finished labels into the image's own OME-Zarr, as ``labels/NAME`` with the image's levels.

They are written in the image's version of the format, beside ``labels/``, and moved into place
when they are whole; the list of labels is extended last. Of a writer that dies nothing is listed.
"""

import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BloscShuffle

from napari_superpixels.errors import OutputError, SuperpixelsError
from napari_superpixels.io._ngff import ome_attributes
from napari_superpixels.io._reader import reason
from napari_superpixels.io.image_group import (
    FORMATS,
    ImageGroup,
    check_into,
    check_new_name,
    level_factor,
    listed_labels,
)
from napari_superpixels.io.label_output import LabelOutput, open_labels, pieces, read_labels
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.tiling import Box, Interval

CHUNK_PX = 512
"""Edge of a chunk on disk."""
MODE_PX = 2048
"""Longest edge of what is read at once to make a piece of a coarser level."""
REMOVALS, REMOVAL_PAUSE_SECONDS = 20, 0.1
"""How often, and how far apart, a folder is removed that may still be written to."""


def write_into(labels: Path, image: Path | None, name: str) -> Path:
    """Write finished labels into the OME-Zarr that they were made from, chunk by chunk.

    The image keeps its version (0.4 or 0.5); the labels get its axes, scales, translations and as
    many levels of the same shapes, each the mode of the one before. Labels of a region or of a
    coarser level are refused: they would not lie on the image's pixels.

    Parameters
    ----------
    labels
        Folder that `run` wrote.
    image
        Folder of the OME-Zarr image; None takes the one that was labelled, where it lay then.
    name
        What to call the labels; they come to lie in ``labels/NAME``.

    Returns
    -------
    Path
        The group of the labels.

    Raises
    ------
    OutputError
        If the image has labels of that name, or cannot be written to.
    SourceError
        If labels or image are missing, unfinished or broken.
    InputError
        If the image has another shape than the labels, or is of another version.
    """
    finished = open_labels(labels)
    group = check_into(
        image or finished.location,
        name,
        letters=finished.letters,
        shape=finished.shape,
        level=int(finished.provenance.get("level", 0)),
    )
    # Without the process number: what a killed writer has left is removed by the next.
    temporary = group.path / f".{name}.partial"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        _write(finished, group, temporary, name)
        return _publish(temporary, group, name)
    except SuperpixelsError:
        raise
    except OSError as error:
        raise OutputError(
            f"The labels {name!r} could not be written into {group.path} ({reason(error)}); look "
            f"whether it is read-only or the disk is full, and write them again"
        ) from None
    finally:
        _remove(temporary)


def _remove(folder: Path) -> None:
    """Remove a folder that zarr may still write to: one failed chunk leaves others under way."""
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(REMOVAL_PAUSE_SECONDS)
        if not folder.exists():
            return


def _write(labels: LabelOutput, image: ImageGroup, path: Path, name: str) -> None:
    """Write the group of the labels: arrays first, metadata last."""
    root = zarr.create_group(path, zarr_format=FORMATS[image.version])
    finer = labels.levels[0]
    for number, shape in enumerate(image.shapes):
        array = _create(root, str(number), shape, labels.dtype, image)
        if number == 0:
            _copy(finer, array, labels.path)
        else:
            _reduce(finer, array, labels.path)
        finer = array
    root.attrs.update(_metadata(labels, image, name))


def _create(
    root: zarr.Group, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], image: ImageGroup
) -> "zarr.Array[Any]":
    options: dict[str, Any] = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    if image.version == "0.5":
        codec = BloscCodec(cname="zstd", clevel=1, shuffle=BloscShuffle.shuffle)
        options = {"dimension_names": list(image.letters), "compressors": codec}
    chunks = (*(1,) * len(shape[:-2]), *(min(CHUNK_PX, n) for n in shape[-2:]))
    return root.create_array(name, shape=shape, chunks=chunks, dtype=dtype, fill_value=0, **options)


def _copy(source: "zarr.Array[Any]", target: "zarr.Array[Any]", path: Path) -> None:
    for box in pieces(target.shape):
        target[box.slices] = read_labels(source, box.slices, path)


def _reduce(fine: "zarr.Array[Any]", coarse: "zarr.Array[Any]", path: Path) -> None:
    """Fill a level with the mode of the one before, piece by piece."""
    factor = level_factor(fine.shape, coarse.shape)
    edge = max(1, MODE_PX // max(factor) // CHUNK_PX) * CHUNK_PX
    for box in pieces(coarse.shape, edge):
        sides = zip(box.sides[-2:], factor, fine.shape[-2:], strict=True)
        reads = tuple(_behind(side, f, n).slice for side, f, n in sides)
        block = read_labels(fine, (*box.slices[:-2], *reads), path)
        plane = mode_downsample(block.reshape(block.shape[-2:]), factor)
        coarse[box.slices] = _fitted(plane, box)


def _behind(side: Interval, factor: int, size: int) -> Interval:
    """Return the finer pixels of coarser ones; the last few for what lies beyond the end."""
    start = min(side.start * factor, (size - 1) // factor * factor)
    return Interval(start, min(side.stop * factor, size))


def _fitted(plane: NDArray[Any], box: Box) -> NDArray[Any]:
    """Return a plane of the box's size: levels of an image may be a pixel longer than theirs."""
    height, width = box.shape[-2:]
    missing = (height - plane.shape[0], width - plane.shape[1])
    if any(missing):
        plane = np.pad(plane, [(0, n) for n in missing], mode="edge")
    return plane.reshape(box.shape)


def _metadata(labels: LabelOutput, image: ImageGroup, name: str) -> dict[str, Any]:
    multiscale = {"name": name, **image.multiscale, "type": "mode"}
    about: dict[str, Any] = {"source": {"image": "../../"}} | labels.about
    return _versioned(image, multiscales=[multiscale], label=about) | {
        "napari_superpixels": labels.provenance
    }


def _versioned(
    image: ImageGroup, multiscales: list[dict[str, Any]], label: dict[str, Any]
) -> dict[str, Any]:
    """Return NGFF metadata in the image's version: 0.5 has one version, 0.4 one for each part."""
    if image.version == "0.5":
        return {"ome": {"version": image.version, "multiscales": multiscales, "image-label": label}}
    version = {"version": image.version}
    return {
        "multiscales": [entry | version for entry in multiscales],
        "image-label": label | version,
    }


def _publish(temporary: Path, image: ImageGroup, name: str) -> Path:
    """Move the labels into place, and then list them."""
    folder = image.path / "labels"
    check_new_name(image, name)
    names = listed_labels(image)
    folder.mkdir(exist_ok=True)
    temporary.rename(folder / name)
    group = zarr.open_group(
        folder, mode="a", zarr_format=FORMATS[image.version], use_consolidated=False
    )
    if image.version == "0.5":
        ome = dict(ome_attributes(group.attrs.asdict())) if "ome" in group.attrs else {}
        group.attrs["ome"] = {**ome, "version": image.version, "labels": [*names, name]}
    else:
        group.attrs["labels"] = [*names, name]
    for path in dict.fromkeys((image.path, image.root)):
        _consolidate_again(path)
    return folder / name


def _consolidate_again(path: Path) -> None:
    """Renew the copy of all metadata that a group may keep; readers would miss what is new."""
    group: Any = zarr.open_group(path, mode="r+")
    if group.metadata.consolidated_metadata is None:
        return
    with _without_warning():
        zarr.consolidate_metadata(group.store, zarr_format=group.metadata.zarr_format)


@contextmanager
def _without_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        # That zarr v3 may drop it again was decided by whoever consolidated the image.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        yield
