"""A method with too little halo, to prove that a comparison of windows is able to fail."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from napari_superpixels.models.protocol import Codes, ImageFacts, Model, Tile
from napari_superpixels.models.statistics import Statistics


@dataclass(frozen=True)
class ShortHalo:
    """A method that reads a halo too short, and takes the window's border for the image's.

    This is what tiling without a sound halo does; models refuse to be used like that, so each is
    told that nothing was cut.
    """

    method: Any
    missing: int

    def __getattr__(self, name: str) -> Any:
        """Pass everything else on to the method."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.method, name)

    @property
    def halo_cells(self) -> int:
        """Less than what the labels need; the engine's own ring is taken away too."""
        return max(0, int(self.method.halo_cells) - self.missing) - int(self.method.output.ring)

    def model(self, facts: ImageFacts, statistics: Statistics | None) -> Model:
        """Make a model that does not know of any cut."""
        return _Blind(self.method.model(facts, statistics))


@dataclass(frozen=True)
class _Blind:
    inner: Model

    def __call__(self, tile: Tile, *, threads: int = 1, pulse: Callable[[], None]) -> Codes:
        uncut = replace(tile, cut=((False, False), (False, False)))
        return self.inner(uncut, threads=threads, pulse=pulse)

    def prepare(self) -> None:
        self.inner.prepare()

    def bytes_for(self, shape: tuple[int, int]) -> int:
        return self.inner.bytes_for(shape)
