"""Progress is counted from events alone."""

import pytest

from napari_superpixels.engine.device import devices
from napari_superpixels.engine.events import RunStarted, TileDone, TileFailed, speed
from napari_superpixels.engine.tally import Tally, duration


@pytest.fixture
def now() -> list[float]:
    """A clock that a test sets."""
    return [100.0]


@pytest.fixture
def tally(now: list[float]) -> Tally:
    """A tally on that clock."""
    return Tally(lambda: now[0])


def test_nothing_is_known_before_the_run_begins(tally: Tally) -> None:
    assert tally.progress.tiles == 0
    assert tally.progress.pixels_per_second is None
    assert tally.progress.seconds_left is None


def test_the_rate_counts_the_finest_level_and_the_time_left_all(
    tally: Tally, now: list[float]
) -> None:
    tally(RunStarted(tiles=10, done=4, pixels=1000))
    now[0] += 5
    tally(TileDone("the fifth", 0, 600, 1.0))
    tally(TileDone("0/ is its name", 1, 150, 1.0))
    progress = tally.progress
    assert (progress.tiles, progress.done, progress.earlier) == (10, 6, 4)
    assert progress.pixels_per_second == pytest.approx(120)
    assert progress.seconds_left == pytest.approx(10)


def test_a_value_that_was_asked_for_stays_as_it_is(tally: Tally) -> None:
    tally(RunStarted(tiles=2, done=0, pixels=10))
    before = tally.progress
    tally(TileDone("0/0", 0, 5, 1.0))
    assert (before.done, tally.progress.done) == (0, 1)


def test_failures_are_no_progress(tally: Tally) -> None:
    tally(RunStarted(tiles=2, done=0, pixels=10))
    tally(TileFailed("0/0", "here", "broken", retrying=True))
    assert tally.progress.done == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_a_duration_is_said_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_processors_are_listed_with_their_threads() -> None:
    assert "thread" in devices()[-1].label


@pytest.mark.parametrize(
    ("rate", "words"),
    [(12.34e6, "12.3 Mpx/s"), (0.1e6, "0.1 Mpx/s"), (4_700, "0.0047 Mpx/s"), (0, "0.0000 Mpx/s")],
)
def test_slow_rates_have_more_digits(rate, words):
    assert speed(rate) == words
