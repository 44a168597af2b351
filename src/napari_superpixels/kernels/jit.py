"""How kernels are compiled: without the interpreter's lock, and kept where there is room."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import sha256
from inspect import getfile
from pathlib import Path
from typing import Any, TypeVar

from numba import __version__, njit
from numba.core import caching, event

F = TypeVar("F", bound=Callable[..., Any])
_numba: Any = caching


def kernel(**options: Any) -> Callable[[F], F]:
    """Return a decorator that compiles a function when it is first called.

    What is compiled is kept for later processes, until a source changes (see `SourcesCache`).
    Where numba finds no place that it may write to (a read-only installation without a home, say)
    the function is compiled anew in each process.

    Parameters
    ----------
    **options
        Of `numba.njit`, beside ``nogil`` and ``cache``.
    """

    def compiled(function: F) -> F:
        made: F = njit(nogil=True, **options)(function)
        # What `Dispatcher.enable_caching` does, with another cache. Where there is no place for
        # one, or a numba to come has moved these parts, kernels are compiled in each process.
        with suppress(RuntimeError, AttributeError, TypeError):
            made.__dict__["_cache"] = SourcesCache(function)
        return made

    return compiled


def mark_of(function: Callable[..., Any], name: str) -> Path | None:
    """Return the file beside a kernel's compiled code that may say that `name` is compiled.

    It bears another name once a kernel's source, or numba, has changed. None where compiled code is
    kept nowhere.
    """
    cache = vars(function).get("_cache")
    if not isinstance(cache, SourcesCache):
        return None
    state = sha256(f"{sources_digest(Path(__file__).parent)} {__version__}".encode())
    return Path(cache.cache_path) / f"{name}-{state.hexdigest()[:16]}.compiled"


def is_kept(function: Callable[..., Any]) -> bool:
    """Return whether compiled code of a kernel, as its sources are now, is kept on disk."""
    cache = vars(function).get("_cache")
    return isinstance(cache, SourcesCache) and bool(cache.index)


@contextmanager
def timed_compilation() -> Iterator[Callable[[], float]]:
    """Measure compiling, in any thread, while the block runs; give the seconds so far."""
    with event.install_timer("numba:compile", _nothing) as timer:
        yield lambda: timer.duration if timer.done else 0.0


def _nothing(_seconds: float) -> None:
    """Listen to nothing."""


class SourcesCache(caching.FunctionCache):
    """Numba's cache on disk, emptied when any source changes that a kernel may be made from.

    Numba itself looks at the file of the outer function only, although what that calls from other
    files is compiled into it; older versions compare that file's time, which installers may keep.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        own = self._impl.locator.get_source_stamp()
        stamp = own, sources_digest(Path(getfile(function)).parent)
        self._cache_file: Any = _Index(  # type: ignore[no-untyped-call]
            self.cache_path, self._impl.filename_base, stamp
        )

    @property
    def index(self) -> dict[Any, str]:
        """What is kept, by the types of the arguments."""
        kept: dict[Any, str] = self._cache_file._load_index()
        return kept


class _Index(caching.IndexDataCacheFile):
    """What lies in a cache, nothing if it was left by a version whose types are gone."""

    def _load_index(self) -> dict[Any, str]:
        # Numba looks at the stamp after it has loaded the arguments' types.
        try:
            return dict(super()._load_index())  # type: ignore[no-untyped-call]
        except (AttributeError, ImportError):
            return {}


@lru_cache
def sources_digest(folder: Path) -> str:
    """Return a digest of the modules of a folder and of the kernels, which all others may call."""
    digest = sha256()
    for room in (folder, Path(__file__).parent):
        for path in sorted(room.glob("*.py")):
            digest.update(f"{path.name} {path.stat().st_size} ".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
