"""How kernels are compiled: without the interpreter's lock, and kept where there is room."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def kernel(**options: Any) -> Callable[[F], F]:
    """Return a decorator that compiles a function when it is first called.

    What is compiled is kept for later processes. Where numba finds no place that it may write to
    (a read-only installation without a home, say) the function is compiled anew in each process.

    Parameters
    ----------
    **options
        Of `numba.njit`, beside ``nogil`` and ``cache``.
    """

    def compiled(function: F) -> F:
        try:
            made: F = njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:
            made = njit(nogil=True, **options)(function)
        return made

    return compiled
