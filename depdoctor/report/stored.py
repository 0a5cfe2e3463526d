"""What depdoctor built and an engine holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from json import dumps
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depdoctor.model.image import StoredImage
from depdoctor.report.amounts import many, size
from depdoctor.report.json import SCHEMA_VERSION

SHORT = 19


class Held(Protocol):
    """An image and what the plan says of it."""

    @property
    def image(self) -> StoredImage:
        """The image."""

    @property
    def state(self) -> str:
        """In a word or two; "" where there is no plan."""

    @property
    def base(self) -> str:
        """What became of its base, "" where nobody asked or nothing did."""


class Pruned(Protocol):
    """What was removed, and what stayed with the reason."""

    @property
    def removed(self) -> Sequence[Held]:
        """What was removed, or would be."""

    @property
    def kept(self) -> Sequence[tuple[Held, str]]:
        """What had to stay."""


def held(console: Console, images: Sequence[Held]) -> None:
    """Print a line for each image, by project; the model in it, by version and weights, where any has one."""
    modelled = any(one.image.weights or one.image.model_version for one in images)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    headings = ("project", "image", *(["model"] if modelled else []), "since", "size", "its own", "containers", "state")
    for heading in headings:
        numeric = heading in {"size", "its own", "containers"}
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for one in images:
        image = one.image
        own = "" if image.shared_bytes is None else size(image.size_bytes - image.shared_bytes) or "0 B"
        table.add_row(
            Text(image.project, style="bold"),
            Text("\n".join(image.references) or image.identity[:SHORT]),
            *([Text("\n".join(_model(image)))] if modelled else []),
            image.since.strftime("%Y-%m-%d %H:%M") if image.since else "",
            size(image.size_bytes),
            own,
            str(image.containers or ""),
            "; ".join(filter(None, (one.state, one.base))),
        )
    if images:
        console.print(table)
    console.print(f"{many(len(images), 'image')} that depdoctor built")


def _model(image: StoredImage) -> Iterator[str]:
    """The version of an image's model, and its files of weights with the beginning of their digests."""
    if image.model_version:
        yield image.model_version
    for one in image.weights:
        path, _, digest = one.rpartition("@")
        yield f"{path} {digest[:SHORT]}"


def pruned(console: Console, done: Pruned, *, dry: bool) -> None:
    """Print what was removed and what stayed."""
    for one in done.removed:
        console.print(f"{'would remove' if dry else 'removed'} {_name(one)}: {one.state}", markup=False, soft_wrap=True)
    for one, reason in done.kept:
        console.print(f"kept {_name(one)}: {reason}", markup=False, soft_wrap=True)
    console.print(f"{many(len(done.removed), 'image')} {'would be ' if dry else ''}removed")


def held_json(images: Sequence[Held]) -> str:
    """Turn images into JSON."""
    return _text({"images": [_values(one) for one in images]})


def pruned_json(done: Pruned, *, dry: bool) -> str:
    """Turn what was removed, and what stayed, into JSON."""
    kept = [{**_values(one), "reason": reason} for one, reason in done.kept]
    return _text({"dry_run": dry, "removed": [_values(one) for one in done.removed], "kept": kept})


def _name(one: Held) -> str:
    return ", ".join(one.image.references) or one.image.identity[:SHORT]


def _values(one: Held) -> dict[str, Any]:
    image = one.image
    return {
        "project": image.project,
        "references": list(image.references),
        "identity": image.identity,
        "section": image.section,
        "revision": image.revision or None,
        "model_version": image.model_version or None,
        "weights": list(image.weights),
        "since": image.since.isoformat() if image.since else None,
        "bytes": image.size_bytes,
        "shared_bytes": image.shared_bytes,
        "containers": image.containers,
        "base": image.base or None,
        "base_state": one.base or None,
        "state": one.state or None,
    }


def _text(document: dict[str, Any]) -> str:
    return dumps({"schema_version": SCHEMA_VERSION, **document}, indent=2, ensure_ascii=False) + "\n"
