"""What this machine has to compute on, as far as the methods can use it."""

from dataclasses import dataclass

from napari_superpixels.engine.cost import default_workers


@dataclass(frozen=True, slots=True)
class Device:
    """Something that a method can run on."""

    name: str
    """What settings call it, e.g. ``"cpu"``."""
    label: str
    """What a person is shown."""


def devices() -> tuple[Device, ...]:
    """Return the devices that methods of today can use, the default first.

    The clustering methods run on processors alone, so no graphics card is listed, and none is
    looked for.
    """
    threads = default_workers()
    return (Device("cpu", f"CPU, {threads} thread{'s' if threads > 1 else ''}"),)
