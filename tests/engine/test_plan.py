import numpy as np
import pytest

from napari_superpixels import api
from napari_superpixels.engine.cost import Lanes, TileCost, fit_lanes, project_tile
from napari_superpixels.engine.geometry import pyramid_factors
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.errors import InputError, PlanError
from napari_superpixels.testing.fake import Fake
from napari_superpixels.tiling import Box


def test_a_plan_is_frozen_and_reads_as_a_table(image, fake_plan):
    plan = fake_plan(image)
    with pytest.raises(AttributeError):
        plan.core = (1, 1)
    text = str(plan)
    for part in ("13 x 17 cells of 8 x 8 px", "fake step=8", "uint16 2 channel(s)", "101 x 135 px"):
        assert part in text


def test_a_name_with_brackets_is_shown_as_it_is(tmp_path):
    np.save(tmp_path / "x[red].npy", np.zeros((40, 50), np.uint8))
    assert "x[red]" in str(make_plan(api.open(tmp_path / "x[red].npy"), Fake()))


def test_equal_plans_have_equal_hashes_and_anything_else_changes_them(image, fake_plan):
    plan = fake_plan(image, window=32)
    assert plan.hash == fake_plan(image, window=32).hash
    others = [
        fake_plan(image, window=64),
        fake_plan(image, method=Fake(step=9), window=32),
        fake_plan(image, method=Fake(reach=3), window=32),
        fake_plan(image, window=32, region={"y": (0, 32)}),
        fake_plan(image + 1, window=32),
    ]
    assert len({plan.hash, *(other.hash for other in others)}) == 6


def test_windows_and_regions_grow_to_whole_cells(image, fake_plan):
    plan = fake_plan(image, window=20, region={"y": (9, 30), "x": (100, 135)})
    assert plan.core_px == (24, 24)
    assert plan.pixels == Box.of((8, 32), (96, 135))
    assert plan.axes["y"].origin == 8
    assert plan.axes.shape == (24, 39)


def test_a_window_is_a_whole_number_of_chunks():
    source = api.open(np.zeros((3000, 2500), np.uint8))
    for window in (256, 512, 1024, 2000, 3000):
        for step in (16, 24, 7):
            plan = make_plan(source, Fake(step=step), window=window)
            for core, chunk in zip(plan.core, plan.chunk, strict=True):
                assert core % chunk == 0
                assert min(window, 2500) <= core * step < window + 16 * step


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": Fake(step=200)}, ["200 px", "101 x 135", "at most 135"]),
        ({"region": {"q": (0, 1)}}, ["'q'", "'yx'"]),
        ({"region": {"y": (0, 102)}}, ["0:102", "101"]),
        ({"region": {"y": (5, 5)}}, ["5:5", "start < stop"]),
        ({"window": 0}, ["0 px", "at least 1 px"]),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(image, fake_plan, options, words):
    with pytest.raises((InputError, PlanError)) as caught:
        fake_plan(image, **options)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


def test_a_step_longer_than_one_side_only_is_fine():
    plan = make_plan(api.open(np.zeros((1, 40), np.uint8)), Fake(step=16))
    assert plan.lattice.cells == (1, 3)


def test_the_pyramid_follows_the_source_else_halves():
    assert pyramid_factors(((3000, 2000), (750, 500), (188, 125)), (3000, 2000)) == ((4, 4), (4, 4))
    assert pyramid_factors(((3000, 2000),), (3000, 2000)) == ((2, 2),) * 3
    assert pyramid_factors(((500, 400),), (500, 400)) == ()


def test_memory_is_refused_with_figures():
    def cost(size):
        return TileCost(read_bytes=0, model_bytes=size, label_bytes=0)

    with pytest.raises(PlanError, match=r"needs 9\.1 GB, but 0\.8 GB .* smaller window"):
        fit_lanes(cost(9_000_000_000), 4, 99, 1_000_000_000)
    assert fit_lanes(cost(100), 16, 99, 1_000_000_000) == Lanes.over(16)
    assert fit_lanes(cost(100), 16, 3, 1_000_000_000) == Lanes.over(16, 3)
    assert fit_lanes(cost(300_000_000), 16, 99, 1_000_000_000) == Lanes.over(16, 2)


def test_processors_are_shared_among_a_few_super_tiles():
    for processors in range(1, 100):
        lanes = Lanes.over(processors)
        assert lanes.compute * lanes.threads <= processors < lanes.compute * (lanes.threads + 1)
        assert 1 <= lanes.read == lanes.write <= lanes.compute
    assert Lanes.over(2) == Lanes(read=1, compute=1, write=1, threads=2)
    assert Lanes.over(16) == Lanes(read=2, compute=4, write=2, threads=4)


def test_projected_memory_grows_with_everything():
    base = {
        "read": (100, 100),
        "core": (50, 50),
        "cells": 9,
        "pixel_bytes": 3,
        "channels": 3,
        "source_chunk": (64, 64),
        "value_bytes": 4,
        "model_bytes": 1000,
    }
    total = project_tile(**base).total
    for name, value in base.items():
        bigger = tuple(2 * v for v in value) if isinstance(value, tuple) else 2 * value
        assert project_tile(**{**base, name: bigger}).total > total


def test_uint64_only_where_ids_need_it():
    plan = make_plan(api.open(np.zeros((8, 8), np.uint8)), Fake(step=2))
    assert plan.dtype == np.uint32
    huge = np.broadcast_to(np.uint8(0), (140_000, 140_000))  # 70,000 x 70,000 cells
    assert make_plan(api.open(huge), Fake(step=2)).dtype == np.uint64
