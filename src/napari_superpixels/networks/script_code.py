"""The code in a file of TorchScript, read as text before torch is given it.

Torch compiles that code, runs ``__setstate__`` of its modules when it reads the file, and
``forward`` when it is called. No Python runs, but some of torch's operations touch files or other
machines: what names one is refused.
"""

import re
from io import BytesIO
from zipfile import ZipFile

from napari_superpixels.errors import InputError
from napari_superpixels.networks.members import check_size, unpacked

KEPT = re.compile(
    r"[^/]+/(data\.pkl|data/\d+|constants\.pkl|constants/\d+|code/.+\.py|version|byteorder)"
)
"""What of a file is read; notes on where code came from, and attachments, are not."""
CODE = re.compile(r"[^/]+/code/")
WORD = re.compile(r"[^\W\d]\w*")
LIBRARY = re.compile(r"\bops\b(?:\s*\.\s*(\w+))?")
"""Operations that are no functions of torch itself, by the library that they come from."""
LIBRARIES = {"aten", "prim", "torchvision", "quantized"}
"""Those that compute, and nothing else."""
HARMFUL = {"save", "load", "from_file", "rpc_sync", "rpc_async", "rpc_remote"}
"""Names of what reads or writes files, or asks other machines."""
BY_TEXT = re.compile(r"\bgetattr\b(?:\s*\(\s*[\w.]+\s*,\s*\"[\w.]+\"\s*\))?")
"""What finds a name by a text; as torch writes it, the text is plain, and looked at with all."""


def plain_copy(content: bytes, where: str) -> bytes:
    """Return an archive of what is read of a file alone; no name is there twice.

    Raises
    ------
    InputError
        If it unpacks to far more than the file takes.
    """
    copied = BytesIO()
    with ZipFile(BytesIO(content)) as archive, ZipFile(copied, "w") as copy:
        names = dict.fromkeys(filter(KEPT.fullmatch, archive.namelist()))
        members = [archive.getinfo(name) for name in names]
        check_size(members, len(content), where)
        for member in members:
            copy.writestr(member.filename, unpacked(archive, member))
    return copied.getvalue()


def check_code(content: bytes, where: str) -> None:
    """Refuse code that does more than compute.

    Raises
    ------
    InputError
        If it names an operation that touches files or other machines.
    """
    with ZipFile(BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if CODE.match(name)]
        code = "\n".join(archive.read(name).decode("utf-8") for name in names)
    others = [match[0] for match in LIBRARY.finditer(code) if match[1] not in LIBRARIES]
    hidden = [match[0] for match in BY_TEXT.finditer(code) if match[0] == "getattr"]
    found = [*others, *hidden, *(HARMFUL & set(WORD.findall(code)))]
    if found:
        raise InputError(
            f"The code in '{where}' names {found[0]!r}, which may touch files or other machines; "
            f"rename it if it is yours, or save the network with torch.export.save as a .pt2 file."
        )
