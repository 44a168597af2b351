"""Which device trains."""

import torch

from napari_superpixels.errors import InputError

KNOWN = ("cpu", "cuda")


def chosen_device(wanted: str | None = None) -> str:
    """Return the device to train on.

    Parameters
    ----------
    wanted
        ``cpu``, ``cuda`` or one of several such as ``cuda:1``; by default the GPU, if there is one.

    Raises
    ------
    InputError
        If it is something else, or there is none.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted is None:
        return "cuda" if count else "cpu"
    kind, _, number = wanted.partition(":")
    if kind not in KNOWN or (number and not number.isdecimal()):
        raise InputError(
            f"The device is {wanted!r}, but trainings run on {' or '.join(KNOWN)}; give one of "
            f"them, or leave it out."
        )
    if kind == "cuda" and int(number or 0) >= count:
        raise InputError(
            f"The device is {wanted!r}, but torch finds {count or 'no'} GPU here; leave it out, or "
            f"look at driver and torch's version."
        )
    return wanted
