"""Pure geometry: intervals, the lattice of cells, windows with a halo, axes of other resolution."""

from napari_superpixels.tiling.intervals import Box, Interval
from napari_superpixels.tiling.lattice import Lattice
from napari_superpixels.tiling.nearest import Nearest
from napari_superpixels.tiling.windows import Window, Windows, Windows1D, WindowShape

__all__ = ["Box", "Interval", "Lattice", "Nearest", "Window", "WindowShape", "Windows", "Windows1D"]
