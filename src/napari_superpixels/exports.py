"""Finished labels in other forms: inside the image's own OME-Zarr, and as a GeoTIFF."""

import os
from pathlib import Path


def write_into(
    labels: str | os.PathLike[str],
    image: str | os.PathLike[str] | None = None,
    *,
    name: str = "superpixels",
) -> Path:
    """Write finished labels into the image's own OME-Zarr, in its version, with its levels.

    Parameters
    ----------
    labels
        Folder that `run` wrote; the whole of level 0.
    image
        Folder of the OME-Zarr image, 0.4 or 0.5; by default the one that was labelled.
    name
        What to call the labels.

    Returns
    -------
    Path
        Where the labels lie in the image.

    Raises
    ------
    OutputError
        If the image has labels of that name, or cannot be written to.
    SourceError, InputError
        If labels or image are missing or broken, or do not fit each other.
    """
    from napari_superpixels.io.into import write_into as write

    return write(Path(labels), None if image is None else Path(image), name)


def export_geotiff(
    labels: str | os.PathLike[str], out: str | os.PathLike[str], *, level: int = 0
) -> Path:
    """Write finished labels as a GeoTIFF with the image's CRS and transform, and nodata 0.

    Parameters
    ----------
    labels
        Folder that `run` wrote.
    out
        File to write; must not exist. Planes along t and z become bands.
    level
        Level of the labels; 0 is the finest.

    Raises
    ------
    OutputError
        If the file exists, or cannot be written whole.
    SourceError, InputError
        If the labels are missing, unfinished or broken, or have no such level.
    """
    from napari_superpixels.io.geotiff_writer import export_geotiff as export

    export(Path(labels), Path(out), level=level)
    return Path(out)
