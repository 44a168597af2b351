"""What the learned methods share: their settings' limits, samples, networks, and the last step.

Nothing here imports torch before a network is needed, so that settings and plans cost nothing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError, PlanError
from napari_superpixels.kernels.connectivity import HALO_CELLS, connect
from napari_superpixels.kernels.features import stretch_to_8bit
from napari_superpixels.models import clustering, foreign
from napari_superpixels.models.compute import FAST, ON_PROCESSOR, Compute
from napari_superpixels.models.protocol import Codes, ImageFacts, Tile
from napari_superpixels.models.safetensors import SUFFIX
from napari_superpixels.models.settings import About
from napari_superpixels.models.statistics import Projection, Statistics
from napari_superpixels.models.weights import Weights, as_text, find, path_of
from napari_superpixels.tiling import Box, Lattice

if TYPE_CHECKING:
    from torch import Tensor, nn

logger = logging.getLogger(__name__)
T = TypeVar("T")
Pulse = Callable[[], None]

RGB = 3
"""Channels that the shipped weights take."""

WEIGHTS = About(
    text="Name of weights, shipped or your own, or a file with its card beside it; empty for those "
    "that come with the method.",
    suffixes=(SUFFIX,),
    decides=False,
)

Config = tuple[tuple[str, Any], ...]
"""Parameters of a network's class, by name."""
Ranges = tuple[tuple[float, float], ...]


