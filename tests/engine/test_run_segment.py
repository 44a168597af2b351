"""Runs of segmentation: what lies on disk, resumed, in parts, on a cluster, exported, refused."""

import json
import threading

import numpy as np
import pytest
import rasterio
import zarr
from ome_zarr_models import open_ome_zarr
from rasterio.errors import NotGeoreferencedWarning

import napari_superpixels as nsp
from napari_superpixels.engine.cost import LANE_THREADS
from napari_superpixels.engine.events import TileDone
from napari_superpixels.errors import Cancelled, InputError, SourceError
from napari_superpixels.kernels.average import mean_downsample
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.testing.local_cluster import different_files, local_cluster
from napari_superpixels.testing.weights import write_random_segmentation

WINDOW = {"window": 32}
"""Five super-tiles of up to sixteen windows."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("segment")


@pytest.fixture(scope="module")
def weights(folder):
    return str(write_random_segmentation(folder, "HCFPN"))


@pytest.fixture(scope="module")
def image(folder):
    """Two planes of colours, with a level of half the size."""
    paths = [folder / name for name in ("in.zarr", "half.zarr")]
    for path, shape in zip(paths, [(2, 3, 70, 300), (2, 3, 35, 150)], strict=True):
        made = zarr.create_array(path, shape=shape, chunks=(1, 3, 64, 64), dtype="u1")
        made[:] = np.random.default_rng(5).integers(0, 255, made.shape)
    return list(map(str, paths))


@pytest.fixture(scope="module")
def source(image):
    return nsp.open(image, axes="zcyx", rgb=True)


@pytest.fixture(scope="module", params=["classes", "probabilities", "map"])
def plan(request, source, folder, weights):
    if request.param == "map":
        told = {"output": "map", "unit": "px", "classes": []}
        weights = str(write_random_segmentation(folder, "FPN", **told))
    method = nsp.Segment(weights=weights, probabilities=request.param == "probabilities")
    return nsp.plan(source, method, **WINDOW)


@pytest.fixture(scope="module")
def made(plan, folder):
    """What a run writes on one thread."""
    out = folder / plan.output.kind / "out.zarr"
    out.parent.mkdir()
    return nsp.run(plan, out, workers=1).path


def test_levels_are_those_of_the_lazy_array(plan, made):
    levels = [np.asarray(zarr.open_array(made / str(n))[:]) for n in (0, 1)]
    np.testing.assert_array_equal(levels[0], nsp.superpixels(plan.source, plan.method, **WINDOW))
    reduce = mode_downsample if plan.output.kind == "classes" else mean_downsample
    for index in np.ndindex(levels[0].shape[:-2]):
        np.testing.assert_array_equal(levels[1][index], reduce(levels[0][index], (2, 2)))
    assert np.unique(levels[0]).size > 1, "all the same proves nothing"


def test_what_is_on_disk_is_ome_zarr(plan, made):
    image = open_ome_zarr(zarr.open_group(made, mode="r"))
    (multiscale,) = image.attributes.ome.multiscales
    root = zarr.open_group(made, mode="r")
    names = "".join(axis.name for axis in multiscale.axes)
    assert root["0"].dtype == plan.dtype
    assert root["0"].shape == plan.axes.shape
    assert not (made / "cells").exists()
    facts = root.attrs["napari_superpixels"]["output"]
    assert facts["kind"] == plan.output.kind
    ome = root.attrs["ome"]
    if plan.output.kind == "classes":
        assert names == "zyx"
        assert multiscale.type == "mode"
        assert {"label-value": 2, "class": "class 2"} in ome["image-label"]["properties"]
        assert {"label-value": 2, "rgba": [2, 128, 64, 255]} in ome["image-label"]["colors"]
    elif plan.output.kind == "probabilities":
        assert names == "czyx"
        assert [c["label"] for c in ome["omero"]["channels"]] == [f"class {i}" for i in (1, 2, 3)]
        np.testing.assert_allclose(root["0"][:].astype(float).sum(axis=0), 1, atol=2e-3)
    else:
        assert names == "zyx"
        assert facts == {"kind": "map", "name": "FPN", "unit": "px"}
        assert multiscale.type == "mean"
        assert np.isnan(root["0"].fill_value)


def test_threads_do_not_show(plan, made, tmp_path):
    again = nsp.run(plan, tmp_path / "out.zarr", workers=LANE_THREADS).path
    assert different_files(made, again) == []


def test_a_cancelled_run_goes_on_to_the_same_files(plan, made, tmp_path):
    cancel, out = threading.Event(), tmp_path / "out.zarr"

    def stop(event):
        if isinstance(event, TileDone):
            cancel.set()

    with pytest.raises(Cancelled):
        nsp.run(plan, out, workers=1, listener=stop, cancel=cancel)
    result = nsp.run(plan, out, workers=1, resume=True)
    assert 0 < result.report.computed < result.report.tiles
    assert result.report.superpixels is None
    assert "superpixels" not in str(result.report)
    assert different_files(made, out) == []


def test_parts_give_the_same_files(plan, made, tmp_path):
    for number in (2, 3, 1):
        nsp.run(plan, tmp_path / "out.zarr", part=(number, 3), workers=1)
    again = nsp.run(plan, tmp_path / "out.zarr", resume=True, workers=1).path
    assert different_files(made, again) == []


def test_it_resumes_by_its_name_alone(image, weights, tmp_path):
    """The plan is made again from the manifest, settings and all."""
    source = nsp.open(image, axes="zcyx", rgb=True)
    method = nsp.Segment(weights=weights, flips="x")
    plan = nsp.plan(source, method, region={"z": (0, 1), "x": (0, 64)}, **WINDOW)
    nsp.run(plan, tmp_path / "out.zarr", part=(1, 1), workers=1)
    assert nsp.finish(tmp_path / "out.zarr", workers=1).labels.shape == (1, 70, 64)


@pytest.mark.parametrize("plan", ["probabilities"], indirect=True)
def test_a_cluster_gives_the_same_files(plan, made, tmp_path):
    pytest.importorskip("distributed")
    with local_cluster(workers=1) as processes, processes.client(workers=1) as client:
        again = nsp.run(plan, tmp_path / "out.zarr", client=client).path
    assert different_files(made, again) == []


@pytest.mark.parametrize("plan", ["classes"], indirect=True)
def test_classes_are_exported_with_names_and_colours(made, tmp_path):
    nsp.export_geotiff(made, tmp_path / "out.tif")
    with pytest.warns(NotGeoreferencedWarning):
        file = rasterio.open(tmp_path / "out.tif")
    with file:
        np.testing.assert_array_equal(file.read(), zarr.open_array(made / "0")[:])
        assert file.colormap(1)[2] == (2, 128, 64, 255)
        assert file.tags()["CLASS_2"] == "class 2"
        assert file.nodata == 0


@pytest.mark.parametrize("plan", ["classes"], indirect=True)
def test_classes_go_into_the_image_with_names_and_colours(source, made, plan, tmp_path):
    root = zarr.create_group(tmp_path / "image.zarr", zarr_format=3)
    root.create_array("0", shape=(2, 70, 300), chunks=(1, 70, 300), dtype="u1")
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    scale = {"coordinateTransformations": [{"type": "scale", "scale": [1.0] * 3}]}
    multiscale = {"axes": axes, "datasets": [{"path": "0", **scale}], "name": "image"}
    root.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    path = nsp.write_into(made, tmp_path / "image.zarr", name="tissue")
    told = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["image-label"]
    assert told["colors"] == plan.output.described()["image-label"]["colors"]


@pytest.mark.parametrize("plan", ["probabilities", "map"], indirect=True)
def test_numbers_are_not_exported_as_labels(plan, made, tmp_path):
    with pytest.raises(SourceError, match=f"holds {plan.output.noun}|holds a {plan.output.kind}"):
        nsp.export_geotiff(made, tmp_path / "out.tif")
    with pytest.raises(InputError, match=f"segment gives {plan.output.noun} here, but GeoTIFFs"):
        nsp.run(plan, tmp_path / "out.zarr", into="name")
    assert not (tmp_path / "out.zarr.partial").exists()


def test_a_plan_tells_what_is_written(plan):
    text = str(plan)
    assert f"{plan.output.noun} on disk" in text
    expected = {"map": "float32: FPN in px", "classes": "uint8: 1 class 1, 2 class 2, 3 class 3"}
    assert expected.get(plan.output.kind, "float16, one channel each: 1 class 1") in text


def test_patches_give_the_same_files_in_any_windows(source, folder, tmp_path):
    region = {"z": (1, 2), "x": (96, 256)}
    weights = str(write_random_segmentation(folder, "HCPSPNet"))
    method = nsp.Segment(weights=weights, exact=False, patch=128, probabilities=True)
    one, two = (
        nsp.run(
            nsp.plan(source, method, window=window, region=region),
            tmp_path / f"{window}.zarr",
            workers=1,
        )
        for window in (96, 4096)
    )
    np.testing.assert_array_equal(one.labels[:], two.labels[:])
    assert np.unique(one.labels[:]).size > 99
