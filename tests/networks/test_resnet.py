"""The trunk against torchvision's networks, whose layers and numbers it has."""

import pytest
import torch
import torchvision
from torch import nn

from napari_superpixels.errors import SourceError
from napari_superpixels.networks.deformable import DeformableDownsampling
from napari_superpixels.networks.resnet import NAMES, ResNet, load_imagenet
from napari_superpixels.testing.weights import lively


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def reference(name):
    """Torchvision's network and what it gives before its pooling."""
    network = lively(getattr(torchvision.models, name)(weights=None))
    kept = {}
    network.layer4.register_forward_hook(lambda _, __, out: kept.update(out=out))
    return network, kept


def assert_near(found, expected):
    """Equal but for the order of sums."""
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def without_last(network):
    return {k: v for k, v in network.state_dict().items() if not k.startswith("fc.")}


@pytest.fixture
def offline(monkeypatch):
    """No fetching of weights: whoever tries fails."""

    def refuse(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_it_computes_what_torchvision_computes(name):
    theirs, kept = reference(name)
    ours = ResNet(name).eval()
    ours.load_state_dict(without_last(theirs))
    image = picture(1, 3, 96, 64)
    with torch.inference_mode():
        theirs(image)
        maps = ours(image)
    assert_near(maps[-1], kept["out"])
    assert [tuple(m.shape[2:]) for m in maps] == [(24, 16), (12, 8), (6, 4), (3, 2)]
    assert tuple(m.shape[1] for m in maps) == ours.widths


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_weights_is_torchvisions_without_the_last_layer(name):
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta["num_params"]
    with torch.device("meta"):
        ours = ResNet(name)
    last = 1000 * (ours.widths[-1] + 1)
    assert sum(p.numel() for p in ours.parameters()) == published - last


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_atrous_form_has_the_plain_ones_values_among_its_own(name):
    plain, atrous = lively(ResNet(name)), ResNet(name, atrous=True).eval()
    atrous.load_state_dict(plain.state_dict())
    image = picture(1, 3, 128, 96)
    with torch.inference_mode():
        for stride, coarse, fine in zip((1, 1, 2, 4), plain(image), atrous(image), strict=True):
            assert_near(fine[..., ::stride, ::stride], coarse)


def test_deformable_convolutions_take_the_place_of_strided_ones_and_begin_as_them():
    plain, moving = lively(ResNet("resnet50")), ResNet("resnet50", deformable=True).eval()
    lacking = moving.load_state_dict(plain.state_dict(), strict=False)
    assert all("places" in name for name in lacking.missing_keys)
    assert not lacking.unexpected_keys
    found = [n for n, m in moving.named_modules() if isinstance(m, DeformableDownsampling)]
    assert found == ["layer2.0.conv2", "layer3.0.conv2", "layer4.0.conv2"]
    strided = [m for m in moving.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    assert [m.kernel_size for m in strided] == [(7, 7), (1, 1), (1, 1), (1, 1)]
    image = picture(1, 3, 64, 64)
    with torch.inference_mode():
        assert_near(moving(image)[-1], plain(image)[-1])


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_branches_are_the_terms_of_the_block(name):
    network = lively(ResNet(name))
    image = picture(1, 3, 64, 64)
    with torch.inference_mode():
        seeds = {
            sampling: [stage.seeds for stage in network.stages(image, sampling)]
            for sampling in ("block", "residual", "identity")
        }
        fine = [stage.fine for stage in network.stages(image)]
        for stage in range(1, 4):
            block = network.layers[stage][0]
            both = seeds["residual"][stage] + seeds["identity"][stage]
            assert torch.equal(seeds["block"][stage], both)
            assert torch.equal(torch.relu(both), block(fine[stage]))
            assert torch.equal(seeds["identity"][stage], block.downsample(fine[stage]))
        pooled = nn.functional.max_pool2d(fine[0], 3, 2, padding=1)
    assert all(torch.equal(found[0], pooled) for found in seeds.values())


def test_seeds_are_not_what_the_rectifier_left_of_them():
    (*_, last) = lively(ResNet("resnet18")).stages(picture(1, 3, 64, 64))
    assert last.seeds.min() < 0


def test_nothing_is_fetched_unless_asked(offline):
    network = ResNet("resnet18", 5)
    with pytest.raises(SourceError, match="go online once"):
        load_imagenet(network)


def test_imagenet_weights_are_spread_over_the_channels(monkeypatch):
    theirs, kept = reference("resnet18")
    weights = torchvision.models.ResNet18_Weights
    monkeypatch.setattr(weights, "get_state_dict", lambda *_, **__: theirs.state_dict())
    grey = picture(1, 1, 64, 64)
    with torch.inference_mode():
        theirs(grey.expand(-1, 3, -1, -1))
        for channels in (1, 3, 7):
            ours = ResNet("resnet18", channels, deformable=True).eval()
            load_imagenet(ours)
            found = ours(grey.expand(-1, channels, -1, -1))[-1]
            assert_near(found, kept["out"])
