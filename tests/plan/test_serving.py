"""How an image is started: what is found in code runs only through a server that the image installs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from depdoctor.model.config import ProjectConfig
from depdoctor.model.project import Location
from depdoctor.model.reading import Serving
from depdoctor.plan.serving import started

HERE = Location(path="a/app.py", line=3)
ASGI = Serving(interface="asgi", command=("app:app",), health="/healthz", location=HERE)
WSGI = Serving(interface="wsgi", command=("app:site",), location=HERE)
WHOLE = Serving(interface="command", command=("python", "s.py"), port=50051, location=HERE)
NOTHING = ProjectConfig(path="a")


@pytest.mark.parametrize(
    ("found", "packages", "expected"),
    [
        (ASGI, {"uvicorn"}, (("uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"), 8000, "/healthz")),
        (ASGI, {"hypercorn"}, (("hypercorn", "--bind", "0.0.0.0:8000", "app:app"), 8000, "/healthz")),
        (ASGI, {"gunicorn"}, ((), None, "")),
        (WSGI, {"flask", "gunicorn"}, (("gunicorn", "--bind", "0.0.0.0:8000", "app:site"), 8000, "")),
        (WSGI, {"flask"}, (("flask", "--app", "app:site", "run", "--host", "0.0.0.0", "--port", "8000"), 8000, "")),
        (WHOLE, set(), (("python", "s.py"), 50051, "")),
        (
            replace(WHOLE, command=("streamlit", "run", "s.py")),
            {"streamlit"},
            (("streamlit", "run", "s.py"), 50051, ""),
        ),
        (replace(WHOLE, command=("nginx",)), {"flask"}, ((), None, "")),
        (None, {"uvicorn"}, ((), None, "")),
    ],
)
def test_server_is_one_that_is_installed(
    found: Serving | None, packages: set[str], expected: tuple[tuple[str, ...], int | None, str]
) -> None:
    assert started(NOTHING, found, packages) == expected


@pytest.mark.parametrize(
    ("interface", "server", "expected"),
    [
        ("asgi", "uvicorn", ("uvicorn", "--app-dir", "src", "pkg.web:app")),
        ("asgi", "hypercorn", ("env", "PYTHONPATH=src", "hypercorn")),
        ("wsgi", "gunicorn", ("gunicorn", "--pythonpath", "src", "--bind")),
        ("wsgi", "waitress", ("env", "PYTHONPATH=src", "waitress-serve")),
        ("wsgi", "flask", ("env", "PYTHONPATH=src", "flask", "--app", "pkg.web:app")),
    ],
)
def test_server_finds_the_modules_of_an_application_below(
    interface: str, server: str, expected: tuple[str, ...]
) -> None:
    found = Serving(interface=interface, command=("pkg.web:app", "src"), location=HERE)
    command, port, _ = started(NOTHING, found, {server})
    assert (command[: len(expected)], port) == (expected, 8000)


def test_configuration_goes_first() -> None:
    own = ProjectConfig(path="a", command=("python", "mine.py"), port=1)
    assert started(own, ASGI, {"uvicorn"}) == (("python", "mine.py"), 1, "")
    moved = ProjectConfig(path="a", port=9000, health="/up")
    command, port, health = started(moved, ASGI, {"uvicorn"})
    assert (command[-1], port, health) == ("9000", 9000, "/up")
