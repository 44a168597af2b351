"""OME-Zarr images that labels can be written into: what they are, and what fits them."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import zarr

from napari_superpixels.errors import InputError, OutputError, SourceError
from napari_superpixels.io._ngff import ome_attributes, parse_multiscale
from napari_superpixels.io._reader import READ_ERRORS, reason
from napari_superpixels.io._zarr import find_image_group

FORMATS: dict[str, Literal[2, 3]] = {"0.4": 2, "0.5": 3}
"""The versions of OME-Zarr that can be written, and the zarr format of each."""
SHAPES_OFF = 1
"""How much longer or shorter than its fraction of the finer level a level of an image may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageGroup:
    """A multiscale OME-Zarr image that labels can be written into."""

    root: Path
    """What was given; the image may lie deeper."""
    path: Path
    """The group of the image."""
    version: str
    """``0.4`` or ``0.5``."""
    letters: str
    """Names of the axes, without channels."""
    shapes: tuple[tuple[int, ...], ...]
    """Shapes of the levels, without channels."""
    multiscale: dict[str, Any]
    """The entry of its metadata, without channels."""


def check_into(
    image: Path | str | None, name: str, *, letters: str, shape: tuple[int, ...], level: int
) -> ImageGroup:
    """Refuse an image that labels cannot be written into; ask before they are computed.

    Parameters
    ----------
    image, name
        As for `write_into`; None is an image that was an array in memory.
    letters, shape
        Axes of the labels, without channels, and their sizes.
    level
        Level of the image that they are made on.

    Raises
    ------
    OutputError, SourceError, InputError
        As `write_into` does.
    """
    if image is None:
        raise InputError(
            "The labelled image was an array in memory, which has no place for labels; keep them "
            "in their own folder, or name an OME-Zarr image to write them into"
        )
    group = open_image_group(Path(image))
    check_new_name(group, name)
    check_fits(group, letters, shape, level)
    return group


def open_image_group(image: Path) -> ImageGroup:
    """Return the image of a folder.

    Raises
    ------
    SourceError
        If there is none, or its metadata are broken.
    InputError
        If it is of a version that is not written.
    """
    path, node, _ = find_image_group(image)
    if not isinstance(node, zarr.Group):
        raise SourceError(
            f"{path} is an array and no OME-Zarr image, so it has no place for labels; keep them "
            f"in their own folder"
        )
    try:
        return _parse(image, path, node)
    except READ_ERRORS as error:
        if isinstance(error, InputError):
            raise
        raise SourceError(
            f"The OME-Zarr metadata of {path} are broken ({reason(error)}); restore them from a "
            f"good copy"
        ) from None


def _parse(root: Path, path: Path, group: zarr.Group) -> ImageGroup:
    attributes = group.attrs.asdict()
    entry = dict(ome_attributes(attributes)["multiscales"][0])
    version = _version(path, group, attributes, entry)
    shapes = [_array(group, str(dataset["path"])).shape for dataset in entry["datasets"]]
    letters = parse_multiscale(attributes, len(shapes[0])).letters
    keep = [i for i, letter in enumerate(letters) if letter != "c"]
    return ImageGroup(
        root=root,
        path=path,
        version=version,
        letters="".join(letters[i] for i in keep),
        shapes=tuple(tuple(shape[i] for i in keep) for shape in shapes),
        multiscale=_without_channels(entry, keep),
    )


