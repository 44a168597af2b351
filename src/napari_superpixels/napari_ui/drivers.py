"""Libraries that do not bear the graphics driver of a window in the same process."""

import os
import sys
import threading
from contextlib import suppress
from importlib import import_module

from napari_superpixels.models.registry import is_learned

_flags = threading.Lock()


def prepare_for(method: str) -> None:
    """Import Triton before a network does, with symbols of its own; off the main thread.

    Mesa's drivers bring an LLVM whose symbols all libraries see that are loaded after a window was
    opened. Triton, which torchvision imports, has another LLVM in it: mixed, they end the process.
    """
    if not is_learned(method):
        return
    with _flags:
        before = sys.getdlopenflags() if hasattr(sys, "getdlopenflags") else None
        if before is None:  # no such flags, and no such driver
            return
        sys.setdlopenflags(before | getattr(os, "RTLD_DEEPBIND", 0))
        try:
            with suppress(ImportError):
                import_module("triton")
        finally:
            sys.setdlopenflags(before)
