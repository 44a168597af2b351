"""Finished runs as layers: where they lie, what they show, what they know."""

import json
import shutil
import threading

import numpy as np
import pytest
import zarr
from napari.layers import Labels

import napari_superpixels as nsp
from napari_superpixels.errors import SourceError
from napari_superpixels.napari_ui import finished
from napari_superpixels.napari_ui.finished import finished_layer, finished_name


@pytest.fixture
def layer_of(runs):
    def make(name):
        data, keywords, kind = finished_layer(runs[name].path)
        assert kind == "labels"
        return Labels(data, **keywords)

    return make


def test_the_layer_shows_what_was_written(runs, layer_of):
    layer = layer_of("picture")
    np.testing.assert_array_equal(np.asarray(layer.data), runs["picture"].labels[:])
    assert layer.visible
    assert layer.name == "nuclei-histology slic 16px"
    assert isinstance(layer.data, zarr.Array), "what dask arrays held stays in napari's cache"
    assert max(layer.data.chunks) <= 2048


def test_provenance_and_path_are_in_the_metadata(runs, layer_of):
    facts = layer_of("picture").metadata["napari_superpixels"]
    assert facts["path"] == str(runs["picture"].path)
    assert facts["provenance"]["method"]["settings"]["step"] == 16
    assert json.dumps(facts)


def test_a_stack_lies_on_its_image(layer_of):
    layer = layer_of("stack")
    np.testing.assert_allclose(layer.scale, (2, 0.05, 0.004, 0.004))
    np.testing.assert_allclose(layer.translate, 0)
    assert layer.axis_labels == ("t", "z", "y", "x")
    assert [str(unit) for unit in layer.units] == ["second", *["micrometer"] * 3]


def test_a_part_lies_where_it_was_cut_out(layer_of):
    part, whole = layer_of("part"), layer_of("stack")
    place = tuple(part.data_to_world((0, 0, 0, 0)))
    np.testing.assert_allclose(place, whole.data_to_world((1, 1, 16, 24)))
    np.testing.assert_array_equal(
        np.asarray(part.data), np.asarray(whole.data)[1:2, 1:3, 16:48, 24:80]
    )


@pytest.mark.parametrize("name", ["picture", "stack"])
def test_features_are_those_of_the_labels(runs, layer_of, name):
    layer, labels = layer_of(name), runs[name].labels[:]
    ids, pixels = np.unique(labels[labels > 0], return_counts=True)
    np.testing.assert_array_equal(layer.features["index"], ids)
    np.testing.assert_array_equal(layer.features["pixels"], pixels)


def test_a_part_has_the_rows_of_the_whole(layer_of):
    part, whole = (layer_of(name).features.set_index("index") for name in ("part", "stack"))
    assert len(part) == 56
    inner = part.index[10:20]
    assert part.loc[inner].equals(whole.loc[inner])


def test_means_are_those_of_the_image(runs, layer_of):
    import tifffile

    image = tifffile.imread(runs["stack"].path.parent / "cells.ome.tif")
    labels, features = runs["stack"].labels[:], layer_of("stack").features
    for row in (0, 100, len(features) - 1):
        inside = labels == features["index"][row]
        assert features["mean 0"][row] == pytest.approx(image[inside].mean(), rel=1e-5)


def test_hovering_tells_the_means(layer_of):
    layer = layer_of("picture")
    status = layer.get_status((40, 40), world=True)
    assert "mean 2" in status["coordinates"]
    assert "pixels" in status["coordinates"]


def test_many_superpixels_have_no_table(runs, monkeypatch):
    monkeypatch.setattr(finished, "MOST_FEATURES", 100)
    assert finished_layer(runs["picture"].path)[1]["features"] == {}


def test_any_thread_may_make_it(runs):
    made = []
    worker = threading.Thread(target=lambda: made.append(finished_layer(runs["picture"].path)))
    worker.start()
    worker.join()
    assert made[0][2] == "labels"


def test_the_name_of_unequal_steps():
    facts = {"source": {"name": "a"}, "method": {"name": "slic"}, "lattice": {"step_px": [8, 12]}}
    assert finished_name(facts) == "a slic 8 x 12px"


def test_a_missing_run_is_one_sentence(tmp_path):
    with pytest.raises(SourceError, match="There is no label image"):
        finished_layer(tmp_path / "none.zarr")


@pytest.fixture
def copy(runs, tmp_path):
    return shutil.copytree(runs["picture"].path, tmp_path / "copy.zarr")


def test_broken_provenance_is_one_sentence(copy):
    group = zarr.open_group(copy)
    facts = dict(group.attrs["napari_superpixels"])
    del facts["lattice"]
    group.attrs["napari_superpixels"] = facts
    with pytest.raises(SourceError, match=r"provenance of .*copy\.zarr is broken"):
        finished_layer(copy)


def test_broken_tables_are_one_sentence(copy):
    shutil.rmtree(copy / "cells" / "means")
    with pytest.raises(SourceError, match=r"tables of .*copy\.zarr cannot be read"):
        finished_layer(copy)


def test_labels_without_tables_have_no_features(copy):
    shutil.rmtree(copy / "cells")
    assert finished_layer(copy)[1]["features"] == {}


def test_instances_are_shown_with_their_classes_and_sizes(tmp_path):
    image = np.zeros((20, 30), np.uint8)
    image[2:5, 3:9], image[10:12, 20:22] = 2, 1
    result = nsp.instances(image, tmp_path / "out.zarr")
    data, keywords, kind = finished_layer(result.path)
    assert kind == "labels"
    np.testing.assert_array_equal(data[...], result.labels[...])
    assert keywords["name"] == "image instances"
    assert keywords["features"]["class"] == ["2", "1"]
    assert keywords["features"]["pixels"].tolist() == [18, 4]
    Labels(data, **keywords)
    result.table.unlink()
    with pytest.raises(SourceError, match=r"objects\.csv cannot be read"):
        finished_layer(result.path)
