"""The label image of instances: its arrays, the tasks of its coarser levels, its metadata."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import zarr

from napari_superpixels.engine.instance_files import LABELS
from napari_superpixels.engine.instance_plan import InstancePlan
from napari_superpixels.engine.manifest import versions
from napari_superpixels.engine.records import RunState
from napari_superpixels.engine.stage import Task
from napari_superpixels.engine.tasks import level_box, level_grid
from napari_superpixels.engine.work import LevelWork
from napari_superpixels.io.ome_zarr_writer import Layout, create_arrays, finish_image
from napari_superpixels.labels.instances import label_type
from napari_superpixels.models.outputs import SUPERPIXELS

METADATA = "zarr.json"


@dataclass(frozen=True)
class InstanceOutput:
    """The label image of a plan with so many instances."""

    plan: InstancePlan
    state: RunState
    count: int

    @cached_property
    def layout(self) -> Layout:
        """How it lies on disk."""
        return Layout(
            axes=self.plan.axes,
            dtype=label_type(self.count),
            chunk=self.plan.chunk,
            tile=self.plan.tile,
            factors=self.plan.level_factors,
            cells=(1, 1),
            cell_chunk=(1, 1),
        )

    def create(self) -> list[Path]:
        """Make the empty arrays anew; return the files that tell of them."""
        root = self.state.partial
        names = [str(level) for level in range(len(self.layout.factors) + 1)]
        fresh = self.state.folder / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        create_arrays(fresh, self.layout)
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
        return prod(level_grid(self.layout, level))

    def coarser(self, level: int) -> Iterator[Task]:
        """Yield the tasks of a coarser level: the most frequent ids of the one before."""
        fine, coarse = self.arrays[level - 1], self.arrays[level]
        factor = self.layout.factors[level - 1]
        for number in range(self.size(level)):
            box, name = level_box(self.layout, level, number), f"{LABELS + level}/{number}"
            work = LevelWork(self.state, name, fine, coarse, box, factor, SUPERPIXELS)
            yield Task(name, level, f"level {level}, {box.slices}", prod(box.shape), work)

    def finish(self, name: str) -> None:
        """Write the metadata that makes the arrays an image."""
        made = {
            **self.plan.provenance(),
            "hash": self.plan.hash,
            "location": self.plan.source.location,
            "instances": self.count,
            "versions": versions(),
        }
        finish_image(self.state.partial, self.layout, name, made)
