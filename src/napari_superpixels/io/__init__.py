"""Images in: a lazy, picklable `Source` of blocks from files and arrays. Labels out."""

from napari_superpixels.io._formats import stem_of
from napari_superpixels.io._handles import CACHE_BYTES, close_handles
from napari_superpixels.io._reader import GeoReference
from napari_superpixels.io.joined import join_channels
from napari_superpixels.io.levels import at_resolution, open_level
from napari_superpixels.io.masks import with_mask
from napari_superpixels.io.opening import open_source, tell_notes
from napari_superpixels.io.polygons import Polygons
from napari_superpixels.io.reopening import reopen
from napari_superpixels.io.source import Block, Source

__all__ = [
    "CACHE_BYTES",
    "Block",
    "GeoReference",
    "Polygons",
    "Source",
    "at_resolution",
    "close_handles",
    "join_channels",
    "open_level",
    "open_source",
    "reopen",
    "stem_of",
    "tell_notes",
    "with_mask",
]
