"""What is asked for of instances becomes a plan, or a sentence."""

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.engine.instance_intent import (
    check_threads_only,
    instance_plan_of,
    intended_instances,
    resolve_classes,
)
from napari_superpixels.errors import InputError

NAMES = ((1, "nuclei"), (7, "glia"))


def plan_of(shape=(900, 700), dtype=np.uint8, window=None, **settings):
    source = nsp.open(np.zeros(shape, dtype), axes="yx")
    return intended_instances(source, settings, window)


def test_tiles_cover_the_image_once():
    plan = plan_of(window=(400, 256))
    seen = np.zeros(plan.shape, int)
    for number in range(plan.tiles):
        seen[plan.box(number).slices] += 1
    assert (seen == 1).all()
    assert plan.grid == (3, 3)
    assert all(tile % chunk == 0 for tile, chunk in zip(plan.tile, plan.chunk, strict=True))


@pytest.mark.parametrize("edge", [2048, 4096, 700])
def test_large_tiles_are_whole_chunks_of_about_512(edge):
    plan = plan_of((5000, 6000), window=edge)
    for tile, chunk in zip(plan.tile, plan.chunk, strict=True):
        assert tile % chunk == 0
        assert tile >= edge
        assert 340 < chunk < 740


def test_plans_are_told_apart_by_what_decides():
    plan = plan_of(min_px=3)
    assert plan.hash == plan_of(min_px=3).hash
    others = [plan_of(), plan_of(min_px=3, window=300), plan_of(min_px=3, connectivity=8)]
    assert plan.hash not in {other.hash for other in others}


def test_versions_of_libraries_matter_where_objects_are_split():
    assert plan_of().libraries == ()
    assert plan_of(split=True).libraries == ("scikit-image", "scipy")


def test_a_split_needs_more_memory():
    assert plan_of((5000, 5000), split=True).cost.total > plan_of((5000, 5000)).cost.total


@pytest.mark.parametrize(
    ("given", "expected"),
    [("glia", (7,)), (7, (7,)), ([7, "nuclei", 1], (1, 7)), (np.uint8(1), (1,)), (["1"], (1,))],
)
def test_classes_by_number_and_name(given, expected):
    assert resolve_classes(given, NAMES, "map") == expected


@pytest.mark.parametrize("given", ["cells", 3, ["nuclei", "3"], 1.5, None])
def test_classes_that_are_not_there(given):
    with pytest.raises(InputError, match=r"There is no class .* it has 1 \(nuclei\), 7 \(glia\)"):
        resolve_classes(given, NAMES, "map")


def test_negative_classes_are_classes_of_signed_images():
    assert plan_of(dtype=np.int16, classes=-5).settings.classes == (-5,)
    with pytest.raises(InputError, match="give classes of 0 to 255"):
        plan_of(classes=-5)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 5), np.float64), "float64 samples, but classes are whole numbers"),
        (np.zeros((0, 5), np.uint8), "no pixels"),
    ],
)
def test_images_that_are_no_class_maps(image, message):
    with pytest.raises(InputError, match=message):
        intended_instances(nsp.open(image, axes="yx"), {})


def test_planes_and_channels_are_refused_with_the_repair():
    stack = nsp.open(np.zeros((4, 9, 9), np.uint8), axes="zyx")
    with pytest.raises(InputError, match="give one plane at a time"):
        intended_instances(stack, {})
    image = np.zeros((2, 9, 9), np.uint8)
    with pytest.raises(InputError, match="choose it with channels"):
        intended_instances(nsp.open(image, axes="cyx"), {})
    assert intended_instances(nsp.open(image, axes="cyx", channels=[1]), {}).tiles == 1


def test_an_unknown_setting_is_told_with_those_that_are_known():
    with pytest.raises(InputError, match=r"no setting 'min_size' .* min_px"):
        plan_of(min_size=4)


@pytest.mark.parametrize("means", [{"workers": 0}, {"workers": 1.5}, {"cancel": True}])
def test_means_that_are_none(means, tmp_path):
    with pytest.raises(InputError):
        nsp.instances(np.ones((4, 5), np.uint8), tmp_path / "out.zarr", **means)
    assert not list(tmp_path.iterdir())


def test_nothing_else_than_threads_goes_on_with_instances():
    check_threads_only("out", client=None, device=None)
    with pytest.raises(InputError, match="not on a cluster"):
        check_threads_only("out", client=object(), device=None)
    with pytest.raises(InputError, match="not on the device 'cuda'"):
        check_threads_only("out", client=None, device="cuda")


def test_there_is_no_plan_of_what_is_not_unfinished(tmp_path):
    assert instance_plan_of(tmp_path / "nothing.zarr") is None
    result = nsp.instances(np.ones((4, 5), np.uint8), tmp_path / "out.zarr")
    assert instance_plan_of(result.path) is None
