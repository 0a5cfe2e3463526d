"""How a project is served: what its own files leave no doubt about, and silence where they do."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from depdoctor.model.project import Project
from depdoctor.model.reading import Serving
from depdoctor.read.serving import serving

FASTAPI = """\
from fastapi import FastAPI
app: FastAPI = FastAPI()

@app.get("/predict")
def predict(): ...

@app.get("/health")
def health(): ...
"""

GRPC = """\
import grpc

def main(server):
    server.add_insecure_port("[::]:50051")

if __name__ == "__main__":
    main(grpc.server(None))
"""

DOCKERFILE = """\
FROM a
CMD ["x"]
FROM b
EXPOSE 9000/tcp 1
HEALTHCHECK CMD curl -f http://localhost:9000/up || exit 1
ENTRYPOINT ["python", "-m"]
CMD ["server", "--big"]
"""


def found(files: Mapping[str, str], root: str = "svc", source: str = ".") -> Serving | None:
    paths = {f"{root}/{name}": text for name, text in files.items()}
    project = Project(
        name=root,
        root=root,
        manifests=tuple(path for path in paths if path.rpartition("/")[2].startswith("Dockerfile")),
        sources=tuple(path for path in paths if path.endswith(".py")),
    )
    return serving(project, paths.get, source)


def told(files: Mapping[str, str]) -> tuple[object, ...] | None:
    one = found(files)
    return one and (one.interface, one.command, one.port, one.health, str(one.location))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"src/api.py": FASTAPI}, ("asgi", ("src.api:app",), None, "/health", "svc/src/api.py:2")),
        (
            {"w/__init__.py": "import flask as f\nsite = f.Flask(__name__)\n"},
            ("wsgi", ("w:site",), None, "", "svc/w/__init__.py:2"),
        ),
        (
            {"a.py": "import fastapi\nroutes = fastapi.FastAPI()\n", "main.py": FASTAPI},
            ("asgi", ("main:app",), None, "/health", "svc/main.py:2"),
        ),
        (
            {"src/pkg/api.py": f"from pkg.models import X\n{FASTAPI}", "src/pkg/models.py": "X = 1\n"},
            ("asgi", ("pkg.api:app", "src"), None, "/health", "svc/src/pkg/api.py:3"),
        ),
        (
            {"app/main.py": f"import models, json\n{FASTAPI}", "app/models.py": "X = 1\n"},
            ("asgi", ("main:app", "app"), None, "/health", "svc/app/main.py:3"),
        ),
        (
            {"app/main.py": f"from .models import X\n{FASTAPI}", "app/models.py": "X = 1\n"},
            ("asgi", ("app.main:app",), None, "/health", "svc/app/main.py:3"),
        ),
        ({"my-app/main.py": FASTAPI}, ("asgi", ("main:app", "my-app"), None, "/health", "svc/my-app/main.py:2")),
        (
            {
                "Dockerfile": "FROM a\nCOPY service/ /code/\nCMD uvicorn main:app --port 9000\n",
                "service/main.py": FASTAPI,
            },
            ("asgi", ("service.main:app",), None, "/health", "svc/service/main.py:2"),
        ),
        (
            {"Dockerfile": "FROM a\nCMD gunicorn --chdir service --bind :81 main:app\n", "service/main.py": FASTAPI},
            ("command", ("gunicorn", "--chdir", "service", "--bind", ":81", "main:app"), 81, "", "svc/Dockerfile:2"),
        ),
        ({"s.py": GRPC}, ("command", ("python", "s.py"), 50051, "", "svc/s.py:1")),
        (
            {"Dockerfile": DOCKERFILE, "app.py": FASTAPI},
            ("command", ("python", "-m", "server", "--big"), 9000, "/up", "svc/Dockerfile:7"),
        ),
        (
            {"Dockerfile": "FROM a\nCMD uvicorn app:app --host=0.0.0.0 --port 8080\n", "app.py": FASTAPI},
            (
                "command",
                ("uvicorn", "app:app", "--host=0.0.0.0", "--port", "8080"),
                8080,
                "/health",
                "svc/Dockerfile:2",
            ),
        ),
        (
            {"Dockerfile": 'FROM a\nENTRYPOINT ["gunicorn", "--bind=0.0.0.0:81", "b:app"]\n', "app.py": FASTAPI},
            ("command", ("gunicorn", "--bind=0.0.0.0:81", "b:app"), 81, "", "svc/Dockerfile:2"),
        ),
        *(
            (
                {"Dockerfile": f"FROM a\nENTRYPOINT {entry}\nCMD {command}\n", "s.py": "print()"},
                ("command", ("python", "s.py"), None, "", "svc/Dockerfile:3"),
            )
            for entry, command in (
                ('["/usr/bin/tini", "-g", "--"]', '["python", "s.py"]'),
                ('["tini", "--", "python"]', '["s.py"]'),
                ('["dumb-init"]', "python s.py"),
            )
        ),
        (
            {"Dockerfile": "FROM a\nENTRYPOINT python s.py\n", "s.py": "print()"},
            ("command", ("python", "s.py"), None, "", "svc/Dockerfile:2"),
        ),
    ],
)
def test_what_leaves_no_doubt_is_found(files: dict[str, str], expected: tuple[object, ...]) -> None:
    assert told(files) == expected


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": FASTAPI, "b.py": FASTAPI},
        {"tests/app.py": FASTAPI},
        {"app.py": "def make():\n    from fastapi import FastAPI\n    app = FastAPI()\n"},
        {"app.py": "class FastAPI: ...\napp = FastAPI()\n"},
        {"my-app.py": FASTAPI},
        {"a/b/main.py": f"import one, b\n{FASTAPI}", "a/b/one.py": ""},
        {"Dockerfile": "FROM a\nCMD python -m pkg\n", "src/pkg/__main__.py": "print()\n"},
        {"app.py": "app = FastAPI("},
        {"Dockerfile": "FROM a\nCMD python app.py\n"},
        {"Dockerfile": "FROM a\nCMD uvicorn app:app --port $PORT\n"},
        {"Dockerfile": "FROM a\nCMD PORT=1 uvicorn app:app\n"},
        {"Dockerfile": "FROM a\nCMD python -m a && python -m b\n"},
        {"Dockerfile": 'FROM a\nENTRYPOINT ["python"]\nCMD -m server\n'},
        {"Dockerfile": 'FROM a\nENTRYPOINT python -m a\nCMD ["b"]\n'},
        {"Dockerfile": 'FROM a\nCMD ["/entrypoint.sh"]\n'},
        {"Dockerfile": 'FROM a\nCMD ["sh", "-c", "rm -rf /"]\n'},
        {"Dockerfile": 'FROM a\nCMD ["python", "/opt/server.py"]\n'},
        {"Dockerfile": 'FROM a\nCMD ["python", 1]\n'},
        {"Dockerfile": 'FROM a\nENTRYPOINT ["tini", "-s"]\nCMD ["python", "-V"]\n'},
        {"Dockerfile": 'FROM a\nENTRYPOINT ["tini", "--"]\nCMD ["sh", "-c", "x"]\n'},
        {"Dockerfile": 'FROM a\nENTRYPOINT run.sh\nCMD ["python"]\n'},
        {"Dockerfile.dev": 'FROM a\nCMD ["python", "app.py"]\n'},
        {"s.py": "import grpc\ns.add_insecure_port('[::]:1')\n"},
    ],
)
def test_what_leaves_doubt_is_not(files: dict[str, str]) -> None:
    assert found(files) is None


def test_command_of_a_dockerfile_that_cannot_be_used_leaves_the_code_to_tell() -> None:
    one = found({"Dockerfile": "FROM a\nCMD python serve.py\n", "app.py": FASTAPI})
    assert one
    assert one.command == ("app:app",)


@pytest.mark.parametrize(
    ("command", "port"),
    [
        ("gunicorn -w 2 -b 0.0.0.0:5001 wsgi:app", 5001),
        ("python -m gunicorn wsgi:app -b :5003", 5003),
        ("flask --app wsgi run -p 5004", 5004),
        ("streamlit run app.py --server.port=8501", 8501),
        ("python serve.py -p 4", None),
        ("gunicorn -p 4 wsgi:app", None),
    ],
)
def test_the_port_is_what_the_server_is_told(command: str, port: int | None) -> None:
    one = found({"Dockerfile": f"FROM a\nCMD {command}\n", "serve.py": "", "app.py": ""})
    assert one
    assert one.port == port


def test_a_stage_starts_as_the_stage_that_it_stands_on() -> None:
    text = "FROM a AS Base\nEXPOSE 81\nCMD x --fast\nFROM b AS other\nCMD y\nFROM base\nWORKDIR /app\n"
    one = found({"Dockerfile": text})
    assert one
    assert (one.command, one.port) == (("x", "--fast"), 81)


@pytest.mark.parametrize(
    ("dockerfile", "command"),
    [
        ("FROM a\nCMD python -m pkg\n", ("python", "-m", "pkg")),
        ("FROM a\nCMD uvicorn pkg.main:app --port 9000\n", ("uvicorn", "pkg.main:app", "--port", "9000")),
        ("FROM a\n", ("pkg.main:app",)),
    ],
)
def test_modules_of_a_package_are_found_where_it_has_them(dockerfile: str, command: tuple[str, ...]) -> None:
    files = {"Dockerfile": dockerfile, "src/pkg/main.py": f"import pkg.x\n{FASTAPI}", "src/pkg/x.py": ""}
    one = found(files, source="src")
    assert one
    assert one.command == command
