"""The main job on a real slide: superpixels into an OME-Zarr, and a picture of them."""

import shutil
import sys
from pathlib import Path

import numpy as np
import tifffile
from skimage.io import imsave
from skimage.segmentation import find_boundaries

import napari_superpixels as nsp

SLIDE = Path(__file__).parent / "data" / "cmu-1-small-region.svs"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    out, picture = folder / "cmu-1-small-region.zarr", folder / "cmu-1-small-region.png"
    shutil.rmtree(out, ignore_errors=True)

    plan = nsp.plan(nsp.open(SLIDE), nsp.Slic(step=16))
    print(plan)
    result = nsp.run(plan, out)
    print(result.report)

    part = np.s_[300:900, 700:1600]
    view = tifffile.imread(SLIDE, key=0)[part].copy()
    view[find_boundaries(result.labels[part], mode="inner")] = (255, 230, 0)
    imsave(picture, view, check_contrast=False)
    print(f"OME-Zarr:      {out.resolve()}")
    print(f"picture of it: {picture.resolve()}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
