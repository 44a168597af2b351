"""Tiled superpixels over images of any size; the tiling never shows.

The public names are looked up on first use, so that importing the package, as napari and the
shell do at every start, loads neither torch nor napari nor dask.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_superpixels.api import (
        finish,
        open,  # noqa: A004 - read as nsp.open
        plan,
        resume,
        run,
        superpixels,
    )
    from napari_superpixels.class_maps import instances
    from napari_superpixels.errors import SuperpixelsError
    from napari_superpixels.exports import export_geotiff, write_into
    from napari_superpixels.io.joined import join_channels
    from napari_superpixels.io.polygons import Polygons
    from napari_superpixels.models.fetching import fetch_weights
    from napari_superpixels.models.grid_network import Ainet, Pcnet, Scn
    from napari_superpixels.models.hcnet import Hcnet
    from napari_superpixels.models.segment import Segment
    from napari_superpixels.models.slic import Slic
    from napari_superpixels.models.ssn import Hcssn, Ssn
    from napari_superpixels.models.ssn_pix import SsnPix
    from napari_superpixels.napari_ui.show import show
    from napari_superpixels.samples import sample_path

__version__ = "0.1.0.dev0"

__all__ = [
    "Ainet",
    "Hcnet",
    "Hcssn",
    "Pcnet",
    "Polygons",
    "Scn",
    "Segment",
    "Slic",
    "Ssn",
    "SsnPix",
    "SuperpixelsError",
    "__version__",
    "export_geotiff",
    "fetch_weights",
    "finish",
    "instances",
    "join_channels",
    "open",
    "plan",
    "resume",
    "run",
    "sample_path",
    "show",
    "superpixels",
    "write_into",
]

_HOMES = {
    "Ainet": "models.grid_network",
    "Hcnet": "models.hcnet",
    "Hcssn": "models.ssn",
    "Pcnet": "models.grid_network",
    "Polygons": "io.polygons",
    "Scn": "models.grid_network",
    "Segment": "models.segment",
    "Slic": "models.slic",
    "Ssn": "models.ssn",
    "SsnPix": "models.ssn_pix",
    "SuperpixelsError": "errors",
    "export_geotiff": "exports",
    "fetch_weights": "models.fetching",
    "instances": "class_maps",
    "join_channels": "io.joined",
    "sample_path": "samples",
    "show": "napari_ui.show",
    "write_into": "exports",
}
"""Modules of the public names that are not functions of `api`."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'api')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
