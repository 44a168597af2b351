"""The plugin's page in napari's preferences, and defaults where napari (before 0.9) has none."""

from dataclasses import dataclass
from typing import Any

from napari_superpixels.engine.live import CACHE_BYTES

PLUGIN = "napari-superpixels"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSettings:
    """What the preferences say."""

    cache_bytes: int = CACHE_BYTES
    """Memory that a preview may keep tiles in."""
    folder: str = ""
    """Where outputs go; empty for the image's own folder."""


def plugin_settings() -> PluginSettings:
    """Return what the preferences say; the defaults on a napari without them, or not installed."""
    try:
        from napari.settings import get_plugin_settings

        page: Any = get_plugin_settings(PLUGIN)
    except (ImportError, KeyError):
        return PluginSettings()
    return PluginSettings(
        cache_bytes=page.computing.cache_mb * 2**20,
        folder=page.output.folder,
    )
