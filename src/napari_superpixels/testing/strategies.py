"""Hypothesis strategies: adversarial assignments, masks and distances."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import numpy as np
from numpy.typing import NDArray

KINDS = ("random", "stripes", "checkerboard", "blobs", "one code", "few codes")


@dataclass(frozen=True)
class Assignment:
    """Everything that connectivity takes."""

    codes: NDArray[np.uint8]
    """Codes, shape (Y, X); none points outside the lattice."""
    valid: NDArray[np.bool_] | None
    """Which pixels hold data."""
    step: tuple[int, int]
    """Size of a cell, in pixels."""
    table: NDArray[Any]
    """The distance of each pixel to each of its candidates, shape (Y * X, 9)."""

    def cost(self, index: NDArray[np.int64], code: NDArray[np.uint8]) -> NDArray[Any]:
        """Look up distances."""
        return self.table[index, code]


def clip_codes(codes: NDArray[np.uint8], step: tuple[int, int]) -> NDArray[np.uint8]:
    """Turn codes that point outside the lattice towards its nearest cell."""
    places = []
    for axis in range(2):
        size = codes.shape[axis]
        cell = (np.arange(size) // step[axis]).reshape((-1, 1) if axis == 0 else (1, -1))
        move = (codes // 3 if axis == 0 else codes % 3).astype(np.int64) - 1
        places.append(np.clip(cell + move, 0, (size - 1) // step[axis]) - cell + 1)
    return np.asarray(3 * places[0] + places[1], np.uint8)


def make_codes(
    rng: np.random.Generator, kind: str, shape: tuple[int, int], step: tuple[int, int]
) -> NDArray[np.uint8]:
    """Make codes of one of `KINDS`, shape (Y, X), none pointing outside the lattice."""
    y, x = np.indices(shape)
    pick = rng.integers(0, 9, 9)
    if kind == "random":
        codes = rng.integers(0, 9, shape)
    elif kind == "stripes":
        period = int(rng.integers(1, 4))
        codes = pick[((y if rng.random() < 0.5 else x) // period) % int(rng.integers(2, 5))]
    elif kind == "checkerboard":
        codes = pick[(y + x) % int(rng.integers(2, 5))]
    elif kind == "blobs":
        size = int(rng.integers(1, 2 * max(step) + 1))
        codes = rng.integers(0, 9, (shape[0] // size + 1, shape[1] // size + 1))[
            y // size, x // size
        ]
    elif kind == "one code":
        codes = np.full(shape, pick[0])
    else:
        codes = rng.choice(pick[: int(rng.integers(2, 4))], shape)
    codes = np.where(
        rng.random(shape) < rng.choice([0, 0.02, 0.2]), rng.integers(0, 9, shape), codes
    )
    return clip_codes(codes.astype(np.uint8), step)


def make_mask(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Make a mask, shape (Y, X): none, dense, sparse, in blocks, or without any data."""
    kind = int(rng.integers(0, 5))
    if kind == 0:
        return None
    if kind == 4:
        size = int(rng.integers(2, 9))
        blocks = rng.random((shape[0] // size + 1, shape[1] // size + 1)) < 0.5
        return np.kron(blocks, np.ones((size, size), np.bool_))[: shape[0], : shape[1]]
    return np.asarray(rng.random(shape) < (0.9, 0.3, 0.0)[kind - 1])


def make_assignment(
    rng: np.random.Generator, kind: str, shape: tuple[int, int], step: tuple[int, int]
) -> Assignment:
    """Make an assignment with a mask and distances, which are sometimes all ties."""
    levels = int(rng.choice([1, 3, 1000]))
    table = rng.integers(0, levels, (shape[0] * shape[1], 9))
    dtype = rng.choice(np.array(["i4", "i8", "f4"]))
    return Assignment(
        make_codes(rng, kind, shape, step), make_mask(rng, shape), step, table.astype(dtype)
    )


def steps(largest: int = 8) -> st.SearchStrategy[tuple[int, int]]:
    """Sizes of a cell, square or not."""
    return st.tuples(st.integers(1, largest), st.integers(1, largest))


def assignments(*, largest_step: int = 8, largest_cells: int = 6) -> st.SearchStrategy[Assignment]:
    """Assignments of arrays from one pixel up, whose last cells may be cut."""

    @st.composite
    def draw_one(draw: Callable[[Any], Any]) -> Assignment:
        step = draw(steps(largest_step))
        shape = tuple(draw(st.integers(1, s * largest_cells)) for s in step)
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        return make_assignment(rng, draw(st.sampled_from(KINDS)), (shape[0], shape[1]), step)

    return draw_one()
