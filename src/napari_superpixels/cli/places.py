"""Where outputs go, and what is refused before anything is computed."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from napari_superpixels.engine.records import is_output
from napari_superpixels.errors import InputError, OutputError

if TYPE_CHECKING:
    from napari_superpixels.engine.plan import Plan

IMAGE_SUFFIXES = (".tif", ".tiff", ".svs", ".png", ".jpg", ".jpeg", ".ndpi", ".scn", ".btf")
"""Names that an OME-Zarr is not to have: most likely the output was forgotten."""
ZARR_FILES = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
"""What the metadata of zarr are called."""


def jobs_of(paths: list[str]) -> list[tuple[str, Path]]:
    """Return images and their outputs; the folder for several is made.

    Raises
    ------
    InputError
        If the paths cannot be meant so.
    OutputError
        If the last one is something else than an output, or its folder cannot be made.
    """
    if len(paths) < 2:
        raise InputError("One path is given; give the image, or images, and then the output.")
    if not paths[-1]:
        raise InputError("The output has an empty name; give the OME-Zarr to write.")
    images, out = paths[:-1], Path(paths[-1])
    _check_out(out)
    if len(images) > 1:
        return _in_folder(images, out)
    if out.name in ("", ".."):
        raise InputError(f"The output is {paths[-1]!r}, a folder without a name; give a new name.")
    if out.is_dir() and not is_output(out):
        raise OutputError(
            f"The last path is the output, but {out} is a folder that is no output of this "
            f"software; give a name that is not in use, e.g. {out / 'labels.zarr'}."
        )
    return [(images[0], out)]


def _check_out(out: Path) -> None:
    if out.is_file():
        raise OutputError(
            f"The last path is the output, but {out} is an existing file that is no output; give "
            f"the images first, and last a new OME-Zarr such as labels.zarr."
        )
    if out.suffix.lower() in IMAGE_SUFFIXES:
        raise InputError(
            f"The output {out} is called like an image, but an OME-Zarr is written; give a name "
            f"such as {out.with_suffix('.zarr').name}, and --geotiff for a GeoTIFF as well."
        )


def _in_folder(images: list[str], folder: Path) -> list[tuple[str, Path]]:
    from napari_superpixels.io import stem_of

    names = [stem_of(image) for image in images]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"Several images are called {twice[0]!r} and would share one output; "
            f"run them one by one."
        )
    if any((folder / name).exists() for name in ZARR_FILES):
        raise OutputError(
            f"The last path is the folder for the outputs, but {folder} is a zarr; give the "
            f"images first, and last a folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another one."
        ) from None
    return [(image, folder / f"{name}.zarr") for image, name in zip(images, names, strict=True)]


def check_geotiff(geotiff: Path | None, images: int = 1) -> None:
    """Refuse, before hours of work, a GeoTIFF that could not be written after them.

    Raises
    ------
    InputError, OutputError
        If it is so.
    """
    from napari_superpixels.io.geotiff_writer import check_new_file

    if geotiff is None:
        return
    if images > 1:
        raise InputError(
            f"One GeoTIFF is given for {images} images; export each output after the run."
        )
    if geotiff.suffix.lower() == ".zarr":
        raise InputError(
            f"The GeoTIFF is called {geotiff}, like a zarr; give a name such as "
            f"{geotiff.with_suffix('.tif').name}."
        )
    check_new_file(geotiff)
    _check_writable(geotiff.parent)


def check_profile(profile: Path | None, images: int) -> None:
    """Refuse one trace for several runs, and one that cannot be written.

    Raises
    ------
    InputError, OutputError
        If it is so.
    """
    from napari_superpixels.engine import profile as traces

    if profile is None:
        return
    if images > 1:
        raise InputError(f"One profile is given for {images} images; profile them one by one.")
    traces.check_profile(profile)
    _check_writable(profile.parent)


def check_into(plan: "Plan", name: str | None) -> None:
    """Refuse, before hours of work, an image that labels could not be written into.

    Raises
    ------
    InputError, SourceError, OutputError
        If it is so.
    """
    from napari_superpixels.io import image_group

    if name is None:
        return
    source, axes = plan.source, plan.axes
    if "zarr" not in source.format.lower():
        raise InputError(
            f"--into needs an OME-Zarr image, but {source.name} is {source.format}; leave it out, "
            f"and use the labels in the output."
        )
    group = image_group.check_into(
        source.location, name, letters=axes.names, shape=axes.shape, level=source.level
    )
    labels = group.path / "labels"
    _check_writable(labels if labels.exists() else group.path)


def _check_writable(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be written to ({error.strerror}); make it writable, or "
            f"leave this output out."
        ) from None
