"""The measures: known small cases, invariances, and agreement with definitions in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_superpixels.errors import InputError
from napari_superpixels.labels import metrics as m
from napari_superpixels.labels import shapes

HALVES = np.repeat([[1, 1, 2, 2]], 4, axis=0)
"""Two segments, left and right, 4 x 4."""


def pixels_of(labels, value):
    return {tuple(map(int, p)) for p in np.argwhere(labels == value)}


def regions(labels):
    return [pixels_of(labels, value) for value in np.unique(labels)]


def slow_asa(s, g):
    return sum(max(len(a & b) for b in regions(g)) for a in regions(s)) / s.size


def slow_ue(s, g):
    return sum(min(len(a - b) for b in regions(g)) for a in regions(s)) / s.size


def slow_ue_np(s, g):
    pairs = [(a, b) for b in regions(g) for a in regions(s) if a & b]
    return sum(min(len(a & b), len(a - b)) for a, b in pairs) / s.size


def neighbours(p):
    y, x = p
    return [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]


def slow_boundary(labels, thin):
    height, width = labels.shape
    found = set()
    for y, x in np.ndindex(height, width):
        near = [(y + 1, x), (y, x + 1)] if thin else neighbours((y, x))
        inside = [q for q in near if 0 <= q[0] < height and 0 <= q[1] < width]
        if any(labels[q] != labels[y, x] for q in inside):
            found.add((y, x))
    return found


def within(points, p, radius):
    return any(max(abs(p[0] - y), abs(p[1] - x)) <= radius for y, x in points)


def slow_recall(s, g, radius, thin):
    found, truth = slow_boundary(s, thin), slow_boundary(g, thin)
    return sum(within(found, p, radius) for p in truth) / len(truth) if truth else 1.0


def slow_precision(s, g, radius):
    found, truth = slow_boundary(s, False), slow_boundary(g, False)
    hits = sum(within(found, p, radius) for p in truth)
    misses = sum(not within(truth, p, radius) for p in found)
    return hits / (hits + misses) if hits + misses else 1.0


def slow_compactness(s):
    total = 0.0
    for region in regions(s):
        sides = sum(q not in region for p in region for q in neighbours(p))
        total += len(region) * 4 * math.pi * len(region) / sides**2
    return total / s.size


def slow_variation(s, image):
    mean = image.reshape(-1, image.shape[2]).mean(axis=0)
    kept = whole = 0.0
    for region in regions(s):
        colors = np.array([image[p] for p in region], float)
        kept += len(region) * float(((colors.mean(axis=0) - mean) ** 2).sum())
        whole += float(((colors - mean) ** 2).sum())
    return kept / whole if whole else 1.0


@st.composite
def label_pairs(draw):
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    many = draw(st.integers(1, 6))
    return (
        rng.integers(0, many, shape),
        rng.integers(0, 3, shape),
        rng.integers(0, 256, (*shape, 3)),
    )


@settings(max_examples=60)
@given(label_pairs())
def test_the_measures_agree_with_their_definitions(case):
    s, g, image = case
    assert m.achievable_segmentation_accuracy(s, g) == pytest.approx(slow_asa(s, g))
    assert m.undersegmentation_error(s, g) == pytest.approx(slow_ue(s, g))
    assert m.undersegmentation_error_np(s, g) == pytest.approx(slow_ue_np(s, g))
    assert shapes.compactness(s) == pytest.approx(slow_compactness(s))
    assert shapes.explained_variation(s, image) == pytest.approx(slow_variation(s, image))
    assert m.count_superpixels(s) == len(regions(s))


@settings(max_examples=40)
@given(label_pairs(), st.integers(0, 2), st.booleans())
def test_boundaries_agree_with_their_definitions(case, radius, thin):
    s, g, _ = case
    assert pixels_of(m.boundary_map(s, thin=thin), True) == slow_boundary(s, thin)
    recall = m.boundary_recall(s, g, radius=radius, thin=thin)
    assert recall == pytest.approx(slow_recall(s, g, radius, thin))
    assert m.boundary_precision(s, g, radius=radius) == pytest.approx(slow_precision(s, g, radius))


def test_a_perfect_fit():
    assert m.achievable_segmentation_accuracy(HALVES, HALVES) == 1.0
    assert m.undersegmentation_error_np(HALVES, HALVES) == 0.0
    assert m.boundary_recall(HALVES, HALVES, radius=0) == 1.0
    assert m.boundary_precision(HALVES, HALVES, radius=0) == 1.0


def test_known_values_of_two_halves_against_three_quarters():
    s = np.repeat([[5, 5, 5, 9]], 4, axis=0)
    assert m.overlaps(s, HALVES).toarray().tolist() == [[8, 4], [0, 4]]
    assert m.achievable_segmentation_accuracy(s, HALVES) == 12 / 16
    # S_5 leaks 4 pixels, seen from either segment.
    assert m.undersegmentation_error_np(s, HALVES) == 8 / 16
    # Thick boundaries: columns 1, 2 of the truth, columns 2, 3 found.
    assert m.boundary_recall(s, HALVES, radius=0) == 0.5
    assert m.boundary_recall(s, HALVES, radius=1) == 1.0
    assert m.boundary_precision(s, HALVES, radius=0) == 4 / (4 + 4)
    assert m.boundary_precision(s, HALVES, radius=1) == 1.0


def test_thin_boundaries_are_one_sided():
    assert m.boundary_map(HALVES, thin=True)[0].tolist() == [False, True, False, False]
    assert m.boundary_map(HALVES)[0].tolist() == [False, True, True, False]


def test_the_tolerance_of_the_papers_images():
    assert m.tolerance_radius(481, 321) == 1
    assert m.tolerance_radius(448, 608) == 2


def test_squares_have_compactness_pi_over_4():
    squares = np.kron(np.arange(4).reshape(2, 2), np.ones((5, 5), int))
    assert shapes.compactness(squares) == pytest.approx(math.pi / 4)


def test_variation_is_kept_by_exact_regions_and_lost_by_one():
    image = np.stack([HALVES * 100] * 3, axis=-1).astype(np.uint8)
    assert shapes.explained_variation(HALVES, image) == pytest.approx(1.0)
    assert shapes.explained_variation(np.ones_like(HALVES), image) == pytest.approx(0.0)
    assert shapes.explained_variation(HALVES, np.zeros_like(image)) == 1.0
    assert shapes.explained_variation(HALVES, image[..., 0]) == pytest.approx(1.0)


def test_an_annotation_without_boundary_is_found():
    assert m.boundary_recall(HALVES, np.ones_like(HALVES)) == 1.0


@pytest.mark.parametrize(
    ("dtype", "offset", "factor"),
    [("int8", -60, 30), ("uint64", 2**63, 1), ("int64", -(2**62), 2**58), ("uint32", 7, 10**6)],
)
def test_names_of_labels_do_not_matter(dtype, offset, factor):
    rng = np.random.default_rng(3)
    s, g = rng.integers(0, 5, (9, 8)), rng.integers(0, 4, (9, 8))
    image = rng.integers(0, 256, (9, 8, 3))
    other = np.array([offset + factor * int(v) for v in s.ravel()], dtype).reshape(s.shape)
    for measure in (m.achievable_segmentation_accuracy, m.boundary_recall, m.boundary_precision):
        assert measure(other, g) == measure(s, g)
    assert shapes.compactness(other) == shapes.compactness(s)
    assert shapes.explained_variation(other, image) == shapes.explained_variation(s, image)
    assert m.count_superpixels(other) == 5


def test_measures_are_symmetric_under_flips_and_transposes():
    rng = np.random.default_rng(4)
    s, g = rng.integers(0, 5, (9, 8)), rng.integers(0, 4, (9, 8))
    for turn in (np.flipud, np.fliplr, np.transpose):
        assert m.boundary_recall(turn(s), turn(g)) == m.boundary_recall(s, g)
        assert m.undersegmentation_error_np(turn(s), turn(g)) == m.undersegmentation_error_np(s, g)


def test_splitting_superpixels_never_lowers_accuracy():
    rng = np.random.default_rng(5)
    s, g = rng.integers(0, 5, (20, 20)), rng.integers(0, 4, (20, 20))
    finer = s * 3 + rng.integers(0, 3, s.shape)
    assert m.achievable_segmentation_accuracy(finer, g) >= m.achievable_segmentation_accuracy(s, g)


@pytest.mark.parametrize("shape", [(4, 5), (16,), (4, 4, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="shapes"):
        m.boundary_recall(HALVES, np.zeros(shape, int))
