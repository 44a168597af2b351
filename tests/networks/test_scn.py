"""SCN and what the grid networks share."""

import pytest
import torch
from torch import nn

from napari_superpixels.networks import grid
from napari_superpixels.networks.build import NETWORKS, make_network
from napari_superpixels.networks.scn import Scn
from napari_superpixels.testing.weights import lively

GRIDS = ["scn", "ainet", "pcnet"]


def picture(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "config", "count"),
    [
        ("scn", {}, 2_269_785),  # the published 2,287,956 without three heads that nothing reads
        ("ainet", {"attention": True}, 5_991_476 - 18_171),
        ("ainet", {}, 2_431_289),
        ("pcnet", {}, 2_327_716 - 18_171),
        ("ssn", {}, 214_578),
        ("ssn", {"depth": "linear"}, 690),
        ("hcssn", {}, 214_578 + 4 * 64 * 64),
    ],
)
def test_the_number_of_weights_is_the_published_one(name, config, count):
    assert sum(p.numel() for p in make_network(name, **config).parameters()) == count


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_says_how_to_make_another_of_its_layers(name):
    network = make_network(name)
    again = make_network(name, **network.config)
    again.load_state_dict(network.state_dict())


@pytest.mark.parametrize("name", GRIDS)
def test_logits_have_the_shape_of_the_image_and_the_border_has_no_candidates_outside(name):
    network = lively(make_network(name))
    logits = network.associate(picture(2, 3, 70, 53))
    assert logits.shape == (2, 9, 70, 53)
    assert logits[:, :3, :16].isinf().all()
    assert logits[:, 6:, 64:].isinf().all()
    assert logits[:, ::3, :, :16].isinf().all()
    assert logits[:, 2::3, :, 48:].isinf().all()
    assert logits[:, 4].isfinite().all()
    assert logits[:, :, 16:64, 16:48].isfinite().all()


def test_cells_without_data_are_no_candidates():
    network = lively(Scn())
    populated = torch.ones(1, 3, 3, dtype=torch.bool)
    populated[0, 1, 1] = False
    logits = network.associate(picture(1, 3, 48, 48), populated=populated)
    assert logits[0, 8, :16, :16].isinf().all()
    assert logits[0, 4, 16:32, 16:32].isinf().all()
    assert logits[0, 5, :16, :16].isfinite().all()


def test_the_layers_are_those_of_the_paper():
    network = Scn()
    strides = [m.stride[0] for m in network.encoder.modules() if isinstance(m, nn.Conv2d)]
    assert strides == [1, 1, 2, 1, 2, 1, 2, 1, 2, 1]
    up = [m for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.in_channels, m.out_channels) for m in up] == [
        (256, 128),
        (128, 64),
        (64, 32),
        (32, 16),
    ]
    maps = network.encoder(picture(1, 3, 64, 32))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (16, 64, 32), (32, 32, 16), (64, 16, 8), (128, 8, 4), (256, 4, 2),
    ]  # fmt: skip


def test_the_mean_colour_is_subtracted():
    image = torch.full((1, 3, 2, 2), 0.5)
    expected = 0.5 - torch.tensor([0.411, 0.432, 0.450])
    torch.testing.assert_close(grid.normalise(image)[0, :, 0, 0], expected)
    one = grid.normalise(torch.full((1, 1, 2, 2), 0.5))
    torch.testing.assert_close(one[0, 0, 0, 0], expected.mean())


@pytest.mark.parametrize("step", [2, 5, 10, 16, 39])
def test_every_pixel_comes_from_its_own_cell(step):
    """Numbers that name cells and places come back to the cell they were made for."""
    cells, size = 4, 4 * step - 1
    lattice = torch.arange(cells * 16)
    x = (1000 * (lattice // 16)[:, None] + lattice[:, None] % 16).expand(-1, cells * 16)
    found = grid.to_image_cells(x[None, None].float(), (step, step), (size, size))[0, 0, :, 0]
    pixel = torch.arange(size)
    assert (found // 1000 == pixel // step).all()
    middle = (found % 1000 + 0.5) / 16
    wanted = (pixel % step + 0.5) / step
    assert (middle - wanted).abs().max() <= 1 / 32


@pytest.mark.parametrize("step", [2, 3, 10, 39])
def test_resampling_is_the_same_in_every_cell(step):
    image = picture(1, 1, 3 * step, 12 * step)
    whole = grid.to_network_cells(image, (step, step))
    part = grid.to_network_cells(image[..., 4 * step :], (step, step))
    torch.testing.assert_close(part[..., 32:], whole[..., 64 + 32 :], rtol=0, atol=0)


def test_a_step_of_16_is_not_resampled():
    image = picture(1, 3, 32, 48)
    assert grid.to_network_cells(image, (16, 16)) is image


def test_flat_images_stay_flat_and_ramps_straight_when_resampled():
    ramp = torch.arange(60.0).expand(1, 1, 30, 60)
    found = grid.to_network_cells(ramp, (10, 10))[0, 0]
    step = found[:, 8:-8].diff(dim=1)
    torch.testing.assert_close(step, torch.full_like(step, 10 / 16), atol=1e-4, rtol=0)


def test_images_are_filled_up_by_their_last_row_and_column():
    image = picture(1, 1, 5, 7)
    filled = grid.fill_up(image, (4, 4))
    assert filled.shape == (1, 1, 8, 8)
    assert (filled[..., 5:, :7] == image[..., 4:, :]).all()
    assert (filled[..., :5, 7:] == image[..., :, 6:]).all()


@pytest.mark.parametrize("name", GRIDS)
def test_gradients_reach_every_weight(name):
    network = make_network(name)
    result = network.outputs(picture(1, 3, 64, 128))
    loss = result.logits.square().mean() + result.embedding.mean()
    if name == "pcnet":
        loss = loss + network.reconstruction(result.embedding).mean()
    loss.backward()
    assert all(p.grad is not None for p in network.parameters())
