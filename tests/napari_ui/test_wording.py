"""Sentences of the panel."""

import pytest

from napari_superpixels.engine.live import LiveStatus
from napari_superpixels.engine.tally import Progress
from napari_superpixels.napari_ui.mailbox import Mailbox
from napari_superpixels.napari_ui.wording import preview_sentence, run_sentence, step_text


def _status(*, waiting: int = 0, failed: int = 0) -> LiveStatus:
    return LiveStatus(done=3, waiting=waiting, failed=failed, seconds_per_tile=None, closed=False)


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("exact", _status(), "exact"),
        ("exact", _status(waiting=1), "1 tile to come"),
        ("approximate", _status(waiting=4), "4 tiles to come"),
        ("approximate", _status(), "approximate at this zoom"),
        ("cells", _status(waiting=4), "only the grid"),
        ("blank", _status(), "nothing at this zoom"),
        ("exact", _status(failed=1), "could not be computed"),
    ],
)
def test_the_sentence_says_what_is_on_screen(kind: str, status: LiveStatus, words: str) -> None:
    sentence = preview_sentence(kind, status)
    assert words in sentence
    assert sentence.startswith("Preview: ")


def test_a_run_tells_rate_and_time_left() -> None:
    progress = Progress(tiles=20, done=10, pixels=25_600_000, seconds=10.0)
    assert run_sentence(progress, 16) == (
        "Run: 10 of 20 tiles, 2.6 Mpx/s, 10,000 superpixels/s, about 10 s left."
    )


def test_a_run_that_has_not_begun_is_planning() -> None:
    assert run_sentence(Progress(), 16) == "Run: planning."
    assert run_sentence(Progress(tiles=4), 16) == "Run: 0 of 4 tiles."


def test_a_step_has_its_unit() -> None:
    assert step_text({"step": 16}) == "16px"
    assert step_text({"step_um": 2.50}) == "2.5um"


def test_a_change_is_fetched_once() -> None:
    mailbox = Mailbox()
    assert not mailbox.fetch_change()
    mailbox.changed()
    mailbox.changed()
    assert mailbox.fetch_change()
    assert not mailbox.fetch_change()


def test_of_several_errors_the_last_is_fetched_once() -> None:
    mailbox = Mailbox()
    mailbox.failed(ValueError("first"))
    mailbox.failed(ValueError("last"))
    assert str(mailbox.fetch_error()) == "last"
    assert mailbox.fetch_error() is None
