"""Networks of others as modules of our kind: an image in, scores of the same pixels out."""

# ruff: noqa: N803 - names carry shape suffixes

from dataclasses import dataclass
from math import lcm
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn.functional import pad
from torch.utils._sympy.value_ranges import bound_sympy

from napari_superpixels.errors import InputError
from napari_superpixels.networks.archives import read_program, read_script

PROGRAM = ".pt2"
"""How files of torch.export end; others are TorchScript."""
UNBOUNDED = 2**20
"""Sides that may be as large have no limit."""
TINY = 2.0**-40
"""What stands for a probability of 0, whose logarithm is taken."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Which images a program takes."""

    batch: int | None
    channels: int | None
    """None where any."""
    least: int
    """Of the sides, in pixels."""
    edges: tuple[int, int] | None
    """Height and width where they are fixed, or the most there may be; None where any."""
    multiple: int = 1
    """Of what free sides must be multiples."""


ANY = Sides(None, None, 1, None)


class Foreign(nn.Module):
    """A program of somebody else.

    Parameters
    ----------
    program
        What computes.
    edge
        Sides of the only image that it takes; smaller ones are filled up. 0 where it takes any.
    scores
        Channels that it must give.
    shares
        Whether it gives probabilities, and not what softmax makes them of.
    """

    def __init__(self, program: nn.Module, edge: int, scores: int, *, shares: bool) -> None:
        super().__init__()
        self.program = program
        self.edge = edge
        self.scores = scores
        self.shares = shares

    def forward(self, image_NCYX: Tensor) -> Tensor:
        """Return logits, or numbers, (N, K, Y, X), float32."""
        y, x = image_NCYX.shape[-2:]
        whole = image_NCYX.float()
        if self.edge:
            sides = (0, self.edge - x, 0, self.edge - y)
            whole = pad(whole, sides, mode="constant") if any(sides) else whole
        with torch.autocast(whole.device.type, enabled=False):
            found = first_map(self.program(whole.contiguous()))[..., :y, :x].float()
            if self.shares:
                found = _of_two(found, self.scores).clamp(min=TINY).log()
        if not self.shares and _is_one_of_two(found, self.scores):  # the logit of the second
            found = torch.cat((torch.zeros_like(found), found), dim=1)
        return found


def _of_two(shares: Tensor, scores: int) -> Tensor:
    """Return the probabilities of two classes where that of the second alone is given."""
    return torch.cat((1 - shares, shares), dim=1) if _is_one_of_two(shares, scores) else shares


def _is_one_of_two(found: Tensor, scores: int) -> bool:
    """Whether one channel is given for two classes; other numbers are for the caller to refuse."""
    return found.shape[1] == 1 and scores == 2


def first_map(found: Any) -> Tensor:
    """Return the scores among what a program gives: its first, or what it calls ``out``."""
    if isinstance(found, dict):
        found = found.get("out", next(iter(found.values()), None))
    if isinstance(found, list | tuple) and found:
        found = found[0]
    if not isinstance(found, Tensor):
        raise TypeError(f"it gives {type(found).__name__}, no map")
    return found


def read(content: bytes, where: str) -> tuple[nn.Module, Sides]:
    """Return a program, ready to run, and which images it takes, from a file's content.

    Raises
    ------
    InputError
        If it is none that is read.
    """
    if not where.lower().endswith(PROGRAM):
        return read_script(content, where), ANY
    program = read_program(content, where)
    return program.module(check_guards=False), _sides(program, where)


def _sides(program: ExportedProgram, where: str) -> Sides:
    """Return which images a program of torch.export takes."""
    names = program.graph_signature.user_inputs
    shapes = [n.meta["val"].shape for n in program.graph.nodes if n.op == "placeholder"]
    shape = shapes[-1] if len(names) == 1 else ()
    if len(shape) != 4:
        raise InputError(
            f"'{where}' takes {len(names)} inputs, or one of {len(shape)} axes, but only one image "
            f"(1, channels, y, x) is given; export it so."
        )
    ends = [_ends(n, program) for n in shape]
    fixed = [high if low == high else None for low, high in ends[:2]]
    least = max(low for low, _ in ends[2:])
    tall, wide = (high for _, high in ends[2:])
    edges = (tall, wide) if min(tall, wide) < UNBOUNDED else None
    multiple = lcm(*(_multiple(n) for n in shape[2:]))
    return Sides(fixed[0], fixed[1], least, edges, 1 if edges else multiple)


def _multiple(size: Any) -> int:
    """Return what a free side is a multiple of: 4 where it is 4 times some number."""
    if isinstance(size, int):
        return 1
    factor, _ = size.node.expr.as_content_primitive()
    return int(factor)


def _ends(size: Any, program: ExportedProgram) -> tuple[int, int]:
    """Return the least and the most that an axis may have."""
    if isinstance(size, int):
        return size, size
    bounds: Any = bound_sympy(size.node.expr, program.range_constraints)
    low = int(max(1, bounds.lower))
    return low, int(min(UNBOUNDED, bounds.upper))
