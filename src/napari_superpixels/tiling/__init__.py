"""Pure geometry: intervals, the lattice of cells, windows with a halo."""

from napari_superpixels.tiling.intervals import Box, Interval
from napari_superpixels.tiling.lattice import Lattice
from napari_superpixels.tiling.windows import Window, Windows, Windows1D, WindowShape

__all__ = ["Box", "Interval", "Lattice", "Window", "WindowShape", "Windows", "Windows1D"]
