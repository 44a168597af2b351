"""Real images that come with the package."""

from pathlib import Path

from napari_superpixels.errors import InputError

SAMPLES = {
    "slide": "cmu-1-small-region.svs",
    "nuclei": "nuclei-fluorescence.png",
    "histology": "nuclei-histology.png",
    "scene": "mosaic_cog1.tif",
}
"""Real images that come with the package, in `sample_data`, where their origin stands."""


def sample_path(name: str) -> Path:
    """Return where a real image lies that comes with the package.

    Parameters
    ----------
    name
        ``"slide"`` (H&E, 2220 x 2967, RGB), ``"nuclei"`` (fluorescence), ``"histology"`` (nuclei in
        bright field, RGB) or ``"scene"`` (satellite, 3 x uint16, GeoTIFF with nodata).

    Raises
    ------
    InputError
        If there is no sample of that name.
    """
    if name not in SAMPLES:
        known = ", ".join(map(repr, SAMPLES))
        raise InputError(f"There is no sample {name!r}; give one of {known}")
    return Path(__file__).parent / "sample_data" / SAMPLES[name]
