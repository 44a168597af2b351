"""Class maps whose one object winds through every tile, however the image is cut."""

import numpy as np
from numpy.typing import NDArray


def snake(size: int) -> NDArray[np.uint8]:
    """Return a line one pixel wide that goes to and fro, shape (size, size)."""
    image = np.zeros((size, size), np.uint8)
    image[::2] = 1
    image[1::4, -1] = image[3::4, 0] = 1
    return image


def spiral(size: int) -> NDArray[np.uint8]:
    """Return a line one pixel wide from the corner to the middle, shape (size, size)."""
    image = np.zeros((size, size), np.uint8)
    y = x = 0
    step = (0, 1)
    image[0, 0] = 1
    for length in [size - 1, *(n for n in range(size - 1, 0, -2) for _ in range(2))]:
        for _ in range(length):
            y, x = y + step[0], x + step[1]
            image[y, x] = 1
        step = (step[1], -step[0])
    return image


def comb(size: int) -> NDArray[np.uint8]:
    """Return teeth that hang together at the last row alone, shape (size, size)."""
    image = np.zeros((size, size), np.uint8)
    image[:, ::2] = 1
    image[-1] = 1
    return image
