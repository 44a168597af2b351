"""A satellite scene in 16 bits with nodata, out as OME-Zarr and as GeoTIFF in the same place."""

import shutil
import sys
from pathlib import Path

import rasterio

import napari_superpixels as nsp

SCENE = nsp.sample_path("scene")
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
folder.mkdir(parents=True, exist_ok=True)
out = folder / "scene.zarr"
shutil.rmtree(out, ignore_errors=True)  # an output is never overwritten
(folder / "scene-labels.tif").unlink(missing_ok=True)

plan = nsp.plan(nsp.open(SCENE), nsp.Slic(step=12))
result = nsp.run(plan, out)
nsp.export_geotiff(result.path, folder / "scene-labels.tif")

with rasterio.open(SCENE) as scene, rasterio.open(folder / "scene-labels.tif") as labels:
    assert (labels.crs, labels.transform) == (scene.crs, scene.transform)
    print(f"{result.report.superpixels} superpixels in {labels.crs}, nodata is {labels.nodata}")
