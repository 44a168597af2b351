import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superpixels.kernels.connectivity import HALO_CELLS, bytes_for, connect
from napari_superpixels.kernels.connectivity_reference import connect_reference, kept_labels
from napari_superpixels.kernels.ids import NODATA, expand_ids
from napari_superpixels.labels.check import count_components, pixels_outside_cells
from napari_superpixels.testing.strategies import (
    KINDS,
    Assignment,
    assignments,
    make_assignment,
    steps,
)
from napari_superpixels.tiling import Box, Interval, Lattice


def solve(case, **kwargs):
    return connect(case.codes, case.valid, case.step, case.cost, **kwargs)


def from_rows(*rows):
    """Read codes that are written as rows of digits."""
    return np.array([[int(char) for char in row] for row in rows], np.uint8)


def smaller_label(index, code):
    """Find all labels equally near."""
    return np.zeros(index.shape, np.int32)


def labels_of(codes, step):
    lattice = Lattice(codes.shape, step)
    dtype = lattice.label_dtype
    return lattice, expand_ids(codes, (0, 0), step, lattice.cells, 0, dtype)


# --- the kernel and the rule ------------------------------------------------------------------


@given(case=assignments())
def test_equals_the_reference(case):
    expected, layers = connect_reference(case.codes, case.valid, case.step, case.cost)
    assert (solve(case) == expected).all()
    assert layers <= max(sum(case.step) - 2, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_equals_the_reference_on_fixed_cases(kind, size):
    rng = np.random.default_rng(size)
    for _ in range(12):
        step = size, int(rng.integers(1, size + 1))
        shape = int(rng.integers(1, 5 * step[0] + 1)), int(rng.integers(1, 5 * step[1] + 1))
        case = make_assignment(rng, kind, shape, step)
        expected, layers = connect_reference(case.codes, case.valid, step, case.cost)
        assert (solve(case) == expected).all()
        assert layers <= max(sum(step) - 2, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [62, 63, 64, 65, 127, 128, 129, 193])
def test_equals_the_reference_where_rows_span_words(kind, width):
    """Rows are compared 64 pixels at a time; cells and runs go across."""
    rng = np.random.default_rng(width)
    for step in ((2, 3), (3, 16), (5, 33), (4, 64), (2, 100)):
        case = make_assignment(rng, kind, (int(rng.integers(4, 14)), width), step)
        expected, _ = connect_reference(case.codes, case.valid, step, case.cost)
        np.testing.assert_array_equal(solve(case), expected)


@pytest.mark.parametrize("threads", [1, 3])
def test_long_runs_of_few_labels_span_words(threads):
    """A run of 3 x 60 pixels in three cells is one; nodata inside it counts in no size."""
    step = (3, 60)
    codes = np.full((90, 420), 4, np.uint8)
    codes[10:14, 60:120], codes[10:14, 180:240] = 5, 3
    valid = np.random.default_rng(0).random(codes.shape) > 0.2
    expected, _ = connect_reference(codes, valid, step, smaller_label)
    out = connect(codes, valid, step, smaller_label, threads=threads)
    np.testing.assert_array_equal(out, expected)


@given(case=assignments(largest_cells=9))
def test_every_label_is_one_piece_near_its_cell(case):
    lattice, labels = labels_of(connect(case.codes, None, case.step, case.cost), case.step)
    assert labels.min() > 0
    assert (count_components(labels)[1] == 1).all()
    assert labels.max() <= lattice.last_label
    assert pixels_outside_cells(labels, lattice, (0, 0)) == 0


@given(case=assignments(largest_cells=9))
def test_nodata_is_where_there_is_none_and_labels_stay_near(case):
    out = solve(case)
    valid = np.ones(out.shape, bool) if case.valid is None else case.valid
    assert ((out == NODATA) == ~valid).all()
    assert (out[valid] < 9).all()
    lattice, labels = labels_of(out, case.step)
    assert pixels_outside_cells(labels, lattice, (0, 0)) == 0


@given(case=assignments())
def test_what_is_kept_stays_and_nothing_else_appears(case):
    kept = kept_labels(case.codes, case.valid, case.step)
    lattice, labels = labels_of(connect(case.codes, case.valid, case.step, case.cost), case.step)
    valid = np.ones(labels.shape, bool) if case.valid is None else case.valid
    for pixel, cell in kept.items():
        assert labels[pixel] == (lattice.label(cell) if valid[pixel] else 0)
    assert set(np.unique(labels)) <= {0} | {lattice.label(cell) for cell in kept.values()}


@given(case=assignments())
def test_the_codes_of_nodata_are_not_read(case):
    if case.valid is None:
        return
    codes = np.where(case.valid, case.codes, NODATA).astype(np.uint8)
    other = connect(codes, case.valid, case.step, case.cost)
    assert (other == solve(case)).all()


# --- each rule alone, on one row of pixels --------------------------------------------------------


def solve_line(text, cost=smaller_label, valid=None):
    """Solve a row written as its cells, and write the result in the same way."""
    cells = text.split()
    mask = None if valid is None else from_rows(valid.replace(" ", "")).astype(bool)
    step = 1, len(cells[0])
    out = connect(from_rows("".join(cells)), mask, step, cost)
    digits = "".join("N" if code == NODATA else str(code) for code in out[0])
    return " ".join(digits[i : i + step[1]] for i in range(0, len(digits), step[1]))


def test_a_clean_assignment_stays():
    assert solve_line("44444 33444 44") == "44444 33444 44"


def test_rule_1_keeps_the_largest_piece_that_touches_its_cell():
    assert solve_line("45445 33344") == "44444 34444"


def test_rule_1_gives_ties_to_the_first_in_raster_order():
    assert solve_line("45554 44444") == "44455 44444"


def test_rule_2_keeps_a_piece_abroad_where_its_cell_holds_home_pixels():
    assert solve_line("44 33 33") == "44 33 33"


def test_rule_2_keeps_nothing_elsewhere_and_rule_3_fills_the_cells():
    assert solve_line("55 55 33") == "44 44 44"


def test_rule_2_keeps_the_largest_piece_and_growth_takes_the_smaller_label_of_equal_ones():
    assert solve_line("445 335 433") == "444 355 433"


def test_growth_takes_the_nearest():
    assert solve_line("445 335 433", lambda index, code: 8 - code) == "444 555 433"


def test_nodata_counts_in_no_size():
    assert solve_line("44545 44444") == "44455 44444"
    assert solve_line("44545 44444", valid="00111 11111") == "NN445 44444"


def test_growth_is_synchronous():
    # Pixel 2 is reached in the second layer from both sides, however near label 0 is.
    assert solve_line("45554 44444", lambda index, code: code != 4) == "44455 44444"


# --- the bound: five cells ------------------------------------------------------------------------


def solve_window(case, read):
    """Solve the pixels of a box alone, with the distances that they have in the whole."""
    codes = case.codes[read.slices]
    valid = None if case.valid is None else case.valid[read.slices]
    table = case.table.reshape(*case.codes.shape, 9)[read.slices].reshape(-1, 9)
    return solve(Assignment(codes, valid, case.step, table))


@given(case=assignments(largest_step=4, largest_cells=16), data=st.data())
def test_a_window_with_a_halo_of_five_cells_gives_what_the_whole_gives(case, data):
    lattice = Lattice(case.codes.shape, case.step)
    sides = []
    for cells in lattice.cells:
        start = data.draw(st.integers(0, cells - 1))
        sides.append(Interval(start, data.draw(st.integers(start + 1, cells))))
    core = Box(tuple(sides))
    read = Box(tuple(side.grow(HALO_CELLS) for side in core)).clip(Box.whole(lattice.cells))
    pixels, around = lattice.to_pixels(core), lattice.to_pixels(read)
    part = solve_window(case, around)[pixels.relative_to(around).slices]
    assert (part == solve(case)[pixels.slices]).all()


def test_a_halo_of_four_cells_is_not_enough():
    """A pixel in cell 0 depends on one in cell 5.

    Cell 5 decides which piece label 4 keeps, thereby whether cell 3 holds home pixels, thereby
    whether label 3 keeps the top pixel of cell 2. If not, label 1 takes it, and reaches the top of
    cell 0 in the third layer.
    """
    columns = from_rows("555444", "553333", "533334", "333335", "443444", "333444")
    table = np.ones((6, 6, 9), np.int32)
    for column in range(3):
        table[:, column, 5 - column] = 0  # label 1 is the nearest ...
    table[1, 1, 4] = 2  # ... but not here
    case = Assignment(columns.T.copy(), None, (6, 1), table.reshape(-1, 9))
    whole = solve(case)
    assert (solve_window(case, Box.of((0, 6), (0, 6))) == whole).all()
    part = solve_window(case, Box.of((0, 6), (0, 5)))
    assert whole[0, 0] == 5
    assert part[0, 0] == 4
    for codes, result in ((case.codes, whole), (case.codes[:, :5], part)):
        window = Assignment(codes, None, (6, 1), table[:, : codes.shape[1]].reshape(-1, 9))
        assert (connect_reference(codes, None, (6, 1), window.cost)[0] == result).all()


def test_a_halo_of_three_cells_is_not_enough():
    codes = from_rows("55433335534544", "55543333544444")  # found by a random search
    case = Assignment(codes, None, (2, 2), np.zeros((28, 9)))
    whole = solve(case)
    part = solve_window(case, Box.of((0, 2), (2, 14)))
    assert (part[:, 6:] != whole[:, 8:]).any()


# --- how it is called -----------------------------------------------------------------------------


def big_case(shape=(300, 60), step=(3, 5), seed=0, kind="random"):
    return make_assignment(np.random.default_rng(seed), kind, shape, step)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threads", [2, 3, 50])
def test_threads_do_not_change_the_result(seed, threads):
    case = big_case(seed=seed, kind=KINDS[seed])
    assert (solve(case, threads=threads) == solve(case)).all()


def test_distances_are_asked_once_a_pair_and_only_where_there_is_a_choice():
    case = big_case()
    asked = []

    def cost(index, code):
        assert index.dtype == np.int64
        assert code.dtype == np.uint8
        asked.append(np.stack([index, code]))
        return case.cost(index, code)

    connect(case.codes, None, case.step, cost)
    assert len(asked) <= sum(case.step) - 2
    pairs = np.concatenate(asked, axis=1)
    assert np.unique(pairs, axis=1).shape == pairs.shape
    options = np.unique(pairs[0], return_counts=True)[1]
    assert options.min() >= 2
    assert options.max() <= 4


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_distances_of_any_type(dtype):
    case = big_case(seed=1)
    table = (case.table % 7).astype(dtype)
    other = Assignment(case.codes, case.valid, case.step, table)
    assert (
        solve(other) == connect_reference(case.codes, case.valid, case.step, other.cost)[0]
    ).all()


def test_strided_codes_and_masks():
    case = big_case(seed=2)
    valid = np.random.default_rng(0).random(case.codes.shape) < 0.8
    expected = connect(case.codes, valid, case.step, case.cost)
    codes, mask = np.asfortranarray(case.codes), np.asfortranarray(valid)
    assert (connect(codes, mask, case.step, case.cost) == expected).all()


def test_a_mask_without_nodata_changes_nothing():
    case = big_case(seed=3)
    everywhere = np.ones(case.codes.shape, bool)
    with_mask = connect(case.codes, everywhere, case.step, case.cost)
    assert (with_mask == connect(case.codes, None, case.step, case.cost)).all()


def test_a_code_that_is_none_is_refused():
    with pytest.raises(AssertionError, match="over 8"):
        connect(np.full((4, 4), 9, np.uint8), None, (2, 2), smaller_label)


@pytest.mark.parametrize("threads", [1, 3])
def test_pulse_may_stop_it(threads):
    class StopError(Exception):
        pass

    def pulse():
        raise StopError

    with pytest.raises(StopError):
        solve(big_case(), threads=threads, pulse=pulse)


@pytest.mark.parametrize("kind", ["random", "checkerboard", "one code"])
@pytest.mark.parametrize("threads", [1, 2])
def test_memory_stays_below_the_bound(kind, threads):
    shape, step = (400, 500), (16, 16)
    codes = big_case(shape, step, kind=kind).codes
    valid = np.ones(shape, bool)
    connect(codes, valid, step, lambda index, code: index, threads=threads)
    tracemalloc.start()
    try:
        connect(codes, valid, step, lambda index, code: index, threads=threads)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    objects = 1 << 16
    assert peak - codes.nbytes <= bytes_for(shape, step, threads=threads) + objects


@given(step=steps(), rows=st.integers(1, 40), columns=st.integers(1, 40))
def test_the_bound_grows_with_threads(step, rows, columns):
    one = bytes_for((rows, columns), step)
    assert 0 < one <= bytes_for((rows, columns), step, threads=2)
