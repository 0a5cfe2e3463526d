"""Where in the text of a table something stands, for messages; tomllib tells no lines."""

from __future__ import annotations

import re

from depdoctor.model.noun import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A table as text, and the name that messages give it ("facts/gpus.toml")."""

    name: str
    text: str = ""

    def place(self, row: str = "", number: int = 0, key: str = "") -> str:
        """The file and line of a row (counted from 1) or of a key in it, and what stands there in words."""
        words = ": ".join(filter(None, (f"{row} {number}" if row else "", key)))
        line = self._line_of_row(row, number, key) if row else self._line_of_key(key)
        return ": ".join(filter(None, (f"{self.name}:{line}" if line else self.name, words)))

    def _line_of_row(self, row: str, number: int, key: str) -> int:
        """0 where it is no `[[row]]` of its own, but stands in a list of them."""
        heads = [match.start() for match in re.finditer(rf"(?m)^[ \t]*\[\[[ \t]*{re.escape(row)}[ \t]*\]\]", self.text)]
        if len(heads) < number:
            return 0
        start, end = heads[number - 1], heads[number] if len(heads) > number else len(self.text)
        found = re.search(rf"(?m)^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=", self.text[start:end]) if key else None
        return self._line(start + (found.start() if found else 0))

    def _line_of_key(self, key: str) -> int:
        found = re.search(rf"(?m)^[ \t]*\[*[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[=\]]", self.text)
        return self._line(found.start()) if key and found else 0

    def _line(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1
