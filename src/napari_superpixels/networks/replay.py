"""A network as a CUDA graph: recorded once a shape, then replayed without launches from Python.

A window of a learned method takes a card a few milliseconds, and Python as long to launch its
hundred kernels, which all threads of a run would do one after the other.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from napari_superpixels.errors import reason_of

logger = logging.getLogger(__name__)
Function = Callable[[Tensor], Tensor]

WARM_UPS = 3
"""Calls before one is recorded: libraries choose their algorithms and take memory for good."""
KEPT = 2
"""Shapes that are recorded; more are computed as they come, since each holds memory."""


@dataclass(eq=False)
class Recorded:
    """A function on the card, from one tensor to another, always the same two."""

    graph: Any
    given: Tensor
    result: Tensor
    done: Any = None
    """When the last result was copied."""

    def __call__(self, given: Tensor) -> Tensor:
        """Return the result for a tensor of that shape; one call at a time."""
        stream = torch.cuda.current_stream(given.device)
        if self.done is not None:
            stream.wait_event(self.done)
        self.given.copy_(given)
        self.graph.replay()
        result = self.result.clone()
        self.done = stream.record_event()
        return result


def record(function: Function, given: Tensor) -> Recorded:
    """Record a function for tensors of one shape.

    Raises
    ------
    RuntimeError
        If it cannot be recorded.
    """
    given = given.clone()
    for _ in range(WARM_UPS):
        function(given)
    torch.cuda.current_stream(given.device).synchronize()
    graph: Any = torch.cuda.CUDAGraph()
    # Other threads go on copying and computing meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = function(given)
    return Recorded(graph, given, result)


@dataclass(eq=False)
class Replayed:
    """A function that is recorded when it meets a shape for the first time.

    What cannot be recorded is computed as it comes, and a line in the log says so.
    """

    function: Function
    record: Callable[[Function, Tensor], Function] = record
    known: dict[tuple[int, ...], Function] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def __call__(self, given: Tensor) -> Tensor:
        """Return the result; threads come one after the other."""
        with self.lock:
            shape = tuple(given.shape)
            if shape not in self.known:
                self.known[shape] = self._recorded(given)
            return self.known[shape](given)

    def _recorded(self, given: Tensor) -> Function:
        if len(self.known) >= KEPT:
            return self.function
        try:
            return self.record(self.function, given)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            logger.warning(
                "A network cannot be recorded (%s); it is launched anew.", reason_of(error)
            )
            return self.function
