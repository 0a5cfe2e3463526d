"""Addresses as text: without their secrets, and with their variables named."""

from __future__ import annotations

import re

from depdoctor.model.expression import expression

_USER = expression(r"://(?P<user>[^/\s?#]*)@")
_SECRET_PARAMETER = expression(
    r"(?P<key>[?&](?:[\w-]{0,40}(?:token|secret|signature|password|passwd|credential|api[-_]?key)[\w-]{0,40}|sig|auth)=)"
    r"(?P<value>[^&#\s]+)",
    re.IGNORECASE,
)
_VARIABLE = expression(r"\$\{([A-Z0-9_]+)\}")
"""What pip and uv expand in requirements files."""

_LEFT_OUT = "****"


def redact(text: str) -> str:
    """The text with every user name, password and secret parameter of its addresses left out.

    The user name of an ssh address stays: it names an account, not a secret. Idempotent.
    """
    return _SECRET_PARAMETER.sub(rf"\g<key>{_LEFT_OUT}", _USER.sub(_without_secret, text))


def _without_secret(match: re.Match[str]) -> str:
    account = match["user"].partition(":")[0]
    over_ssh = match.string.endswith("ssh", 0, match.start())
    return f"://{account}@" if over_ssh and account else "://"


def holds_secret(text: str) -> bool:
    """Whether an address holds more than an account of public knowledge (`git@`) or what variables tell."""
    for match in _USER.finditer(text):
        account, colon, password = match["user"].partition(":")
        over_ssh = text.endswith("ssh", 0, match.start())
        secret = password if colon else ("" if over_ssh else account)
        if _VARIABLE.sub("", secret) not in {"", "git"}:
            return True
    return any(_VARIABLE.sub("", match["value"]) for match in _SECRET_PARAMETER.finditer(text))


def variables(text: str) -> tuple[str, ...]:
    """The names of the environment variables that a text refers to as `${NAME}`."""
    return tuple(dict.fromkeys(_VARIABLE.findall(text)))


def secret_line(text: str) -> int:
    """The first line, from 1, that holds an address with a secret in it; 0 if none does."""
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if "://" in line and holds_secret(line)), 0)
