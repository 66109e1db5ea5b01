"""Stored files are complete, private and never overwritten."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import InMemoryStorage, Storage, storages

from kit.files.storage import AtomicFileSystemStorage, delete_tree, save_path


@pytest.fixture
def storage(tmp_path: Path) -> AtomicFileSystemStorage:
    return AtomicFileSystemStorage(location=tmp_path / "media")


def files_below(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_the_storage_of_the_product() -> None:
    assert isinstance(storages["default"], AtomicFileSystemStorage)


def test_a_file_is_stored_under_exactly_its_name(storage, tmp_path: Path) -> None:
    assert storage.save("jobs/a/b/1.mp3", ContentFile(b"sound")) == "jobs/a/b/1.mp3"
    assert files_below(tmp_path) == ["media/jobs/a/b/1.mp3"]
    with storage.open("jobs/a/b/1.mp3") as file:
        assert file.read() == b"sound"


def test_only_the_service_can_read_it(storage, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        storage.save("jobs/a/1.mp3", ContentFile(b"sound"))
        draft = tmp_path / "draft"
        draft.write_bytes(b"more")
        save_path(storage, "jobs/b/2.mp3", draft)
    finally:
        os.umask(old)
    for name in ("", "jobs", "jobs/a", "jobs/b"):
        assert mode(tmp_path / "media" / name) == 0o700
    for name in ("jobs/a/1.mp3", "jobs/b/2.mp3"):
        assert mode(tmp_path / "media" / name) == 0o600


def test_text_and_many_parts_are_stored(storage) -> None:
    storage.save("words.json", ContentFile("žltý kôň"))
    with storage.open("words.json") as file:
        assert file.read().decode() == "žltý kôň"
    large = os.urandom(300_000)
    storage.save("large", ContentFile(large))
    with storage.open("large") as file:
        assert file.read() == large


def test_a_name_that_is_taken_is_refused(storage, tmp_path: Path) -> None:
    storage.save("jobs/1.mp3", ContentFile(b"first"))
    with pytest.raises(FileExistsError):
        storage.save("jobs/1.mp3", ContentFile(b"second"))
    assert (tmp_path / "media/jobs/1.mp3").read_bytes() == b"first"
    assert files_below(tmp_path) == ["media/jobs/1.mp3"]


def test_a_crash_while_writing_leaves_no_file(storage, tmp_path: Path) -> None:
    class Torn(File):
        def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
            yield b"half of "
            assert files_below(tmp_path)[0].endswith(".draft")
            assert not storage.exists("jobs/1.mp3")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.save("jobs/1.mp3", Torn(None, "1.mp3"))
    assert files_below(tmp_path) == []


def test_a_name_outside_the_folder_is_refused(storage, tmp_path: Path) -> None:
    for name in ("../1.mp3", "a/../../1.mp3", "/etc/1.mp3"):
        with pytest.raises(Exception, match=r"traversal|outside|located"):
            storage.save(name, ContentFile(b"sound"))
    assert files_below(tmp_path) == []


def test_a_path_is_moved_and_not_copied(storage, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    draft.write_bytes(b"sound")
    node = draft.stat().st_ino

    save_path(storage, "jobs/1.mp3", draft)

    assert (tmp_path / "media/jobs/1.mp3").stat().st_ino == node
    assert files_below(tmp_path) == ["media/jobs/1.mp3"]


def test_a_path_is_not_moved_over_a_file(storage, tmp_path: Path) -> None:
    storage.save("jobs/1.mp3", ContentFile(b"first"))
    draft = tmp_path / "draft"
    draft.write_bytes(b"second")
    with pytest.raises(FileExistsError):
        save_path(storage, "jobs/1.mp3", draft)
    assert (tmp_path / "media/jobs/1.mp3").read_bytes() == b"first"
    assert draft.read_bytes() == b"second"


def refuse_links(number: int):
    def link(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    return link


def test_a_path_on_another_file_system_is_copied(
    storage, tmp_path: Path, monkeypatch
) -> None:
    draft = tmp_path / "draft"
    draft.write_bytes(b"sound")
    real, calls = os.link, []

    def link(source, target) -> None:
        calls.append(source)
        if len(calls) == 1:  # from the other file system; later within this one
            raise OSError(errno.EXDEV, "cross-device link")
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    save_path(storage, "jobs/1.mp3", draft)

    assert len(calls) == 2
    assert (tmp_path / "media/jobs/1.mp3").read_bytes() == b"sound"
    assert files_below(tmp_path) == ["media/jobs/1.mp3"]


def test_a_file_system_without_links_will_do(
    storage, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(os, "link", refuse_links(errno.EPERM))
    storage.save("jobs/1.mp3", ContentFile(b"first"))
    with pytest.raises(FileExistsError):
        storage.save("jobs/1.mp3", ContentFile(b"second"))
    assert (tmp_path / "media/jobs/1.mp3").read_bytes() == b"first"
    assert files_below(tmp_path) == ["media/jobs/1.mp3"]


def test_a_full_disk_is_reported_and_leaves_nothing(
    storage, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(os, "link", refuse_links(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        storage.save("jobs/1.mp3", ContentFile(b"first"))
    assert files_below(tmp_path) == []


# --- any storage ---------------------------------------------------------------------


@pytest.fixture(params=["files", "another"])
def any_storage(request, storage) -> Storage:
    return storage if request.param == "files" else InMemoryStorage()


def test_save_path_works_with_any_storage(any_storage: Storage, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    draft.write_bytes(b"sound")
    save_path(any_storage, "jobs/1.mp3", draft)
    with any_storage.open("jobs/1.mp3") as file:
        assert file.read() == b"sound"
    assert not draft.exists()


def test_a_storage_that_renames_is_not_trusted(
    any_storage: Storage, tmp_path: Path
) -> None:
    any_storage.save("jobs/1.mp3", ContentFile(b"first"))
    draft = tmp_path / "draft"
    draft.write_bytes(b"second")
    with pytest.raises(FileExistsError):
        save_path(any_storage, "jobs/1.mp3", draft)
    assert any_storage.listdir("jobs")[1] == ["1.mp3"]
    assert draft.exists()


def test_a_tree_is_removed_and_its_neighbours_stay(any_storage: Storage) -> None:
    inside = ["jobs/1/a.mp3", "jobs/1/s/2/000001-1.flac", "jobs/1/s/2/000001-1.json"]
    outside = ["jobs/10/a.mp3", "jobs/2/a.mp3", "other/1/a.mp3"]
    for name in (*inside, *outside):
        any_storage.save(name, ContentFile(b"sound"))

    assert delete_tree(any_storage, "jobs/1/") == 3

    assert not any(any_storage.exists(name) for name in inside)
    assert all(any_storage.exists(name) for name in outside)
    assert delete_tree(any_storage, "jobs/1") == 0


def test_a_removed_tree_leaves_no_folder_and_no_draft(storage, tmp_path: Path) -> None:
    storage.save("jobs/1/s/a.mp3", ContentFile(b"sound"))
    (tmp_path / "media/jobs/1/s/.abc.draft").write_bytes(b"left by a crash")
    delete_tree(storage, "jobs/1")
    assert [path.name for path in (tmp_path / "media/jobs").iterdir()] == []


@pytest.mark.parametrize("prefix", ["", "/", "//"])
def test_delete_tree_refuses_an_empty_prefix(any_storage: Storage, prefix: str) -> None:
    any_storage.save("jobs/1.mp3", ContentFile(b"sound"))
    with pytest.raises(ValueError, match="empty"):
        delete_tree(any_storage, prefix)
    assert any_storage.exists("jobs/1.mp3")
