"""How a tile is cut into programs, and what memory that takes; known without triton."""

from napari_superpixels.kernels.cells import Frame

BLOCK = 256
"""Pixels of a program, at most."""


def programs(frame: Frame) -> tuple[int, int]:
    """Return pixels of a program, a power of two, and programs of a cell."""
    pixels = frame.step[0] * frame.step[1]
    block = min(BLOCK, max(32, 1 << (pixels - 1).bit_length()))
    return block, -(-pixels // block)


def device_bytes(frame: Frame, *, rgb: bool, soft: bool) -> int:
    """Return an upper bound of the device's memory for clustering a tile, in bytes."""
    pixels, cells = frame.lattice.shape[0] * frame.lattice.shape[1], frame.lattice.cells
    _, chunks = programs(frame)
    records = frame.lattice.cells_per_plane * chunks * 9 * (frame.channels + 3) * (8 if soft else 4)
    centres = (cells[0] + 2) * (cells[1] + 2) * 4 * (frame.channels + 3)
    # A block of the allocator's beside: masks, codes and tables.
    return pixels * ((3 if rgb else 2 * frame.channels) + 2) + records + centres + (1 << 20)
