"""Segmentation networks: torchvision's where it has them, the paper's forms, training and files."""

import pytest
import torch
import torchvision
from torch import nn

from napari_superpixels.errors import InputError
from napari_superpixels.models.safetensors import pack, unpack
from napari_superpixels.networks.build import make_network
from napari_superpixels.networks.inference import prepare
from napari_superpixels.networks.resnet import ResNet
from napari_superpixels.networks.segmentation import HEADS, SegmentationNetwork
from napari_superpixels.testing.weights import lively

FORMS = ["plain", "atrous", "hc"]


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("head", "theirs"), [("fcn", "fcn_resnet50"), ("deeplabv3", "deeplabv3_resnet50")]
)
def test_torchvisions_networks_are_among_ours(head, theirs):
    """The same numbers in the same order give the same classes, auxiliary ones too."""
    made = getattr(torchvision.models.segmentation, theirs)
    reference = lively(made(weights=None, weights_backbone=None, num_classes=5, aux_loss=True))
    ours = SegmentationNetwork(head, classes=5, backbone="resnet50", form="atrous").eval()
    values = reference.state_dict().values()
    ours.load_state_dict(dict(zip(ours.state_dict(), values, strict=True)))
    image = picture(1, 3, 104, 64)
    with torch.inference_mode():
        expected, found = reference(image), ours.outputs(image)
    spread = float(expected["out"].abs().max())
    torch.testing.assert_close(found.logits, expected["out"], rtol=1e-4, atol=1e-5 * spread)
    torch.testing.assert_close(found.auxiliary, expected["aux"], rtol=1e-4, atol=1e-5 * spread)


@pytest.mark.parametrize(
    ("head", "count"),
    [
        ("fcn", torchvision.models.segmentation.FCN_ResNet101_Weights.DEFAULT.meta["num_params"]),
        (
            "deeplabv3",
            torchvision.models.segmentation.DeepLabV3_ResNet101_Weights.DEFAULT.meta["num_params"],
        ),
    ],
)
def test_the_number_of_weights_is_torchvisions(head, count):
    with torch.device("meta"):
        network = SegmentationNetwork(head, classes=21, backbone="resnet101", form="atrous")
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("head", HEADS)
def test_clusters_are_all_that_the_hc_form_adds(head):
    with torch.device("meta"):
        made = {form: SegmentationNetwork(head, form=form) for form in FORMS}
    counts = {form: sum(p.numel() for p in each.parameters()) for form, each in made.items()}
    assert counts["atrous"] == counts["plain"]
    assert counts["hc"] == counts["plain"] + 64 * (128 + 256) + 64 * (256 + 512)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("head", HEADS)
def test_every_head_goes_on_every_form_and_size(head, form):
    network = lively(SegmentationNetwork(head, classes=3, channels=2, form=form))
    for y, x in [(1, 1), (3, 5), (7, 2)]:
        shape = y * network.align_px, x * network.align_px
        logits = network(picture(2, 2, *shape))
        assert logits.shape == (2, 3, *shape)
        assert logits.isfinite().all()


def test_other_sizes_are_refused():
    network = SegmentationNetwork("fcn", form="plain").eval()
    with pytest.raises(AssertionError, match="filled up"):
        network(picture(1, 3, 32, 40))


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("downsampling", ["strided", "deformable"])
def test_each_level_watches_one_stage_more(level, downsampling):
    network = lively(SegmentationNetwork("fpn", level=level, downsampling=downsampling))
    image = picture(1, 3, 96, 64)
    assert [int(s) for s in network.backbone.clusterings] == [2, 4, 8, 16][4 - level :]
    soft, hard = network(image), network(image, "hard")
    assert torch.equal(soft, hard) == (level == 0)
    assert network.backbone.clustered == (4, 8, 16, 32)[4 - level :]
    for each in network.backbone(image).decoding.logits.values():
        assert (each.argmax(dim=1) != 4).any(), "not all pixels stay in their squares"


def test_a_level_of_zero_is_the_plain_form():
    plain = lively(SegmentationNetwork("fcn", form="plain"))
    watching = SegmentationNetwork("fcn", form="hc", level=0).eval()
    watching.load_state_dict(plain.state_dict())
    image = picture(1, 3, 64, 96)
    assert torch.equal(plain(image), watching(image))


