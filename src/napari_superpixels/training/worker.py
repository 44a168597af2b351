"""The process that trains: a task comes in, lines of events and an outcome go out.

A window must not wait for torch, which holds Python's lock for long stretches while it is loaded,
so a widget trains here. The parent says when to stop by a byte in the pipe, and the weights so far
are kept, however long that takes; where the pipe is closed, or the parent is gone, too, if that
does not take long.
"""

import os
import pickle
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from napari_superpixels.errors import TrainingError
from napari_superpixels.models.weights import free_path, read_card
from napari_superpixels.training.channels import for_channels
from napari_superpixels.training.dense_recipes import ClassRecipe, DistanceRecipe
from napari_superpixels.training.device import chosen_device
from napari_superpixels.training.events import Listener, Validated
from napari_superpixels.training.export import export
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.messages import Message, error_line, to_line
from napari_superpixels.training.ready import Material, Ready, of_classes, of_distances, of_segments
from napari_superpixels.training.recipe import Recipe
from napari_superpixels.training.recipes import recipe
from napari_superpixels.training.start import starting_from
from napari_superpixels.training.task import SHORT, Done, Task

LONGEST_GOODBYE = 30.0
"""Seconds after which a process that is to stop ends, whatever it does."""
NICE = 5
"""How much it gives way to the window, at least."""
CHECKPOINTS = 20
"""How many a training writes and measures."""


def main() -> None:
    """Read a task from standard input, train, and tell of it on standard output."""
    lines = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed
    with suppress(AttributeError, OSError):  # not every system has it
        os.nice(max(0, NICE - os.nice(0)))
    given = sys.stdin.buffer
    task = pickle.load(given)  # of the parent alone, which made the pipe
    stop = threading.Event()
    threading.Thread(target=_wait_for_end, args=(given, stop), daemon=True).start()

    def tell(message: Message) -> None:
        try:
            _write(lines, to_line(message))
        except OSError:  # nobody listens any more
            stop.set()

    try:
        tell(perform(task, tell, stop.is_set))
    except Exception as error:  # noqa: BLE001 - told to the parent, whatever it is
        _write(lines, error_line(error))


def _write(lines: BinaryIO, line: bytes) -> None:
    lines.write(line)
    lines.flush()


def _wait_for_end(given: BinaryIO, stop: threading.Event) -> None:
    given.read(1)  # a byte where it is to stop, nothing where the parent is gone
    stop.set()
    given.read()  # until it is gone, for sure: who waits is not left waiting for nothing
    timer = threading.Timer(LONGEST_GOODBYE, os._exit, (1,))
    timer.daemon = True
    timer.start()


def perform(task: Task, listener: Listener, stopped: Callable[[], bool]) -> Done:
    """Train, and write the weights with their card.

    Parameters
    ----------
    task
        What to do.
    listener
        Is told of every event.
    stopped
        Asked before each step; true ends the training, and the weights so far are kept.

    Raises
    ------
    SuperpixelsError
        If anything does not fit, or cannot be written.
    """
    made = ready(task)
    data, validation = made.data, made.validation
    chosen = for_channels(made.recipe, data.channels)
    if validation and task.start:
        listener(Validated(0, validation(chosen.network(), chosen)))
    every = max(1, task.steps // CHECKPOINTS)
    with _checkpoints(task.target.parent) as folder:
        outcome = train(
            chosen,
            data,
            folder,
            validation=validation,
            running=Running(device=chosen_device(), save_every=every, validate_every=every),
            listener=listener,
            stopped=stopped,
        )
        if not outcome.step:
            return Done(0, outcome.finished, {}, "")
        path = export(chosen, folder, free_path(task.target), **task.card)
    # Of the best checkpoint, which may be an earlier one than the last.
    return Done(outcome.step, outcome.finished, read_card(path)["validation"], str(path))


@contextmanager
def _checkpoints(beside: Path) -> Iterator[Path]:
    """Make a folder for checkpoints; where a training fails after one, that is kept."""
    beside.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="training-", dir=beside))
    try:
        yield folder
    except TrainingError:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def ready(task: Task) -> Ready:
    """Make the training of a task ready.

    Raises
    ------
    InputError
        If the weights to begin with cannot be used, or a label means no class.
    """
    chosen, material = chosen_recipe(task), Material(task.learned, task.held, task.seed)
    if isinstance(chosen, ClassRecipe):
        assert task.classes is not None, "who learns classes names them"
        return of_classes(chosen, material, task.classes, evenly=task.evenly)
    if isinstance(chosen, DistanceRecipe):
        return of_distances(chosen, material, task.void)
    return of_segments(chosen, material, task.void)


def chosen_recipe(task: Task) -> Recipe:
    """Return the recipe of a task.

    Raises
    ------
    InputError
        If the weights to begin with cannot be used.
    """
    short = SHORT[task.method]
    made = recipe(short.recipe).lasting(task.steps)
    crops = tuple(replace(each, size=task.crop) for each in made.crops)
    made = replace(made, crops=crops, batch=short.batch or made.batch)
    return starting_from(made, task.start) if task.start else made


if __name__ == "__main__":
    main()
