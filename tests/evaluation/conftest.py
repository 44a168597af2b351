"""A tiny folder of annotated images, made here."""

import numpy as np
import pytest
from skimage.data import astronaut
from skimage.io import imsave


@pytest.fixture
def annotated_folder(tmp_path):
    """Three crops of a photograph, annotated by one, two and three people."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    photograph = astronaut()
    for number in range(3):
        crop = photograph[number * 100 : number * 100 + 60, 150:230]
        imsave(folder / f"{number}.png", crop, check_contrast=False)
        halves = np.ones(crop.shape[:2], np.uint16)
        halves[:, 40:] = 2
        np.savez(folder / f"{number}.npz", segmentations=np.stack([halves] * (number + 1)))
    return folder
