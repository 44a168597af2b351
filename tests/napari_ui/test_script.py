"""Scripts that are pasted and run: their labels are those of the request they were made from."""

import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils._proxies import PublicOnlyProxy

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.reader import read
from napari_superpixels.napari_ui.resolve import Request, resolve
from napari_superpixels.napari_ui.script import script_for
from napari_superpixels.napari_ui.snapshot import LayerSnapshot, PolygonsSnapshot

UM = ("um", "um")


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def picture(rng):
    return rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)


@pytest.fixture
def file(tmp_path, rng):
    image = rng.integers(0, 4000, (2, 60, 80), dtype=np.uint16)
    metadata = {"axes": "CYX", "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
    tifffile.imwrite(tmp_path / "cells.ome.tif", image, metadata=metadata)
    return tmp_path / "cells.ome.tif"


def open_file(viewer, path):
    return [viewer.add_layer(Layer.create(*data)) for data in read(str(path))]


def request(*layers, mask=None, **keywords):
    taken = mask if mask is None else LayerSnapshot.of(mask)
    images = tuple(map(LayerSnapshot.of, layers))
    return Request(images=images, mask=taken, **({"settings": {"step": 8}} | keywords))


def assert_same(wanted, tmp_path, viewer=None):
    """Run the script as pasted, with or without a viewer, and the request directly."""
    out = tmp_path / "by script.zarr"
    script = script_for(wanted, out=str(out))
    assert ("viewer" in script) == (viewer is not None)
    if viewer is None:
        code = f"{script}\nimport sys; assert 'napari' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    else:
        exec(script, {"viewer": PublicOnlyProxy(viewer)})
    direct = nsp.run(resolve(wanted), tmp_path / "directly.zarr")
    written = zarr.open_group(out, mode="r")["0"]
    np.testing.assert_array_equal(np.asarray(written), np.asarray(direct.labels))
    assert len(np.unique(direct.labels)) > 5
    return script


def test_a_file(viewer, file, tmp_path):
    (_, second) = open_file(viewer, file)
    settings = {"step_um": 4, "compactness": 3.0}
    lines = assert_same(request(second, settings=settings), tmp_path).splitlines()
    assert lines[:2] == ["import napari_superpixels as nsp", ""]
    assert "plan = nsp.plan(source, 'slic', step_um=4, compactness=3.0)" in lines
    assert f"result = nsp.run(plan, {str(tmp_path / 'by script.zarr')!r})" in lines


def test_channels_of_a_file(viewer, file, tmp_path):
    script = assert_same(request(*open_file(viewer, file)), tmp_path)
    assert "channels=[0, 1]" in script


def test_a_file_with_polygons_and_a_region(viewer, file, tmp_path):
    layers = open_file(viewer, file)
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 40, (9, 2))
    shapes = viewer.add_shapes([corners], shape_type="polygon", units=UM)
    wanted = Request(
        images=tuple(map(LayerSnapshot.of, layers)),
        settings={"step": 8},
        mask=PolygonsSnapshot.of(shapes),
        region={"y": (0, 40), "x": (8, 72)},
    )
    script = assert_same(wanted, tmp_path)
    assert "nsp.Polygons(" in script
    assert "region={'y': (0, 40), 'x': (8, 72)}" in script


def test_files_of_their_own_are_joined(viewer, picture, tmp_path):
    layers = []
    for number in range(2):
        path = tmp_path / f"it's {number}.ome.tif"
        sizes = {"axes": "YX", "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
        tifffile.imwrite(path, picture[..., number], metadata=sizes)
        layers += open_file(viewer, path)
    script = assert_same(request(*layers), tmp_path)
    assert "nsp.join_channels(" in script


def test_a_mask_on_disk_needs_no_viewer(viewer, file, tmp_path):
    areas = np.zeros((60, 80), np.uint32)
    areas[10:50, 20:70] = 3
    stored = zarr.create_array(tmp_path / "areas.zarr", data=areas, chunks=(16, 16))
    mask = viewer.add_labels(stored)
    mask.scale, mask.units = (0.5, 0.5), UM
    script = assert_same(request(*open_file(viewer, file), mask=mask), tmp_path)
    assert repr(str(tmp_path / "areas.zarr")) in script


@pytest.mark.parametrize("wrap", [np.asarray, da.from_array])
@pytest.mark.parametrize("level", [0, 1])
def test_arrays(viewer, picture, tmp_path, wrap, level):
    arrays = [wrap(picture), wrap(picture[::2, ::2].copy())]
    layer = viewer.add_image(arrays, multiscale=True, rgb=True, name='it\'s "one"', units=UM)
    script = assert_same(request(layer, level=level, settings={"step_um": 8}), tmp_path, viewer)
    assert script.startswith("# For napari's console")


def test_one_array_with_a_mask_in_memory(viewer, picture, tmp_path):
    layer = viewer.add_image(picture[..., 0], scale=(2, 2))
    areas = np.zeros((60, 80), int)
    areas[10:50, 20:70] = 3
    mask = viewer.add_labels(areas, scale=(2, 2), name="areas")
    assert_same(request(layer, mask=mask), tmp_path, viewer)


def test_a_mask_of_a_level_in_memory(viewer, picture, tmp_path):
    layer = viewer.add_image([picture[..., 0], picture[::2, ::2, 0]], multiscale=True)
    areas = np.zeros((60, 80), int)
    areas[10:50, 20:70] = 3
    mask = viewer.add_labels([areas, areas[::2, ::2]], multiscale=True, name="areas")
    script = assert_same(request(layer, level=1, mask=mask, settings={"step": 4}), tmp_path, viewer)
    assert "viewer.layers['areas'].data[1]" in script


def test_channels_from_a_file_and_from_memory(viewer, file, tmp_path, rng):
    first, _ = open_file(viewer, file)
    other = viewer.add_image(rng.random((60, 80)), scale=(0.5, 0.5), units=UM, name="other")
    assert_same(request(first, other), tmp_path, viewer)


def test_levels_of_one_shape(viewer, picture, tmp_path):
    layer = viewer.add_image([picture[..., 0], picture[..., 1]], multiscale=True)
    script = assert_same(request(layer, level=1), tmp_path, viewer)
    assert ".data[1]" in script


def test_a_stack_with_one_plane_chosen(viewer, tmp_path, rng):
    layer = viewer.add_image(rng.random((4, 40, 50)), axis_labels=("t", "y", "x"))
    wanted = request(layer, region={"t": (1, 2), "y": (0, 40), "x": (0, 50)})
    script = assert_same(wanted, tmp_path, viewer)
    assert "axes='tyx'" in script


def test_the_output_has_a_name_anyway(viewer, file, picture):
    assert "nsp.run(plan, 'cells-slic.zarr')" in script_for(request(*open_file(viewer, file)))
    layer = viewer.add_image(picture[..., 0], name="nuclei")
    assert "'nuclei-slic.zarr'" in script_for(request(layer))


def test_what_cannot_be_run_has_no_script(viewer):
    with pytest.raises(InputError, match="No image layer is chosen"):
        script_for(Request(images=()))
    layer = viewer.add_image(np.zeros((60, 80)))
    with pytest.raises(InputError, match="has no level 3"):
        script_for(request(layer, level=3))
