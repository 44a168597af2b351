"""A training as the window sees it: made, watched and ended on the main thread, done elsewhere."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from napari.utils import progress as ActivityBar  # noqa: N812 - a class, whatever its name
from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer

from napari_superpixels.napari_ui.background import Job, sentence_of
from napari_superpixels.napari_ui.diary import Diary, Learnt
from napari_superpixels.napari_ui.lesson import Lesson
from napari_superpixels.napari_ui.material import task_of
from napari_superpixels.training.elsewhere import train_elsewhere
from napari_superpixels.training.task import Done

POLL_MS = 200
"""How often one looks how far a training is."""


@dataclass(frozen=True, slots=True, eq=False)
class Listeners:
    """Who is told of a training, all on the main thread."""

    moved: Callable[[Learnt], None]
    """How far it is."""
    done: Callable[[Done], None]
    """How it ended, also where it was stopped."""
    failed: Callable[[str], None]
    """Why it failed, in a sentence, which is shown already."""


class Learning:
    """One training, from the click to the weights.

    Parameters
    ----------
    lesson
        What to learn.
    listeners
        Who is told.
    """

    def __init__(self, lesson: Lesson, listeners: Listeners) -> None:
        self._listeners, self.diary = listeners, Diary()
        self._stop, self._cancel = threading.Event(), threading.Event()
        self._bar: ActivityBar | None = None
        self._timer = QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._look)
        # Making a bar lets Qt deliver what waits: before there is anything to be delivered.
        self._bar = ActivityBar(total=lesson.steps, desc=f"Training {lesson.method}")
        self._timer.start()
        self._job: Job[Done] = Job(
            partial(self._work, lesson), self._finished, self._failed, self._cancel
        )

    def stop(self) -> None:
        """Stop after the step that is on; the weights so far are kept."""
        self._stop.set()

    def abandon(self) -> None:
        """Stop and keep the weights so far, and tell nobody: who would be told is about to go."""
        self._job.drop()
        self._close()

    def _work(self, lesson: Lesson) -> Done:
        """Train; the only method that is not called on the main thread."""
        task = task_of(lesson, self._cancel)
        return train_elsewhere(task, self.diary, self._stop, self._cancel)

    def _look(self) -> None:
        learnt = self.diary.learnt
        if self._bar is not None:
            self._bar.update(learnt.done - self._bar.n)
        self._listeners.moved(learnt)

    def _finished(self, done: Done) -> None:
        self._look()
        self._close()
        self._listeners.done(done)

    def _failed(self, error: BaseException) -> None:
        self._close()
        sentence = sentence_of(error)
        show_error(sentence)
        self._listeners.failed(sentence)

    def _close(self) -> None:
        self._timer.stop()
        if self._bar is not None:
            self._bar.close()
            self._bar = None