@pytest.mark.parametrize("sampling", ["block", "residual", "identity"])
def test_the_branch_that_gives_the_seeds_matters_for_clusters_alone(sampling):
    block = lively(SegmentationNetwork("fcn"))
    other = SegmentationNetwork("fcn", sampling=sampling).eval()
    other.load_state_dict(block.state_dict())
    image = picture(1, 3, 96, 64)
    for ours, theirs in zip(other.backbone(image).maps, block.backbone(image).maps, strict=True):
        assert torch.equal(ours, theirs), "the feed-forward path is as it was"
    assert torch.equal(other(image), block(image)) == (sampling == "block")


@pytest.mark.parametrize("head", HEADS)
def test_gradients_reach_every_weight(head):
    network = SegmentationNetwork(head, classes=3)
    logits, auxiliary = network.outputs(picture(2, 3, 64, 64))
    (logits.square().mean() + auxiliary.square().mean()).backward()
    for place, weight in network.named_parameters():
        assert weight.grad is not None, place
        assert weight.grad.isfinite().all()
        assert weight.grad.abs().sum() > 0, place


def test_gradients_reach_every_move_of_deformable_convolutions():
    network = SegmentationNetwork("fcn", downsampling="deformable", level=4)
    network(picture(2, 3, 64, 64)).square().mean().backward()
    found = {n: p.grad for n, p in network.backbone.named_parameters()}
    assert all(grad.abs().sum() > 0 for grad in found.values())


@pytest.mark.parametrize("head", ["fcn", "fpn"])
def test_the_prediction_is_what_the_coarsest_pixels_say(head):
    """A constant prediction stays constant, at the image's border too."""
    network = lively(SegmentationNetwork(head, classes=4))
    nn.init.zeros_(network.classifier.weight)
    logits = network(picture(1, 3, 96, 64))
    expected = network.classifier.bias[:, None, None].expand_as(logits[0])
    torch.testing.assert_close(logits[0], expected)


def test_weights_are_drawn_from_torchs_generator():
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        made.append(SegmentationNetwork("deeplabv3", classes=3).state_dict())
    first, again, other = made
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])
    spread = first["head.layers.0.weight"].std()
    assert spread == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
    assert first["classifier.weight"].std() == pytest.approx(0.01, rel=0.2)


@pytest.mark.parametrize("head", HEADS)
def test_a_file_of_weights_and_the_config_make_the_same_network(head):
    network = lively(SegmentationNetwork(head, classes=3, channels=4, downsampling="deformable"))
    config = network.config
    assert all(isinstance(value, str | int) for value in config.values())
    arrays = {key: value.numpy() for key, value in network.state_dict().items()}
    read, _ = unpack(pack(arrays))
    again = make_network("segmentation", **config).eval()
    again.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in read.items()})
    assert again.config == config
    image = picture(1, 4, 64, 32)
    with torch.inference_mode():
        assert torch.equal(network(image), again(image))


@pytest.mark.parametrize("form", FORMS)
def test_a_network_made_ready_to_infer_says_the_same(form):
    network = lively(SegmentationNetwork("fpn", form=form))
    image = picture(1, 3, 64, 96)
    with torch.inference_mode():
        expected = network(image)
        found = prepare(network)(image)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.std()))
    assert not [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)], "in use"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"head": "unet"}, "No head 'unet' of a network is known; take one of fcn, fpn"),
        ({"backbone": "vgg16"}, "No backbone 'vgg16'"),
        ({"form": "dilated"}, "No form 'dilated'"),
        ({"level": 5}, "No level 5 of a network is known; take one of 0, 1, 2, 3, 4."),
        ({"sampling": "both"}, "No sampling 'both'"),
        ({"downsampling": "pooled"}, "No downsampling 'pooled'"),
        ({"channels": 0}, "give it at least 1"),
        ({"classes": 0}, "give it at least 1"),
    ],
)
def test_what_is_not_known_is_refused_in_a_sentence(given, said):
    with pytest.raises(InputError, match=said):
        SegmentationNetwork(**given)


def test_the_trunk_takes_the_weights_of_a_trunk():
    trunk = lively(ResNet("resnet18"))
    network = SegmentationNetwork("fcn")
    network.backbone.trunk.load_state_dict(trunk.state_dict())
