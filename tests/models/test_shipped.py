"""The weights in the package: they are taken by default, and are worth their network."""

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.evaluation.bsds import Samples
from napari_superpixels.labels.metrics import boundary_recall
from napari_superpixels.models.weights import SHIPPED, read_card

CARD = SHIPPED / "ssn.safetensors"


def test_they_are_taken_when_nothing_is_said():
    image = np.random.default_rng(0).integers(0, 255, (64, 80, 3), dtype=np.uint8)
    method = nsp.Ssn(step=16)
    assert method.digest == read_card(CARD)["sha256"]
    labels = nsp.superpixels(image, "ssn", step=16, axes="yxs").compute()
    named = nsp.superpixels(image, "ssn", step=16, axes="yxs", weights=str(CARD)).compute()
    np.testing.assert_array_equal(labels, named)


def test_the_card_tells_what_they_are_and_beat():
    card = read_card(CARD)
    assert "BSDS500" in card["data"]
    assert "non-commercial" in card["licence"]
    assert card["steps"] > 0
    for protocol in ("papers", "ours"):
        scores = card["scores"][protocol]
        for name in ("ASA", "BR"):
            gains = [float(row[f"{name} - ssn_pix"].split(" ")[0]) for row in scores["ssn"]]
            assert len(gains) >= 3
            assert min(gains) > 0


@pytest.mark.parametrize("step", [16, 25])
def test_they_follow_borders_better_than_pixels_alone(shared_data, step):
    """Images that chose no checkpoint; with one step the counts are nearly equal."""
    samples = Samples(shared_data / "bsds500" / "val")
    gains = []
    for number in (2, 27, 52, 77):
        sample = samples[number]
        one, other = (
            nsp.superpixels(sample.image, name, step=step, axes="yxs").compute()
            for name in ("ssn", "ssn_pix")
        )
        gains += [
            boundary_recall(one, each) - boundary_recall(other, each)
            for each in sample.segmentations
        ]
    assert np.mean(gains) > 0.02
