"""The ordinal loss against the paper's sums, one threshold at a time."""

from math import exp, log

import pytest
import torch

from napari_superpixels.networks.ordinal import Discretisation, decoded
from napari_superpixels.training.ordinal import ordinal_loss

CUT = Discretisation(bins=5, lowest=0.0, highest=31.0)
"""Edges 0, 0.99, 2.95, ...: logarithmic between 1 and 32."""


def sample(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def written_out(logits, value):
    """Eq. 3 of the paper for one pixel, with the softmax of pairs that differ by the logit."""
    label = sum(value >= edge for edge in CUT.edges(logits)[1:-1].tolist())
    above = [exp(float(y)) / (1 + exp(float(y))) for y in logits]
    passed = sum(log(p) for p in above[:label])
    return -(passed + sum(log(1 - p) for p in above[label:]))


def test_it_is_the_mean_over_known_pixels_of_the_sums_of_the_paper():
    logits, values = sample(2, 4, 3, 5), 32 * sample(2, 3, 5, seed=1).sigmoid()
    values[0, 1, 2] = values[1, 0, 0] = torch.nan
    total = [
        written_out(logits[n, :, y, x], float(values[n, y, x]))
        for n, y, x in values.isfinite().nonzero().tolist()
    ]
    expected = sum(total) / (2 * 3 * 5 - 2)
    assert float(ordinal_loss(logits, values, CUT)) == pytest.approx(expected)


def test_being_farther_off_costs_more():
    right = torch.tensor([8.0, 8, -8, -8])[None, :, None, None]
    values = CUT.values(torch.arange(5), right)
    losses = [float(ordinal_loss(right, value.reshape(1, 1, 1), CUT)) for value in values]
    assert losses[2] == min(losses)
    assert losses[0] > losses[1] > losses[2] < losses[3] < losses[4]


def test_unknown_values_have_no_gradient_and_all_unknown_no_loss():
    logits = sample(1, 4, 2, 2).requires_grad_()
    values = torch.full((1, 2, 2), 7.0, dtype=torch.float64)
    values[0, 0, 1] = torch.nan
    ordinal_loss(logits, values, CUT).backward()
    assert not logits.grad[0, :, 0, 1].any()
    assert logits.grad[0, :, 1, 1].all()
    nothing = ordinal_loss(logits, torch.full_like(values, torch.nan), CUT)
    assert float(nothing.detach()) == 0


def test_minimising_it_finds_the_values_to_half_an_interval():
    values = 31 * sample(1, 6, 6, seed=2).sigmoid()
    logits = torch.zeros(1, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([logits], lr=36.0)
    for _ in range(5):
        optimiser.zero_grad()
        ordinal_loss(logits, values, CUT).backward()
        optimiser.step()
    labels = CUT.labels(values)
    assert torch.equal(decoded(logits.detach(), CUT), CUT.values(labels, values))
