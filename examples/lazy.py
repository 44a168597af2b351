"""A lazy dask array of labels: a piece of it costs a piece, and has the labels of the whole."""

import sys
from pathlib import Path

import numpy as np

import napari_superpixels as nsp

SLIDE = nsp.sample_path("slide")
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
folder.mkdir(parents=True, exist_ok=True)

labels = nsp.superpixels(SLIDE, "slic", step=16, window=512)
print(f"{labels.shape} pixels in {labels.npartitions} windows, nothing computed yet")

corner = labels[:300, :400].compute()
print(f"a corner: {np.unique(corner).size} superpixels")

other_windows = nsp.superpixels(SLIDE, "slic", step=16, window=768)
assert np.array_equal(corner, other_windows[:300, :400].compute())
np.save(folder / "corner.npy", corner)
