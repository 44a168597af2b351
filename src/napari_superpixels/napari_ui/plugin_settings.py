"""The plugin's page in napari's preferences (napari 0.9 and newer), with defaults where there is none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLUGIN = "napari-superpixels"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSettings:
    """What the preferences say."""

    device: str = "cpu"
    """What to compute on."""
    cache_megabytes: int = 256
    """Memory that a preview may keep tiles in."""
    output_folder: str = ""
    """Where outputs go; empty for the user's home."""

    @property
    def cache_bytes(self) -> int:
        """Memory that a preview may keep tiles in, in bytes."""
        return self.cache_megabytes * 1_000_000

    @property
    def folder(self) -> Path:
        """Where outputs go."""
        return Path(self.output_folder).expanduser() if self.output_folder else Path.home()


def plugin_settings() -> PluginSettings:
    """Return what the preferences say; the defaults on a napari without them, or not installed."""
    try:
        from napari.settings import get_plugin_settings

        page = get_plugin_settings(PLUGIN)
    except (ImportError, KeyError):
        return PluginSettings()
    return _from_page(page)


def _from_page(page: Any) -> PluginSettings:
    """Take what a page of preferences holds, whatever its sections are called."""
    found = PluginSettings()
    sections = [getattr(page, name, None) for name in type(page).model_fields]
    kept = {
        name: getattr(section, name)
        for section in sections
        for name in PluginSettings.__slots__
        if hasattr(section, name)
    }
    return PluginSettings(**{name: type(getattr(found, name))(value) for name, value in kept.items()})
