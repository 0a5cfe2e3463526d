"""The store of blobs and notes."""

import errno
import hashlib
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from depdoctor.adapters.store import BlobStore
from depdoctor.errors import StoreError


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "cache")


def drafts(store: BlobStore) -> list[Path]:
    return list((store.root / "drafts").iterdir())


def test_a_blob_is_found_by_its_digest(store: BlobStore) -> None:
    assert not store.has(digest(b"abc"))
    path = store.add(digest(b"abc"), [b"a", b"bc"])
    assert path == store.path(digest(b"abc"))
    assert path.read_bytes() == b"abc"
    assert store.has(digest(b"abc"))
    assert not path.stat().st_mode & 0o222
    assert drafts(store) == []


def test_a_blob_that_is_there_is_not_asked_for(store: BlobStore) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError
        yield b""

    store.add(digest(b"abc"), [b"abc"])
    assert store.add(digest(b"abc"), never()).read_bytes() == b"abc"


def test_content_that_is_not_its_digest_is_refused(store: BlobStore) -> None:
    with pytest.raises(StoreError, match="something else"):
        store.add(digest(b"abc"), [b"abd"])
    assert not store.has(digest(b"abc"))
    assert drafts(store) == []


@pytest.mark.parametrize("text", ["sha256:" + "A" * 64, "sha256:../../etc/passwd", "md5:" + "0" * 32, "", "0" * 64])
def test_only_digests_are_names(text: str, store: BlobStore) -> None:
    with pytest.raises(StoreError, match="not a SHA-256 digest"):
        store.path(text)


def test_a_draft_that_is_not_kept_is_gone(store: BlobStore) -> None:
    with store.draft() as draft:
        draft.write(b"abc")
    assert drafts(store) == []
    assert store.size().blobs == 0


def test_notes_are_remembered_and_replaced(store: BlobStore) -> None:
    assert store.recall("a key / with ../ anything") is None
    store.remember("a key / with ../ anything", "one")
    store.remember("a key / with ../ anything", "zwei ü")
    assert store.recall("a key / with ../ anything") == "zwei ü"
    assert store.recall("another") is None


def test_a_note_that_was_cut_counts_as_lost(store: BlobStore) -> None:
    store.remember("key", "a text")
    (note,) = (store.root / "notes").iterdir()
    whole = note.read_bytes()
    for size in range(len(whole)):
        note.write_bytes(whole[:size])
        assert store.recall("key") is None


def test_size_and_prune_and_use(store: BlobStore) -> None:
    old, new = store.add(digest(b"old"), [b"old"]), store.add(digest(b"newer"), [b"newer"])
    used = store.add(digest(b"used"), [b"used"])
    store.remember("note", "text")
    for path in (old, used):
        os.utime(path, (0, 0))
    assert store.has(digest(b"used"))
    size = store.size()
    assert (size.blobs, size.blob_bytes, size.notes) == (3, 12, 1)
    removed = store.prune(unused_s=3600)
    assert (removed.blobs, removed.blob_bytes, removed.notes) == (1, 3, 0)
    assert not old.exists()
    assert new.exists()
    assert used.exists()
    assert store.prune(unused_s=-1).notes == 1


def test_what_killed_processes_left_is_pruned(store: BlobStore) -> None:
    with store.draft() as draft:
        left = Path(draft.name).with_name("left")
        left.write_bytes(b"half")
        os.utime(left, (0, 0))
        store.prune(unused_s=3600)
        assert drafts(store) == [Path(draft.name)]


def test_verify_finds_and_removes_what_went_bad(store: BlobStore) -> None:
    good, bad = store.add(digest(b"good"), [b"good"]), store.add(digest(b"bad"), [b"bad"])
    bad.chmod(0o644)
    bad.write_bytes(b"BAD")
    assert store.verify() == (digest(b"bad"),)
    assert good.exists()
    assert not bad.exists()
    assert store.verify() == ()


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cache folder cannot be used") as caught:
        BlobStore(tmp_path / "file").add(digest(b"abc"), [b"abc"])
    assert "DEPDOCTOR_CACHE_DIR" in caught.value.hint


def test_a_full_disk_leaves_nothing(store: BlobStore) -> None:
    def filling() -> Iterator[bytes]:
        yield b"abc"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StoreError, match="No space left"):
        store.add(digest(b"abcd"), filling())
    assert drafts(store) == []
    assert not store.has(digest(b"abcd"))


def test_many_threads_add_the_same(store: BlobStore) -> None:
    content = os.urandom(200_000)
    threads = [threading.Thread(target=store.add, args=(digest(content), [content])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.path(digest(content)).read_bytes() == content
    assert drafts(store) == []


def _write_for_ever(root: Path) -> None:
    store = BlobStore(root)
    while True:
        content = os.urandom(300_000)
        store.add(digest(content), [content[:100_000], content[100_000:]])
        store.remember(digest(content), digest(content))


def test_killed_processes_leave_no_wrong_blob(store: BlobStore) -> None:
    context = multiprocessing.get_context("spawn")
    for pause_s in (0.02, 0.05, 0.1):
        process = context.Process(target=_write_for_ever, args=(store.root,))
        process.start()
        while not store.size().blobs:
            time.sleep(0.01)
        time.sleep(pause_s)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert store.verify() == ()
        assert store.size().blobs
        store.prune(unused_s=-1)


def test_it_can_be_sent_to_another_process(store: BlobStore) -> None:
    store.add(digest(b"abc"), [b"abc"])
    assert pickle.loads(pickle.dumps(store)).has(digest(b"abc"))


def test_what_a_killed_process_left_is_removed(store: BlobStore) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom depdoctor.adapters.store import BlobStore\n"
        "with BlobStore(Path(sys.argv[1])).draft() as draft:\n"
        "    print(draft.name, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(store.root)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        left = Path(process.stdout.readline().strip())
        with BlobStore(store.root).draft():
            assert left.exists(), "its process lives"
        process.kill()
    assert left.exists()
    with BlobStore(store.root).draft() as mine:
        assert not left.exists()
        with BlobStore(store.root).draft():
            assert Path(mine.name).exists()
