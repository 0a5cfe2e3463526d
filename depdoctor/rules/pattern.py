"""A regular expression in a table, compiled when it is first asked: of some two hundred a run needs a dozen."""

from __future__ import annotations

import re
from functools import lru_cache

from depdoctor.model.noun import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What a whole text must match."""

    text: str

    def match(self, whole: str) -> re.Match[str] | None:
        """The match of a whole text, None if it is another. Raises `re.error` where nobody checked the pattern."""
        return compiled(self.text).fullmatch(whole)


@lru_cache(maxsize=1024)
def compiled(text: str) -> re.Pattern[str]:
    """The expression. Raises `re.error`."""
    return re.compile(text)
