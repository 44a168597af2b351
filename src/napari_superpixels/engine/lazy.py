"""The lazy array: a dask array of labels that computes only what is asked for.

A block is a window; its function reads its own halo from the source. With a file as the source the
array has no input array at all, so a graph of a million windows costs nothing until a view is cut
out of it. With a dask source the slices are part of the graph: no compute starts another.
"""

from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from napari_superpixels.axes import LEADING
from napari_superpixels.engine.cost import default_workers
from napari_superpixels.engine.measure import measure, places_to_measure, summarise
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.tile import label_window, read_box
from napari_superpixels.io.source import Block, Source
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.tiling import Box, Window


class WindowLabeller:
    """Labels the window at a place of the chunk grid.

    A plain class on purpose: dask looks for arrays inside dataclasses and would compute the whole
    source for every block.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.threads = max(1, default_workers() // (len(plan.windows) * len(plan.planes)))

    def at(
        self, block_id: tuple[int, ...] | None = None, statistics: Statistics | None = None
    ) -> NDArray[Any]:
        """Read and label one window; `statistics` arrive here when they were deferred."""
        assert block_id is not None, "dask fills it in"
        plane, window = self.place(block_id)
        block = self.plan.source.read(plane, read_box(self.plan, window))
        return self.label(block, block_id, statistics)

    def label(
        self, block: Block, block_id: tuple[int, ...], statistics: Statistics | None = None
    ) -> NDArray[Any]:
        """Label one window whose pixels are there."""
        plane, window = self.place(block_id)
        plan = replace(self.plan, statistics=statistics) if statistics else self.plan
        labels = label_window(plan, window, plane, block, threads=self.threads)
        return labels.reshape(self.block_shape(labels.shape[-2:]))

    def label_pixels(
        self, pixels: NDArray[Any], block_id: tuple[int, ...], statistics: Statistics | None
    ) -> NDArray[Any]:
        """Label one window of a dask source from its computed pixels (C, Y, X)."""
        plane, window = self.place(block_id)
        block = self.plan.source.block(plane, read_box(self.plan, window), pixels)
        return self.label(block, block_id, statistics)

    def measured(self) -> Statistics:
        """Measure the image; a method, so that dask does not look into the source."""
        return measure(self.plan.source, projected=self.plan.projected)

    def place(self, block_id: tuple[int, ...]) -> tuple[int, Window]:
        """Return plane number and window at a place of the chunk grid."""
        plan = self.plan
        named = zip(plan.axes.names, block_id, strict=True)
        leading = [i for name, i in named if name in LEADING]
        places = (i + side.start for i, side in zip(leading, plan.leading, strict=True))
        shape = plan.source.axes.leading_shape
        plane = int(np.ravel_multi_index(tuple(places), shape)) if shape else 0
        return plane, plan.windows.at(block_id[-2:])

    def block_shape(self, sides: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a block of one plane, all channels of it."""
        outer = _outer(self.plan)
        return (*(n if name == "c" else 1 for name, n in outer), *sides)


def _outer(plan: Plan) -> list[tuple[str, int]]:
    """Return names and sizes of the axes before y and x."""
    return [(axis.name, axis.size) for axis in plan.axes.items[:-2]]


def lazy_labels(plan: Plan) -> da.Array:
    """Return what a plan writes as a lazy array with the axes (t, c, z) y, x.

    Nothing is read or computed here. Statistics that the plan lacks become one shared node of the
    graph.
    """
    labeller = WindowLabeller(plan)
    if plan.source.is_dask:
        return _from_dask_source(plan, labeller)
    keywords = {"statistics": delayed(labeller.measured)()} if plan.deferred else {}
    labels: da.Array = da.map_blocks(
        labeller.at,
        chunks=_chunks(plan),
        dtype=plan.dtype,
        meta=np.empty((0,) * len(plan.axes.shape), plan.dtype),
        name=f"superpixels-{plan.hash}",
        **keywords,
    )
    return labels


def _from_dask_source(plan: Plan, labeller: WindowLabeller) -> da.Array:
    statistics = _deferred_statistics(plan) if plan.deferred else None
    label = delayed(labeller.label_pixels, pure=True)

    def block(block_id: tuple[int, ...]) -> da.Array:
        plane, window = labeller.place(block_id)
        pixels = _pixels_node(plan.source, plane, read_box(plan, window))
        shape = labeller.block_shape(plan.lattice.to_pixels(window.core).shape)
        node = label(pixels, block_id, statistics)
        labels: da.Array = da.from_delayed(node, shape, plan.dtype)
        return labels

    outer = (1 if name == "c" else size for name, size in _outer(plan))
    grid = (*outer, *plan.windows.grid)
    blocks = np.empty(grid, dtype=object)
    for block_id in np.ndindex(grid):
        blocks[block_id] = block(block_id)
    whole: da.Array = da.block(blocks.tolist())
    return whole


def _pixels_node(source: Source, plane: int, box: Box) -> Delayed:
    """Return the samples of a box as one node of the graph.

    The graph is left as it is: optimised here, each node would get copies of its own of the tasks
    before it, and neighbouring windows would compute the chunks that they share twice.
    """
    block = source.dask_block(plane, box)
    node: Delayed = block.rechunk(block.shape).to_delayed(optimize_graph=False).item()
    return node


def _deferred_statistics(plan: Plan) -> Delayed:
    source = plan.source
    places = places_to_measure(source)
    samples = [_pixels_node(source, plane, box) for plane, box in places]

    def measured(pixels: list[NDArray[Any]]) -> Statistics:
        pairs = zip(places, pixels, strict=True)
        blocks = (source.block(*place, values) for place, values in pairs)
        found = ((block.pixels, block.valid) for block in blocks)
        return summarise(found, projected=plan.projected)

    node: Delayed = delayed(measured)(samples)
    return node


def _chunks(plan: Plan) -> tuple[tuple[int, ...], ...]:
    outer = tuple((n,) if name == "c" else (1,) * n for name, n in _outer(plan))
    lattice = plan.lattice
    sides = []
    for number, axis in enumerate(plan.windows.axes):
        step, size = lattice.step[number], lattice.shape[number]
        edges = (axis.core(i) for i in range(len(axis)))
        sides.append(tuple(min(e.stop * step, size) - e.start * step for e in edges))
    return (*outer, *sides)
