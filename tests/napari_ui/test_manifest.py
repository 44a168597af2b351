"""The manifest says what is there, and napari takes it."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_superpixels
from napari_superpixels.napari_ui.reader import ENDINGS

MANIFEST = PluginManifest.from_file(Path(napari_superpixels.__file__).parent / "napari.yaml")
COMMANDS = {command.id: command for command in MANIFEST.contributions.commands}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.id)
def test_every_command_is_in_a_module_that_exists(command):
    module = command.python_name.partition(":")[0]
    assert find_spec(module), f"{module} is missing"
    assert 3 <= len(command.title) <= 60


def test_what_is_contributed_are_commands():
    given = MANIFEST.contributions
    used = [item.command for item in (*given.widgets, *given.readers, *given.sample_data)]
    used += [item.command for items in given.menus.values() for item in items]
    assert set(used) == set(COMMANDS)


def test_files_and_patterns_are_the_same():
    patterns = {
        pattern.removeprefix("*") for pattern in MANIFEST.contributions.readers[0].filename_patterns
    }
    assert patterns == {*ENDINGS, ".zarr"}


def test_samples_do_not_take_the_names_of_commands():
    """napari calls the action of a sample by the plugin and its key, in one room with commands."""
    keys = {f"{MANIFEST.name}.{sample.key}" for sample in MANIFEST.contributions.sample_data}
    assert not keys & set(COMMANDS)


def test_menus_are_open_to_plugins():
    from napari._app_model.constants import MenuId

    assert set(MANIFEST.contributions.menus) <= {str(menu) for menu in MenuId.contributables()}


def test_the_menus_tell_widget_and_plugin_apart():
    """napari writes both into the menu, and calls the dock by widget and plain plugin name."""
    from napari.plugins import menu_item_template

    entries = [
        menu_item_template.format(MANIFEST.display_name, widget.display_name)
        for widget in MANIFEST.contributions.widgets
    ]
    names = ("Superpixels", "Segment", "Train", "Objects")
    assert entries == [f"{name} ({MANIFEST.name})" for name in names]


def test_settings_have_their_defaults(plugin_settings, npe2pm):
    settings = pytest.importorskip("napari.settings", minversion=None)
    if not hasattr(settings, "get_plugin_settings"):
        pytest.skip("napari before 0.9 has no settings of plugins")
    npe2pm.register(MANIFEST)
    ours = settings.get_plugin_settings(MANIFEST.name)
    assert (ours.computing.cache_mb, ours.output.folder) == (256, "")
    assert not hasattr(ours.computing, "device")  # the methods of today leave no choice
    with pytest.raises(ValueError, match="16"):
        ours.computing.cache_mb = 1
