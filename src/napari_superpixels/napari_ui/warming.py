"""Preparing kernels while the user still looks at the form."""

from collections.abc import Callable, Mapping
from typing import Any

from napari_superpixels.engine.warm import warm_up
from napari_superpixels.models.registry import make_method
from napari_superpixels.napari_ui.background import Job


def begin_to_warm(method: str, settings: Mapping[str, Any], then: Callable[[], None]) -> Job[None]:
    """Prepare the kernels of a method, or its network, off the main thread; then tell so on it."""

    def ready(_: None) -> None:
        then()

    def failed(_: BaseException) -> None:
        """What is wrong shows when it is really used, with a sentence of its own."""
        then()

    return Job(lambda: warm_up(make_method(method, dict(settings))), ready, failed)
