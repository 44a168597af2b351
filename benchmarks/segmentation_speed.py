"""Time of the paper's nine networks for one image, as in its table 3: weights are random.

Each network is made ready to infer (normalisation folded, channels last) and classifies every pixel
of an image that none has seen. They run in turns in one process; figures are medians. On a CPU one
thread works, and its own time is counted, which a busy machine changes least; on a GPU the time
until everything is done.

    python benchmarks/segmentation_speed.py
    python benchmarks/segmentation_speed.py --size 512 1024 --repeats 5 --backbone resnet50
    python benchmarks/segmentation_speed.py --device cuda --repeats 20
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import torch
from torch import Tensor

from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.networks.inference import exact, prepare
from napari_superpixels.networks.resnet import NAMES
from napari_superpixels.networks.segmentation import PUBLISHED, SegmentationNetwork

ATROUS = {"HCFCN-32": "AtrousFCN", "HCPSPNet": "PSPNet", "HCDeepLabv3": "DeepLabv3"}
"""What the paper says that each is at least twice as fast as."""

Networks = Mapping[str, SegmentationNetwork]


def networks(options: argparse.Namespace) -> Networks:
    """Make the networks that are timed."""
    made = {}
    for name in options.networks:
        settings = {**PUBLISHED[name], "backbone": options.backbone}
        network = SegmentationNetwork(**settings, classes=options.classes)
        prepare(network)
        made[name] = network.to(options.device)
    return made


def synchronised(device: str) -> None:
    """Wait for what a GPU still does."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def clock(device: str) -> Callable[[], float]:
    """Return what tells the time: of the process itself where the processor computes."""
    return time.process_time if torch.device(device).type == "cpu" else time.perf_counter


def seconds(network: SegmentationNetwork, image: Tensor, device: str) -> float:
    """Time one image."""
    now = clock(device)
    synchronised(device)
    start = now()
    network(image).argmax(dim=1)
    synchronised(device)
    return now() - start


def timed(made: Networks, options: argparse.Namespace) -> dict[str, list[float]]:
    """Time all networks in turns, after one round on a small image that nobody counts."""
    y, x = options.size
    found: dict[str, list[float]] = {name: [] for name in made}
    with exact(lambda: None):
        for network in made.values():
            network(torch.rand(1, 3, 64, 64, device=options.device))
        for _ in range(options.repeats):
            for name, network in made.items():
                image = torch.rand(1, 3, y, x, device=options.device)
                found[name].append(seconds(network, image, options.device))
    return found


def rows(made: Networks, found: Mapping[str, Sequence[float]]) -> list[list[str]]:
    """Put the medians beside what the paper compares them with."""
    middle = {name: 1000 * median(values) for name, values in found.items()}
    return [
        [
            name,
            f"{middle[name]:.1f}",
            f"{1000 * min(found[name]):.1f} to {1000 * max(found[name]):.1f}",
            ratio(middle, "FCN-32", name),
            ratio(middle, name, ATROUS.get(name, "")),
            f"{sum(p.numel() for p in made[name].parameters()) / 1e6:.1f}",
            str(made[name].halo_px) if made[name].exact else "not exact",
        ]
        for name in made
    ]


def ratio(middle: Mapping[str, float], one: str, other: str) -> str:
    """Return how many times as long the other takes, where both were timed."""
    if not {one, other} <= middle.keys():
        return ""
    return f"{middle[other] / middle[one]:.2f}"


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 2048), metavar=("Y", "X"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--backbone", default="resnet18", choices=NAMES)
    parser.add_argument("--networks", nargs="+", default=list(PUBLISHED), choices=PUBLISHED)
    parser.add_argument("--classes", type=int, default=19, help="19 has the paper's data")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = arguments(given)
    y, x = options.size
    on_gpu = torch.device(options.device).type == "cuda"
    where = torch.cuda.get_device_name() if on_gpu else "one thread, its own time"
    print(f"{hardware.description(('torch', 'torchvision'))}\n")
    print(
        f"{options.backbone}, {y} x {x} RGB, {options.classes} classes, float32, {where}; medians "
        f"of {options.repeats} rounds in turns.\n"
    )
    made = networks(options)
    header = ["network", "ms", "range", "x FCN-32", "atrous form / this", "M weights", "halo px"]
    print(markdown(header, rows(made, timed(made, options))))


if __name__ == "__main__":
    main()
