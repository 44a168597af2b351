"""Losses: cases by hand, agreement with plain definitions, gradients."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from napari_superpixels.training.losses import (
    VOID,
    compactness_loss,
    label_loss,
    position_loss,
    segments,
    superpixel_loss,
    value_loss,
)

STEP = (2, 2)


def own(shape):
    """Every pixel wholly of its own cell."""
    association = torch.zeros(1, 9, *shape, dtype=torch.float64)
    association[:, 4] = 1
    return association


def soft(shape, seed=0):
    """A random association, masked at the border of the lattice."""
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, 9, *shape, generator=rng, dtype=torch.float64)
    for y, x in np.ndindex(shape):
        for k in range(9):
            row, column = y // 2 + k // 3 - 1, x // 2 + k % 3 - 1
            if not (0 <= row < shape[0] // 2 and 0 <= column < shape[1] // 2):
                logits[0, k, y, x] = -torch.inf
    return logits.softmax(dim=1)


def dense(association):
    """The pixels x cells matrix of the paper."""
    _, _, height, width = association.shape
    matrix = np.zeros((height * width, height * width // 4))
    for y, x in np.ndindex(height, width):
        for k in range(9):
            row, column = y // 2 + k // 3 - 1, x // 2 + k % 3 - 1
            if 0 <= row < height // 2 and 0 <= column < width // 2:
                matrix[y * width + x, row * (width // 2) + column] = association[0, k, y, x]
    return matrix


def test_segments_are_numbered_by_size_and_the_surplus_is_void():
    labels = torch.tensor([[[7, 7, 7, 9], [9, 30, VOID, VOID]]])
    onehot, known = segments(labels, torch.zeros(1), most=2)
    assert onehot.shape == (1, 2, 2, 4)
    assert onehot[0, 0].tolist() == [[1, 1, 1, 0], [0, 0, 0, 0]]
    assert onehot[0, 1].tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]
    assert known[0, 0].tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]


def test_pure_cells_lose_nothing_and_mixed_ones_their_entropy():
    labels = torch.tensor([[[1, 1, 5, 5], [1, 1, 5, 6]]])
    loss = label_loss(own((2, 4)), segments(labels, own((2, 4))), STEP)
    mixed = -(3 * np.log(0.75) + np.log(0.25))
    assert float(loss) == pytest.approx(mixed / 8)


def test_void_pixels_count_for_nothing():
    labels = torch.tensor([[[1, 1, 5, 5], [1, 1, 5, VOID]]])
    assert float(label_loss(own((2, 4)), segments(labels, own((2, 4))), STEP)) == 0.0
    nothing = torch.full((1, 2, 4), VOID)
    assert float(label_loss(own((2, 4)), segments(nothing, own((2, 4))), STEP)) == 0.0


def test_losses_agree_with_dense_matrices():
    association = soft((4, 6))
    rows = dense(association)
    columns = rows / rows.sum(axis=0)
    labels = torch.from_numpy(np.random.default_rng(1).integers(0, 3, (1, 4, 6)))
    onehot = np.eye(3)[labels.numpy().ravel()]
    share = ((rows @ (columns.T @ onehot)) * onehot).sum(axis=1)
    loss = label_loss(association, segments(labels, association), STEP)
    assert float(loss) == pytest.approx(-np.log(share).mean())
    place = np.stack(np.indices((4, 6)), axis=-1).reshape(-1, 2)
    cells = columns.T @ place
    moved = rows @ cells - place
    assert float(position_loss(association, STEP)) == pytest.approx(
        np.hypot(*moved.T).mean(), rel=1e-6
    )
    off = cells[rows.argmax(axis=1)] - place
    assert float(compactness_loss(association, STEP)) == pytest.approx((off**2).sum(axis=1).mean())
    values = np.random.default_rng(2).normal(size=(24, 2))
    image = torch.from_numpy(values.T.reshape(1, 2, 4, 6))
    expected = abs(rows @ (columns.T @ values) - values).mean()
    known = torch.ones(1, 1, 4, 6, dtype=torch.float64)
    assert float(value_loss(association, image, known, STEP)) == pytest.approx(expected)


def test_regular_cells_have_the_scatter_of_squares():
    assert float(compactness_loss(own((4, 4)), STEP)) == pytest.approx(0.5)
    assert float(position_loss(own((4, 4)), STEP)) == pytest.approx(np.sqrt(0.5))


def test_positions_weigh_by_the_size_of_a_cell():
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    terms = superpixel_loss(own((4, 4)), segments(labels, own((4, 4))), STEP, 0.003)
    assert float(terms["label"]) == 0.0
    assert float(terms["position"]) == pytest.approx(0.003 / 2 * np.sqrt(0.5))


@pytest.mark.parametrize("loss", ["label", "position", "compactness"])
def test_gradients_are_those_of_finite_differences(loss):
    labels = torch.from_numpy(np.random.default_rng(1).integers(0, 3, (1, 4, 4)))
    logits = soft((4, 4)).log().nan_to_num(neginf=-30.0).requires_grad_()

    def call(logits):
        association = logits.softmax(dim=1)
        if loss == "label":
            return label_loss(association, segments(labels, association), STEP)
        return {"position": position_loss, "compactness": compactness_loss}[loss](association, STEP)

    assert gradcheck(call, (logits,), eps=1e-7, atol=1e-5)
