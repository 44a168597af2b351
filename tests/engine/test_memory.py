import json
import subprocess
import sys

import numpy as np
import pytest
import zarr

MEASURE = """
import json, sys
import psutil
import napari_superpixels as nsp

image, out = sys.argv[1:]
settings = {"step": 16, "iterations": 3, "window": 512}
warm = nsp.plan(nsp.open(image), region={"y": (0, 64), "x": (0, 64)}, **settings)
nsp.run(warm, out + "-warm")  # compiles and imports what the run needs
plan = nsp.plan(nsp.open(image), **settings)
before = psutil.Process().memory_info().rss
nsp.run(plan, out, workers=2)
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
print(json.dumps({"measured": peak - before, "projected": plan.projected_bytes(2), "rss": peak}))
"""


def measure(size, folder):
    image = folder / f"image{size}.zarr"
    tile = np.random.default_rng(0).integers(0, 255, (512, 512, 3), dtype=np.uint8)
    shape = (size, size, 3)
    stored = zarr.create_array(image, shape=shape, chunks=(512, 512, 3), dtype="u1")
    for y in range(0, size, 512):
        for x in range(0, size, 512):
            stored[y : y + 512, x : x + 512] = tile[: size - y, : size - x]
    command = [sys.executable, "-c", MEASURE, str(image), str(folder / f"out{size}.zarr")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_measured_memory_is_below_the_projection_and_flat(tmp_path):
    small, large = measure(4096, tmp_path), measure(7168, tmp_path)
    assert 0 < large["measured"] <= large["projected"]
    assert large["rss"] <= 1.1 * small["rss"], "three times the pixels, the same memory"
