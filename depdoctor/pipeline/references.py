"""What images are called: in an engine of this machine, and in a registry."""

from __future__ import annotations

from depdoctor import planfile
from depdoctor.adapters import registry_names
from depdoctor.adapters.git import Repository
from depdoctor.errors import RegistryError, UsageError
from depdoctor.model.plan import Plan

LOCAL_PREFIX = "depdoctor"
"""What images are called in an engine on this machine: depdoctor/NAME:TAG. No registry is asked for such a name."""

TAG_LENGTH = 12
"""How much of a digest or a revision makes a tag."""


def tag(standing: Plan) -> str:
    """The tag of the images of a plan."""
    return planfile.digest(standing).removeprefix("sha256:")[:TAG_LENGTH]


def tags(standing: Plan, repository: Repository) -> tuple[str, ...]:
    """The tags under which images are pushed: that of the plan, and the revision where there is one."""
    return tuple(filter(None, (tag(standing), repository.revision[:TAG_LENGTH])))


def prefix(text: str, option: str) -> str:
    """REGISTRY/PREFIX as a user gave it, fit to have names of images added. Raises `UsageError`, naming the option."""
    cleaned = text.rstrip("/")
    try:
        registry_names.parse(f"{cleaned}/name")
    except RegistryError:
        if "://" in text:
            hint = f"leave the `{text.partition('://')[0]}://` out; registries on loopback are spoken to in plain HTTP"
        elif text != text.lower():
            hint = f"names in registries are lower-case: `{text.lower()}`"
        else:
            hint = "write it like `registry.example/team`, without a tag"
        raise UsageError(f"`{option} {text}` is not REGISTRY/PREFIX", hint=hint) from None
    return cleaned


def name_in(reference: str) -> str:
    """The last part of a reference, without tag and digest."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]


def is_exact(reference: str) -> bool:
    """Whether a reference has a tag or a digest."""
    return "@" in reference or ":" in reference.rpartition("/")[2]


def by_digest(reference: str, digest: str) -> str:
    """The same image by digest instead of by tag."""
    repository = reference.partition("@")[0]
    head, slash, last = repository.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}@{digest}"
