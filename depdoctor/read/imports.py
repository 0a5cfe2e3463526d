"""What a project's Python files and notebooks import, from their syntax trees; nothing is executed.

A file that does not parse (Python 2, a template, a slip) is read line by line, which finds the imports that stand on
lines of their own.
"""

from __future__ import annotations

import ast
import posixpath
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

from depdoctor.model.expression import expression
from depdoctor.model.formats import NOTEBOOK
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Location
from depdoctor.model.reading import Import
from depdoctor.read.syntax import tree_of

STANDARD_LIBRARY = sys.stdlib_module_names | {"__future__", "__main__"}
"""That of the Python which runs this; `rules/stdlib_modules.toml` tells how others differ."""

_TESTING_FOLDERS = frozenset({"test", "tests", "testing", "doc", "docs"})
_TESTING_FILES = expression(r"(?:test_.*|.*_tests?|conftest|setup|noxfile|tasks|fabfile|versioneer)\.py")

LONGEST_FILE = 1_000_000
"""Characters; a longer Python file holds data, not imports."""

_QUOTED = expression(r"""["']([A-Za-z_][\w-]*)(?:[.:][\w.:]*)?["']""")

_NAMED = expression(r"""\b(?:import_module|__import__)\(\s*["'](?P<module>[A-Za-z_]\w*)[\w.]*["']""")

_ON_A_LINE = expression(
    r"^(?P<indent>[ \t]*)(?:import[ \t]+(?P<names>[\w., \t]+)|from[ \t]+(?P<source>[\w.]+)[ \t]+import\b)"
)


