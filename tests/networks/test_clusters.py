"""Hard assignments in a row as an association with cells, against one pixel at a time."""

from math import inf

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from napari_superpixels.networks.association import candidates_only
from napari_superpixels.networks.backbone import Backbone, BackboneSettings
from napari_superpixels.networks.clusters import Clusters, composed
from napari_superpixels.networks.decoding import Decoding
from napari_superpixels.networks.grid import fill_up, nearest_in_cell
from napari_superpixels.networks.segmentation import SegmentationNetwork
from napari_superpixels.testing.weights import lively

ROWS = [(8,), (2, 4), (8, 16), (2, 4, 8, 16)]
"""Strides of the finer maps of assignments in a row."""


def sample(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_logits(strides, y, x, seed=0):
    """Random assignments of an image of Y x X pixels, none to what is outside."""
    return {
        s: candidates_only(sample(1, 9, y // s, x // s, seed=seed + s), (2, 2)) for s in strides
    }


def one_by_one(logits, stride):
    """What `composed` says, pixel by pixel of the finest map."""
    *before, last = sorted(logits)
    finest = min(logits)
    y, x = logits[finest].shape[-2:]
    found = torch.full((1, 9, y, x), -inf)
    for row in range(y):
        for column in range(x):
            r, c = row, column
            for fine in before:
                k = int(logits[fine][0, :, r, c].argmax())
                r, c = r // 2 + k // 3 - 1, c // 2 + k % 3 - 1
            for k, value in enumerate(logits[last][0, :, r, c]):
                to = (r // 2 + k // 3 - 1, c // 2 + k % 3 - 1)
                down, right = (
                    cell - own * finest // stride
                    for cell, own in zip(to, (row, column), strict=True)
                )
                if abs(down) <= 1 and abs(right) <= 1:
                    found[0, 3 * (down + 1) + right + 1, row, column] = value
    return found


@pytest.mark.parametrize("strides", ROWS)
def test_composing_is_following_each_pixel(strides):
    stride = 2 * max(strides)
    logits = random_logits(strides, 3 * stride, 2 * stride)
    assert torch.equal(composed(logits, stride), one_by_one(logits, stride))


@given(
    st.sampled_from(ROWS),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(0, 10_000),
)
@settings(deadline=None, max_examples=40)
def test_clusters_near_their_pixels_are_those_that_decoding_takes_out(strides, cells, seed):
    """Others are replaced by a cell that is one, so every pixel has one, in the image."""
    stride, finest = 2 * max(strides), min(strides)
    y, x = (size * stride for size in cells)
    logits = random_logits(strides, y, x, seed)
    found = composed(logits, stride)
    per_cell = stride // finest
    k = found.argmax(dim=1)[0]
    own_row, own_column = (torch.arange(n // finest) // per_cell for n in (y, x))
    row, column = own_row[:, None] + k // 3 - 1, own_column + k % 3 - 1
    assert ((row >= 0) & (row < cells[0]) & (column >= 0) & (column < cells[1])).all()
    at_pixels = _of_the_finest(logits, (y, x), finest)
    taken_row, taken_column = at_pixels // cells[1], at_pixels % cells[1]
    near = (abs(taken_row - own_row[:, None]) <= 1) & (abs(taken_column - own_column) <= 1)
    assert near.all() or len(strides) > 1
    assert torch.equal(row[near], taken_row[near])
    assert torch.equal(column[near], taken_column[near])
    assert (abs(taken_row - own_row[:, None]) <= 2).all()
    own = found[0, 4]
    assert torch.isfinite(own).all(), "the own cell is always a candidate"


def _of_the_finest(logits, shape, finest):
    """What decoding takes out, one value for each pixel of the finest map."""
    stride = 2 * max(logits)
    y, x = (n // stride for n in shape)
    numbers = torch.arange(y * x, dtype=torch.float64).reshape(1, 1, y, x)
    return Decoding(logits, hard=True).finer(numbers, stride, finest)[0, 0].long()


def test_some_pixels_would_go_two_cells_far():
    """Else the limit would limit nothing."""
    logits = random_logits((8, 16), 128, 128)
    places = _of_the_finest(logits, (128, 128), 8)
    own = torch.arange(16) // 4
    assert (abs(places // 4 - own[:, None]) == 2).any()


@pytest.fixture(scope="module")
def network():
    return lively(SegmentationNetwork("pspnet", level=3))


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_nothing_coarser_than_the_stride_is_computed(network, stride):
    """And the assignments are those by which the network decodes."""
    image = sample(1, 3, 64, 96)
    backbone = network.backbone
    with torch.inference_mode():
        whole = backbone(image).decoding.logits
        ran = []
        hooks = [
            layer.register_forward_hook(lambda *_, n=number: ran.append(n))
            for number, layer in enumerate(backbone.trunk.layer4)
        ]
        found = backbone.assignments(image, stride)
        for hook in hooks:
            hook.remove()
    assert sorted(found) == [s for s in (4, 8, 16) if s < stride]
    assert all(torch.equal(found[s], whole[s]) for s in found)
    assert bool(ran) == (stride == 32)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (33, 64), (70, 51)])
def test_an_image_of_any_size_has_an_association(network, shape):
    clusters = Clusters(network.backbone, 16)
    with torch.inference_mode():
        logits = clusters.associate(sample(1, 3, *shape), (16, 16))
    assert logits.shape == (1, 9, *shape)
    assert torch.equal(candidates_only(logits, (16, 16)), logits), "none beyond the lattice"
    assert torch.isfinite(logits[:, 4]).all()


def test_coarser_levels_are_resampled_to_the_stride(network):
    """Cell by cell, so with as many pixels a cell as the network has cells of."""
    clusters, image = Clusters(network.backbone, 16), sample(1, 3, 21, 40)
    whole = fill_up(image, (8, 10))
    seen = interpolate(whole, (48, 64), mode="bilinear", align_corners=False, antialias=True)
    with torch.inference_mode():
        found, every = clusters.associate(image, (8, 10)), clusters(seen)
    middle = every[:, :, 1::2][:, :, :21]
    assert torch.equal(found, middle[..., nearest_in_cell(40, 10, image)])


def test_cells_without_data_are_no_candidates(network):
    clusters = Clusters(network.backbone, 8)
    populated = torch.ones(1, 5, 6, dtype=torch.bool)
    populated[0, 2, 3] = False
    with torch.inference_mode():
        image = sample(1, 3, 40, 48)
        some, every = (clusters.associate(image, (8, 8), each) for each in (populated, None))
    assert torch.equal(some, candidates_only(every, (8, 8), populated))
    assert not torch.equal(some, every)


@pytest.mark.parametrize("level", range(5))
def test_a_backbone_clusters_where_it_is_watched(level):
    backbone = Backbone(BackboneSettings(level=level))
    assert backbone.clustered == (4, 8, 16, 32)[4 - level :]
    assert Backbone(BackboneSettings(form="plain", level=level)).clustered == ()
