"""Nuclei in fluorescence: superpixels brighter than Otsu's threshold, in a few lines of numpy."""

import sys
from pathlib import Path

import numpy as np
from skimage.filters import threshold_otsu
from skimage.io import imread, imsave

import napari_superpixels as nsp

IMAGE = nsp.sample_path("nuclei")
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
folder.mkdir(parents=True, exist_ok=True)

image = imread(IMAGE)
labels = nsp.superpixels(image, "slic", step=8).compute()

pixels = np.bincount(labels.ravel())
means = np.bincount(labels.ravel(), weights=image.ravel()) / np.maximum(pixels, 1)
bright = means > threshold_otsu(means[pixels > 0])

imsave(folder / "nuclei.png", np.uint8(255) * bright[labels], check_contrast=False)
print(f"{np.count_nonzero(bright)} of {np.count_nonzero(pixels)} superpixels are nuclei")
