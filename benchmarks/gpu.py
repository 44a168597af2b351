"""Everything that only a graphics card can tell, in one command.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --only slic equality --size 4096

Figures are medians of several rounds on fresh data, timed on the card. The bandwidth bound is what
the bytes that the kernels move would take at the measured speed of a copy. The peer of the fused
soft clustering is the plain n x 9 form in PyTorch, as public codes have it.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from torch import Tensor

import napari_superpixels as nsp
from napari_superpixels.errors import PlanError
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.mosaic import Mosaic, fresh_image, read_image
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.kernels.cells import Frame
from napari_superpixels.kernels.cone import WHOLE
from napari_superpixels.kernels.cuda.memory import programs
from napari_superpixels.kernels.features import Quanta
from napari_superpixels.kernels.lab import rgb_to_lab
from napari_superpixels.models import learned
from napari_superpixels.models.clustering import SSN_COMPACTNESS
from napari_superpixels.models.compute import Compute, cuda_count
from napari_superpixels.models.slic import DEFAULT_COMPACTNESS
from napari_superpixels.models.weights import find
from napari_superpixels.networks.grid import normalise
from napari_superpixels.tiling import Lattice

SLIDE = nsp.sample_path("slide")
"""The real slide that comes with the package."""
NONE_HERE = "There is no CUDA device here, so nothing is measured; run this on a machine with one."
GAMMA = 0.26
"""The scale of Lab in SSN."""

Row = list[str]


def nothing() -> None:
    """Never cancel."""


def seconds_on_card(call: Callable[[], Any], repeats: int) -> float:
    """Return the median time of a call on the card, in seconds; one more call comes first."""
    call()
    found = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        end.synchronize()
        found.append(begin.elapsed_time(end) / 1000)
    return median(found)


def bytes_a_pixel(frame: Frame, iterations: int, *, soft: bool) -> float:
    """Return what clustering 8-bit RGB moves: pixels read each time, records written and read."""
    block, _ = programs(frame)
    pixels = min(block, frame.step[0] * frame.step[1])
    record = 9 * (frame.channels + 3) * (8 if soft else 4) / pixels
    return 3 * (iterations + 1) + 2 * record * iterations + 1


def copy_speed(repeats: int) -> float:
    """Return the bytes a second that a copy on the card reads and writes."""
    one = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    other = torch.empty_like(one)
    return 2 * one.numel() / seconds_on_card(lambda: other.copy_(one), repeats)


def image_of(options: argparse.Namespace) -> NDArray[np.uint8]:
    """Return a fresh image of real pixels, (Y, X, 3)."""
    rng = np.random.default_rng(options.seed)
    return fresh_image(read_image(SLIDE), options.size, rng, square=256)


def kernels(options: argparse.Namespace, *, soft: bool) -> Callable[[], Any]:
    """Return a call that clusters an image on the card."""
    from napari_superpixels.models import on_cuda

    quanta = Quanta.for_compactness(SSN_COMPACTNESS if soft else DEFAULT_COMPACTNESS)
    shape, step = (options.size, options.size), (options.step, options.step)
    frame = Frame(Lattice(shape, step), 3, quanta.position)
    planes = torch.from_numpy(image_of(options)).to("cuda").movedim(-1, 0)
    pixels = on_cuda.Pixels(planes, None, quanta.color)
    none = np.zeros((3, 0), np.int16)
    job = on_cuda.Job(frame, options.iterations, WHOLE, quanta.color, soft, lambda *_: none)
    return lambda: on_cuda.run_kernels(pixels, job, nothing)


def slic_rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the speed of the kernel, and that of its bound."""
    took = seconds_on_card(kernels(options, soft=False), options.repeats)
    frame = Frame(Lattice((options.size,) * 2, (options.step,) * 2), 3, 1)
    moved = bytes_a_pixel(frame, options.iterations, soft=False)
    speed, bound = options.size**2 / took, copy_speed(options.repeats) / moved
    yield ["slic, kernel", f"{speed / 1e6:.0f} Mpx/s", f"{moved:.1f} bytes a pixel"]
    yield ["its bandwidth bound", f"{bound / 1e6:.0f} Mpx/s", f"{bound / speed:.1f} x the kernel"]


