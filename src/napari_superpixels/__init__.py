"""Tiled superpixels over images of any size; the tiling never shows.

The public names are looked up on first use, so that importing the package, as napari and the
shell do at every start, loads neither torch nor napari nor dask.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_superpixels.api import (
        open,  # noqa: A004 - read as nsp.open
        plan,
        resume,
        run,
        superpixels,
    )
    from napari_superpixels.errors import SuperpixelsError
    from napari_superpixels.models.slic import Slic
    from napari_superpixels.models.ssn_pix import SsnPix

__version__ = "0.1.0.dev0"

__all__ = [
    "Slic",
    "SsnPix",
    "SuperpixelsError",
    "__version__",
    "open",
    "plan",
    "resume",
    "run",
    "superpixels",
]

_ELSEWHERE = {
    "Slic": "napari_superpixels.models.slic",
    "SsnPix": "napari_superpixels.models.ssn_pix",
    "SuperpixelsError": "napari_superpixels.errors",
}
"""Where public names live that are not in `napari_superpixels.api`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, "napari_superpixels.api")), name)


def __dir__() -> list[str]:
    return __all__
