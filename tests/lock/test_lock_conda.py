"""What conda installs first holds what pip brings with it, where an index can follow."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from depdoctor import lock
from depdoctor.adapters.uv import UvResolver
from depdoctor.model.lock import Lock
from depdoctor.model.project import CondaRequirement, IndexOptions, Location, Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Platform
from depdoctor.read import conda_yaml

NOW = datetime(2025, 6, 1, tzinfo=UTC)
LINUX = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> UvResolver:
    return UvResolver(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    ("conda", "pip", "pins", "held"),
    [
        ("tokenkit=0.19", "formers", {"formers==4.44.2", "tokenkit==0.19.1"}, ("tokenkit==0.19.*",)),
        ("tokenkit>=0.19,<0.20", "formers", {"formers==4.44.2", "tokenkit==0.19.1"}, ("tokenkit<0.20,>=0.19",)),
        # any release will do, or nobody says what it means
        ("tokenkit", "tokenkit", {"tokenkit==0.20.3"}, ()),
        # what pip is told itself is put over conda's
        ("tokenkit=0.19", "tokenkit", {"tokenkit==0.20.3"}, ()),
        # conda has releases that no index has
        ("tokenkit=7.1.2", "formers", {"tokenkit==0.20.3"}, ()),
        ("tokenkit=7.1.2\n  - numlib=1.26", "formers", {"tokenkit==0.20.3", "numlib==1.26.4"}, ("numlib==1.26.*",)),
    ],
)
def test_what_conda_installs_holds_what_comes_with_the_rest(
    resolver: UvResolver, package_server: str, conda: str, pip: str, pins: set[str], held: tuple[str, ...]
) -> None:
    manifest = conda_yaml.parse(f"dependencies:\n  - {conda}\n  - pip:\n    - {pip}\n", "environment.yml")
    reading = Reading(project=Project(name="a", root="a", manifests=("environment.yml",)), manifests=(manifest,))
    indexes = IndexOptions(index_url=package_server)
    outcome = lock.lock(reading, LINUX, resolver, indexes=indexes, exclude_newer=NOW)
    assert isinstance(outcome, Lock)
    assert pins <= {str(pin) for pin in outcome.pins}
    assert outcome.held == held
    asked = lock.question(reading, LINUX, indexes=indexes, exclude_newer=NOW, held=outcome.held)
    assert asked.constraints == held


@pytest.mark.parametrize(
    ("constraint", "specifier"),
    [
        ("=1.23", "==1.23.*"),
        ("1.23.*", "==1.23.*"),
        ("==1.23", "==1.23"),
        ("=1.23.5", "==1.23.5"),
        (">=1.2, <2", ">=1.2,<2"),
        ("=1", ""),
        ("1.2|1.3", ""),
        ("", ""),
    ],
)
def test_a_constraint_of_conda_in_the_terms_of_pep_440(constraint: str, specifier: str) -> None:
    one = CondaRequirement(name="numlib", constraint=constraint, location=Location(path="environment.yml", line=1))
    assert one.specifier == specifier


def test_what_only_conda_would_install_is_missing(resolver: UvResolver, package_server: str) -> None:
    names = ("python=3.11", "tokenkit", "ffmpeg", "ffmpeg>=6", "pip", "__cuda", "pip:\n    - formers")
    text = "dependencies:\n" + "".join(f"  - {name}\n" for name in names)
    manifest = conda_yaml.parse(text, "environment.yml")
    reading = Reading(project=Project(name="a", root="a", manifests=("environment.yml",)), manifests=(manifest,))
    outcome = lock.lock(reading, LINUX, resolver, indexes=IndexOptions(index_url=package_server), exclude_newer=NOW)
    assert isinstance(outcome, Lock)
    (missing,) = outcome.missing
    assert missing.startswith("environment.yml:4: ffmpeg would come from conda")  # tokenkit comes with formers