def plain_soft(features: Tensor, step: int, iterations: int) -> Tensor:
    """Cluster softly in the plain form: n x 9 candidates, each with its centre's C numbers.

    Parameters
    ----------
    features
        float32 (C, Y, X), positions among them.
    step
        Size of a cell, in pixels; sides are multiples of it.
    iterations
        Number of associations.

    Returns
    -------
    Tensor
        Cells of the pixels, int64 (Y, X).
    """
    channels, height, width = features.shape
    rows, columns = height // step, width // step
    there = features.device
    y, x = torch.meshgrid(
        torch.arange(height, device=there) // step,
        torch.arange(width, device=there) // step,
        indexing="ij",
    )
    around = [(dr, dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1)]
    near = torch.stack([(y + dr) * columns + x + dc for dr, dc in around], -1).reshape(-1, 9)
    inside = torch.stack(
        [(y + dr >= 0) & (y + dr < rows) & (x + dc >= 0) & (x + dc < columns) for dr, dc in around],
        -1,
    ).reshape(-1, 9)
    near = torch.where(inside, near, 0)
    pixels = features.reshape(channels, -1).T.contiguous()
    cells = features.reshape(channels, rows, step, columns, step).mean(dim=(2, 4))
    centres = cells.reshape(channels, -1).T.contiguous()
    for association in range(iterations):
        apart = pixels[:, None] - centres[near]
        logits = -(apart**2).sum(-1).masked_fill(~inside, torch.inf)
        if association == iterations - 1:
            break
        weights = torch.softmax(logits, dim=1)
        sums = torch.zeros_like(centres)
        mass = torch.zeros(len(centres), 1, device=there)
        for k in range(9):
            sums.index_add_(0, near[:, k], weights[:, k, None] * pixels)
            mass.index_add_(0, near[:, k], weights[:, k, None])
        centres = sums / mass.clamp(min=1e-12)
    return near.gather(1, logits.argmax(1, keepdim=True)).reshape(height, width)


def soft_features(image: NDArray[np.uint8], step: int) -> Tensor:
    """Return what SSN_pix clusters, float32 (5, Y, X): scaled Lab, then y and x."""
    scale = 8
    lab = rgb_to_lab(np.moveaxis(image, -1, 0), scale).astype(np.float32) * (GAMMA / scale)
    place = np.indices(image.shape[:2], dtype=np.float32) * (GAMMA * SSN_COMPACTNESS / step)
    return torch.from_numpy(np.concatenate((lab, place)))


def soft_rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the speed of the fused form beside that of the plain one, which gets a piece."""
    took = seconds_on_card(kernels(options, soft=True), options.repeats)
    fused = options.size**2 / took
    edge = min(options.size, 2048) // options.step * options.step
    features = soft_features(image_of(options)[:edge, :edge], options.step).to("cuda")
    plain = edge**2 / seconds_on_card(
        lambda: plain_soft(features, options.step, options.iterations), options.repeats
    )
    yield ["ssn_pix, fused kernel", f"{fused / 1e6:.0f} Mpx/s", f"{fused / plain:.0f} x the plain"]
    yield ["ssn_pix, plain PyTorch", f"{plain / 1e6:.1f} Mpx/s", f"{edge} x {edge} px"]


def scn_rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the speed of SCN: exact, fast as it is used, and compiled instead of recorded."""
    method = nsp.Scn(step=16)
    edge = method.window_px + 2 * method.halo_cells * method.step
    image = normalise(torch.rand(1, 3, edge, edge, device="cuda"))
    weights = find("scn", "scn")
    for name in ("exact", "fast", "fast, torch.compile"):
        compute = Compute("cuda", name.partition(",")[0])
        network: Any = learned.load_on(weights, compute)
        if name.endswith("compile"):
            plain, network = network, partial(torch.compile(network.forward.function), image)
            assert plain is not None
        else:
            network = partial(network, image)
        with learned.inferring(compute, nothing):
            took = seconds_on_card(
                lambda call=network: learned.codes_of(call()[0]), options.repeats
            )
        yield [
            f"scn, {name}",
            f"{method.window_px**2 / took / 1e6:.0f} Mpx/s",
            "cores, halo counted",
        ]


