"""Real images that come with the package, as layers."""

from napari_superpixels.napari_ui.reader import LayerData


def slide() -> list[LayerData]:
    """Return a region of a whole slide, H&E."""
    return _sample("slide")


def nuclei() -> list[LayerData]:
    """Return nuclei in fluorescence."""
    return _sample("nuclei")


def histology() -> list[LayerData]:
    """Return nuclei in a stained section."""
    return _sample("histology")


def scene() -> list[LayerData]:
    """Return a satellite scene with three bands of 16 bits and nodata."""
    return _sample("scene")


def _sample(name: str) -> list[LayerData]:
    from napari_superpixels.api import sample_path
    from napari_superpixels.napari_ui.image_layers import image_layers

    return image_layers(sample_path(name))
