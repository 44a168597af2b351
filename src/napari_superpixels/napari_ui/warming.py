"""Preparing kernels while the user still looks at the form."""

import threading
from collections.abc import Callable
from functools import partial

from napari_superpixels.engine.warm import warm_up
from napari_superpixels.models.registry import make_method
from napari_superpixels.napari_ui.background import Job


def begin_to_warm(method: str, then: Callable[[], None]) -> Job[None]:
    """Prepare the kernels of a method off the main thread; then tell so on it."""

    def ready(_: None) -> None:
        then()

    def failed(_: BaseException) -> None:
        """What is wrong shows when it is really used, with a sentence of its own."""
        then()

    cancel = threading.Event()
    warm = partial(warm_up, make_method(method, {}), cancel=cancel)
    return Job(warm, ready, failed, cancel)
