"""The main job on a real slide: superpixels into an OME-Zarr, and a picture of them."""

import shutil
import sys
from pathlib import Path

import numpy as np
import tifffile
from skimage.io import imsave

import napari_superpixels as nsp

SLIDE = nsp.sample_path("slide")
PART = np.s_[560:1010, 860:1660]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    out, picture = folder / "cmu-1-small-region.zarr", folder / "cmu-1-small-region.png"
    shutil.rmtree(out, ignore_errors=True)

    plan = nsp.plan(nsp.open(SLIDE), nsp.Slic(step=16))
    print(plan)
    result = nsp.run(plan, out)
    print(result.report)

    labels, view = result.labels[PART], tifffile.imread(SLIDE, key=0)[PART].copy()
    view[1:][labels[1:] != labels[:-1]] = (255, 230, 0)
    view[:, 1:][labels[:, 1:] != labels[:, :-1]] = (255, 230, 0)
    imsave(picture, view, check_contrast=False)
    print(f"OME-Zarr:      {out.resolve()}")
    print(f"picture of it: {picture.resolve()}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
