"""Bad use ends in one sentence, shown once; never in a traceback."""

from errno import EACCES
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def _one(told: list[str], *words: str) -> None:
    """Check that one sentence was told, with all of these words."""
    assert len(told) == 1, told
    assert "\n" not in told[0]
    assert "Traceback" not in told[0]
    for word in words:
        assert word in told[0]


@pytest.fixture
def run(panel: Any, until: Any) -> Any:
    """A click on Run, and its end."""

    def click() -> None:
        panel.run()
        until(lambda: not panel.running)

    return click


def test_no_image_layer(panel: Any, run: Any, told: list[str]) -> None:
    run()
    _one(told, "No image layer", "open an image")
    told.clear()
    panel.preview()
    _one(told, "No image layer")
    assert not panel.previewing


def test_several_images_and_none_chosen(
    panel: Any, viewer: Any, picture: np.ndarray, run: Any, told: list[str]
) -> None:
    for name in "ab":
        viewer.add_image(picture, name=name)
    viewer.layers.selection.clear()
    panel.images.value = []
    run()
    _one(told, "No image layer", "Images")


def test_a_folder_that_is_not_there(
    panel: Any, viewer: Any, picture: np.ndarray, run: Any, told: list[str], tmp_path: Path
) -> None:
    viewer.add_image(picture)
    panel.folder.value = tmp_path / "no"
    run()
    _one(told, str(tmp_path / "no"), "does not exist")


def test_a_folder_that_cannot_be_written_to(
    panel: Any,
    viewer: Any,
    picture: np.ndarray,
    run: Any,
    told: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For whoever runs this: root may write anywhere, so what makes folders is told no."""
    closed = tmp_path / "closed"
    closed.mkdir()
    make = Path.mkdir

    def refused(path: Path, *args: Any, **kwargs: Any) -> None:
        if closed in path.parents:
            raise PermissionError(EACCES, "Permission denied", str(path))
        make(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refused)
    viewer.add_image(picture)
    panel.folder.value = closed
    run()
    _one(told, "cannot be written")


def test_an_output_that_exists(
    panel: Any, viewer: Any, picture: np.ndarray, run: Any, told: list[str], tmp_path: Path
) -> None:
    viewer.add_image(picture)
    (tmp_path / "mine.zarr").mkdir()
    panel.output.value = "mine.zarr"
    run()
    _one(told, "mine.zarr", "exists already")


def test_a_step_that_does_not_fit(panel: Any, viewer: Any, run: Any, told: list[str]) -> None:
    viewer.add_image(np.zeros((20, 20), np.uint8))
    panel.step.value = 64
    run()
    _one(told, "64 px")


def test_micrometers_without_a_scale(
    panel: Any, viewer: Any, picture: np.ndarray, until: Any, told: list[str]
) -> None:
    viewer.add_image(picture)
    panel.unit.value = "um"
    panel.preview()
    until(lambda: told)
    _one(told, "um", "give step in pixels")
    assert not panel.previewing
    assert len(viewer.layers) == 1


def test_a_preview_that_is_saved(
    panel: Any, viewer: Any, picture: np.ndarray, until: Any, tmp_path: Path
) -> None:
    from napari_superpixels.errors import InputError

    viewer.add_image(picture)
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    with pytest.raises(InputError, match=r"\(preview\) holds only .*press Run"):
        viewer.layers[1].save(str(tmp_path / "saved.tif"))
    with pytest.raises(InputError, match="press Run"):
        viewer.layers.save(str(tmp_path / "all"))
    assert list(tmp_path.iterdir()) == []


def test_an_image_of_bool_or_nan_is_previewed(panel: Any, viewer: Any, until: Any) -> None:
    spots = np.random.default_rng(0).random((80, 80))
    spots[:40] = np.nan
    viewer.add_image(spots, name="holes", contrast_limits=(0, 1))
    viewer.add_image(np.nan_to_num(spots) > 0.5, name="mask")
    for name in ("holes", "mask"):
        panel.images.value = [viewer.layers[name]]
        panel.preview()
        until(lambda name=name: f"{name} slic 16px (preview)" in viewer.layers)
        labels = viewer.layers[f"{name} slic 16px (preview)"].data[0]
        until(lambda labels=labels: np.asarray(labels[:, :])[60].all())
        assert (np.asarray(labels[:40]) != 0).any() == (name == "mask")


def test_layers_on_different_grids(panel: Any, viewer: Any, run: Any, told: list[str]) -> None:
    viewer.add_image(np.zeros((64, 64), np.uint8), name="one")
    viewer.add_image(np.zeros((64, 80), np.uint8), name="two")
    panel.images.value = list(viewer.layers)
    run()
    _one(told, "one", "two")


def test_a_mask_of_another_extent(
    panel: Any, viewer: Any, picture: np.ndarray, run: Any, told: list[str]
) -> None:
    viewer.add_image(picture, name="cells")
    mask = viewer.add_labels(np.ones((20, 20), np.uint8), name="where")
    panel.mask.value = mask
    run()
    _one(told, "where")


def test_alpha_says_where_there_are_data(
    panel: Any, viewer: Any, picture: np.ndarray, run: Any, told: list[str]
) -> None:
    alpha = np.full((96, 128, 1), 255, np.uint8)
    alpha[:, :40] = 0
    viewer.add_image(np.concatenate([picture, alpha], -1), name="seen", rgb=True)
    run()
    assert told == []
    labels = np.asarray(viewer.layers["seen slic 16px"].data)
    assert not labels[:, :40].any()
    assert labels[:, 40:].all()


def test_a_region_that_is_not_seen(
    panel: Any, viewer: Any, picture: np.ndarray, run: Any, told: list[str]
) -> None:
    viewer.add_image(picture, name="cells")
    drawn = viewer.add_shapes(name="drawn")
    panel.region.value = drawn
    run()
    _one(told, "drawn")


def test_a_parameter_that_is_none(panel: Any) -> None:
    from napari_superpixels.errors import InputError

    with pytest.raises(InputError, match="compactness"):
        panel.parameter("roundness")
