"""Instances of large class maps, beside `scipy.ndimage.label` on the whole array.

Writes a class map of discs, one in each square, some of which touch, into a zarr; numbers its
objects with `nsp.instances` in a process of its own, whose peak memory is measured; and does the
same with scipy where the array and its labels fit. Both number in raster order, so all pixels are
compared.

    python benchmarks/instances.py --sizes 10000 31623
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from scipy import ndimage

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown

CHUNK_PX = 1024


def discs(edge: int, square: int, seed: Sequence[int]) -> NDArray[np.uint8]:
    """Return a disc in each square, shape (edge, edge); those that are large touch others."""
    rng, squares = np.random.default_rng(seed), -(-edge // square)
    y, x, radius = (
        rng.uniform(low, high, (squares, squares)).repeat(square, 0).repeat(square, 1)[:edge, :edge]
        for low, high in ((0.35, 0.65), (0.35, 0.65), (0.15, 0.5))
    )
    place = (np.arange(edge) % square + 0.5) / square
    inside: NDArray[np.bool_] = (place[:, None] - y) ** 2 + (place - x) ** 2 < radius**2
    return inside.astype(np.uint8)


def write_map(path: Path, size: int, square: int) -> None:
    """Write a class map, chunk by chunk."""
    chunk = min(CHUNK_PX, size)
    array = zarr.create_array(path, shape=(size, size), chunks=(chunk, chunk), dtype=np.uint8)
    for row, column in product(range(-(-size // chunk)), repeat=2):
        y, x = row * chunk, column * chunk
        height, width = min(chunk, size - y), min(chunk, size - x)
        array[y : y + height, x : x + width] = discs(chunk, square, (row, column))[:height, :width]


def number_here(image: str, out: str, workers: str) -> None:
    """Number out of core."""
    begin = time.perf_counter()
    result = nsp.instances(image, out, workers=int(workers))
    tell(result.count, time.perf_counter() - begin)


def scipy_here(image: str, out: str) -> None:
    """Number the whole array, and count the pixels in which the output differs."""
    begin = time.perf_counter()
    labels, count = ndimage.label(zarr.open_array(image, mode="r")[...])
    seconds, processor, peak = time.perf_counter() - begin, time.process_time(), peak_bytes()
    ours, differ = zarr.open_array(f"{out}/0", mode="r"), 0
    for top in range(0, labels.shape[0], CHUNK_PX):
        differ += int((ours[top : top + CHUNK_PX] != labels[top : top + CHUNK_PX]).sum())
    tell(count, seconds, processor, peak, differ)


def peak_bytes() -> int:
    """Return the largest resident size of this process."""
    return hardware.peak_memory()


def tell(
    count: int,
    seconds: float,
    processor: float | None = None,
    peak: int | None = None,
    differ: int | None = None,
) -> None:
    """Print what was measured, for the process that asked."""
    facts = {"count": count, "seconds": seconds, "differ": differ}
    facts |= {"processor": time.process_time() if processor is None else processor}
    print(json.dumps(facts | {"peak": peak_bytes() if peak is None else peak}))


def measured(*command: object) -> dict[str, Any]:
    """Return what a process of its own tells."""
    words = [sys.executable, __file__, "--child", *map(str, command)]
    ended = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    facts: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return facts


def rows_of(options: argparse.Namespace, size: int, folder: Path) -> list[list[Any]]:
    """Measure one size."""
    image, out = folder / f"map-{size}.zarr", folder / f"instances-{size}.zarr"
    write_map(image, size, options.square)
    found = {f"instances, {options.workers} workers": measured("ours", image, out, options.workers)}
    if size**2 <= options.whole_px:
        found["scipy, whole array"] = measured("scipy", image, out)
    mpx = size**2 / 1e6
    return [
        [f"{size} x {size}", name, facts["count"], f"{mpx / facts['seconds']:.1f}",
         f"{mpx / facts['processor']:.1f}", f"{facts['peak'] / 1e6:.0f}",
         "" if facts["differ"] is None else facts["differ"]]
        for name, facts in found.items()
    ]  # fmt: skip


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 31_623])
    parser.add_argument("--square", type=int, default=32, help="pixels from disc to disc")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--whole-px", type=int, default=10**9 + 10**5, help="the most for scipy")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table, or be the process that is measured."""
    given = sys.argv[1:] if given is None else given
    if given and given[0] == "--child":
        {"ours": number_here, "scipy": scipy_here}[given[1]](*given[2:])
        return
    options = arguments(given)
    with tempfile.TemporaryDirectory() as scratch:
        rows = [row for size in options.sizes for row in rows_of(options, size, Path(scratch))]
    header = ["class map", "what", "objects", "Mpx/s", "Mpx a CPU second", "peak MB",
              "pixels that differ"]  # fmt: skip
    print(f"{hardware.description(('numpy', 'numba', 'scipy', 'zarr'))}\n")
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
