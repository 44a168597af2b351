"""Ordinal regression: the paper's formulas, and what a network's numbers mean."""

from math import exp, log

import pytest
import torch

from napari_superpixels.errors import InputError
from napari_superpixels.networks.build import make_network
from napari_superpixels.networks.decoding import Decoding
from napari_superpixels.networks.ordinal import Discretisation, OrdinalNetwork, decoded
from napari_superpixels.testing.weights import lively


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 1.0), (0.5, 80.0), (-3.0, 12.0)])
def test_edges_are_those_of_the_paper(lowest, highest):
    cut = Discretisation(bins=7, lowest=lowest, highest=highest)
    edges = cut.edges(torch.zeros(1, dtype=torch.float64))
    shift = 1 - lowest
    alpha, beta = lowest + shift, highest + shift
    for i, edge in enumerate(edges.tolist()):
        assert edge == pytest.approx(exp(log(alpha) + log(beta / alpha) * i / 7) - shift)
    assert edges[0] == pytest.approx(lowest)
    assert edges[-1] == pytest.approx(highest)
    assert (edges.diff().diff() > 0).all(), "wider and wider"


def test_values_lie_in_their_interval_and_those_beyond_in_the_nearest():
    cut = Discretisation(bins=20, lowest=0.0, highest=10.0)
    values = torch.linspace(0, 10, 331)
    labels, edges = cut.labels(values), cut.edges(values)
    assert ((edges[labels] <= values + 1e-6) & (values <= edges[labels + 1] + 1e-6)).all()
    assert torch.equal(labels.unique(), torch.arange(20))
    beyond = cut.labels(torch.tensor([-5.0, 11.0, float("inf")]))
    assert beyond.tolist() == [0, 19, 19]
    middle = cut.values(torch.arange(20), values)
    torch.testing.assert_close(middle, (edges[1:] + edges[:-1]) / 2)


def test_the_value_is_the_middle_of_the_interval_above_the_thresholds_that_are_passed():
    cut = Discretisation(bins=4, lowest=0.0, highest=15.0)
    assert cut.edges(torch.zeros(1)).tolist() == pytest.approx([0, 1, 3, 7, 15])
    logits = torch.tensor([[-1.0, -1, -1], [2, -1, -1], [2, 0, -1], [2, 1, 3], [2, -1, 3]])
    found = decoded(logits[:, :, None, None], cut)
    assert found.flatten().tolist() == pytest.approx([0.5, 2, 5, 11, 5])


@pytest.mark.parametrize("head", ["fcn", "fpn", "dorn"])
def test_the_network_gives_values_between_the_lowest_and_the_highest(head):
    network = lively(OrdinalNetwork(head, bins=9, lowest=2.0, highest=40.0))
    logits = network(picture(2, 3, 64, 96))
    assert logits.shape == (2, 8, 64, 96)
    values = network.values(logits)
    assert values.shape == (2, 64, 96)
    assert ((values > 2) & (values < 40)).all()
    assert len(values.unique()) > 1
    assert network.exact == (head != "dorn")


@pytest.mark.parametrize("hard", [False, True])
def test_predictions_come_back_as_those_of_features_that_came_back(hard):
    """The paper brings back the features; the last layer is linear, so it is the same."""
    network = lively(OrdinalNetwork("dorn", bins=5))
    image = picture(1, 3, 96, 64)
    with torch.inference_mode():
        encoded = network.backbone(image)
        decoding = Decoding(encoded.decoding.logits, hard)
        features, stride = network.head(encoded)
        expected = network.classifier(decoding.finer(features, stride))
        found = network(image, "hard" if hard else "soft")
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.std()))


def test_the_config_makes_the_same_network():
    network = lively(OrdinalNetwork("dorn", bins=12, highest=3.5, channels=1, form="atrous"))
    again = make_network("ordinal", **network.config).eval()
    again.load_state_dict(network.state_dict())
    assert again.config == network.config
    image = picture(1, 1, 40, 24)
    assert torch.equal(network.values(network(image)), again.values(again(image)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bins": 1}, "cannot be told apart in 1 intervals"),
        ({"lowest": 1.0, "highest": 1.0}, "no values between 1 and 1"),
        ({"highest": float("inf")}, "give a finite lowest"),
        ({"lowest": float("nan")}, "no values between nan and 1"),
    ],
)
def test_what_cannot_be_cut_is_refused_in_a_sentence(given, said):
    with pytest.raises(InputError, match=said):
        OrdinalNetwork("fcn", **given)
