"""Files that are harmed on purpose."""

import os
from pathlib import Path


def rewrite(path: Path, data: bytes) -> None:
    """Write a file and keep its time, as some copies do."""
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def break_silently(path: Path) -> None:
    """Make a file unreadable whose size and time stay, as a failing disk does."""
    rewrite(path, bytes(path.stat().st_size))
