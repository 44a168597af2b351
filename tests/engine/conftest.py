from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_superpixels import api
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.live import LiveView
from napari_superpixels.engine.plan import Plan, make_plan
from napari_superpixels.testing.fake import Fake


@pytest.fixture
def image() -> NDArray[np.uint16]:
    """Two channels whose sizes are no multiples of anything."""
    return np.random.default_rng(7).integers(0, 999, (2, 101, 135), dtype=np.uint16)


@pytest.fixture
def fake_plan() -> Callable[..., Plan]:
    """Make a plan of the fake method over an array."""

    def make(
        array: object, axes: str = "cyx", method: Fake | None = None, **options: object
    ) -> Plan:
        return make_plan(api.open(array, axes=axes), method or Fake(), **options)

    return make


@pytest.fixture
def whole(fake_plan: Callable[..., Plan]) -> Callable[..., NDArray[np.generic]]:
    """Label an array in one window."""

    def compute(
        array: object, axes: str = "cyx", method: Fake | None = None
    ) -> NDArray[np.generic]:
        return np.asarray(lazy_labels(fake_plan(array, axes, method)).compute())

    return compute


@pytest.fixture
def live() -> Iterator[Callable[..., LiveView]]:
    """Make live views, which are closed at the end."""
    views = []

    def make(plan: Plan, **options: object) -> LiveView:
        views.append(LiveView(plan, **options))
        return views[-1]

    yield make
    for view in views:
        view.close()


@pytest.fixture
def tiles_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make tiles of about so many pixels, and levels down to a short one."""

    def make(edge: int, coarsest: int = 256) -> None:
        for name, value in {"TILE_PX": edge, "TILE_CELLS": 1, "COARSEST_PX": coarsest}.items():
            monkeypatch.setattr(f"napari_superpixels.engine.live_levels.{name}", value)

    return make
