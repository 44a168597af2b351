"""Programs of others as modules of our kind: which images they take, and what is made of theirs."""

import pytest
import torch
from torch import nn

from napari_superpixels.errors import InputError
from napari_superpixels.networks.foreign import ANY, TINY, Foreign, first_map, read
from napari_superpixels.testing.foreign import unet, write_pt2, write_script

IMAGE = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(3))


def exported(path, network, *example, shapes=None):
    torch.export.save(torch.export.export(network, example, dynamic_shapes=shapes), path)
    return path.read_bytes()


def test_sides_that_are_free_have_a_least_and_no_end(tmp_path):
    path = write_pt2(tmp_path / "a.pt2", unet())
    _, sides = read(path.read_bytes(), str(path))
    assert (sides.batch, sides.channels, sides.edges) == (1, 3, None)
    assert 1 <= sides.least <= 8


def test_a_side_has_the_end_that_its_program_tells(tmp_path):
    rows, columns = (torch.export.Dim(name, min=4, max=80) for name in ("rows", "columns"))
    content = exported(
        tmp_path / "a.pt2",
        nn.Conv2d(3, 2, 3, padding=1),
        torch.zeros(1, 3, 64, 64),
        shapes=({2: rows, 3: columns},),
    )
    _, sides = read(content, "a.pt2")
    assert (sides.least, sides.edges) == (4, (80, 80))


def test_fixed_sides_and_those_of_a_script(tmp_path):
    path = write_pt2(tmp_path / "a.pt2", unet(), edge=96)
    assert read(path.read_bytes(), "A.PT2")[1].edges == (96, 96)
    path = write_script(tmp_path / "a.pt", unet())
    assert read(path.read_bytes(), "a.pt")[1] == ANY


class Two(nn.Module):
    def forward(self, one, other):
        return one + other


@pytest.mark.parametrize(
    ("network", "example", "told"),
    [
        (Two(), (torch.zeros(1, 3, 8, 8),) * 2, "takes 2 inputs, or one of 0 axes"),
        (nn.Linear(8, 3), (torch.zeros(1, 8),), "takes 1 inputs, or one of 2 axes"),
        (nn.Conv3d(1, 1, 1), (torch.zeros(1, 1, 4, 4, 4),), "or one of 5 axes"),
    ],
)
def test_programs_of_other_inputs_are_told(tmp_path, network, example, told):
    with pytest.raises(InputError, match=f"{told}.*; export it so"):
        read(exported(tmp_path / "a.pt2", network, *example), "a.pt2")


def test_the_scores_are_the_first_or_what_is_called_out():
    one, other = torch.zeros(1), torch.ones(1)
    assert first_map(one) is one
    assert first_map((one, other)) is first_map([one, other]) is one
    assert first_map({"aux": one, "out": other}) is other
    assert first_map({"logits": one, "aux": other}) is one
    for nothing in ((), {}, None, 3, [[]]):
        with pytest.raises(TypeError, match=r"it gives \w+, no map"):
            first_map(nothing)


def test_smaller_images_are_filled_up_to_the_only_size(tmp_path):
    seen = []

    class Watching(nn.Module):
        def forward(self, image):
            seen.append(image)
            return image

    found = Foreign(Watching(), 64, 3, shares=False)(IMAGE)
    assert torch.equal(found, IMAGE)
    assert seen[0].shape == (1, 3, 64, 64)
    assert not seen[0][..., 32:, :].any()
    assert not seen[0][..., 48:].any()


def test_one_logit_is_that_of_the_second_of_two():
    logit = IMAGE[:, :1]
    found = Foreign(nn.Identity(), 0, 2, shares=False)(logit)
    torch.testing.assert_close(found.softmax(dim=1)[:, 1:], torch.sigmoid(logit))


@pytest.mark.parametrize("channels", [1, 2])
def test_probabilities_come_back_from_softmax(channels):
    shares = torch.cat((1 - IMAGE[:, :1], IMAGE[:, :1]), dim=1)
    shares[..., 0, 0] = torch.tensor([0.0, 1.0])
    found = Foreign(nn.Identity(), 0, 2, shares=True)(shares[:, 2 - channels :])
    torch.testing.assert_close(found.softmax(dim=1), shares, atol=1e-6, rtol=0)
    assert found.min() >= torch.tensor(TINY).log()


def test_it_computes_in_the_type_that_it_was_made_for():
    network, image = unet(), IMAGE.bfloat16()
    with torch.inference_mode():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = Foreign(network, 0, 3, shares=False)(image)
            assert network(image).dtype == torch.bfloat16, "else the test would prove nothing"
        assert found.dtype == torch.float32
        assert torch.equal(found, network(image.float()))
