from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.conflict.chains import clash
from depdoctor.conflict.demand import Element
from depdoctor.model.distribution import Pin
from depdoctor.model.lock import Lock
from depdoctor.model.target import Environment, Platform

HERE = Environment(python="3.11", platform=Platform())


def lock(**pins: tuple[str, ...]) -> Lock:
    """A lock: each package with its version and then its requirements."""
    return Lock(
        project="p",
        environment=HERE,
        pins=tuple(
            Pin(
                name=canonicalize_name(name),
                version=Version(version),
                file=None,
                requires=tuple(map(Requirement, requires)),
            )
            for name, (version, *requires) in pins.items()
        ),
    )


def line(text: str) -> Element:
    requirement = Requirement(text)
    return Element(
        name=canonicalize_name(requirement.name),
        extras=tuple(sorted(requirement.extras)),
        specifier=str(requirement.specifier),
    )


def test_two_lines_meet_in_a_package_that_neither_names() -> None:
    rag = lock(langchain_upstage=("0.3.0", "tokenizers<0.20.0", "numpy"), tokenizers=("0.19.1",), numpy=("2.1",))
    evaluate = lock(
        vllm=("0.6.4", "transformers>=4.45.2", "numpy<3"),
        transformers=("4.46.3", "tokenizers>=0.20,<0.21", 'jax>=0.4; extra == "flax"'),
        tokenizers=("0.20.3",),
        numpy=("2.1",),
    )
    found = clash([(line("langchain-upstage==0.3.0"), rag), (line("vllm==0.6.4"), evaluate)])
    assert found.subject == "tokenizers"
    assert found.chains == (
        ("langchain-upstage==0.3.0", "tokenizers<0.20.0"),
        ("vllm==0.6.4", "transformers>=4.45.2", "tokenizers<0.21,>=0.20"),
    )


def test_an_extra_leads_further() -> None:
    plain = lock(numpy=("2.1",))
    served = lock(ray=("2.9", 'numpy<2; extra == "serve"'), numpy=("1.26",))
    assert clash([(line("numpy>=2"), plain), (line("ray[serve]"), served)]).chains[1] == ("ray[serve]", "numpy<2")
    assert clash([(line("numpy>=2"), plain), (line("ray"), served)]).chains[1] == ("ray",)


def test_the_shortest_chains_are_told() -> None:
    one = lock(a=("1", "b", "x<1"), b=("1", "x<1"), x=("0.9",))
    other = lock(c=("1", "d"), d=("1", "x>=1"), x=("1.0",))
    assert clash([(line("a"), one), (line("c"), other)]).chains == (("a", "x<1"), ("c", "d", "x>=1"))


def test_requirements_that_go_in_circles_end() -> None:
    one = lock(a=("1", "b"), b=("1", "a", "x<1"), x=("0.9",))
    assert clash([(line("a"), one), (line("x>=1"), None)]).subject == "x"


def test_ranges_that_overlap_where_nothing_was_published() -> None:
    one = lock(a=("1", "x<2"), x=("1.5",))
    other = lock(b=("1", "x>1.6"), x=("2.0",))
    found = clash([(line("a"), one), (line("b"), other)])
    assert (found.subject, found.chains) == ("x", (("a", "x<2"), ("b", "x>1.6")))


def test_without_metadata_the_first_line_stands_for_all() -> None:
    found = clash([(line("a"), None), (line("b"), None)])
    assert (found.subject, found.chains) == ("a", (("a",), ("b",)))
