"""What a live view shows, level by level."""

import dask.array as da
import numpy as np
import pytest

from napari_superpixels import api
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.live_levels import label_levels, tile_cells
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.errors import InputError
from napari_superpixels.labels.boundaries import find_boundaries
from napari_superpixels.testing.fake import Fake


def seen(view, level):
    """All of a level, when it is made."""
    level[...]
    assert view.wait(60)
    assert not view.status().failed
    return level[...]


def noise(shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def blobs(shape, seed=0):
    """Noise of a few pixels' size, so that coarser levels look alike."""
    small = noise([-(-n // 6) for n in shape[:2]] + list(shape[2:]), seed=seed)
    return small.repeat(6, axis=0).repeat(6, axis=1)[: shape[0], : shape[1]]


def nodata_scene():
    """Three channels of 16 bits without data at a corner."""
    image = noise((3, 90, 110), np.uint16) * 17
    image[:, 50:, :60] = 0
    return image


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (noise((90, 121, 3)), {"axes": "yxs"}),
        (nodata_scene(), {"axes": "cyx", "mask": np.arange(110) % 37 > np.zeros((90, 1))}),
        (noise((3, 60, 70), np.uint16), {"axes": "zyx"}),
    ],
    ids=["rgb", "three channels with nodata", "z-stack"],
)
def test_the_finest_level_equals_the_labels(live, tiles_of, image, options):
    tiles_of(20)
    labels = api.superpixels(image, "slic", step=5, iterations=2, **options).compute()
    plan = api.plan(api.open(image, **options), "slic", step=5, iterations=2)
    view = live(plan)
    np.testing.assert_array_equal(seen(view, view.labels[0]), labels)
    done = view.status().done
    assert done >= 30, "the tiles are small"
    boundaries = [find_boundaries(plane) for plane in labels.reshape(-1, *labels.shape[-2:])]
    shown = seen(view, view.boundaries[0])
    np.testing.assert_array_equal(shown, np.reshape(boundaries, labels.shape))
    assert view.status().done == done, "boundaries come with the labels"


def test_a_region_is_all_that_is_shown(live, tiles_of):
    tiles_of(32)
    image = noise((4, 100, 130))
    region = {"z": (1, 3), "y": (24, 61), "x": (40, 130)}
    plan = make_plan(api.open(image, axes="zyx"), Fake(), region=region)
    labels = np.asarray(lazy_labels(plan).compute())
    expected = np.zeros(image.shape, labels.dtype)
    expected[1:3, 24:64, 40:130] = labels
    view = live(plan)
    np.testing.assert_array_equal(seen(view, view.labels[0]), expected)
    for level in view.labels[1:]:
        shown = seen(view, level)
        assert (shown[[0, 3]] == 0).all()
        factor = [n / m for n, m in zip(image.shape[1:], shown.shape[1:])]
        rows, columns = ((np.arange(m) + 0.5) * f for m, f in zip(shown.shape[1:], factor))
        inside = ((rows >= 24) & (rows < 64))[:, None] & (columns >= 40)
        np.testing.assert_array_equal(shown[1] > 0, inside)


def test_levels_are_the_sources_and_then_halves(tiles_of):
    tiles_of(1024, 20)
    image = noise((300, 211))
    arrays = [image, image[::2, ::2], image[::7, ::7]]
    source = api.open(arrays, axes="yx")
    levels = label_levels(make_plan(source, Fake(step=16)))
    assert [level.shape for level in levels] == [
        (300, 211), (150, 106), (43, 31), (22, 16), (11, 8)
    ]  # fmt: skip
    assert [level.kind for level in levels] == ["exact", "approximate", *["cells"] * 3]
    assert [level.base for level in levels] == [0, 1, 2, 2, 2]
    coarse = label_levels(make_plan(api.open(source), Fake(step=16)))[1]
    assert coarse.step == (8, 8)


def test_a_coarser_level_of_the_source_goes_on_from_there():
    image = noise((600, 600))
    source = api.open([image, image[::2, ::2]], axes="yx")
    assert [level.shape for level in label_levels(make_plan(source, Fake()))] == [
        (600, 600), (300, 300), (150, 150)
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (256, 9), (30, 700)])
def test_there_is_always_a_coarser_level_and_it_is_short(shape):
    *finer, coarsest = label_levels(make_plan(api.open(noise(shape), axes="yx"), Fake(step=2)))
    assert finer[0].shape == shape
    assert (coarsest.kind, coarsest.has_tiles) == ("cells", False)
    assert max(coarsest.shape) <= 256


@pytest.mark.parametrize(
    ("step", "size"),
    [(2, 1024), (16, 1024), (60, 1020), (64, 1024), (100, 1600), (118, 1888), (999, 1998)],
)
def test_tiles_are_whole_cells_and_larger_for_large_steps(step, size):
    assert tile_cells(step) * step == size


def agreement(shown, labels):
    """The share of pixels that have the label under their centre."""
    pairs = zip(labels.shape, shown.shape, strict=True)
    rows, columns = (((np.arange(m) + 0.5) * n / m).astype(int) for n, m in pairs)
    return (shown == labels[np.ix_(rows, columns)]).mean()


@pytest.mark.parametrize("step", [12, 15, 25])
@pytest.mark.parametrize("shape", [(154, 201), (103, 134), (77, 101)])
def test_coarse_levels_are_the_labels_of_resampled_cells(live, tiles_of, step, shape):
    tiles_of(64, 50)
    image, coarse = blobs((307, 401, 3)), blobs((*shape, 3), seed=1)
    source = api.open([image, coarse], axes="yxs")
    view = live(api.plan(source, "slic", step=step, iterations=3))
    cell = round(step * shape[1] / 401)
    if cell < 4:
        assert view.labels[1].kind == "cells"
        return
    assert view.labels[1].kind == "approximate"

    # The same by numpy alone, from the definitions: where a pixel of a cell lies, and back.
    def pixels(fine, size):
        places = (np.arange(fine * cell // step + 2 * cell) + 0.5) * step / cell
        kept = places < max(fine, (fine - 1) // step * step + 0.5 * step / cell + 0.1)
        return np.minimum(places[kept] * size / fine, size - 1).astype(int)

    def back(fine, size, count):
        places = (np.arange(size) + 0.5) * fine / size * cell / step
        return np.minimum(places, count - 1).astype(int)

    rows, columns = (pixels(n, m) for n, m in zip((307, 401), shape))
    resampled = coarse[np.ix_(rows, columns)]
    labels = api.superpixels(resampled, "slic", step=cell, iterations=3, axes="yxs").compute()
    places = (back(n, m, k) for n, m, k in zip((307, 401), shape, labels.shape))
    np.testing.assert_array_equal(seen(view, view.labels[1]), labels[np.ix_(*places)])


def test_coarse_levels_of_real_images_look_like_the_labels(live, samples):
    view = live(
        api.plan(api.open(samples / "mosaic_cog1.tif", channels=[0, 1, 2]), "slic", step=16)
    )
    labels = np.asarray(lazy_labels(view.plan).compute())
    assert view.labels[1].kind == "approximate"
    assert agreement(seen(view, view.labels[1]), labels) > 0.7


def test_tiles_do_not_show_at_coarse_levels(live, tiles_of):
    tiles_of(1024, 100)
    image = blobs((300, 311, 3))
    source = api.open([image, image[::2, ::2]], axes="yxs")
    whole = live(api.plan(source, "slic", step=15, iterations=2))
    expected = seen(whole, whole.labels[1]), seen(whole, whole.boundaries[1])
    tiles_of(40, 100)
    view = live(api.plan(source, "slic", step=15, iterations=2))
    np.testing.assert_array_equal(seen(view, view.labels[1]), expected[0])
    np.testing.assert_array_equal(seen(view, view.boundaries[1]), expected[1])
    np.testing.assert_array_equal(expected[1], find_boundaries(expected[0]))
    assert whole.status().done == 1
    assert view.status().done > 16


def test_without_levels_of_its_own_an_image_is_read_with_gaps(live):
    image = blobs((1100, 700, 3))
    plan = api.plan(api.open(image, axes="yxs"), "slic", step=16)
    view = live(plan)
    assert [level.kind for level in view.labels] == ["exact", *["approximate"] * 2, "cells"]
    shown, labels = seen(view, view.labels[1]), lazy_labels(plan).compute()
    assert agreement(shown, labels) > 0.6
    assert (seen(view, view.labels[2]) > 0).all()


@pytest.mark.parametrize(("wrap", "approximate"), [(np.asarray, 3), (da.from_array, 2)])
def test_gaps_in_files_are_short_and_in_memory_as_they_come(wrap, approximate):
    source = api.open(wrap(np.zeros((4000, 4000), np.uint8)), axes="yx")
    kinds = [level.kind for level in label_levels(make_plan(source, Fake(step=32)))]
    assert kinds == ["exact", *["approximate"] * approximate, *["cells"] * (4 - approximate)]


def test_cells_are_there_at_once(live):
    plan = make_plan(api.open(noise((600, 500)), axes="yx"), Fake(step=2))
    view = live(plan)
    for level in view.labels[1:]:
        assert level.kind == "cells"
        shown = level[...]
        rows, columns = (
            ((np.arange(m) + 0.5) * n / m).astype(int) // 2 for n, m in zip((600, 500), level.shape)
        )
        np.testing.assert_array_equal(shown, rows[:, None] * 250 + columns + 1)
    assert view.status().waiting == 0


def test_cells_have_boundaries_where_these_do_not_cover_all(live):
    image = da.zeros((4096, 4096), chunks=512, dtype=np.uint8)
    plan = make_plan(api.open(image, axes="yx"), Fake(step=64))
    view = live(plan)
    cells = [k for k, level in enumerate(view.labels) if level.kind == "cells"]
    assert [view.labels[k].shape[0] for k in cells] == [512, 256]
    for k in cells:
        expected = find_boundaries(view.labels[k][...])
        np.testing.assert_array_equal(view.boundaries[k][...], expected)
        part = np.s_[9:40, 3:33]
        np.testing.assert_array_equal(view.boundaries[k][part], expected[part])
    small = live(make_plan(api.open(image, axes="yx"), Fake(step=8)))
    assert small.labels[-1].kind == "cells"
    assert not small.boundaries[-1][...].any()


@pytest.mark.parametrize("step", [2, 12])
def test_coarse_levels_leave_out_what_holds_no_data(live, step):
    image = noise((700, 500)).clip(1)
    mask = np.ones((700, 500), bool)
    mask[:300, 200:] = False
    plan = make_plan(api.open(image, axes="yx", mask=mask), Fake(step=step))
    view = live(plan)
    *finer, coarsest = view.labels
    assert {level.kind for level in finer[1:]} == {"cells" if step == 2 else "approximate"}
    assert (np.asarray(coarsest) > 0).all(), "a thumbnail is there at once"
    for level in view.labels:
        shown = seen(view, level)
        rows, columns = (
            ((np.arange(m) + 0.5) * n / m).astype(int) for n, m in zip(mask.shape, level.shape)
        )
        np.testing.assert_array_equal(shown > 0, mask[np.ix_(rows, columns)])


def test_large_ids_have_64_bits(live):
    image = np.broadcast_to(np.uint8(3), (40, 70_000, 70_000))
    view = live(make_plan(api.open(image, axes="zyx"), Fake(step=4)))
    part = np.s_[39, 69_000:69_050, 100:140]
    view.labels[0][part]
    assert view.wait(60)
    shown = view.labels[0][part]
    assert shown.dtype == np.uint64
    assert shown.min() > 2**32
    cell = 39 * 17_500**2 + (69_025 // 4) * 17_500 + 120 // 4 + 1
    assert abs(int(shown[25, 20]) - cell) in (0, 1, 17_499, 17_500, 17_501)


def test_a_plan_without_statistics_is_refused(live):
    plan = make_plan(api.open(noise((30, 40)), axes="yx"), Fake(measured=True))
    with pytest.raises(InputError, match="has no statistics, which fake needs"):
        live(plan)
