"""The panel *Segment* with networks of others: chosen, looked at, run, remembered, refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.models import foreign
from napari_superpixels.napari_ui.weights_field import FILE
from napari_superpixels.testing.bad_networks import BAD
from napari_superpixels.testing.foreign import unet, write_package, write_pt2, write_script


@pytest.fixture
def cells(viewer: Any, picture: np.ndarray) -> Any:
    """An image layer."""
    return viewer.add_image(picture, name="cells", scale=(0.5, 0.5), translate=(3, -2))


def test_the_dialog_offers_every_kind_of_file(segment: Any, panel: Any) -> None:
    offered = segment.parameter("weights").file.filter
    assert offered == "Weights (*.safetensors *.pt2 *.pt *.pth *.torchscript *.zip)"
    assert all(f"*{suffix}" in offered for suffix in foreign.SUFFIXES)
    panel.method.value = "scn"
    assert panel.parameter("weights").file.filter == "Weights (*.safetensors)"


WRITERS = {
    "dynamic.pt2": lambda folder: write_pt2(folder / "dynamic.pt2", unet()),
    "fixed.pt2": lambda folder: write_pt2(folder / "fixed.pt2", unet(), edge=64),
    "unet.pt": lambda folder: write_script(folder / "unet.pt", unet(), halo=20),
    "package.zip": write_package,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_preview_is_the_classes_of_a_run(
    segment: Any, cells: Any, viewer: Any, picture: Any, until: Any, tmp_path: Path, kind: str
) -> None:
    if kind == "package.zip":
        pytest.importorskip("bioimageio.core")
    weights = str(WRITERS[kind](tmp_path))
    segment.parameter("weights").value = weights
    segment.preview()
    name = f"cells segment {Path(kind).stem} (preview)"
    until(lambda: name in viewer.layers)
    layer = viewer.layers[name]
    assert list(layer.features["class"]) == ["background", "nucleus", "membrane"]
    wanted = nsp.superpixels(picture, "segment", weights=weights).compute(scheduler="threads")
    until(lambda: np.array_equal(np.asarray(layer.data[0][:, :]), wanted))
    segment.run()
    until(lambda: not segment.running)
    assert segment.sentence == f"Run: classes in cells segment {Path(kind).stem}.zarr."
    run = viewer.layers["cells segment classes"]
    np.testing.assert_array_equal(np.asarray(run.data), wanted)


def test_what_was_chosen_is_there_in_the_next_panel(
    segment: Any, viewer: Any, until: Any, tmp_path: Path
) -> None:
    from napari_superpixels.napari_ui.widget import SegmentWidget

    weights = write_script(tmp_path / "unet.pt", unet(), halo=20)
    segment.parameter("weights").value = weights
    until(lambda: segment.settled)
    other = SegmentWidget(viewer)
    viewer.window.add_dock_widget(other, name="other")
    assert other.form.settings() == {"weights": str(weights)}
    assert other.parameter("weights").list.value == FILE


def test_layers_are_the_channels_of_the_network(
    segment: Any, viewer: Any, picture: Any, until: Any, told: list[str], tmp_path: Path
) -> None:
    weights = write_script(tmp_path / "two.pt", unet(channels=2), 2, halo=20)
    segment.parameter("weights").value = weights
    layers = [viewer.add_image(picture[..., n], name=f"c{n}") for n in range(3)]
    segment.images.value = layers
    segment.preview()
    until(lambda: told)
    assert "has 3 channels, but the weights" in told[-1]
    assert not segment.previewing
    segment.images.value = layers[:2]
    segment.preview()
    name = "c0 segment two (preview)"
    until(lambda: name in viewer.layers)
    image = nsp.open(np.moveaxis(picture[..., :2], -1, 0), axes="cyx")
    wanted = nsp.superpixels(image, "segment", weights=str(weights)).compute(scheduler="threads")
    layer = viewer.layers[name]
    until(lambda: np.array_equal(np.asarray(layer.data[0][:, :]), wanted))


def test_what_cannot_be_used_is_one_sentence(
    segment: Any, cells: Any, viewer: Any, told: list[str], until: Any, tmp_path: Path
) -> None:
    for number, (what, bad) in enumerate(BAD.items()):
        (folder := tmp_path / str(number)).mkdir()
        segment.parameter("weights").value = bad.write(folder)
        told.clear()
        segment.preview()
        until(lambda: told)
        assert re.search(bad.sentence, told[-1]), (what, told)
        assert "\n" not in told[-1], what
        assert len(told) == 1, what
        until(lambda: not segment.previewing)
    assert viewer.layers == [cells]
    told.clear()
    segment.run()
    until(lambda: not segment.running)
    assert re.search(bad.sentence, told[-1])
    assert not list(tmp_path.glob("*.zarr*"))
