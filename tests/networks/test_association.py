"""The operators of differentiable SLIC against a dense n x m reference, and their gradients."""

# ruff: noqa: N803 - names carry shape suffixes

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_superpixels.networks import association as op

SHAPES = [((5, 7), (2, 3)), ((4, 6), (2, 3)), ((2, 3), (4, 5)), ((1, 1), (3, 3)), ((1, 9), (2, 2))]
"""Images and steps: cut cells, whole cells, smaller than one cell, one pixel, one row."""


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sample(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=rng(seed), dtype=torch.float64)


def cells(shape: tuple[int, int], step: op.Step) -> tuple[int, int]:
    return -(-shape[0] // step[0]), -(-shape[1] // step[1])


def some_valid(batch: int, shape: tuple[int, int], seed: int = 3) -> Tensor:
    valid = torch.rand(batch, *shape, generator=rng(seed)) < 0.6
    valid[:, 0, 0] = True
    return valid


class Dense:
    """One image as plain matrices: n pixels, m cells, Q of n x m."""

    def __init__(self, x_CYX: Tensor, step: op.Step, valid_YX: Tensor | None) -> None:
        c, y, x = x_CYX.shape
        self.shape, self.step, self.lattice = (y, x), step, cells((y, x), step)
        self.features = x_CYX.reshape(c, -1).T
        self.valid = torch.ones(y * x, dtype=torch.bool)
        if valid_YX is not None:
            self.valid = valid_YX.reshape(-1)
        rows = torch.arange(y).repeat_interleave(x) // step[0]
        columns = torch.arange(x).repeat(y) // step[1]
        h, w = self.lattice
        cell_rows, cell_columns = torch.arange(h).repeat_interleave(w), torch.arange(w).repeat(h)
        self.dr = cell_rows[None] - rows[:, None]
        self.dc = cell_columns[None] - columns[:, None]
        self.own = (self.dr == 0) & (self.dc == 0)
        populated = (self.own & self.valid[:, None]).any(dim=0)
        self.near = (self.dr.abs() <= 1) & (self.dc.abs() <= 1)
        self.allowed = self.near & populated[None]

    def means(self, q_nm: Tensor, otherwise: Tensor) -> Tensor:
        mass = q_nm.sum(dim=0)[:, None]
        return torch.where(mass > 0, (q_nm.T @ self.features) / mass, otherwise)

    def initial(self) -> Tensor:
        q = (self.own & self.valid[:, None]).to(self.features)
        return self.means(q, torch.zeros_like(q.T @ self.features))

    def logits(self, centres: Tensor) -> Tensor:
        distance = (self.features[:, None] - centres[None]).square().sum(dim=-1)
        return torch.where(self.allowed, -distance, -torch.inf)

    def soft(self, logits: Tensor) -> Tensor:
        return torch.softmax(logits, dim=1).nan_to_num(0.0) * self.valid[:, None]

    def run(self, iterations: int) -> tuple[Tensor, Tensor, Tensor]:
        centres = self.initial()
        for _ in range(iterations - 1):
            centres = self.means(self.soft(self.logits(centres)), centres)
        logits = self.logits(centres)
        return logits, self.soft(logits), centres

    def expand(self, x_KYX: Tensor, fill: float) -> Tensor:
        """Spread 9 values a pixel over the n x m matrix."""
        code = 3 * (self.dr + 1) + self.dc + 1
        values = x_KYX.reshape(9, -1).T.gather(1, code.clamp(0, 8))
        return torch.where(self.near, values, fill)

    def cells(self, x_CHW: Tensor) -> Tensor:
        return x_CHW.reshape(x_CHW.shape[0], -1).T


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("shape", "step"), SHAPES)
def test_soft_slic_equals_the_dense_reference(shape, step, masked):
    features = 3 * sample(2, 4, *shape)
    valid = some_valid(2, shape) if masked else None
    result = op.soft_slic(features, step, 4, valid)
    for n in range(2):
        dense = Dense(features[n], step, None if valid is None else valid[n])
        logits, soft, centres = dense.run(4)
        found = dense.expand(result.logits[n], -torch.inf)
        torch.testing.assert_close(found[dense.valid], logits[dense.valid])
        torch.testing.assert_close(dense.expand(result.association[n], 0.0), soft)
        torch.testing.assert_close(dense.cells(result.centres[n]), centres)


@pytest.mark.parametrize(("shape", "step"), SHAPES)
def test_out_of_lattice_candidates_have_no_share(shape, step):
    result = op.soft_slic(sample(1, 2, *shape), step, 2)
    total = result.association.sum(dim=1)
    torch.testing.assert_close(total, torch.ones_like(total))
    assert (result.association[:, 0, 0, 0] == 0).all()
    assert (result.logits[:, 0, 0, 0] == -torch.inf).all()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("shape", "step"), SHAPES)
def test_steps_compose_to_soft_slic(shape, step, masked):
    features = sample(2, 3, *shape)
    valid = some_valid(2, shape) if masked else None
    centres = op.initial_centres(features, step, valid)
    for _ in range(2):
        soft = op.associate(op.association_logits(features, centres, step, valid), valid)
        centres = op.update_centres(features, soft, centres, step, valid)
    whole = op.soft_slic(features, step, 3, valid)
    torch.testing.assert_close(centres, whole.centres)
    logits = op.association_logits(features, centres, step, valid)
    torch.testing.assert_close(logits, whole.logits)
    torch.testing.assert_close(op.associate(logits, valid), whole.association)


