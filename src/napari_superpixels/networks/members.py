"""What archives of others hold, found out without torch: TorchScript or a pickle, and how large."""

import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from napari_superpixels.errors import InputError

SCRIPT_PARTS = ("constants.pkl", "code/")
"""What a file of TorchScript has, and a pickle of a network has not."""
UNREADABLE = (BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError, RecursionError)
"""What archives raise that are no archives, or cut, or altered."""
METHODS = (ZIP_STORED, ZIP_DEFLATED)
"""How members may be packed: of others it is not known beforehand what reading them takes."""
GROWTH = 4
"""Archives may unpack to so many times their own size: numbers of networks hardly shrink."""
SPARE_BYTES = 64 * 2**20
"""And to so much beside: code, lists of operations and examples shrink to a fraction."""


def is_pickle(content: bytes) -> bool:
    """Whether a file is what pickle or ``torch.save`` writes: opening it may run any code."""
    if content[:1] == b"\x80":  # of all protocols since 2003
        return True
    parts = _parts(BytesIO(content))
    return "data.pkl" in parts and not _has_code(parts)


def is_script(file: bytes | Path) -> bool:
    """Whether a file is TorchScript: code and constants, beside which pickles have none.

    Parameters
    ----------
    file
        Its content, or where it lies; what cannot be read is none.
    """
    return _has_code(_parts(BytesIO(file) if isinstance(file, bytes) else file))


def _parts(file: BytesIO | Path) -> list[str]:
    """Return the names in an archive, below its one folder; none where it is no archive."""
    try:
        with ZipFile(file) as archive:
            members = archive.infolist()
    except (OSError, *UNREADABLE):
        return []
    first = min((one.header_offset for one in members), default=1)
    # Where a file is cut, an archive may be found that lay within it.
    return [one.filename.partition("/")[2] for one in members] if first == 0 else []


def _has_code(parts: list[str]) -> bool:
    constants, code = SCRIPT_PARTS
    return constants in parts and any(part.startswith(code) for part in parts)


def check_size(members: Iterable[ZipInfo], packed: int, where: str) -> None:
    """Refuse an archive that unpacks to far more than it takes, before anything is unpacked.

    Parameters
    ----------
    members, packed
        What shall be read of it; its size in bytes.
    where
        Its name, for errors.

    Raises
    ------
    InputError
        If it does, or its members are packed in a way that hides what they take.
    """
    members = list(members)
    odd = [one.filename for one in members if one.compress_type not in METHODS]
    if odd:
        raise InputError(
            f"'{where}' holds {odd[0]!r}, packed otherwise than stored or deflated; write the "
            f"archive anew."
        )
    total, limit = sum(one.file_size for one in members), GROWTH * packed + SPARE_BYTES
    if total > limit:
        raise InputError(
            f"'{where}' has {packed / 2**20:.1f} MiB but unpacks to {total / 2**20:.0f} MiB, where "
            f"{limit / 2**20:.0f} MiB is the most for its size; pack it without "
            f"compression, as torch does."
        )


def unpacked(archive: ZipFile, member: ZipInfo) -> bytes:
    """Return a member, of which no more is unpacked than the archive's list tells."""
    with archive.open(member) as file:
        return file.read(member.file_size)
