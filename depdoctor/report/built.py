"""What a build made: in plain columns, so that a build that finds nothing to do need not load more for saying so."""

from __future__ import annotations

from collections.abc import Sequence

from depdoctor.model.image import BuiltImage, PushedImage
from depdoctor.report.amounts import many, size

HEADINGS = ("image", "layers", "size", "sent", "where")


def text(images: Sequence[BuiltImage], pushed: Sequence[PushedImage], elapsed_s: float) -> str:
    """Tell what was built, where it lies, and how many bytes had to be sent."""
    if not images:
        return f"nothing had to be made ({elapsed_s:.1f} s)\n"
    sent = {one.name: one for one in pushed}
    rows = [HEADINGS, *(_row(one, sent.get(one.name)) for one in images)]
    name, layers, whole, part = (max(len(row[column]) for row in rows) for column in range(4))
    lines = []
    for row in rows:
        told = f"{row[0]:{name}}  {row[1]:>{layers}}  {row[2]:>{whole}}  {row[3]:>{part}}  "
        lines += [told + row[4], *(" " * len(told) + more for more in row[5:])]
    return "\n".join((*lines, "", f"{many(len(images), 'image')} in {elapsed_s:.1f} s")) + "\n"


def _row(one: BuiltImage, push: PushedImage | None) -> tuple[str, ...]:
    """The cells of an image's line, and what stands on lines of its own below the last of them."""
    where = push.reference if push else str(one.layout) if one.layout else one.reference
    digest = push.digest if push else one.manifest.digest or one.config.digest
    sent = (size(push.uploaded_bytes) or "0 B") if push else ""
    below = () if digest in where else (digest,)
    return (one.name, str(len(one.layers)), _size(one, push), sent, where, *below)


def _size(one: BuiltImage, push: PushedImage | None) -> str:
    """Compressed, as a registry holds it; unpacked where an engine has it and nothing was compressed yet."""
    if push and one.unpacked:
        return size(push.uploaded_bytes + push.reused_bytes)
    return size(sum(layer.size_bytes for layer in one.layers)) + (" unpacked" if one.unpacked else "")