@pytest.mark.parametrize(("shape", "step"), SHAPES)
def test_maps_between_pixels_and_cells_equal_dense_products(shape, step):
    soft, values = sample(1, 9, *shape, seed=1), sample(1, 3, *shape, seed=2)
    cell_values = sample(1, 2, *cells(shape, step), seed=4)
    dense = Dense(values[0], step, None)
    q = dense.expand(soft[0], 0.0)
    pooled = op.pool_to_cells(values, soft, step)[0]
    torch.testing.assert_close(dense.cells(pooled), (q / q.sum(dim=0)).T @ dense.features)
    unpooled = op.unpool_to_pixels(cell_values, soft, step)[0]
    expected = (q / q.sum(dim=1, keepdim=True)) @ dense.cells(cell_values[0])
    torch.testing.assert_close(dense.cells(unpooled), expected)


def test_cells_without_weight_keep_their_centre_or_pool_to_zero():
    features, centres = sample(1, 2, 4, 4), sample(1, 2, 2, 2, seed=1)
    nothing = torch.zeros(1, 9, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(op.update_centres(features, nothing, centres, (2, 2)), centres)
    assert (op.pool_to_cells(features, nothing, (2, 2)) == 0).all()
    assert (op.unpool_to_pixels(centres, nothing, (2, 2)) == 0).all()


@pytest.mark.parametrize(("shape", "step"), SHAPES)
def test_gradients(shape, step):
    features = sample(2, 3, *shape).requires_grad_()
    soft = sample(2, 9, *shape, seed=1).requires_grad_()
    centres = sample(2, 3, *cells(shape, step), seed=2).requires_grad_()
    check = partial(torch.autograd.gradcheck, fast_mode=True)
    finite = torch.isfinite(op.association_logits(features, centres, step))
    assert check(lambda f: op.initial_centres(f, step), (features,))
    assert check(
        lambda f, s: op.association_logits(f, s, step).masked_fill(~finite, 0), (features, centres)
    )
    assert check(lambda f, q, s: op.update_centres(f, q, s, step), (features, soft, centres))
    assert check(lambda v, q: op.pool_to_cells(v, q, step), (features, soft))
    assert check(lambda v, q: op.unpool_to_pixels(v, q, step), (centres, soft))
    assert check(lambda f: op.soft_slic(f, step, 3)[1:], (features,))
    assert check(lambda f, s: op.products(f, s, step).masked_fill(~finite, 0), (features, centres))
    assert check(lambda s: op.cells_to_pixels(s, step, shape), (centres,))
    assert check(lambda q: op.associate(op.candidates_only(q, step)), (soft,))


def test_every_derivative_of_a_small_case():
    features = sample(1, 2, 3, 5).requires_grad_()
    operator = lambda f: op.soft_slic(f, (2, 2), 3)[1:]  # noqa: E731
    assert torch.autograd.gradcheck(operator, (features,))


@pytest.mark.parametrize(("shape", "step"), SHAPES)
def test_gradients_with_missing_data(shape, step):
    features = sample(2, 2, *shape).requires_grad_()
    valid = some_valid(2, shape)
    operator = lambda f: op.soft_slic(f, step, 3, valid)[1:]  # noqa: E731
    assert torch.autograd.gradcheck(operator, (features,), fast_mode=True)


def test_gradients_stay_finite_without_any_data_and_far_from_every_centre():
    features = (1e4 * sample(1, 2, 6, 6)).float().requires_grad_()
    valid = torch.zeros(1, 6, 6, dtype=torch.bool)
    for mask in (None, valid):
        op.soft_slic(features, (2, 2), 3, mask).association.square().sum().backward()
        assert torch.isfinite(features.grad).all()


def test_values_without_data_do_not_matter_not_even_nan():
    features, valid = sample(1, 2, 6, 6), some_valid(1, (6, 6))
    spoilt = torch.where(valid[:, None], features, torch.nan).requires_grad_()
    result = op.soft_slic(spoilt, (3, 3), 3, valid)
    clean = op.soft_slic(features, (3, 3), 3, valid)
    torch.testing.assert_close(result.association, clean.association)
    torch.testing.assert_close(result.centres, clean.centres)
    result.association.square().sum().backward()
    assert torch.isfinite(spoilt.grad).all()


def test_images_of_a_batch_do_not_see_each_other():
    features = sample(3, 4, 7, 8)
    together = op.soft_slic(features, (3, 3), 4)
    for n in range(3):
        alone = op.soft_slic(features[n : n + 1], (3, 3), 4)
        torch.testing.assert_close(together.association[n], alone.association[0])
        torch.testing.assert_close(together.centres[n], alone.centres[0])


def test_far_from_zero_no_precision_is_lost():
    """Positions of a large image: the product form alone would be off by whole units here."""
    features = sample(1, 3, 8, 8)
    near = op.soft_slic(features, (4, 4), 5).association
    far = op.soft_slic((features + 4096).float(), (4, 4), 5).association
    torch.testing.assert_close(far.double(), near, atol=2e-3, rtol=0)


def test_half_precision_is_computed_in_single():
    features = sample(1, 3, 8, 8).half()
    result = op.soft_slic(features, (4, 4), 3)
    assert result.association.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = op.soft_slic(features.float(), (4, 4), 3)
    torch.testing.assert_close(cast.association, result.association)


def test_blocks_round_trip():
    pixels = sample(2, 3, 5, 7)
    blocks = op.to_blocks(pixels, (2, 3))
    assert blocks.shape == (2, 3, 3, 3, 6)
    np.testing.assert_array_equal(op.from_blocks(blocks, (2, 3), (5, 7)), pixels)
    np.testing.assert_array_equal(blocks[0, 1, 0, 2], pixels[0, 2, 2:4, 0:3].reshape(-1))
