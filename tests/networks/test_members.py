"""Archives: what they hold, and how much that may be."""

import struct
import subprocess
import sys
from io import BytesIO
from zipfile import ZIP_LZMA, BadZipFile, ZipFile

import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.networks.archives import read_program
from napari_superpixels.networks.members import check_size, is_script, unpacked
from napari_superpixels.networks.script_code import plain_copy
from napari_superpixels.testing.foreign import bomb, unet, write_script

LARGE = 80 * 2**20
PATTERN = r"'a' has 0\.1 MiB but unpacks to 80 MiB, where 64 MiB is the most for its size; pack it"


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (read_program, "a/data/weights/weight_0"),
        (read_program, "a/models/model.json"),
        (plain_copy, "a/data/0"),
        (plain_copy, "a/code/a.py"),
    ],
)
def test_what_unpacks_to_far_more_is_refused_before_it_is_read(read, name, monkeypatch):
    content = bomb(name, LARGE)
    if read is read_program:  # which looks for a graph first
        content = _with(content, "a/models/model.json", b"{}")
    monkeypatch.setattr(ZipFile, "open", _never)
    with pytest.raises(InputError, match=PATTERN):
        read(content, "a")


def _with(content, name, text):
    file = BytesIO(content)
    with ZipFile(file, "a") as archive:
        if name not in archive.namelist():
            archive.writestr(name, text)
    return file.getvalue()


def _never(*_, **__):
    raise AssertionError("it was unpacked")


def test_code_that_shrinks_and_numbers_that_do_not_are_taken(tmp_path):
    content = write_script(tmp_path / "a.pt", unet()).read_bytes()
    with ZipFile(BytesIO(content)) as archive:
        check_size(archive.infolist(), len(content), "a")
        for one in archive.infolist():
            assert unpacked(archive, one) == archive.read(one)


def test_what_is_packed_in_another_way_is_refused():
    file = BytesIO()
    with ZipFile(file, "w", ZIP_LZMA) as archive:
        archive.writestr("a/data/0", b"0")
    with pytest.raises(InputError, match="packed otherwise than stored or deflated; write"):
        plain_copy(file.getvalue(), "a")


def test_a_size_that_is_a_lie_is_never_passed():
    content = bomb("a/data/0", LARGE)
    lie = content.replace(struct.pack("<I", LARGE), struct.pack("<I", 7))
    assert lie != content
    with ZipFile(BytesIO(lie)) as archive:
        (member,) = archive.infolist()
        assert member.file_size == 7
        with pytest.raises(BadZipFile, match="CRC"):
            unpacked(archive, member)


def test_what_cannot_be_read_is_no_script(tmp_path):
    path = write_script(tmp_path / "a.pt", unet())
    assert is_script(path)
    assert is_script(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-100])
    assert not is_script(path)
    assert not is_script(tmp_path)
    assert not is_script(tmp_path / "none.pt")


def test_it_is_found_out_without_torch():
    code = "import sys, napari_superpixels.networks.members; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