@dataclass(frozen=True, slots=True)
class _Found:
    module: str
    line: int
    guarded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What the code of a project tells: its imports, and the first parts of texts in it that may name modules."""

    imported: tuple[Import, ...]
    mentioned: frozenset[str]


def code(sources: Sequence[str], open_text: Callable[[str], str | None], changed: Container[str] = frozenset()) -> Code:
    """The imports of a project's `sources`, each module once per kind at its first place, the project's own left out.

    `open_text` gives a file's text, or None where it cannot be read. `changed` are the modules that only some versions
    of Python have in their standard library; others of it are left out.
    """
    own = _OwnModules(path for path in sources if path.endswith(".py"))
    first: dict[tuple[str, bool, bool], Import] = {}
    mentioned: set[str] = set()
    for path in sorted(sources):
        text = _code_of(path, open_text)
        if text is None:
            continue
        testing = is_testing(path)
        found, words = look(text)
        mentioned |= words
        for one in found:
            standard = one.module in changed
            if (one.module in STANDARD_LIBRARY and not standard) or own.has(one.module, path):
                continue
            key = (one.module, one.guarded, testing)
            if key not in first:
                location = Location(path=path, line=0 if path.endswith(NOTEBOOK) else one.line)
                first[key] = Import(
                    module=one.module, guarded=one.guarded, testing=testing, location=location, standard=standard
                )
    return Code(imported=tuple(sorted(first.values())), mentioned=frozenset(mentioned))


def below(
    sources: Sequence[str], open_text: Callable[[str], str | None], modules: Container[str]
) -> tuple[Import, ...]:
    """What is imported from inside of some modules, by dotted names as long as they are written, at the first places.

    The last part of a name may be no module but something in one: `from google.cloud import storage` does not tell.
    """
    first: dict[tuple[str, bool, bool], Import] = {}
    for path in sorted(sources):
        text = _code_of(path, open_text)
        if text is None:
            continue
        testing = is_testing(path)
        for node, guarded in _imports(text):
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for name in (f"{prefix}{alias.name}" for alias in node.names):
                if name.partition(".")[0] in modules:
                    location = Location(path=path, line=0 if path.endswith(NOTEBOOK) else node.lineno)
                    one = Import(module=name, guarded=guarded, testing=testing, location=location)
                    first.setdefault((name, guarded, testing), one)
    return tuple(sorted(first.values()))


def _code_of(path: str, open_text: Callable[[str], str | None]) -> str | None:
    """The code of a Python file or notebook; None where it cannot be read, or is data."""
    text = open_text(path)
    if text is not None and path.endswith(NOTEBOOK):
        from depdoctor.read.notebook import code_of

        text = code_of(text)
    return None if text is None or len(text) > LONGEST_FILE else text


def needed(imported: Iterable[Import]) -> tuple[str, ...]:
    """The modules that the code cannot run without: imported unguarded outside tests, tooling and notebooks."""
    wanted = (entry for entry in imported if not (entry.guarded or entry.testing or entry.standard))
    return tuple(sorted({entry.module for entry in wanted}))


def is_testing(path: str) -> bool:
    """Whether a file is a test, documentation, tooling or a notebook, by its path."""
    *folders, name = path.split("/")
    if name.endswith(NOTEBOOK) or _TESTING_FILES.fullmatch(name):
        return True
    return any(folder in _TESTING_FOLDERS for folder in folders)


def look(text: str) -> tuple[list[_Found], set[str]]:
    """The absolute imports of one file by top-level module, and the first parts of its texts that look like names."""
    mentioned = set(_QUOTED.findall(text))
    named = list(_by_name(text))
    try:
        return [*_found(tree_of(text)), *named], mentioned
    except SyntaxError:
        return [*_line_by_line(text), *named], mentioned


def _found(tree: ast.Module) -> Iterator[_Found]:
    for node, guarded in _walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _Found(alias.name.partition(".")[0], node.lineno, guarded)
        elif node.module:
            yield _Found(node.module.partition(".")[0], node.lineno, guarded)


def _by_name(text: str) -> Iterator[_Found]:
    """Modules that are imported by a name in a text: `importlib.import_module("tqdm")`. They count as guarded."""
    if "import_module" in text or "__import__" in text:
        for match in _NAMED.finditer(text):
            yield _Found(match["module"], text.count("\n", 0, match.start()) + 1, guarded=True)


def _imports(text: str) -> list[tuple[ast.Import | ast.ImportFrom, bool]]:
    try:
        return list(_walk(tree_of(text)))
    except SyntaxError:
        return []


def _walk(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """The absolute imports of a file, and whether each may fail or never run."""
    pending: list[tuple[ast.AST, bool]] = [(tree, False)]
    while pending:
        node, guarded = pending.pop()
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.level == 0 and node.module):
            yield node, guarded
        elif isinstance(node, ast.stmt | ast.Module | ast.ExceptHandler | ast.match_case):
            inner = guarded or _guards(node)
            pending += [(child, inner) for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]


def _guards(node: ast.AST) -> bool:
    """Whether imports inside a statement may fail, or may never run."""
    if isinstance(node, ast.Try | ast.TryStar | ast.FunctionDef | ast.AsyncFunctionDef | ast.Match):
        return True
    return isinstance(node, ast.If) and not _is_main(node.test)


def _is_main(test: ast.expr) -> bool:
    """Whether a test is `__name__ == "__main__"`: true when the file is what is run."""
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _line_by_line(text: str) -> Iterator[_Found]:
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > 1000 or not (match := _ON_A_LINE.match(line)):
            continue
        guarded = bool(match["indent"])
        if source := match["source"]:
            if not source.startswith("."):
                yield _Found(source.partition(".")[0], number, guarded)
            continue
        for name in match["names"].split(","):
            if module := name.strip().partition(" ")[0].partition(".")[0]:
                yield _Found(module, number, guarded)


class _OwnModules:
    """The modules that a project's own files make up, wherever its code may put them on the path.

    A module or package that stands in a folder without `__init__.py` may be imported from anywhere, since that folder
    may be on the path; any other only from its own folder downwards, where scripts beside it can import it.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        paths = [posixpath.splitext(path)[0] for path in sources]
        self._packages = {posixpath.dirname(path) for path in paths if posixpath.basename(path) == "__init__"}
        self._modules = set(paths)
        for path in paths:
            folder = posixpath.dirname(path)
            while folder and folder not in self._modules:
                self._modules.add(folder)
                folder = posixpath.dirname(folder)
        files_and_packages = {*paths, *self._packages}
        self._anywhere = {
            posixpath.basename(path) for path in files_and_packages if posixpath.dirname(path) not in self._packages
        }

    def has(self, module: str, importer: str) -> bool:
        """Whether the project itself has what a file imports under this name."""
        if module in self._anywhere:
            return True
        folder = posixpath.dirname(importer)
        while posixpath.join(folder, module) not in self._modules:
            if not folder:
                return False
            folder = posixpath.dirname(folder)
        return True