def write_zarr(path: Path, size: int) -> None:
    """Write an image of real pixels, uint8 (Y, X, 3), in chunks of 1024 px."""
    mosaic = Mosaic(read_image(SLIDE), size, square=1024)
    array = zarr.create_array(path, shape=(size, size, 3), chunks=(1024, 1024, 3), dtype=np.uint8)
    places = range(-(-size // 1024))
    for row, column in product(places, places):
        array.blocks[row, column, 0] = mosaic.block((row, column, 0))


def pipeline_rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the speed from a zarr on disk to labels with pyramid."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "image.zarr"
        write_zarr(source, options.pipeline_size)
        for method in options.methods:
            plan = nsp.plan(nsp.open(source, rgb=True, axes="yxs"), method, device=options.device)
            begin = time.perf_counter()
            trace = None if options.traces is None else Path(options.traces) / f"{method}.json"
            result = nsp.run(plan, Path(folder) / f"{method}.zarr", profile=trace)
            took = time.perf_counter() - begin
            speed = options.pipeline_size**2 / took / 1e6
            yield [
                f"{method}, zarr to labels",
                f"{speed:.1f} Mpx/s",
                f"{took:.1f} s; {result.report}",
            ]


def equality_rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield how many pixels differ between card and processor: none may."""
    image = image_of(options)[: min(options.size, 3001), : min(options.size, 2917)]
    for method, step in (("slic", 16), ("slic", 7), ("slic", 53), ("ssn_pix", 16), ("ssn_pix", 11)):
        card, processor = (
            nsp.superpixels(image, method, axes="yxs", step=step, device=device).compute()
            for device in (options.device, "cpu")
        )
        differing = int((card != processor).sum())
        yield [f"{method}, step {step}", f"{differing} pixels differ", f"of {card.size}"]


def memory_rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield what happens when the card's memory really runs out."""
    image = image_of(options)[:2048, :2048]
    total = torch.cuda.get_device_properties(0).total_memory
    with tempfile.TemporaryDirectory() as folder:
        for method, precision in (("slic", "exact"), ("scn", "exact"), ("scn", "fast")):
            torch.cuda.empty_cache()
            torch.cuda.set_per_process_memory_fraction(options.megabytes * 1e6 / total)
            try:
                plan = nsp.plan(image, method, device="cuda", precision=precision)
                report = nsp.run(plan, Path(folder) / f"{method}-{precision}").report
                told = str(report)
            except PlanError as error:
                told = str(error)
            finally:
                torch.cuda.set_per_process_memory_fraction(1.0)
            yield [f"{method}, {precision}, {options.megabytes} MB", "", told]


PARTS = {
    "equality": equality_rows,
    "slic": slic_rows,
    "soft": soft_rows,
    "scn": scn_rows,
    "memory": memory_rows,
    "pipeline": pipeline_rows,
}


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--size", type=int, default=8192, help="side of the image, in pixels")
    parser.add_argument("--step", type=int, default=16)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pipeline-size", type=int, default=32768, help="side of the zarr")
    parser.add_argument("--methods", nargs="+", default=["slic", "scn"], help="of the pipeline")
    parser.add_argument("--traces", help="folder for the traces of the pipeline's runs")
    parser.add_argument("--megabytes", type=int, default=200, help="memory left for `memory`")
    parser.add_argument("--device", default="cuda", help="another one of several, e.g. cuda:1")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print a table a part, each as soon as it is there."""
    options = arguments(given)
    if not cuda_count():
        print(NONE_HERE)
        return
    card = torch.cuda.get_device_name(0)
    print(f"{card}; {hardware.description(('torch', 'triton', 'numpy', 'numba'))}\n")
    for name in options.only:
        print(f"## {name}\n\n{markdown(['what', 'speed', 'more'], list(PARTS[name](options)))}\n")


if __name__ == "__main__":
    main()
