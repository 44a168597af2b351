"""The cache, the requests and the grid of tiles, without any thread."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from napari_superpixels.engine.live_tiles import (
    KEPT_REQUESTS,
    Requests,
    TileCache,
    TileGrid,
    TileKey,
    from_the_middle,
    pasted,
)
from napari_superpixels.tiling import Box

TILE = np.zeros((10, 10), np.uint8)
HERE, THERE = Box.of((0, 9), (0, 9)), Box.of((5, 9), (5, 9))


def keys(count, level=0):
    return [TileKey(level, 0, 0, column) for column in range(count)]


def nowhere(_key):
    return False


@st.composite
def grids_and_boxes(draw):
    starts = [draw(st.integers(0, 9)) for _ in range(2)]
    extent = Box.of(*((start, start + draw(st.integers(1, 40))) for start in starts))
    edge = draw(st.integers(1, 15)), draw(st.integers(1, 15))
    sides = []
    for side in extent:
        start = draw(st.integers(side.start, side.stop))
        sides.append((start, draw(st.integers(start, side.stop))))
    return TileGrid(extent, edge), Box.of(*sides)


@given(grids_and_boxes())
def test_the_tiles_that_a_box_touches_cover_it_and_no_other_does(case):
    grid, box = case
    rows, columns = grid.touching(box)
    covered = np.zeros((60, 60), int)
    for row in rows:
        for column in columns:
            tile = grid.box(row, column)
            assert grid.extent.covers(tile)
            assert all(tile.clip(box).shape), "it touches the box"
            covered[tile.slices] += 1
    assert (covered[box.slices] == 1).all()
    if not all(box.shape):
        assert not covered.any()


@given(grids_and_boxes())
def test_tiles_are_pasted_where_they_lie(case):
    grid, box = case
    whole = np.random.default_rng(0).integers(0, 255, (60, 60), dtype=np.uint8)
    rows, columns = grid.touching(box)
    boxes = [grid.box(row, column) for row in rows for column in columns]
    out = np.zeros(box.shape, np.uint8)
    pasted(out, box, [(tile, whole[tile.slices]) for tile in boxes])
    np.testing.assert_array_equal(out, whole[box.slices])


def test_tiles_come_from_the_middle():
    order = from_the_middle(2, [7], (range(3, 8), range(10, 13)), 100)
    assert order[0] == TileKey(2, 7, 5, 11)
    distances = [(key.row - 5) ** 2 + (key.column - 11) ** 2 for key in order]
    assert distances == sorted(distances)
    assert len(set(order)) == 15
    assert from_the_middle(2, [7], (range(3, 8), range(10, 13)), 4) == order[:4]


def test_the_middle_plane_comes_first():
    order = from_the_middle(0, range(4, 9), (range(1), range(1)), 3)
    assert [key.plane for key in order] == [6, 5, 7]


def test_the_cache_forgets_what_was_not_used_for_longest():
    cache = TileCache(300)
    first, second, third, fourth = keys(4)
    for key in (first, second, third):
        cache.put(key, TILE, wanted=True)
    assert cache.get(first) is not None
    cache.put(fourth, TILE, wanted=True)
    assert second not in cache
    assert all(key in cache for key in (first, third, fourth))
    assert (len(cache), cache.nbytes) == (3, 300)


def test_the_cache_keeps_what_is_wanted_rather_than_what_was():
    cache = TileCache(300)
    *wanted, old = keys(4)
    for key in wanted:
        cache.put(key, TILE, wanted=True)
    cache.put(old, TILE, wanted=False)
    assert [key in cache for key in (*wanted, old)] == [True, True, True, False]


def test_a_single_tile_is_kept_however_large():
    cache = TileCache(1)
    for key in keys(2):
        cache.put(key, TILE, wanted=True)
        assert cache.get(key) is TILE
    assert len(cache) == 1
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)


def test_the_newest_request_comes_first_and_the_older_after():
    requests = Requests()
    old, new = keys(3), keys(3, level=1)
    requests.ask((0, (0,), HERE), 1, old, nowhere)
    requests.ask((1, (0,), HERE), 2, new, nowhere)
    made = []
    while (following := requests.next()) is not None:
        made.append(following)
        requests.made(following[1])
    assert made == [(2, key) for key in new] + [(1, key) for key in old]


def test_what_is_there_is_not_asked_for():
    requests = Requests()
    requests.ask((0, (0,), HERE), 1, keys(3), lambda key: key.column == 0)
    assert requests.waiting() == set(keys(3)[1:])


def test_a_tile_that_two_requests_want_is_made_once():
    requests = Requests()
    requests.ask((0, (0,), HERE), 1, keys(2), nowhere)
    requests.ask((0, (0,), THERE), 2, keys(3), nowhere)
    assert len(requests.waiting()) == 3
    requests.made(keys(1)[0])
    assert requests.waiting() == set(keys(3)[1:])
    assert requests.wants(keys(3)[2])
    assert not requests.wants(keys(4)[3])


def test_what_was_made_for_a_place_is_not_asked_for_again_there():
    requests = Requests()
    requests.ask((0, (0,), HERE), 1, keys(2), nowhere)
    requests.made(keys(1)[0])
    requests.ask((0, (0,), HERE), 2, keys(2), nowhere)
    assert requests.waiting() == {keys(2)[1]}, "although it is not there any more"
    requests.ask((0, (0,), THERE), 3, keys(1), nowhere)
    assert requests.next() == (3, keys(1)[0]), "another place asks anew"


@pytest.mark.parametrize("surplus", [1, 5])
def test_old_requests_are_dropped(surplus):
    requests = Requests()
    for number in range(KEPT_REQUESTS + surplus):
        requests.ask((0, (number,), HERE), number, [TileKey(0, number, 0, 0)], nowhere)
    planes = {key.plane for key in requests.waiting()}
    assert planes == set(range(surplus, KEPT_REQUESTS + surplus))
    requests.clear()
    assert requests.next() is None
