"""Compiling the kernels while the user still looks at the form."""

from collections.abc import Callable

import numpy as np

from napari_superpixels.napari_ui.background import Job

WARM_PX = 64
"""Edge of the image that is cut to warm up, in pixels."""


def compile_kernels(method: str = "slic") -> None:
    """Cut a small image, so that every kernel of a method is compiled; not on the main thread."""
    from napari_superpixels import api
    from napari_superpixels.engine.live import LiveView

    image = np.zeros((WARM_PX, WARM_PX, 3), np.uint8)
    view = LiveView(api.plan(api.open(image, axes="yxs"), method))
    try:
        view.labels[0][:, :]
        view.wait()
    finally:
        view.close()


def warm_up(method: str, then: Callable[[], None]) -> Job[None]:
    """Compile the kernels of a method in the background; then tell so on the main thread."""

    def ready(_: None) -> None:
        then()

    def failed(_: BaseException) -> None:
        """What is wrong shows when it is really used, with a sentence of its own."""
        then()

    return Job(lambda: compile_kernels(method), ready, failed)
