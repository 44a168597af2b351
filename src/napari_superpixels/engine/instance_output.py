"""The label image of instances: its arrays, the tasks of its coarser levels, its metadata."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_superpixels.engine.instance_files import LABELS
from napari_superpixels.engine.instance_plan import InstancePlan
from napari_superpixels.engine.manifest import versions
from napari_superpixels.engine.records import RunState
from napari_superpixels.engine.stage import Task
from napari_superpixels.engine.tasks import level_tile
from napari_superpixels.engine.work import LevelWork
from napari_superpixels.io.ome_zarr_writer import LabelLayout, create_labels, finish_labels
from napari_superpixels.labels.instances import label_type
from napari_superpixels.tiling import Box

METADATA = "zarr.json"


@dataclass(frozen=True)
class InstanceOutput:
    """The label image of a plan with so many instances."""

    plan: InstancePlan
    state: RunState
    count: int

    @cached_property
    def layout(self) -> LabelLayout:
        """How it lies on disk."""
        return LabelLayout(
            axes=self.plan.axes,
            dtype=label_type(self.count),
            chunk=self.plan.chunk,
            tile=self.plan.tile,
            factors=self.plan.level_factors,
            cells=(1, 1),
            cell_chunk=(1, 1),
            channels=1,
        )

    def create(self) -> list[Path]:
        """Make the empty arrays anew; return the files that tell of them."""
        root = self.state.partial
        names = [str(level) for level in range(len(self.layout.factors) + 1)]
        fresh = self.state.folder / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        create_labels(fresh, self.layout)
        for name in names:
            shutil.rmtree(root / name, ignore_errors=True)
            (fresh / name).rename(root / name)
        (fresh / METADATA).replace(root / METADATA)
        shutil.rmtree(fresh)
        return [root / METADATA, *(root / name / METADATA for name in names)]

    @cached_property
    def arrays(self) -> tuple["zarr.Array[Any]", ...]:
        """The levels, the finest first."""
        names = map(str, range(len(self.layout.factors) + 1))
        return tuple(zarr.open_array(self.state.partial / name, mode="r+") for name in names)

    @property
    def coarser_levels(self) -> range:
        """Numbers of the levels that are not written with the finest."""
        return range(self.layout.levels_at_once, len(self.layout.factors) + 1)

    def size(self, level: int) -> int:
        """Return how many tasks a coarser level has."""
        return prod(self._grid(level))

    def coarser(self, level: int) -> Iterator[Task]:
        """Yield the tasks of a coarser level."""
        edges, shape = level_tile(self.layout, level), self.layout.level_shapes[level]
        for number in range(self.size(level)):
            index = np.unravel_index(number, self._grid(level))
            places = zip(map(int, index), edges, shape, strict=True)
            box = Box.of(*((i * edge, min((i + 1) * edge, n)) for i, edge, n in places))
            name, factor = f"{LABELS + level}/{number}", self.layout.factors[level - 1]
            fine, coarse = self.arrays[level - 1], self.arrays[level]
            work = LevelWork(self.state, name, fine, coarse, box, factor)
            yield Task(name, level, f"level {level}, {box.slices}", prod(box.shape), work)

    def _grid(self, level: int) -> tuple[int, ...]:
        edges, shape = level_tile(self.layout, level), self.layout.level_shapes[level]
        return tuple(-(-n // edge) for n, edge in zip(shape, edges, strict=True))

    def finish(self, name: str) -> None:
        """Write the metadata that makes the arrays an image."""
        made = {
            **self.plan.provenance(),
            "hash": self.plan.hash,
            "location": self.plan.source.location,
            "instances": self.count,
            "versions": versions(),
        }
        finish_labels(self.state.partial, self.layout, name, made)
