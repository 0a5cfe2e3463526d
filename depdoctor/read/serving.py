"""How a project is served, as far as its own files say: an existing Dockerfile's CMD, or a web application in its code.

Only what leaves no doubt: a command of plain words whose program is found on PATH and whose script the project has, or
one application object at the top of one module. Nothing is executed.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from depdoctor.model.expression import expression
from depdoctor.model.formats import DOCKERFILE, format_of
from depdoctor.model.project import Location, Project
from depdoctor.model.reading import Serving
from depdoctor.read.dockerfile_lines import Instruction, instructions
from depdoctor.read.imports import LONGEST_FILE, is_testing
from depdoctor.read.syntax import tree_of

APPLICATIONS = {
    "fastapi.FastAPI": "asgi",
    "starlette.applications.Starlette": "asgi",
    "litestar.Litestar": "asgi",
    "quart.Quart": "asgi",
    "flask.Flask": "wsgi",
}
"""What makes an application, and the interface by which a server runs it."""

USUAL = ("app.py", "main.py", "server.py", "serve.py", "api.py", "service.py", "wsgi.py", "asgi.py")
"""Names of modules that hold the application, where several do."""

HEALTHS = ("/healthz", "/health", "/livez", "/live", "/readyz", "/ready", "/ping")
"""Paths that tell whether a service is well, the surest first."""

LISTENING = frozenset({"--port", "--bind", "--listen", "--server.port"})
"""Options of servers that name a port, or an address with one."""

LISTENING_IN_SHORT = {"-b": ("gunicorn", "hypercorn"), "-p": ("flask",)}
"""Short options that do, and the servers whose they are."""

INITS = frozenset({"tini", "dumb-init", "catatonit", "docker-init"})
"""Programs that hand signals on to the one that they start, as `init` of Compose does."""

SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh", "env", *INITS, "conda", "poetry", "uv", "pipenv"})
"""Programs that start another one, or that no image of ours has."""

_FROM = frozenset({"--app-dir", "--chdir", "--pythonpath"})
"""Options of servers that name the folder that modules are found from."""

_OBJECT = expression(r"([A-Za-z_][\w.]*):[A-Za-z_][\w.()]*")
_PORT = expression(r"(?:.*:)?(\d{1,5})(?:/tcp)?")
_PLAIN = expression(r"[\w./:=,@%+-]+")
MOST_FILES = 2_000


def serving(project: Project, open_text: Callable[[str], str | None], source: str = ".") -> Serving | None:
    """How a project is served; None where its files do not say, or say several things.

    Modules are found from the project's folder, and from `source` in it where it is a package that has them there.
    """
    own = posixpath.normpath(posixpath.join(project.root, "Dockerfile"))
    for path in project.manifests:
        if posixpath.normpath(path) == own and format_of(path) == DOCKERFILE:
            text = open_text(path)
            found = _of_dockerfile(text, path) if text and len(text) <= LONGEST_FILE else None
            if found and _has_scripts(project, found.command) and _has_modules(project, found.command, source):
                code = None if found.health else _of_code(project, open_text, source)
                runs_it = code is not None and code.command[0] in found.command
                return replace(found, health=code.health) if code and runs_it else found
    return _of_code(project, open_text, source)


def _has_scripts(project: Project, words: Sequence[str]) -> bool:
    """Whether scripts that a command names lie where it would look for them, which COPY may have changed."""
    sources = set(map(posixpath.normpath, project.sources))
    return all(
        posixpath.normpath(posixpath.join(project.root, word)) in sources for word in words if word.endswith(".py")
    )


def _has_modules(project: Project, words: Sequence[str], source: str) -> bool:
    """Whether modules of the project that a command names are found.

    COPY, PYTHONPATH or an installation may have put them where they are found in the image of the Dockerfile alone.
    """
    if any(word.partition("=")[0] in _FROM for word in words):
        return True
    named = {match[1] for word in words if (match := _OBJECT.fullmatch(word))}
    named |= {module for option, module in pairwise(words) if option == "-m"}
    there = _modules(project, project.root) | _modules(project, posixpath.join(project.root, source))
    return not {name.partition(".")[0] for name in named} & (_modules(project) - there)


def _modules(project: Project, folder: str | None = None) -> set[str]:
    """The names of modules and packages of a project that lie in a folder, or in any."""
    found: set[str] = set()
    for path in project.sources:
        place = posixpath.relpath(path, project.root if folder is None else folder)
        if path.endswith(".py") and not place.startswith("../"):
            parts = place.removesuffix(".py").split("/")
            found.update(parts if folder is None else parts[:1])
    return found


def _of_dockerfile(text: str, path: str) -> Serving | None:
    """The ENTRYPOINT and CMD of the last stage, its first port, and the path that its HEALTHCHECK asks for."""
    last: dict[str, Instruction] = {}
    stages: dict[str, dict[str, Instruction]] = {}
    for instruction in instructions(text):
        if instruction.name == "FROM":
            base, _, name = (*(word for word in instruction.text.split() if not word.startswith("--")), "", "", "")[:3]
            last = dict(stages.get(base.lower(), {}))  # it begins as the stage that it stands on ends
            stages[name.lower()] = last
        elif instruction.name == "EXPOSE":
            last.setdefault("EXPOSE", instruction)
        else:
            last[instruction.name] = instruction
    entrypoint, command = (_words(last.get(name)) for name in ("ENTRYPOINT", "CMD"))
    if entrypoint is None or command is None or ("CMD" in last and _is_line(last.get("ENTRYPOINT"))):
        return None
    entrypoint = _without_init(entrypoint)
    if entrypoint and _is_line(last.get("CMD")):
        return None  # a shell would be an argument of the entry point
    words = (*entrypoint, *command)
    if not words or "/" in words[0] or words[0] in SHELLS or any(word.startswith("/") for word in words[1:]):
        return None
    exposed = last["EXPOSE"].text.split() if "EXPOSE" in last else []
    return Serving(
        interface="command",
        command=words,
        port=next((port for word in (*exposed, *_bound(words)) if (port := _port(word))), None),
        health=_asked(last.get("HEALTHCHECK")),
        location=Location(path=path, line=(last.get("CMD") or last["ENTRYPOINT"]).line),
    )


def _without_init(words: Sequence[str]) -> tuple[str, ...]:
    """What an init process starts, which takes nothing for itself but options up to `--`."""
    if not words or posixpath.basename(words[0]) not in INITS:
        return tuple(words)
    started = words[words.index("--") + 1 :] if "--" in words else words[1:]
    return tuple(words if started and started[0].startswith("-") else started)


def _bound(words: Sequence[str]) -> Iterator[str]:
    """What the options of a command say it listens to."""
    short = {option for option, servers in LISTENING_IN_SHORT.items() if not set(servers).isdisjoint(words)}
    for word, following in pairwise((*words, "")):
        option, _, value = word.partition("=")
        if option in LISTENING or option in short:
            yield value or following


def _is_line(instruction: Instruction | None) -> bool:
    """Whether a shell would run it."""
    return bool(instruction and not instruction.text.lstrip().startswith("["))


def _words(instruction: Instruction | None) -> tuple[str, ...] | None:
    """The words of a JSON list, or of a line that a shell takes as it stands; None for others."""
    if instruction is None:
        return ()
    if _is_line(instruction):
        words = tuple(instruction.text.split())
        return words if all(map(_PLAIN.fullmatch, words)) and "=" not in words[0] else None
    try:
        words = json.loads(instruction.text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) and "\0" not in word for word in words):
        return None
    return tuple(words)


def _asked(instruction: Instruction | None) -> str:
    match = re.search(
        r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\d+)?(/[\w./-]*)", instruction.text if instruction else ""
    )
    return match[1] if match else ""


def _port(text: str) -> int | None:
    match = _PORT.fullmatch(text)
    return int(match[1]) if match and 0 < int(match[1]) < 1 << 16 else None


def _of_code(project: Project, open_text: Callable[[str], str | None], source: str) -> Serving | None:
    found: list[Serving] = []
    paths = [path for path in project.sources if path.endswith(".py") and not is_testing(path)]
    for path in sorted(paths)[:MOST_FILES]:
        text = open_text(path)
        if text is None or len(text) > LONGEST_FILE or not _may_serve(text):
            continue
        try:
            tree = tree_of(text)
        except SyntaxError:
            continue
        found += _applications(tree, path, project, source)
        found += _grpc(tree, path, project.root)
    return _chosen(found)


def _may_serve(text: str) -> bool:
    return "add_insecure_port" in text or any(name.rpartition(".")[2] in text for name in APPLICATIONS)


def _chosen(found: Sequence[Serving]) -> Serving | None:
    """The only one, else the only one nearest to the root in a module of a usual name."""
    if len(found) < 2:
        return next(iter(found), None)
    usual = [one for one in found if posixpath.basename(one.location.path) in USUAL]
    depth = min((one.location.path.count("/") for one in usual), default=0)
    nearest = [one for one in usual if one.location.path.count("/") == depth]
    return nearest[0] if len(nearest) == 1 else None


def _applications(tree: ast.Module, path: str, project: Project, source: str) -> Iterator[Serving]:
    """Names at the top of a module that an application is bound to."""
    folder, module = _module(tree, path, project)
    names = _imported(tree)
    for statement in tree.body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or not isinstance(statement.value, ast.Call):
            continue
        interface = APPLICATIONS.get(_dotted(statement.value.func, names))
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            if interface and module and isinstance(target, ast.Name):
                yield Serving(
                    interface=interface,
                    command=(f"{module}:{target.id}", *([folder] if folder not in {"", source} else [])),
                    health=_health(tree, target.id),
                    location=Location(path=path, line=statement.lineno),
                )


def _module(tree: ast.Module, path: str, project: Project) -> tuple[str, str]:
    """The folder of the project that a module is to be found from, "" for its own, and its dotted name from there.

    It is the uppermost in which all lies that the module imports of the project; the name is "" if there is none.
    """
    parts = posixpath.relpath(path, project.root).removesuffix(".py").removesuffix("/__init__").split("/")
    folders = ["/".join(parts[:depth]) for depth in range(len(parts))]
    lying = [_modules(project, posixpath.join(project.root, folder)) for folder in folders]
    own = _names(tree) & set[str]().union(*lying)
    for depth, (folder, there) in enumerate(zip(folders, lying, strict=True)):
        if own <= there and all(part.isidentifier() for part in parts[depth:]):
            return folder, ".".join(parts[depth:])
    return "", ""


def _names(tree: ast.Module) -> set[str]:
    """The first parts of what a module imports by full names."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _imported(tree: ast.Module) -> dict[str, str]:
    """What names at the top of a module stand for, in full."""
    names: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            for alias in statement.names:
                names[alias.asname or alias.name] = f"{statement.module}.{alias.name}"
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _health(tree: ast.Module, application: str) -> str:
    """The path of a health check that the application itself answers to GET."""
    paths = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in statement.decorator_list:
                if (
                    isinstance(decorator, ast.Call)
                    and isinstance(decorator.func, ast.Attribute)
                    and decorator.func.attr in {"get", "route"}
                    and isinstance(decorator.func.value, ast.Name)
                    and decorator.func.value.id == application
                    and decorator.args
                    and isinstance(decorator.args[0], ast.Constant)
                ):
                    paths.add(decorator.args[0].value)
    return next((path for path in HEALTHS if path in paths), "")


def _grpc(tree: ast.Module, path: str, root: str) -> Iterator[Serving]:
    """A script that opens a port of a gRPC server when it is run."""
    if "grpc" not in _imported(tree).values() or not any(_is_main(statement) for statement in tree.body):
        return
    ports = [
        port
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_insecure_port"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and (port := _port(node.args[0].value))
    ]
    if len(set(ports)) == 1:
        script = posixpath.relpath(path, root)
        yield Serving(
            interface="command", command=("python", script), port=ports[0], location=Location(path=path, line=1)
        )


def _is_main(statement: ast.stmt) -> bool:
    test = statement.test if isinstance(statement, ast.If) else None
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"
