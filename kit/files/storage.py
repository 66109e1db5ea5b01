"""Where files lie: Django's storage API, with files that are whole or not there.

Names are unique for each attempt to make a file, so a name that is taken is a bug and is
refused; nothing is ever renamed or overwritten in silence.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage
from django.utils.deconstruct import deconstructible

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


@deconstructible(path="kit.files.storage.AtomicFileSystemStorage")
class AtomicFileSystemStorage(FileSystemStorage):
    """A folder whose files appear complete, or not at all, whatever crashes.

    A file is written beside its place, flushed to the disk, and linked to its name. Only
    the account that runs the service can read it.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return `name` as it is: a taken one is refused when the file is linked."""
        if max_length is not None and len(name) > max_length:
            raise ValueError(f"{name} is longer than {max_length} characters")
        return name

    def move_in(self, name: str, path: Path) -> None:
        """Make the file at `path` the content of `name`, without a copy if possible.

        Afterwards `path` is gone.

        Raises:
            FileExistsError: the name is taken; `path` stays.
        """
        target = self._prepare(name)
        try:
            with path.open("rb") as file:
                os.fchmod(file.fileno(), 0o600)
                os.fsync(file.fileno())
            _place(path, target)
        except OSError as error:
            if error.errno != errno.EXDEV:  # `path` lies on another file system
                raise
            with path.open("rb") as file:
                self.save(name, File(file))
            path.unlink()

    def _save(self, name: str, content: File[Any]) -> str:
        """Store `content` under exactly `name`.

        Raises:
            FileExistsError: the name is taken; what is there stays.
        """
        target = self._prepare(name)
        # mkstemp gives the file to its owner alone.
        handle, draft = tempfile.mkstemp(prefix=".", suffix=".draft", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                for part in _parts(content):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            _place(Path(draft), target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        return name

    def _prepare(self, name: str) -> Path:
        """Create the folders above `name` for the owner alone; return its path."""
        target = Path(self.path(name))
        missing = []
        folder = target.parent
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync(folder.parent)
        return target


def save_path(storage: Storage, name: str, path: Path) -> None:
    """Store the file at `path` as `name`; afterwards `path` is gone.

    On the same file system it is moved and not copied.

    Raises:
        FileExistsError: the name is taken, as far as the storage can tell.
    """
    if isinstance(storage, AtomicFileSystemStorage):
        storage.move_in(name, path)
        return
    with path.open("rb") as file:
        saved = storage.save(name, File(file))
    if saved != name:
        storage.delete(saved)
        raise FileExistsError(errno.EEXIST, "taken", name)
    path.unlink()


def delete_tree(storage: Storage, prefix: str) -> int:
    """Remove every file below `prefix` and return how many; repeat it after a crash.

    Raises:
        ValueError: `prefix` is empty, and would mean everything.
    """
    prefix = prefix.rstrip("/")
    if not prefix:
        raise ValueError("the prefix is empty")
    try:
        folders, files = storage.listdir(prefix)
    except FileNotFoundError:
        return 0
    count = sum(
        delete_tree(storage, f"{prefix}/{folder}") for folder in folders if folder
    )
    for file in files:
        if file:  # object stores may list the folder itself under an empty name
            storage.delete(f"{prefix}/{file}")
            count += 1
    if isinstance(storage, FileSystemStorage):
        storage.delete(prefix)
    return count


@contextmanager
def draft_folder() -> Iterator[Path]:
    """Give a temporary folder beside the storage, so that files move without a copy."""
    parent = settings.OZVENA_HOME / "tmp"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="draft-") as folder:
        yield Path(folder)


def _parts(content: File[Any]) -> Iterable[bytes]:
    for part in content.chunks():
        yield part.encode() if isinstance(part, str) else part


def _place(draft: Path, target: Path) -> None:
    """Give the finished `draft` its name, unless something has it."""
    try:
        os.link(draft, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without links: two writers of one name could pass this check,
        # but names are unique for each attempt.
        if target.exists():
            raise FileExistsError(errno.EEXIST, "taken", str(target)) from error
        draft.rename(target)
    else:
        draft.unlink()
    _sync(target.parent)


def _sync(folder: Path) -> None:
    """Flush the entries of a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
