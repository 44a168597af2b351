"""A part of a slide: its labels are those of the whole, and only the part is written."""

import shutil
import sys
from pathlib import Path

import napari_superpixels as nsp

SLIDE = nsp.sample_path("slide")
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
folder.mkdir(parents=True, exist_ok=True)
out = folder / "slide-part.zarr"
shutil.rmtree(out, ignore_errors=True)  # an output is never overwritten

source = nsp.open(SLIDE)
plan = nsp.plan(source, nsp.Slic(step=24), region={"y": (600, 1200), "x": (600, 1400)})
print(plan)

result = nsp.run(plan, out)
labels = result.labels[:]
print(f"{labels.shape} pixels, labels {labels.min()} to {labels.max()}, in {result.path}")
