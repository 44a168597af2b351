"""An image opened again from what JSON kept of it."""

from collections.abc import Mapping
from typing import Any

from napari_superpixels.io.joined import join_channels
from napari_superpixels.io.masks import with_mask
from napari_superpixels.io.opening import open_source
from napari_superpixels.io.source import Source


def reopen(opened: Mapping[str, Any]) -> Source:
    """Open an image again from its `Source.opened`.

    Raises
    ------
    SourceError
        If a file is gone or broken.
    InputError
        If it has changed so that the arguments do not fit any more.
    """
    image = opened["image"]
    if not isinstance(image, Mapping):
        return open_source(**opened)
    joined = join_channels([reopen(part) for part in image["channels"]])
    return joined if opened["mask"] is None else with_mask(joined, opened["mask"])
