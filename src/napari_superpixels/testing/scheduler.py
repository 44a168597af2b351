"""A dask scheduler that refuses to compute: the proof that something is lazy.

with dask.config.set(scheduler=refuse_to_compute):
    labels = nsp.superpixels(image, "slic", step=16)
"""

from typing import Any, NoReturn


def refuse_to_compute(graph: Any, keys: Any, **options: Any) -> NoReturn:
    """Raise instead of computing; for ``dask.config.set(scheduler=refuse_to_compute)``.

    Parameters
    ----------
    graph
        The task graph that dask wanted to run.
    keys
        The keys that were asked for.
    **options
        Whatever else dask hands to a scheduler.

    Raises
    ------
    AssertionError
        Always.
    """
    raise AssertionError(f"something computed that should have stayed lazy; asked for {keys!r}")