class Settings(Protocol):
    """The settings of every learned method."""

    @property
    def name(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def weights(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def config(self) -> Config: ...


def settle(settings: Settings) -> None:
    """Check the settings, and fill in, in place, what they leave open.

    Raises
    ------
    InputError
        If a setting cannot be used, or there are no such weights.
    """
    clustering.check_step(settings.step)
    name = settings.weights or settings.name
    found = find(name, settings.name)
    check_digest(name, settings.digest, found.digest)
    filled = {
        "step": int(settings.step),
        "weights": found.path if name.endswith(SUFFIX) else name,
        "digest": found.digest,
        "config": tuple(sorted(found.config.items())),
    }
    for field, value in filled.items():
        object.__setattr__(settings, field, value)


def check_digest(name: str, wanted: str, found: str) -> None:
    """Refuse weights that are not those that were used before, by their SHA-256.

    Raises
    ------
    InputError
        If they are others; nothing is wanted of settings that are new.
    """
    if wanted and wanted != found:
        raise InputError(
            f"The weights '{name}' have the SHA-256 {found[:12]}..., not {wanted[:12]}... as asked "
            f"for; give those that were used before."
        )


def weights_of(settings: Settings) -> Weights:
    """Return the weights of settings that are settled; their card is not read again."""
    path = path_of(settings.weights, settings.name)
    return Weights(str(path), settings.name, as_text(dict(settings.config)), settings.digest)


def needs_projection(config: Config, facts: ImageFacts) -> bool:
    """Whether a network takes three channels, and the image has more."""
    return bool(dict(config).get("channels", RGB) == RGB < facts.channels)


@lru_cache(maxsize=8)  # all methods in turns, as in a benchmark
def load(weights: Weights) -> "nn.Module":
    """Return a network with its weights, ready to infer.

    Raises
    ------
    InputError
        If the file is broken, or holds other layers than the network has.
    """
    if weights.network == foreign.NETWORK:
        return foreign.load(weights)
    import torch

    from napari_superpixels.networks.build import network_of_card
    from napari_superpixels.networks.inference import prepare

    arrays = weights.read()
    try:
        network = network_of_card(weights.network, weights.config)
        network.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    except (RuntimeError, TypeError, ValueError, AssertionError):
        raise InputError(
            f"The weights '{weights.path}' do not fit {weights.network} with "
            f"{weights.config}; give a file that was saved with this version."
        ) from None
    return prepare(network)


@lru_cache(maxsize=8)
def load_on(weights: Weights, compute: Compute) -> "nn.Module":
    """Return a network where, and in the precision in which, it computes.

    Raises
    ------
    InputError
        As `load`.
    PlanError
        If it is to compute on a kind of device that this machine lacks.
    """
    from napari_superpixels.networks.inference import exact_copy, fast_copy

    if compute == ON_PROCESSOR:
        return load(weights)
    if not compute.is_here:
        raise PlanError(
            f"The plan computes on {compute.device!r}, and there is no such device here; run it on "
            "a machine with one, or make another plan with device='cpu'."
        )
    copy = fast_copy if compute.precision == FAST else exact_copy
    return copy(load(weights), compute.where)


@contextmanager
def inferring(compute: Compute, pulse: Pulse) -> Iterator[None]:
    """Infer in the precision that is asked for; `pulse` before every operation."""
    from napari_superpixels.networks.inference import exact, fast

    with fast(pulse, compute.where) if compute.precision == FAST else exact(pulse):
        yield


@contextmanager
def held(compute: Compute, size: int) -> Iterator[None]:
    """Wait until a tile may leave so many bytes on its device; it must not when this ends."""
    from napari_superpixels.models.card import held_on

    with held_on(compute.where, size):
        yield


def on_device(compute: Compute, tile: Tile, size: int, work: Callable[[], T]) -> T:
    """Do what needs a device's memory, so many bytes at most.

    Where that runs out nothing is changed in exact mode, for a network's results may depend on the
    algorithm that fits: there the memory is set aside first, and no result is taken that was made
    while some was missing. In fast mode the work is done again, alone on the card.

    Raises
    ------
    PlanError
        With a proposal, if it does not fit.
    """
    from napari_superpixels.models.card import is_shortage, on_card, sufficing

    fast = compute.precision == FAST
    tries = (False, True) if fast else (False,)
    for alone in tries:
        try:
            with (
                on_card(compute.where, alone=alone) as slot,
                nullcontext() if fast else sufficing(compute.where, slot, size),
            ):
                return work()
        except RuntimeError as error:
            if not is_shortage(error):
                raise
            if alone != tries[-1]:
                logger.warning("%s is out of memory; a window goes there alone.", compute.where)
    cells = max(map(len, tile.wanted))
    raise PlanError(
        f"The device {compute.where!r} ran out of memory at a window of {cells * tile.step[0]} "
        f"px; choose a smaller one, e.g. window={max(1, cells // 2) * tile.step[0]}, or "
        f"device='cpu'."
    )


@dataclass(frozen=True, slots=True)
class Samples:
    """How the samples of an image become what a network takes: 8 bits, then 0 to 1."""

    channels: int
    """Channels that the network takes."""
    ranges: Ranges
    """What to stretch to 8 bits: one pair a channel, one for all of RGB, none for 8-bit RGB."""
    projection: Projection | None = None
    """How more channels than that become three; of two, the third is the mean."""

    @classmethod
    def of(
        cls, name: str, facts: ImageFacts, statistics: Statistics | None, channels: int
    ) -> "Samples":
        """Choose for an image and a network.

        Raises
        ------
        InputError
            If the weights take another number of channels.
        """
        clustering.check_samples(name, facts)
        ranges = clustering.stretch_ranges(facts, statistics)
        projectable = channels == RGB < facts.channels
        pair = channels == RGB > facts.channels
        if facts.channels not in (1, channels) and not (projectable or pair):
            raise InputError(
                f"The image has {facts.channels} channels, but these weights of {name} take "
                f"{channels}, or one that stands for all; choose channels of the image."
            )
        projection = statistics.projection if statistics and projectable else None
        return cls(channels, ranges, projection)

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """Return samples of 0 to 1, shape (C, Y, X); 0 where there is no data."""
        if pixels.dtype == np.bool_:
            pixels = pixels.view(np.uint8)
        if self.projection is not None:
            return self._projected(pixels, self.projection, valid)
        ranges = self.ranges * (len(pixels) // max(1, len(self.ranges)))
        if self.ranges:
            pairs = zip(pixels, ranges, strict=True)
            pixels = np.concatenate([stretch_to_8bit(one[None], *pair) for one, pair in pairs])
        values = pixels.astype(np.float32) / np.float32(255)
        if valid is not None:
            values *= valid
        if len(values) == 2 < self.channels:
            return np.concatenate((values, values.mean(axis=0, keepdims=True)))
        return np.repeat(values, self.channels // len(values), axis=0)

    def _projected(
        self, pixels: NDArray[Any], projection: Projection, valid: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """Return three components of 0 to 1; channel by channel, so that shapes change no bit."""
        out = np.zeros((RGB, *pixels.shape[1:]))
        for channel, (samples, pair) in enumerate(zip(pixels, self.ranges, strict=True)):
            part = stretch(samples, *pair)
            for component in range(RGB):
                out[component] += projection.weights[component][channel] * part
        ends = zip(out, projection.low, projection.high, strict=True)
        found = np.stack([stretch(*each) for each in ends]).astype(np.float32)
        return found if valid is None else np.where(valid, found, np.float32(0))


def stretch(samples: NDArray[Any], low: float, high: float) -> NDArray[np.float64]:
    """Map low..high to 0..1, clipped; all is 0 where high is not above low."""
    if not high > low:
        return np.zeros(samples.shape)
    with np.errstate(invalid="ignore"):  # what is not finite is no data, and set to 0 later
        stretched: NDArray[np.float64] = np.clip((samples - float(low)) / (high - low), 0.0, 1.0)
    return stretched


def near_box(tile: Tile) -> Box:
    """Return the wanted cells and those that connectivity looks at."""
    cells = Lattice((tile.pixels.shape[1], tile.pixels.shape[2]), tile.step).cells
    near = Box(tuple(side.grow(HALO_CELLS) for side in tile.wanted))
    return near.clip(Box.whole(cells))


def populated_cells(valid: NDArray[np.bool_], step: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which cells hold any data, shape (cells y, cells x)."""
    rows, columns = (np.arange(0, n, s) for n, s in zip(valid.shape, step, strict=True))
    found: NDArray[np.bool_] = np.logical_or.reduceat(
        np.logical_or.reduceat(valid, rows, axis=0), columns, axis=1
    )
    return found


def cost_of(logits: "Tensor") -> Callable[..., NDArray[np.float32]]:
    """Return the distance of pixels to candidates: what the logits, (9, Y, X), lack.

    They stay on their device; of the few that are asked for, values come back.
    """
    import torch

    flat, there = logits.reshape(len(logits), -1), logits.device

    def distances(index: NDArray[np.int64], code: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            channel, pixel = (torch.from_numpy(each).to(there) for each in (code, index))
            asked: NDArray[np.float32] = -flat[channel.long(), pixel].float().cpu().numpy()
        return asked

    return distances


def codes_of(logits: "Tensor") -> Codes:
    """Return the best candidate of each pixel, of equal ones the lowest: one byte comes back."""
    import torch

    from napari_superpixels.models.card import to_host

    with torch.inference_mode():
        # `argmax` would make 64-bit numbers first, and take three times as long on a processor.
        best, code = logits[0].clone(), torch.zeros_like(logits[0], dtype=torch.uint8)
        for number, one in enumerate(logits[1:], start=1):
            nearer = one > best
            best = torch.where(nearer, one, best)
            code.masked_fill_(nearer, number)
        return to_host(code)


def connected(
    tile: Tile,
    near: Box,
    found: tuple[Codes, "Tensor"],
    valid: NDArray[np.bool_] | None,
    *,
    threads: int,
    pulse: Callable[[], None],
) -> Codes:
    """Turn codes and logits, (9, Y, X), of a box of a tile's cells into the wanted codes."""
    codes, logits = found
    lattice = Lattice((tile.pixels.shape[1], tile.pixels.shape[2]), tile.step)
    place = lattice.to_pixels(near)
    mask = None if valid is None else valid[place.slices]
    used = min(threads, clustering.MOST_THREADS)
    whole = connect(codes, mask, tile.step, cost_of(logits), threads=used, pulse=pulse)
    inner: Codes = whole[lattice.to_pixels(tile.wanted).relative_to(place).slices]
    return inner
