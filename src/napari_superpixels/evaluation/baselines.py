"""Other people's superpixels, to compare with; each is imported only when it is asked for."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.protocol import Method
from napari_superpixels.labels.metrics import Labels

Image = NDArray[np.uint8]
"""An RGB image, shape (Y, X, 3)."""

FAST_SLIC_LIMIT = 65533
"""The most components that fast-slic makes: its labels have 16 bits."""

SCALES = (1.0, 1e5)
"""Between these felzenszwalb's scale is looked for."""
HALVINGS = 9


def _missing(package: str, wanted: str) -> InputError:
    return InputError(
        f"The baseline {wanted!r} needs a package that is not installed; "
        f"install it with 'pip install {package}' or leave this baseline out."
    )


def skimage_slic(
    image: Image,
    target: int,
    *,
    compactness: float = 20.0,
    iterations: int = 10,
    connected: bool = True,
) -> Labels:
    """Run the SLIC of scikit-image.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    target
        ``n_segments``.
    compactness
        20 is the better baseline on BSDS500; the library's default is 10.
    iterations
        ``max_num_iter``.
    connected
        Whether its own clean-up runs, with the library's default limits (0.5 and 3).

    Returns
    -------
    ndarray of int, shape (Y, X)
        Labels from 1.
    """
    from skimage.segmentation import slic

    labels: Labels = slic(
        image,
        n_segments=target,
        compactness=compactness,
        max_num_iter=iterations,
        enforce_connectivity=connected,
        start_label=1,
        channel_axis=-1,
    )
    return labels


def fast_slic(
    image: Image,
    target: int,
    *,
    compactness: float = 10.0,
    iterations: int = 10,
    threads: int = -1,
) -> Labels:
    """Run fast-slic's AVX2 code, which visits a third of the rows in each iteration.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    target
        ``num_components``.
    compactness
        As the package takes it; 10 is its default.
    iterations
        ``max_iter``.
    threads
        ``num_threads``; -1 leaves the choice to it.

    Returns
    -------
    ndarray of int, shape (Y, X)
        Labels from 0, its own Lab conversion and clean-up included.

    Raises
    ------
    InputError
        If the package or AVX2 is missing, or more than `FAST_SLIC_LIMIT` were asked for.
    """
    try:
        from fast_slic.avx2 import SlicAvx2
    except ImportError as cause:
        raise _missing("fast-slic", "fast-slic") from cause
    if target > FAST_SLIC_LIMIT:
        raise InputError(
            f"fast-slic has labels of 16 bits, but {target} superpixels were asked for; "
            f"ask for at most {FAST_SLIC_LIMIT}."
        )
    slic = SlicAvx2(num_components=target, compactness=compactness, num_threads=threads)
    labels: Labels = slic.iterate(np.ascontiguousarray(image), max_iter=iterations)
    return labels.view(np.uint16)  # the package gives them as int16


def _opencv_modules() -> Any:
    try:
        import cv2
    except ImportError as cause:
        raise _missing("opencv-contrib-python-headless", "opencv") from cause
    if not hasattr(cv2, "ximgproc"):
        raise _missing("opencv-contrib-python-headless", "opencv")
    return cv2


def _opencv_region(
    image: Image, target: int, *, lsc: bool = False, compactness: float = 10.0, iterations: int = 10
) -> Labels:
    cv2 = _opencv_modules()
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2Lab)
    size = max(1, round(float(np.sqrt(image.shape[0] * image.shape[1] / target))))
    if lsc:
        run = cv2.ximgproc.createSuperpixelLSC(lab, size)
    else:
        run = cv2.ximgproc.createSuperpixelSLIC(lab, cv2.ximgproc.SLIC, size, compactness)
    run.iterate(iterations)
    run.enforceLabelConnectivity()
    return np.asarray(run.getLabels())


def _opencv_seeds(image: Image, target: int, *, iterations: int = 10) -> Labels:
    cv2 = _opencv_modules()
    height, width, channels = image.shape
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2Lab)
    run = cv2.ximgproc.createSuperpixelSEEDS(width, height, channels, target, 4)
    run.iterate(lab, iterations)
    return np.asarray(run.getLabels())


def felzenszwalb(image: Image, target: int, *, sigma: float = 0.8) -> Labels:
    """Run Felzenszwalb and Huttenlocher's segmentation of scikit-image at the scale that fits.

    It takes no number of segments, so the scale is bisected; the smallest segment is a quarter
    of the wanted mean size.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    target
        Wanted number of segments.
    sigma
        Width of the blur before, in pixels.

    Returns
    -------
    ndarray of int, shape (Y, X)
        Labels from 0, the count nearest to the target among those tried.
    """
    from skimage.segmentation import felzenszwalb as segment

    smallest = max(1, image.shape[0] * image.shape[1] // (4 * target))
    low, high = np.log(SCALES)
    tried: dict[int, Labels] = {}
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        labels: Labels = segment(image, scale=float(np.exp(middle)), sigma=sigma, min_size=smallest)
        count = int(labels.max()) + 1
        tried[count] = labels
        low, high = (middle, high) if count > target else (low, middle)
    return tried[min(tried, key=lambda count: abs(count - target))]


BASELINES: dict[str, Method] = {
    "skimage": skimage_slic,
    "skimage-raw": partial(skimage_slic, connected=False),
    "fast-slic": fast_slic,
    "opencv-slic": _opencv_region,
    "opencv-lsc": partial(_opencv_region, lsc=True),
    "opencv-seeds": _opencv_seeds,
    "felzenszwalb": felzenszwalb,
}
"""The baselines by name; ``skimage-raw`` is before any clean-up."""


def baseline(name: str, **settings: Any) -> Callable[[Image, int], Labels]:
    """Return a baseline as a method.

    Parameters
    ----------
    name
        One of `BASELINES`.
    **settings
        Passed on to it, e.g. ``compactness=20.0``.

    Returns
    -------
    callable
        Image and wanted number of superpixels -> labels.

    Raises
    ------
    InputError
        If there is no baseline of that name.
    """
    if name not in BASELINES:
        raise InputError(
            f"There is no baseline {name!r}; choose one of {', '.join(map(repr, BASELINES))}."
        )
    return partial(BASELINES[name], **settings)


def is_installed(name: str) -> bool:
    """Return whether a baseline's package is there.

    Parameters
    ----------
    name
        One of `BASELINES`.

    Returns
    -------
    bool
        Found by running it on a tiny image.
    """
    try:
        check_installed(name)
    except InputError:
        return False
    return True


def check_installed(name: str) -> None:
    """Run a baseline on a tiny image.

    Parameters
    ----------
    name
        One of `BASELINES`.

    Raises
    ------
    InputError
        If its package is missing.
    """
    baseline(name)(np.zeros((32, 32, 3), np.uint8), 4)
