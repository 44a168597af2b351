import pickle

import dask
import dask.array as da
import numpy as np
import pytest

from napari_superpixels import api
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.measure import measure
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.testing.fake import Fake
from napari_superpixels.testing.scheduler import refuse_to_compute


@pytest.mark.parametrize("window", [8, 20, 40, 1000])
@pytest.mark.parametrize("reach", [0, 1, 3])
def test_windows_do_not_show(image, fake_plan, whole, window, reach):
    method = Fake(reach=reach)
    labels = lazy_labels(fake_plan(image, method=method, window=window))
    np.testing.assert_array_equal(labels.compute(), whole(image, method=method))


def test_a_halo_too_short_shows(image, fake_plan, whole):
    method = Fake(reach=4, declared=2)
    labels = lazy_labels(fake_plan(image, method=method, window=24)).compute()
    assert (labels != whole(image, method=method)).any()


def test_a_region_has_the_labels_of_the_whole(image, fake_plan, whole):
    labels = lazy_labels(fake_plan(image, region={"y": (24, 80), "x": (40, 135)}, window=32))
    np.testing.assert_array_equal(labels.compute(), whole(image)[24:80, 40:])


def test_planes_have_their_own_ids(fake_plan, whole):
    stack = np.random.default_rng(1).integers(0, 99, (2, 3, 40, 50), dtype=np.uint8)
    labels = lazy_labels(fake_plan(stack, "tzyx", window=16)).compute()
    assert labels.shape == stack.shape
    cells = 5 * 7
    for plane, (t, z) in enumerate(np.ndindex(2, 3)):
        single = whole(stack[t, z], "yx")
        np.testing.assert_array_equal(labels[t, z], single + plane * cells)


def test_a_region_of_planes(fake_plan):
    stack = np.random.default_rng(1).integers(0, 99, (5, 40, 50), dtype=np.uint8)
    everything = lazy_labels(fake_plan(stack, "zyx")).compute()
    some = lazy_labels(fake_plan(stack, "zyx", region={"z": (2, 4)}, window=16)).compute()
    np.testing.assert_array_equal(some, everything[2:4])


def test_nothing_is_computed_until_asked_for(image, fake_plan):
    with dask.config.set(scheduler=refuse_to_compute):
        for array in (image, da.from_array(image, chunks=(1, 50, 50))):
            labels = lazy_labels(fake_plan(array, method=Fake(measured=True), window=32))
            part = labels[:5, :5]
            with pytest.raises(AssertionError):
                part.compute()


@pytest.mark.parametrize(
    "chunks", [(2, 101, 135), (1, 17, 135), (2, 50, 50), (1, 101, 1), (2, 8, 9)]
)
def test_a_dask_source_is_the_same_in_any_chunks(image, fake_plan, whole, chunks):
    source = da.from_array(image, chunks=chunks)
    method = Fake(measured=True)
    labels = lazy_labels(fake_plan(source, method=method, window=40))
    np.testing.assert_array_equal(labels.compute(), whole(image, method=method))


def test_a_dask_source_is_computed_by_the_callers_scheduler_alone(image, fake_plan):
    read, computes = [], []

    def watch(block):
        read.extend([1] * (block.size > 0))  # dask also tries it on nothing, to learn the type
        return block

    def counting(graph, keys, **options):
        computes.append(1)
        return dask.get(graph, keys, **options)

    source = da.from_array(image, chunks=(2, 50, 50)).map_blocks(watch, dtype=image.dtype)
    labels = lazy_labels(fake_plan(source, window=1000, method=Fake(measured=True)))
    with dask.config.set(scheduler=counting):
        labels.compute()
    assert len(computes) == 1, "no compute inside a compute"
    assert len(read) == 3 * 3, "each source chunk once, for the statistics and the window together"


def test_statistics_are_measured_once_for_all_windows(image, fake_plan, whole, monkeypatch):
    calls = []
    import napari_superpixels.engine.lazy as module

    def counted(source, *, projected):
        calls.append(source)
        return measure(source, projected=projected)

    monkeypatch.setattr(module, "measure", counted)
    method = Fake(measured=True)
    labels = lazy_labels(fake_plan(image, method=method, window=16))
    np.testing.assert_array_equal(labels.compute(), whole(image, method=method))
    assert len(calls) == 2, "one for the tiled array, one for the whole"


def test_a_million_windows_cost_nothing_until_viewed(fake_plan):
    image = np.broadcast_to(np.uint8(3), (64_000, 64_000))
    labels = lazy_labels(fake_plan(image, "yx", window=64))
    assert labels.npartitions == 1_000_000
    view = labels[32_000:32_100, 10:20]
    assert view.compute().shape == (100, 10)


def test_the_plan_survives_a_pickle(image, fake_plan):
    plan = fake_plan(image, window=32)
    again = pickle.loads(pickle.dumps(plan))
    np.testing.assert_array_equal(lazy_labels(again).compute(), lazy_labels(plan).compute())


@pytest.mark.parametrize("lazy_image", [False, True])
def test_a_dask_mask_is_never_computed_inside_a_compute(image, lazy_image):
    mask = np.random.default_rng(2).random(image.shape[1:]) > 0.3
    pixels = da.from_array(image, chunks=(1, 50, 50)) if lazy_image else image
    given = [(pixels, da.from_array(mask, chunks=40)), (image, mask)]
    method = Fake(measured=True)
    one, two = (
        lazy_labels(make_plan(api.open(i, axes="cyx", mask=m), method, window=40)) for i, m in given
    )
    computes = []

    def counting(graph, keys, **options):
        computes.append(1)
        return dask.get(graph, keys, **options)

    with dask.config.set(scheduler=counting):
        labels = one.compute()
    assert len(computes) == 1
    np.testing.assert_array_equal(labels, two.compute())
