"""What computes made ready before it is needed: compiled once a machine, loaded once a process.

Compiling takes many seconds and holds Python's lock for up to a fifth of a second at a time, which
a window would show; so a process of its own does it, and what it made is kept on disk. Loading that
takes less than a second and never holds the lock for long.
"""

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from napari_superpixels.engine.child import end_with_parent, run_module, wait_for
from napari_superpixels.engine.measure import measure
from napari_superpixels.engine.plan import Plan, make_plan
from napari_superpixels.engine.tile import (
    assign,
    assign_with_ring,
    no_pulse,
    read_box,
    tables_of,
)
from napari_superpixels.errors import InputError
from napari_superpixels.io import open_source
from napari_superpixels.kernels import ids, jit
from napari_superpixels.models.protocol import ImageFacts, Method
from napari_superpixels.models.registry import make_method
from napari_superpixels.tiling import Box, Interval

RGB = ImageFacts(channels=3, dtype=np.dtype(np.uint8), rgb=True)

TINY_STEP, TINY_SHAPE = 8, (41, 385)
"""Size of the images on which kernels are tried; the last cells are one pixel wide, for arrays of
one row have another layout, and there are more columns than the labels of one depend on."""

OF_NETWORKS = ("weights", "digest", "exact")
"""Settings without which a network cannot be made."""

LONGEST_SECONDS = 300.0
"""How long another process may compile before this one does it after all."""


def warm_up(method: Method, facts: ImageFacts = RGB, cancel: threading.Event | None = None) -> None:
    """Make the kernels of a method ready, for images of one kind; returns when they are.

    To be called from a thread where the main one must go on. It computes nothing but a tiny image;
    of a learned method it loads the network too. Of several threads, and of several processes, that
    ask for the same at once, one compiles and the others wait.

    Parameters
    ----------
    method
        Its settings; only what kernels they need matters.
    facts
        Type and channels of the images; 8-bit RGB by default.
    cancel
        Set it where they are not needed any more: whoever waits stops waiting, and the process
        that compiles ends. What it has compiled by then is kept.

    Raises
    ------
    Cancelled
        If they are not needed any more.
    """
    network = {n: v for n, v in _settings(method).items() if n in OF_NETWORKS}
    gate = _gate(method.name, tuple(network.items()), facts)
    wait_for(lambda seconds: gate.lock.acquire(timeout=seconds), cancel)
    try:
        if not gate.ready:
            _make_ready(make_method(method.name, network), facts, cancel)
            gate.ready = True  # once a process: what is loaded stays
    finally:
        gate.lock.release()


def is_first_use() -> bool:
    """Return whether nothing is compiled yet on this machine, or nothing of that is kept."""
    return not jit.is_kept(ids._expand)


@dataclass(eq=False, slots=True)
class _Gate:
    """Lets one thread at a time make kernels ready."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    ready: bool = False


@cache
def _gate(name: str, network: tuple[tuple[str, Any], ...], facts: ImageFacts) -> _Gate:
    return _Gate()


def _make_ready(method: Method, facts: ImageFacts, cancel: threading.Event | None) -> None:
    mark = _mark(method, facts)
    if mark is not None and not mark.exists():
        with ExitStack() as held:
            _lock_of(mark, cancel, held)
            if not mark.exists():  # else another process compiled meanwhile
                _compile_elsewhere(method, facts, cancel)
    run_once(method, facts)


def _lock_of(mark: Path, cancel: threading.Event | None, held: ExitStack) -> None:
    """Take, and let be held, what keeps other processes from compiling the same."""
    lock = FileLock(mark.with_suffix(".lock"))

    def taken(seconds: float) -> bool:
        with suppress(Timeout):
            held.enter_context(lock.acquire(timeout=seconds))
        return lock.is_locked

    with suppress(OSError, NotImplementedError):  # no lock there: at worst two compile the same
        wait_for(taken, cancel, LONGEST_SECONDS)


def run_once(method: Method, facts: ImageFacts) -> None:
    """Run on tiny images all that a view and a run do, with every layout that readers give."""
    tiny = _with_tiny_cells(method)
    for image, axes in _tiny_images(facts):
        for mask in (None, np.eye(*TINY_SHAPE)):
            source = open_source(image, axes=axes, rgb=facts.rgb, mask=mask)
            plan = make_plan(source, tiny)
            if plan.deferred:
                plan = replace(plan, statistics=measure(source, projected=plan.projected))
            _run(plan)
    mark = _mark(method, facts)
    if mark is not None:
        with suppress(OSError):  # then it is tried again, in vain but harmless
            mark.touch()


def _with_tiny_cells(method: Method) -> Method:
    """Return a method with small cells, where their size is a setting that may be so small."""
    settings: Any = method
    if all(one.name != "step" for one in fields(settings)):
        return method
    with suppress(InputError):  # its network may have cells of other sizes
        method = replace(settings, step=TINY_STEP)
    return method


def _run(plan: Plan) -> None:
    window = plan.windows[0]
    block = plan.source.read(0, read_box(plan, window))
    found = assign_with_ring(plan, window, block, threads=2, pulse=no_pulse)
    tables_of(plan, window, block, found)
    whole = assign(plan, window, window.core, block, threads=1, pulse=no_pulse)
    rows, columns = window.core
    middle = len(columns) // 2  # a part is strided otherwise than the whole
    part = Box((rows, Interval(middle, middle + 1)))
    assign(plan, window, part, block, threads=1, pulse=no_pulse)
    plan.output.rehearse(whole, plan.lattice)


def _tiny_images(facts: ImageFacts) -> Iterator[tuple[NDArray[Any], str]]:
    """Yield noise with channels first and last, as arrays that may and may not be written to."""
    noise = np.random.default_rng(0).integers(0, 100, (facts.channels, *TINY_SHAPE))
    first = noise.astype(facts.dtype)
    last = np.ascontiguousarray(np.moveaxis(first, 0, -1))
    letters = "s" if facts.rgb else "c"
    for image, axes in ((first, f"{letters}yx"), (last, f"yx{letters}")):
        for writeable in (True, False):
            given = image.copy()
            given.flags.writeable = writeable
            yield given, axes


def _mark(method: Method, facts: ImageFacts) -> Path | None:
    colour = "rgb" if facts.rgb else "channels"
    return jit.mark_of(ids._expand, f"{_kernels_of(method)}-{facts.dtype}-{colour}")


def _kernels_of(method: Method) -> str:
    """Return a name that methods have in common if they have their kernels: that of the module."""
    return type(method).__module__.rpartition(".")[2]


def _settings(method: Method) -> dict[str, Any]:
    found: dict[str, Any] = asdict(method)  # type: ignore[call-overload]  # a dataclass
    return found


def _compile_elsewhere(method: Method, facts: ImageFacts, cancel: threading.Event | None) -> None:
    """Let another process compile; where that fails, nothing is lost but its time."""
    kind = [facts.dtype.str, str(facts.channels), str(int(facts.rgb))]
    arguments = [method.name, json.dumps(_settings(method)), *kind]
    with suppress(OSError):  # then this one compiles
        run_module(__name__, arguments, cancel, LONGEST_SECONDS)


def main(arguments: Sequence[str]) -> None:
    """Be the process that compiles: the method, its settings, type, channels, whether RGB."""
    name, settings, dtype, channels, rgb = arguments
    facts = ImageFacts(channels=int(channels), dtype=np.dtype(dtype), rgb=bool(int(rgb)))
    run_once(make_method(name, json.loads(settings)), facts)


if __name__ == "__main__":
    end_with_parent()
    main(sys.argv[1:])
