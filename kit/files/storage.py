"""File storage on Django's storage API, with atomic writes.

Each attempt to make a file uses a unique name. An existing name is therefore a bug and is
refused. A file is never overwritten or stored under another name.
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
    """Store files in a folder so that a crash never leaves a partial file.

    A file is written to a temporary file in the same folder, flushed to the disk, and
    linked to its name. Only the account that runs the service can read it.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return `name` unchanged: an existing one is refused when the file is linked."""
        if max_length is not None and len(name) > max_length:
            raise ValueError(f"{name} is longer than {max_length} characters")
        return name

    def move_in(self, name: str, path: Path) -> None:
        """Move the file at `path` to `name`, without a copy if possible.

        Raises:
            FileExistsError: the name exists already; `path` is kept.
        """
        target = self._prepare(name)
        try:
            with path.open("rb") as file:
                os.fchmod(file.fileno(), 0o600)
                os.fsync(file.fileno())
            _place(path, target)
        except OSError as error:
            if error.errno != errno.EXDEV:  # `path` is on another file system
                raise
            with path.open("rb") as file:
                self.save(name, File(file))
            path.unlink()

    def _save(self, name: str, content: File[Any]) -> str:
        """Store `content` under exactly `name`.

        Raises:
            FileExistsError: the name exists already; the existing file is kept.
        """
        target = self._prepare(name)
        # mkstemp makes the file readable by its owner only.
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
        """Create the parent folders of `name`, private to the owner; return its path."""
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
    """Store the file at `path` as `name` and remove `path`.

    On the same file system the file is moved, not copied.

    Raises:
        FileExistsError: the name exists already, as far as the storage can tell.
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
    """Delete every file below `prefix` and return how many; safe to repeat after a crash.

    Raises:
        ValueError: `prefix` is empty and would match every file.
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
        if file:  # some object stores list the folder itself under an empty name
            storage.delete(f"{prefix}/{file}")
            count += 1
    if isinstance(storage, FileSystemStorage):
        storage.delete(prefix)
    return count


@contextmanager
def draft_folder() -> Iterator[Path]:
    """Yield a temporary folder on the storage's file system, so that files can be moved."""
    parent = settings.OZVENA_HOME / "tmp"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="draft-") as folder:
        yield Path(folder)


def _parts(content: File[Any]) -> Iterable[bytes]:
    for part in content.chunks():
        yield part.encode() if isinstance(part, str) else part


def _place(draft: Path, target: Path) -> None:
    """Link the finished `draft` to its final name, unless that name exists."""
    try:
        os.link(draft, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # The file system has no hard links. Two writers of one name could pass this
        # check, but names are unique for each attempt.
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
