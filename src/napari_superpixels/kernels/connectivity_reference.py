"""The connectivity rule written down plainly: slow, and the measure of the fast form.

Labels are pairs (row, column) of their own cell, which compare as their ids do.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Cell = tuple[int, int]
Pixel = tuple[int, int]
Cost = Callable[[NDArray[np.int64], NDArray[np.uint8]], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Component:
    """A 4-connected component of one label."""

    pixels: frozenset[Pixel]
    size: int
    """Number of valid pixels."""

    @property
    def rank(self) -> tuple[int, Pixel]:
        """The least is the largest component; of equal ones the first in raster order."""
        return -self.size, min(self.pixels)


def connect_reference(
    codes: NDArray[np.uint8], valid: NDArray[np.bool_] | None, step: tuple[int, int], cost: Cost
) -> tuple[NDArray[np.uint8], int]:
    """Apply the rule of `connectivity.connect`; return the codes and the number of growth layers.

    Parameters are those of `connectivity.connect`.
    """
    labels = kept_labels(codes, valid, step)
    layers = _grow(labels, codes.shape, step, cost)
    out = np.full(codes.shape, 255, np.uint8)
    for pixel, label in labels.items():
        if valid is None or valid[pixel]:
            out[pixel] = _code(pixel, label, step)
    return out, layers


def kept_labels(
    codes: NDArray[np.uint8], valid: NDArray[np.bool_] | None, step: tuple[int, int]
) -> dict[Pixel, Cell]:
    """Return the label of every pixel that rules 1 to 3 settle; nodata belongs to its own cell.

    Parameters are those of `connectivity.connect`.
    """
    mask = np.ones(codes.shape, np.bool_) if valid is None else valid
    whole = np.where(mask, codes, 4)
    labels = {pixel: _label(pixel, int(whole[pixel]), step) for pixel in np.ndindex(codes.shape)}
    return _kept(labels, mask, step)


def _cell(pixel: Pixel, step: tuple[int, int]) -> Cell:
    return pixel[0] // step[0], pixel[1] // step[1]


def _label(pixel: Pixel, code: int, step: tuple[int, int]) -> Cell:
    cell = _cell(pixel, step)
    return cell[0] + code // 3 - 1, cell[1] + code % 3 - 1


def _code(pixel: Pixel, label: Cell, step: tuple[int, int]) -> int:
    cell = _cell(pixel, step)
    return 3 * (label[0] - cell[0] + 1) + label[1] - cell[1] + 1


def _around(pixel: Pixel) -> Iterator[Pixel]:
    y, x = pixel
    yield from ((y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x))


def _components(labels: dict[Pixel, Cell], mask: NDArray[np.bool_]) -> dict[Cell, list[Component]]:
    """Return the 4-connected components of each label."""
    found: dict[Cell, list[Component]] = defaultdict(list)
    seen: set[Pixel] = set()
    for start, label in labels.items():
        if start in seen:
            continue
        seen.add(start)
        pixels, todo = [], [start]
        while todo:
            pixels.append(todo.pop())
            near = [p for p in _around(pixels[-1]) if labels.get(p) == label and p not in seen]
            seen.update(near)
            todo += near
        found[label].append(Component(frozenset(pixels), sum(bool(mask[p]) for p in pixels)))
    return found


def _kept(
    labels: dict[Pixel, Cell], mask: NDArray[np.bool_], step: tuple[int, int]
) -> dict[Pixel, Cell]:
    """Return the label of every pixel that rules 1 to 3 settle."""
    home: dict[Pixel, Cell] = {}
    abroad: dict[Cell, Component] = {}
    for label, components in _components(labels, mask).items():
        touching = [c for c in components if any(_cell(p, step) == label for p in c.pixels)]
        if touching:
            winner = min(touching, key=lambda c: c.rank)
            home |= dict.fromkeys(winner.pixels, label)
        else:
            abroad[label] = min(components, key=lambda c: c.rank)
    cells_with_home = {_cell(pixel, step) for pixel in home}
    kept = dict(home)
    for label, component in abroad.items():
        if label in cells_with_home:
            kept |= dict.fromkeys(component.pixels, label)
    cells_with_kept = {_cell(pixel, step) for pixel in kept}
    for pixel in labels:
        if _cell(pixel, step) not in cells_with_kept:
            kept[pixel] = _cell(pixel, step)
    return kept


def _grow(
    labels: dict[Pixel, Cell], shape: tuple[int, ...], step: tuple[int, int], cost: Cost
) -> int:
    """Give the other pixels a label, layer by layer; return the number of layers."""
    free = set(np.ndindex(shape)) - labels.keys()
    layers = 0
    while free:
        layer: dict[Pixel, Cell] = {}
        for pixel in free:
            offered = {labels[p] for p in _around(pixel) if p in labels}
            options = [label for label in offered if _is_candidate(label, pixel, step)]
            if options:
                ranked = [(_distance(pixel, o, shape, step, cost), o) for o in options]
                layer[pixel] = min(ranked)[1]
        assert layer, "growth reaches every pixel"
        labels |= layer
        free -= layer.keys()
        layers += 1
    return layers


def _is_candidate(label: Cell, pixel: Pixel, step: tuple[int, int]) -> bool:
    cell = _cell(pixel, step)
    return abs(label[0] - cell[0]) <= 1 and abs(label[1] - cell[1]) <= 1


def _distance(
    pixel: Pixel, label: Cell, shape: tuple[int, ...], step: tuple[int, int], cost: Cost
) -> Any:
    index = np.array([pixel[0] * shape[1] + pixel[1]], np.int64)
    code = np.array([_code(pixel, label, step)], np.uint8)
    return cost(index, code)[0]
