"""The documentation's pictures are made by a story in a real window, which still can be told."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STORY = ROOT / "docs" / "pictures.py"
DISPLAYED = sys.platform in ("win32", "darwin") or "DISPLAY" in os.environ
QT = any(importlib.util.find_spec(name) for name in ("PyQt6", "PyQt5", "PySide6", "PySide2"))


@pytest.mark.skipif(not DISPLAYED, reason="there is no display")
@pytest.mark.skipif(not QT, reason="there is no Qt")
def test_the_story_of_the_slide(tmp_path: Path) -> None:
    """Preview, zoom, pan, another step, boundaries, run, cancel, run again: all in one window."""
    done = subprocess.run(
        [sys.executable, str(STORY), str(tmp_path), "--only", "slide"],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slide: done" in done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    assert "Warning: " not in done.stderr, done.stderr
    saved = {path.stem: path.stat().st_size for path in tmp_path.glob("*.jpg")}
    assert set(saved) == {"slide-open", "slide-preview", "slide-boundaries", "slide-run"}
    assert min(saved.values()) > 20_000


def test_every_picture_of_the_plugin_is_saved_by_a_story() -> None:
    pages = [(ROOT / "docs" / "how-to" / f"{n}.md").read_text("utf-8") for n in ("plugin", "train")]
    shown = {name for page in pages for name in re.findall(r"\(../images/([\w-]+)\.jpg\)", page)}
    saved = set(re.findall(r"person\.shot\(\"([\w-]+)\"\)", STORY.read_text("utf-8")))
    assert shown
    assert shown <= saved
