"""Whatever a plan file holds, reading it gives a plan that is written back alike, or one clear error."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fleets import fleet, pin
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from depdoctor import planfile
from depdoctor.errors import PlanFileError
from depdoctor.model.alignment import Moved
from depdoctor.model.config import Config, ImageConfig, ProjectConfig
from depdoctor.model.local_package import LocalPackage
from depdoctor.model.packing import Compression, Packing
from depdoctor.plan import plan

SETTINGS = ProjectConfig(
    path="a", command=("python", "app.py"), port=80, health="/healthz", system_packages=("libgomp1", "libc++1=1:14")
)
PACKING = Packing(compiled=True, compression=Compression.GZIP)
MOVED = Moved(
    package=canonicalize_name("x"), before="2.0", after="1.0", projects=("a", "b"), reason="shared", saved_bytes=5
)
PLAN = plan(
    fleet({"a": [pin("x", unpacked_bytes=9_000_000_000), pin("y")], "b": [pin("x")]}),
    Config(projects=(SETTINGS,), image=ImageConfig(packing=PACKING)),
    {},
)
LOCAL = LocalPackage(name="common", folder="libs/common", source="src", scripts=(("a", "b:c"),))
TEXT = planfile.dumps(
    replace(PLAN, moves=(MOVED,), images=tuple(replace(image, local=(LOCAL,)) for image in PLAN.images))
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["", "..", "/", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document, as the keys that lead there."""
    found = [here]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*here, key))
    return found


def read(text: str) -> None:
    try:
        made = planfile.loads(text)
    except PlanFileError:
        return
    assert planfile.loads(planfile.dumps(made)) == made


@settings(deadline=None)
@given(st.data())
def test_any_value_in_any_place(data: st.DataObject) -> None:
    document = json.loads(TEXT)
    place = data.draw(st.sampled_from(places(document)[1:]))
    holder = document
    for key in place[:-1]:
        holder = holder[key]
    if data.draw(st.booleans()):
        holder[place[-1]] = data.draw(VALUES)
    else:
        del holder[place[-1]]
    read(json.dumps(document))


@settings(deadline=None)
@given(st.text() | VALUES.map(json.dumps))
def test_any_text(text: str) -> None:
    read(text)


@settings(deadline=None)
@given(st.integers(0, len(TEXT)), st.text(max_size=3), st.integers(0, 5))
def test_any_damage(position: int, inserted: str, removed: int) -> None:
    read(TEXT[:position] + inserted + TEXT[position + removed :])