def _array(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{name} is no array")
    return array


def _version(
    path: Path, group: zarr.Group, attributes: dict[str, Any], entry: dict[str, Any]
) -> str:
    ome = ome_attributes(attributes)
    version = str(ome.get("version") or entry.get("version") or "unknown")
    if FORMATS.get(version) != group.metadata.zarr_format:
        raise InputError(
            f"{path} is OME-Zarr {version} in zarr v{group.metadata.zarr_format}, but labels are "
            f"written into 0.4 (zarr v2) and 0.5 (zarr v3); keep them in their own folder"
        )
    return version


def _without_channels(entry: dict[str, Any], keep: list[int]) -> dict[str, Any]:
    """Return the axes and transformations of a multiscale for the axes that are kept."""
    found: dict[str, Any] = {"axes": [entry["axes"][i] for i in keep]}
    found["datasets"] = [
        {"path": str(number), **_transformations(dataset, keep)}
        for number, dataset in enumerate(entry["datasets"])
    ]
    return found | (_transformations(entry, keep) if "coordinateTransformations" in entry else {})


def _transformations(holder: dict[str, Any], keep: list[int]) -> dict[str, Any]:
    steps = [
        {"type": step["type"], step["type"]: [step[step["type"]][i] for i in keep]}
        for step in holder["coordinateTransformations"]
    ]
    return {"coordinateTransformations": steps}


def check_new_name(image: ImageGroup, name: str) -> None:
    """Refuse a name that is no name, or is in use.

    Raises
    ------
    InputError
        If it is no name.
    OutputError
        If the image has labels of that name.
    """
    if not name or name != Path(name).name or name.startswith((".", "__")) or "\\" in name:
        raise InputError(
            f"The labels cannot be called {name!r}; give a plain name such as 'superpixels'"
        )
    if (image.path / "labels" / name).exists() or name in listed_labels(image):
        raise OutputError(
            f"{image.path} has labels called {name!r} already; remove them or choose another name"
        )


def listed_labels(image: ImageGroup) -> list[str]:
    """Return the names of the labels that an image has."""
    folder = image.path / "labels"
    if not folder.is_dir():
        return []
    try:
        group = zarr.open_group(folder, mode="r", use_consolidated=False)
        return [str(name) for name in ome_attributes(group.attrs.asdict()).get("labels") or ()]
    except READ_ERRORS as error:
        raise SourceError(
            f"The labels of {image.path} cannot be listed ({reason(error)}); repair the metadata "
            f"of {folder}, or remove it"
        ) from None


def check_fits(image: ImageGroup, letters: str, shape: tuple[int, ...], level: int) -> None:
    """Refuse labels that do not lie on the pixels of the image's finest level.

    Parameters
    ----------
    image
        Where they are to go.
    letters, shape
        Axes of the labels, without channels, and their sizes.
    level
        Level of the image that they were made on.

    Raises
    ------
    InputError
        If they do not fit, or levels of the image are no whole fractions.
    """
    if level != 0:
        raise InputError(
            f"The labels were made on level {level}, but the labels of an OME-Zarr image begin "
            f"with level 0 as the image does; run with level=0, or keep them in their own folder"
        )
    if (letters, shape) != (image.letters, image.shapes[0]):
        raise InputError(
            f"The labels have the axes {letters} of {_sizes(shape)}, but {image.path} has "
            f"{image.letters} of {_sizes(image.shapes[0])} without its channels; run the whole "
            f"image without region, or keep the labels in their own folder"
        )
    for number, (fine, coarse) in enumerate(pairwise(image.shapes), start=1):
        if not _whole_fraction(fine, coarse):
            raise InputError(
                f"Level {number} of {image.path} has {_sizes(coarse)} of {_sizes(fine)} samples, "
                f"no whole fraction; keep the labels in their own folder"
            )


def _whole_fraction(fine: tuple[int, ...], coarse: tuple[int, ...]) -> bool:
    expected = [-(-n // f) for n, f in zip(fine[-2:], level_factor(fine, coarse), strict=True)]
    off = [abs(a - b) for a, b in zip(expected, coarse[-2:], strict=True)]
    return fine[:-2] == coarse[:-2] and max(off) <= SHAPES_OFF


def level_factor(fine: tuple[int, ...], coarse: tuple[int, ...]) -> tuple[int, int]:
    """Return how many pixels of the finer level a coarser one has, along y and x."""
    y, x = (max(1, round(n / m)) for n, m in zip(fine[-2:], coarse[-2:], strict=True))
    return y, x


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
