"""Methods by name, as one of two protocols runs them.

``ours``: as the software labels an image: native step, native connectivity. ``papers``: the raw
assignment, with small pieces merged as the papers do it; SCN and those after it run on an image
that is resized so that their cells of 16 pixels are as many as wanted. An HC network has cells of
its own strides only, so it gives those that come nearest. Baselines make their own superpixels in
either; scikit-image's SLIC has its clean-up replaced in the second.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.baselines import BASELINES, baseline
from napari_superpixels.evaluation.networks import clustered_labels, resized_labels, sampled_labels
from napari_superpixels.evaluation.ours import raw_labels, run_native
from napari_superpixels.evaluation.protocol import Method, merged
from napari_superpixels.labels.merge import merge_small
from napari_superpixels.labels.metrics import Labels
from napari_superpixels.models.grid_network import GridMethod
from napari_superpixels.models.hcnet import Hcnet, strides_of
from napari_superpixels.models.registry import METHODS, make_method
from napari_superpixels.models.ssn import SsnMethod
from napari_superpixels.tiling import Lattice

PROTOCOLS = ("papers", "ours")

Image = NDArray[np.uint8]
"""An RGB image, shape (Y, X, 3)."""

RAW_BASELINES = {"skimage": "skimage-raw"}
"""Baselines whose own clean-up can be left out."""


def step_for(shape: tuple[int, ...], target: int, steps: Sequence[int] = ()) -> int:
    """Return the step whose cells come nearest to a wanted number of superpixels.

    Parameters
    ----------
    shape
        Height and width of the image, in pixels.
    target
        Wanted number.
    steps
        Those that there are; any where none are given.
    """
    guess = max(2, round(float(np.sqrt(shape[0] * shape[1] / target))))
    steps = steps or [step for step in (guess - 1, guess, guess + 1) if step >= 2]
    return min(steps, key=lambda step: abs(_cells(shape, step) - target))


def _cells(shape: tuple[int, ...], step: int) -> int:
    return Lattice((shape[0], shape[1]), (step, step)).cells_per_plane


def named(name: str, protocol: str, settings: Mapping[str, Any] | None = None) -> Method:
    """Return a method as a protocol runs it.

    Parameters
    ----------
    name
        One of our methods or of the baselines.
    protocol
        One of `PROTOCOLS`.
    settings
        Of our method, e.g. ``weights``.

    Returns
    -------
    callable
        Image and wanted number of superpixels -> labels.

    Raises
    ------
    InputError
        If there is no such method or protocol, or it cannot be made.
    """
    if protocol not in PROTOCOLS:
        raise InputError(
            f"There is no protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}."
        )
    if name in BASELINES:
        if protocol == "papers" and name in RAW_BASELINES:
            return merged(baseline(RAW_BASELINES[name]))
        return baseline(name)
    if name not in METHODS:
        known = ", ".join([*METHODS, *BASELINES])
        raise InputError(f"There is no method {name!r}; choose some of {known}.")
    given = dict(settings or {})
    steps = strides_of(given.get("weights", "")) if name == Hcnet.name else ()
    make_method(name, given | {"step": steps[0] if steps else 16})
    return partial(
        _native if protocol == "ours" else _papers, partial(_made_for, name, given, steps)
    )


Make = Callable[[tuple[int, ...], int], Any]
"""Shape of an image and wanted number of superpixels -> settings of a method."""


def _made_for(
    name: str,
    settings: dict[str, Any],
    steps: Sequence[int],
    shape: tuple[int, ...],
    target: int,
) -> Any:
    return make_method(name, settings | {"step": step_for(shape, target, steps)})


def _native(make: Make, image: Image, target: int) -> Labels:
    return run_native(image, make(image.shape, target))


def _papers(make: Make, image: Image, target: int) -> Labels:
    method = make(image.shape, target)
    if isinstance(method, GridMethod):
        labels, cells = resized_labels(image, method, target)
        return merge_small(labels, target=cells)
    return merge_small(_raw(method)(image, method), target=_cells(image.shape, method.step))


def _raw(method: Any) -> Callable[[Image, Any], Labels]:
    """Return what gives the labels of a method before its clean-up."""
    if isinstance(method, SsnMethod):
        return sampled_labels
    return clustered_labels if isinstance(method, Hcnet) else raw_labels
