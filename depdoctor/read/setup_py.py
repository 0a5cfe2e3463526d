"""`setup.py`, from its syntax tree alone; nothing of it runs.

Understood is what `setup()` is given as literals, and as the variables, lists put together, and requirement files that
literals come from. Everything else is "dynamic", and said so.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from packaging.utils import canonicalize_name

from depdoctor.model.noun import dataclass
from depdoctor.model.project import DEFAULT_GROUP, Manifest
from depdoctor.read import packaged
from depdoctor.read.declarations import Declarations
from depdoctor.read.document import Document
from depdoctor.read.errors import ManifestError
from depdoctor.read.syntax import tree_of

FORMAT = "setup.py"

LONGEST_SCRIPT = 300_000

_DEEPEST = 20
"""Variables that stand for variables."""

_CHANGES = frozenset({"append", "extend", "insert", "remove", "pop", "update", "setdefault"})
"""Methods that change a list or a dictionary in place."""

_COMPILED = frozenset({"ext_modules", "rust_extensions", "cffi_modules", "cmake_source_dir"})
"""Arguments of `setup()` that tell what is to be compiled (setuptools, setuptools-rust, cffi, scikit-build)."""

_FILE_ENDINGS = (".txt", ".in", ".pip")


def parse(text: str, path: str) -> Manifest:
    """Read a `setup.py`. Raises `ManifestError` for code that does not parse (that of Python 2 often does not)."""
    if len(text) > LONGEST_SCRIPT:
        raise ManifestError(f"is longer than {LONGEST_SCRIPT} characters", kind="dynamic")
    try:
        tree = tree_of(text)
    except SyntaxError as error:
        line = min(error.lineno or 0, text.count("\n") + 1)
        raise ManifestError(f"is no Python 3: {error.msg}", line=line, kind="dynamic") from error
    script = _Script(
        names=_assigned(tree),
        opened=_opened(tree),
        functions={node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)},
        declarations=Declarations(document=Document({}, {}), path=path),
    )
    arguments = _arguments(tree, script)
    script.requirements(arguments.get("install_requires"), DEFAULT_GROUP)
    script.extras(arguments.get("extras_require"))
    script.python(arguments.get("python_requires"))
    name = arguments.get("name")
    folders = arguments.get("package_dir")
    parts = dict(script.entries(table)) if folders and isinstance(table := script.resolved(folders), ast.Dict) else {}
    return Manifest(
        path=path,
        format=FORMAT,
        name=script.text(name),
        requires_python=script.declarations.requires_python,
        python_line=script.declarations.python_line,
        requirements=tuple(script.declarations.requirements),
        includes=tuple(script.declarations.includes),
        problems=tuple(script.declarations.problems),
        package=packaged.facts(
            name=script.text(name),
            version=script.text(arguments.get("version")),
            source=script.text(parts.get("")),
            compiled=bool(arguments.keys() & _COMPILED),
            installed=True,
            scripts=packaged.listed(script.commands(arguments.get("entry_points"))),
        ),
    )


def _assigned(tree: ast.Module) -> dict[str, ast.expr]:
    """What each name stands for that is assigned exactly once, anywhere in the file, and never changed in place."""
    values: dict[str, list[ast.expr | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            values.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            values.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            values.setdefault(node.target.id, []).append(None)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _CHANGES:
            values.setdefault(node.value.id, []).append(None)
    return {name: found[0] for name, found in values.items() if len(found) == 1 and found[0] is not None}


def _opened(tree: ast.Module) -> dict[str, ast.expr]:
    """What each name of `with open(...) as name` was opened from."""
    return {
        item.optional_vars.id: item.context_expr
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
    }


def _arguments(tree: ast.Module, script: _Script) -> Mapping[str, ast.expr]:
    """The arguments of the last call of `setup()`, those of a `**dictionary` included where it is a literal."""
    arguments: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _called(node) != "setup":
            continue
        for keyword in node.keywords:
            if keyword.arg is not None:
                arguments[keyword.arg] = keyword.value
                continue
            given = script.resolved(keyword.value)
            if isinstance(given, ast.Dict):
                arguments |= {name: value for name, value in script.entries(given) if name}
            else:
                script.dynamic("the arguments of `setup()`", keyword.value)
    return arguments


def _called(node: ast.Call) -> str:
    """The last name of what is called: `setup` of `setuptools.setup(...)`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Script:
    """What is known of the names in a script, and what it has declared so far."""

    names: Mapping[str, ast.expr]
    opened: Mapping[str, ast.expr]
    functions: set[str]
    declarations: Declarations

    def resolved(self, node: ast.expr) -> ast.expr:
        """What a name stands for, as far as that is certain."""
        for _ in range(_DEEPEST):
            if not isinstance(node, ast.Name) or node.id not in self.names:
                break
            node = self.names[node.id]
        return node

    def string(self, node: ast.expr) -> str | None:
        """A text, if it is certain: a literal, or literals put together."""
        node = self.resolved(node)
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None

    def text(self, node: ast.expr | None) -> str:
        """A text, "" where there is none or it is not certain."""
        return self.string(node) or "" if node else ""

    def entries(self, node: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
        """The entries of a dictionary literal; what is spread into it as well."""
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None and isinstance(inner := self.resolved(value), ast.Dict):
                yield from self.entries(inner)
            else:
                yield (self.string(key) if key else None) or "", value

    def commands(self, node: ast.expr | None) -> Iterator[str]:
        """The rows of `console_scripts`, as far as they are certain."""
        given = self.resolved(node) if node else None
        for group, value in self.entries(given) if isinstance(given, ast.Dict) else ():
            rows = self.resolved(value)
            if group == "console_scripts" and isinstance(rows, ast.List | ast.Tuple):
                yield from filter(None, map(self.text, rows.elts))

    def python(self, node: ast.expr | None) -> None:
        """Take in `python_requires`."""
        if node is None:
            return
        if (text := self.string(node)) is None:
            self.dynamic("`python_requires`", node)
        else:
            self.declarations.python(text, (), line=node.lineno)

    def extras(self, node: ast.expr | None) -> None:
        """Take in `extras_require`."""
        if node is None:
            return
        given = self.resolved(node)
        if not isinstance(given, ast.Dict):
            self.dynamic("`extras_require`", node)
            return
        for extra, value in self.entries(given):
            if extra:
                self.requirements(value, f"extra:{canonicalize_name(extra.partition(':')[0])}")
            else:
                self.dynamic("an extra", value)

    def requirements(self, node: ast.expr | None, group: str, depth: int = 0) -> None:
        """Take in a list of requirements, whatever it is put together from."""
        if node is None:
            return
        given = self.resolved(node)
        if isinstance(given, ast.List | ast.Tuple | ast.Set):
            for item in given.elts:
                self._item(item.value if isinstance(item, ast.Starred) else item, group, depth)
        elif isinstance(given, ast.BinOp) and isinstance(given.op, ast.Add) and depth < _DEEPEST:
            self.requirements(given.left, group, depth + 1)
            self.requirements(given.right, group, depth + 1)
        elif isinstance(given, ast.Constant) and isinstance(given.value, str):
            lines = [line for line in given.value.splitlines() if line.strip()]
            self.declarations.require([(line, ()) for line in lines], group, line=given.lineno)
        elif (file := self._file(given)) is not None:
            self.declarations.draw_in(file, (), group, given.lineno)
        elif not (isinstance(given, ast.Constant) and given.value is None):
            self.dynamic("requirements", node)

    def _item(self, node: ast.expr, group: str, depth: int) -> None:
        if (text := self.string(node)) is not None:
            self.declarations.require([(text, ())], group, line=node.lineno)
        elif depth < _DEEPEST and isinstance(self.resolved(node), ast.List | ast.Tuple | ast.BinOp):
            self.requirements(node, group, depth + 1)
        else:
            self.dynamic("a requirement", node)

    def _file(self, node: ast.expr) -> str | None:
        """The one requirements file that a value is read from, if it is certain that it is read from one."""
        names: set[str] = set()
        files: set[str] = set()
        others = False
        pending: list[ast.AST] = [node]
        seen: set[str] = set()
        while pending:
            part = pending.pop()
            if isinstance(part, ast.Call):
                names.add(_called(part))
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                if part.value.endswith(_FILE_ENDINGS):
                    files.add(part.value)
            elif isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
                others = True
            elif isinstance(part, ast.Name) and part.id not in seen:
                seen.add(part.id)
                pending += [known[part.id] for known in (self.names, self.opened) if part.id in known]
            pending += ast.iter_child_nodes(part)
        reads = not names.isdisjoint({"open", "Path", "read_text", "parse_requirements", *self.functions})
        return files.pop() if len(files) == 1 and reads and not others else None

    def dynamic(self, what: str, node: ast.expr) -> None:
        """Say that only running the script would tell."""
        hint = "declare it in pyproject.toml"
        self.declarations.problem((), f"{what} cannot be told without running the file", hint, "dynamic", node.lineno)
