from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superpixels.tiling import Box, Interval, Lattice, Windows, Windows1D, WindowShape

shapes = st.builds(
    WindowShape,
    core=st.integers(1, 12),
    halo=st.integers(0, 7),
    align=st.integers(1, 5),
    fixed=st.booleans(),
)


@st.composite
def lines(draw, shape=shapes):
    domain = draw(st.integers(1, 40))
    start = draw(st.integers(0, domain - 1))
    stop = draw(st.integers(start + 1, domain))
    return Windows1D(domain, Interval(start, stop), draw(shape))


def read_members(windows):
    return [windows.read(i) for i in range(len(windows))]


@given(windows=lines())
def test_cores_partition_the_region_in_order(windows):
    cores = [windows.core(i) for i in range(len(windows))]
    assert cores[0].start == windows.region.start
    assert cores[-1].stop == windows.region.stop
    assert all(a.stop == b.start for a, b in pairwise(cores))
    assert all(1 <= len(core) <= windows.shape.core for core in cores)


@given(windows=lines())
def test_reads_stay_inside_and_hold_core_and_halo(windows):
    whole = Interval(0, windows.domain)
    for i in range(len(windows)):
        read = windows.read(i)
        assert whole.covers(read)
        assert read.covers(windows.core(i).grow(windows.shape.halo).clip(whole))


@given(windows=lines())
def test_reads_start_aligned_and_end_aligned_or_with_the_domain(windows):
    align = windows.shape.align
    for read in read_members(windows):
        assert read.start % align == 0
        assert read.stop % align == 0 or read.stop == windows.domain


@given(windows=lines())
def test_reads_are_no_longer_than_declared(windows):
    assert all(len(read) <= windows.shape.longest_read for read in read_members(windows))


@given(windows=lines(shapes.map(lambda shape: replace(shape, fixed=True))))
def test_fixed_reads_have_one_length_on_the_padded_domain(windows):
    align = windows.shape.align
    padded = replace(windows, domain=-(-windows.domain // align) * align)
    lengths = {len(read) for read in read_members(padded)}
    assert lengths == {min(windows.shape.longest_read, padded.domain)}
    # On the domain itself they are the same, cut where it ends.
    whole = Interval(0, windows.domain)
    assert read_members(windows) == [read.clip(whole) for read in read_members(padded)]


@given(windows=lines(shapes.map(lambda shape: replace(shape, fixed=False))))
def test_cut_reads_waste_less_than_an_alignment(windows):
    for i, read in enumerate(read_members(windows)):
        need = windows.core(i).grow(windows.shape.halo)
        align = windows.shape.align
        assert len(read) <= len(need) + 2 * (align - 1)


@st.composite
def planes(draw):
    axes = draw(st.integers(1, 3))
    size = {1: 40, 2: 12, 3: 6}[axes]
    shape = tuple(draw(st.integers(1, size)) for _ in range(axes))
    step = tuple(draw(st.integers(1, 4)) for _ in range(axes))
    lattice = Lattice(shape, step)
    region = []
    for n in lattice.cells:
        start = draw(st.integers(0, n - 1))
        region.append(Interval(start, draw(st.integers(start + 1, n))))
    cut = tuple(draw(shapes) for _ in range(axes))
    return lattice, Windows.over(lattice.cells, Box(tuple(region)), cut)


@given(plane=planes())
def test_products_cover_every_cell_of_the_region_once(plane):
    lattice, windows = plane
    region = Box(tuple(axis.region for axis in windows.axes))
    seen = np.zeros(lattice.cells, int)
    for window in windows:
        seen[window.core.slices] += 1
        assert window.read.covers(window.core)
        assert Box.whole(lattice.cells).covers(window.read)
    assert (seen[region.slices] == 1).all()
    assert seen.sum() == np.prod(region.shape)


@given(plane=planes())
def test_products_are_numbered_in_raster_order(plane):
    _, windows = plane
    indices = [window.index for window in windows]
    assert indices == list(np.ndindex(windows.grid))
    assert len(indices) == len(windows)
    assert all(windows.at(window.index) == window for window in windows)
    with pytest.raises(IndexError):
        windows[len(windows)]


@given(plane=planes())
def test_labels_are_unique_and_independent_of_windows(plane):
    lattice, windows = plane
    labels = np.arange(1, lattice.last_label + 1).reshape(lattice.cells)
    for window in windows:
        for cell in np.ndindex(window.read.shape):
            there = tuple(i + j for i, j in zip(cell, window.read.start, strict=True))
            assert lattice.label(there) == labels[window.read.slices][cell]


@given(plane=planes())
def test_the_pixels_of_a_core_lie_in_the_pixels_of_its_read(plane):
    lattice, windows = plane
    for window in windows:
        core, read = lattice.to_pixels(window.core), lattice.to_pixels(window.read)
        assert read.covers(core)
        image = np.arange(np.prod(lattice.shape)).reshape(lattice.shape)
        assert (image[read.slices][core.relative_to(read).slices] == image[core.slices]).all()


def test_a_domain_smaller_than_a_window_is_one_window():
    shape = WindowShape(core=64, halo=24)
    windows = Windows.over((1, 3), Box.whole((1, 3)), (shape, shape))
    assert [window.read for window in windows] == [Box.whole((1, 3))]


def test_windows_of_one_shape_are_shifted_at_the_end():
    windows = Windows1D(20, Interval(0, 20), WindowShape(core=8, halo=2, align=4, fixed=True))
    reads = [(read.start, read.stop) for read in read_members(windows)]
    assert reads == [(0, 16), (4, 20), (4, 20)]
