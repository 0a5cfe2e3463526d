"""Two wheels that own one path, where the user accepts it: the last wins, and what RECORD says stays true.

The order is that of the layers, bottom first, and of names inside a layer.
"""

from __future__ import annotations

import csv
import io
import posixpath
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import IO

from depdoctor.build.oci.owners import owned_by
from depdoctor.build.oci.stream import LayerStream
from depdoctor.model.image import Blob
from depdoctor.model.seams import Store

Pieces = Sequence[tuple[str, Blob]]
"""The blobs that a layer is, each with the key under which its paths are noted."""


def replaced(layers: Sequence[Pieces], store: Store) -> list[tuple[Pieces, frozenset[str]]]:
    """The layers of which others replace files, each with the paths that it lost to one above it."""
    owned = [{path: sign for key, _ in pieces for path, sign in owned_by(store, key).items()} for pieces in layers]
    last = {path: (number, sign) for number, paths in enumerate(owned) for path, sign in paths.items()}
    found = []
    for number, (pieces, paths) in enumerate(zip(layers, owned, strict=True)):
        lost = {path for path, sign in paths.items() if last[path][0] > number and last[path][1] != sign}
        if lost:
            found.append((pieces, frozenset(lost)))
    return found


def write_records(stream: LayerStream, layers: Sequence[Pieces], store: Store) -> None:
    """Write the RECORD of every wheel that lost a file to a layer above, without it, and take stale byte-code away."""
    present = Counter(path for pieces in layers for key, _ in pieces for path in owned_by(store, key))
    written: dict[str, bytes] = {}
    for pieces, lost in replaced(layers, store):
        gone = {code for path in lost if (code := _stale(path, present))}
        for name, text in _records(pieces, store):
            rows = list(csv.reader(io.StringIO(text, newline="")))
            site = posixpath.dirname(posixpath.dirname(name))
            kept = [row for row in rows if posixpath.normpath(posixpath.join(site, row[0])) not in lost | gone]
            if len(kept) < len(rows):
                out = io.StringIO(newline="")
                csv.writer(out, lineterminator="\n").writerows(kept)
                written[name] = out.getvalue().encode()
        written |= {f"{posixpath.dirname(path)}/.wh.{posixpath.basename(path)}": b"" for path in gone}
    for path, content in sorted(written.items()):
        stream.enter(path)
        stream.file(path, content)


def _stale(path: str, present: Mapping[str, int]) -> str:
    """The byte-code of a source that was replaced by one without any, "" if there is none."""
    folder, name = posixpath.split(path)
    start = f"{folder}/__pycache__/{name.removesuffix('.py')}."
    codes = [one for one in present if one.startswith(start) and one.endswith(".pyc")] if name.endswith(".py") else []
    return codes[0] if codes and present[codes[0]] == 1 else ""


def _records(pieces: Pieces, store: Store) -> Iterator[tuple[str, str]]:
    """Every RECORD of a layer by path."""
    for _, blob in pieces:
        with ExitStack() as stack:
            file: IO[bytes] = stack.enter_context(store.path(blob.digest).open("rb"))
            if blob.media_type.endswith("zstd"):
                from zstandard import ZstdDecompressor

                file = stack.enter_context(ZstdDecompressor().stream_reader(file))
                archive = stack.enter_context(tarfile.open(fileobj=file, mode="r|"))
            else:
                archive = stack.enter_context(tarfile.open(fileobj=file, mode="r:gz"))
            for member in archive:
                content = archive.extractfile(member) if member.name.endswith(".dist-info/RECORD") else None
                if content:
                    yield member.name, content.read().decode()
