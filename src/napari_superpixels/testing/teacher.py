"""A stand-in for the process that trains: steps pass when a test says so."""

import threading
from typing import Any

from napari_superpixels.engine.child import wait_for
from napari_superpixels.errors import Cancelled, TrainingError
from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights
from napari_superpixels.training.events import StepDone, TrainingStarted, Validated
from napari_superpixels.training.task import Done, Task


class Teacher:
    """Stands in for the other process: a step for each `pass_steps`, and weights at the end."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.threads: set[int] = set()
        self.cancelled = threading.Event()
        self.fails = ""
        self.scores: dict[str, float] = {"asa": 0.9, "br": 0.5, "superpixels": 9.0}
        self._steps = threading.Semaphore(0)

    def pass_steps(self, count: int) -> None:
        """Let so many steps pass."""
        self._steps.release(count)

    def __call__(self, task: Task, listener: Any, stop: Any, cancel: Any) -> Done:
        self.tasks.append(task)
        self.threads.add(threading.get_ident())
        listener(TrainingStarted(task.steps, 0, 1))
        done = 0
        while done < task.steps and self._may_go_on(stop, cancel):
            if self.fails:
                raise TrainingError(self.fails)
            done += 1
            listener(StepDone(done, 1e-3, {"label": 1 / done}))
            listener(Validated(done, self.scores))
        if not done:
            return Done(0, finished=False, scores={}, path="")
        if task.classes is None:
            made = write_random_weights(task.target.parent, task.method)
        else:
            made = write_random_segmentation(task.target.parent, classes=task.classes.listed())
        made.rename(task.target)
        made.with_suffix(".json").rename(task.target.with_suffix(".json"))
        return Done(done, done == task.steps, {}, str(task.target))

    def _may_go_on(self, stop: threading.Event, cancel: threading.Event) -> bool:
        def passed(seconds: float) -> bool:
            return stop.is_set() or self._steps.acquire(timeout=seconds)

        try:
            wait_for(passed, cancel)
        except Cancelled:
            self.cancelled.set()
            raise
        return not stop.is_set()
