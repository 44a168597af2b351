"""Every door into the package opens: the shell command and the napari manifest."""

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from npe2 import PluginManifest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MANIFEST = ROOT / "src" / "napari_superpixels" / "napari.yaml"


@pytest.mark.parametrize(("name", "target"), PROJECT["scripts"].items())
def test_every_console_script_imports(name: str, target: str) -> None:
    assert callable(EntryPoint(name, target, "console_scripts").load())


def test_the_shell_command_says_how_it_is_used() -> None:
    code = "from napari_superpixels.cli import main; main()"
    command = [sys.executable, "-c", code, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ["run", "resume", "plan", "info"])


def test_every_command_of_the_manifest_imports() -> None:
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == PROJECT["name"]


def test_napari_finds_the_manifest_of_the_installed_package() -> None:
    if not list(entry_points(group="napari.manifest", name=PROJECT["name"])):
        pytest.skip("the package is on the path but not installed")
    assert PluginManifest.from_distribution(PROJECT["name"]).display_name == PROJECT["name"]
