"""What the preferences say reaches the panel; without napari's page there are defaults."""

from pathlib import Path
from types import SimpleNamespace

import napari.settings
import pytest
from npe2 import PluginManifest

import napari_superpixels
from napari_superpixels.napari_ui.plugin_settings import PLUGIN, PluginSettings, plugin_settings

MANIFEST = PluginManifest.from_file(Path(napari_superpixels.__file__).parent / "napari.yaml")


def page(cache_mb: int, folder: str) -> SimpleNamespace:
    """The page as napari gives it, on any version."""
    computing = SimpleNamespace(device="auto", cache_mb=cache_mb)
    return SimpleNamespace(computing=computing, output=SimpleNamespace(folder=folder))


def test_the_manifest_has_the_defaults_of_the_program() -> None:
    given = {
        f"{section}.{name}": described.default
        for section, one in MANIFEST.contributions.configurations.items()
        for name, described in one.properties.items()
    }
    assert given["computing.cache_mb"] * 2**20 == PluginSettings().cache_bytes
    assert given["output.folder"] == PluginSettings().folder


def test_a_change_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = page(100, "here")
    monkeypatch.setattr(napari.settings, "get_plugin_settings", {PLUGIN: ours}.get, raising=False)
    assert (plugin_settings().cache_bytes, plugin_settings().folder) == (100 * 2**20, "here")
    ours.computing.cache_mb, ours.output.folder = 64, "there"
    assert (plugin_settings().cache_bytes, plugin_settings().folder) == (64 * 2**20, "there")


@pytest.mark.skipif(
    not hasattr(napari.settings, "get_plugin_settings"),
    reason="napari before 0.9 has no preferences of plugins",
)
def test_a_change_in_napari_itself_is_followed(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("plugin_settings")
    request.getfixturevalue("npe2pm").register(MANIFEST)
    ours = napari.settings.get_plugin_settings(PLUGIN)
    ours.computing.cache_mb = 64
    ours.output.folder = "there"
    assert (plugin_settings().cache_bytes, plugin_settings().folder) == (64 * 2**20, "there")
