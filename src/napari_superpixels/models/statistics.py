"""Whole-image statistics: measured once, frozen into the plan, the same for every window."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Projection:
    """Many channels seen as three: principal components of the channels' stretched samples."""

    weights: tuple[tuple[float, ...], ...]
    """Of each channel in each component, shape (3, C)."""
    low: tuple[float, ...]
    """The 1st percentile of each component."""
    high: tuple[float, ...]
    """The 99th percentile of each component."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Per-channel numbers of a whole image, from samples whose places depend on its shape alone."""

    low: tuple[float, ...]
    """The 1st percentile of each channel."""
    high: tuple[float, ...]
    """The 99th percentile of each channel."""
    minimum: tuple[float, ...]
    """The smallest sample of each channel."""
    maximum: tuple[float, ...]
    """The largest sample of each channel."""
    joint_low: float
    """The 1st percentile of all channels together."""
    joint_high: float
    """The 99th percentile of all channels together."""
    projection: Projection | None = None
    """How more than three channels become three; None for fewer, and where nothing was measured."""
