"""Preparing kernels, ours and napari's for labels, while the user still looks at the form."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Labels

from napari_superpixels.engine.child import end_with_parent, run_module
from napari_superpixels.engine.warm import LONGEST_SECONDS, RGB, warm_up
from napari_superpixels.kernels import ids, jit
from napari_superpixels.models.protocol import ImageFacts, Method
from napari_superpixels.models.registry import make_method
from napari_superpixels.napari_ui.background import Job
from napari_superpixels.napari_ui.drivers import prepare_for


def begin_to_warm(method: str, settings: Mapping[str, Any], then: Callable[[], None]) -> Job[None]:
    """Prepare the kernels of a method, or its network, off the main thread; then tell so on it."""

    def ready(_: None) -> None:
        then()

    def failed(_: BaseException) -> None:
        """What is wrong shows when it is really used, with a sentence of its own."""
        then()

    cancel = threading.Event()

    def work() -> None:
        prepare_for(method)
        make_ready(make_method(method, dict(settings)), RGB, cancel)

    return Job(work, ready, failed, cancel)


def make_ready(method: Method, facts: ImageFacts, cancel: threading.Event | None = None) -> None:
    """Prepare all that a window needs to show labels; off the main thread.

    napari compiles how it colours labels when it first does, on the main thread: another process
    does so before. It is not called here at all, for not every system lets two threads do it.

    Raises
    ------
    Cancelled
        If it is not wanted any more.
    """
    warm_up(method, facts, cancel)
    mark = _mark()
    if mark is not None and not mark.exists():
        with suppress(OSError):  # then napari compiles
            run_module(__name__, (), cancel, LONGEST_SECONDS)


def show_labels() -> None:
    """Let napari colour labels of both types, as a viewer does, without one."""
    for dtype in (np.uint32, np.uint64):
        layer = Labels(np.ones((8, 8), dtype))  # what is seen
        layer.colormap.map(np.ones(8, dtype))  # what is under the cursor


def main() -> None:
    """Be the process that compiles, and say that it did."""
    show_labels()
    mark = _mark()
    if mark is not None:
        mark.touch()


def _mark() -> Path | None:
    return jit.mark_of(ids._expand, f"napari-{napari.__version__}-labels")


if __name__ == "__main__":
    end_with_parent()
    main()
