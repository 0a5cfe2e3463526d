"""What reports for services and people have in common: a finding in words."""

from __future__ import annotations

from typing import Protocol

from depdoctor.model.finding import Cause, Finding, Kind


class Explained(Protocol):
    """A rule as far as people are told of it."""

    @property
    def kind(self) -> Kind:
        """The kind of its findings."""

    @property
    def code(self) -> str:
        """The code of that kind."""

    @property
    def title(self) -> str:
        """One line."""

    @property
    def text(self) -> str:
        """What happens, why, and what to do; paragraphs with blank lines between them."""


def told(one: Finding) -> str:
    """A finding in a few lines: what, what of it on each target, why it is believed, and what to do."""
    facts = [f"because {fact.fact} ({fact.source}, {fact.date})" for fact in one.evidence]
    places = [
        f"- {each.target} ({each.machine}) {each.state.replace('-', ' ')}: {each.effect}" for each in one.outcomes
    ]
    return "\n".join([f"{one.subject}: {one.message}", *places, *facts, *([f"fix: {one.hint}"] if one.hint else [])])


def chain(cause: Cause) -> tuple[str, ...]:
    """The requirements from the line that a project wrote down to the subject, without repetition."""
    whole = cause.chain if cause.chain[:1] == (cause.requirement,) else (cause.requirement, *cause.chain)
    return tuple(dict.fromkeys(whole))


def within(prefix: str, path: str) -> str:
    """A path relative to the folder that was scanned, as one relative to where `prefix` begins."""
    return f"{prefix}/{path}" if prefix else path
