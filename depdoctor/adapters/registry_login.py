"""Logs in to registries: the token exchange of the distribution specification, as `docker login` left credentials."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from depdoctor.adapters.registry_names import HUB_HOST
from depdoctor.errors import RegistryError

if TYPE_CHECKING:
    from depdoctor.adapters.registry_connections import Connections
    from depdoctor.adapters.registry_names import Access

_FIELD = re.compile(r'(\w+)="([^"]*)"')
_TOKEN = re.compile(r"[\x21-\x7e]+")
"""What a header can hold."""
_HUB_LOGIN = "https://index.docker.io/v1/"
_READ_TIMEOUT_S = 60
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def authorization(connections: Connections, access: Access, challenge: str) -> str:
    """The Authorization header that answers a registry's challenge (RFC 7235), "" if there is none to give.

    Raises `RegistryError` where the token service or a credential helper fails.
    """
    kind, _, rest = challenge.partition(" ")
    fields = dict(_FIELD.findall(rest))
    user, password, identity = _login(access.name.host)
    if kind.lower() == "basic":
        return _basic(user, password) if user else ""
    if kind.lower() != "bearer" or "realm" not in fields:
        return ""
    realm = fields["realm"]
    if urlsplit(realm).scheme != "https" and urlsplit(access.name.base).scheme == "https":
        raise RegistryError("the registry asks for credentials over plain HTTP", where=realm)
    scopes = [f"repository:{access.name.repository}:{'pull,push' if access.push else 'pull'}"]
    if access.source:
        scopes.append(f"repository:{access.source}:pull")
    question = {"service": fields.get("service", ""), "scope": scopes}
    if identity:
        form = {
            **question,
            "scope": " ".join(scopes),
            "grant_type": "refresh_token",
            "refresh_token": identity,
            "client_id": "depdoctor",
        }
        body = urlencode(form).encode()
        answer = connections.send(
            "POST", realm, headers=_FORM, data=body, follow=False, read_timeout_s=_READ_TIMEOUT_S
        )  # nobody else is to see the token
    else:
        headers = {"Authorization": _basic(user, password)} if user else {}
        answer = connections.send("GET", realm, headers=headers, params=question, read_timeout_s=_READ_TIMEOUT_S)
    if answer.status != 200:
        raise RegistryError(
            f"the registry {access.name.host} gives no token: {answer.status}",
            where=realm,
            hint=f"Log in with `docker login {access.name.host}`",
        )
    try:
        document = answer.json()
        token = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError):
        token = None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RegistryError("the token service answers without a token", where=realm)
    return f"Bearer {token}"


def _login(host: str) -> tuple[str, str, str]:
    """User, password and identity token for a host, each "" if there is none."""
    from docker import auth, errors

    key = _HUB_LOGIN if host == HUB_HOST else host
    try:
        found = auth.load_config().resolve_authconfig(None if key == _HUB_LOGIN else key) or {}
    except (errors.DockerException, OSError) as error:
        raise RegistryError(
            f"the credentials for {host} cannot be read: {error}", hint="See `credsStore` in Docker's config.json"
        ) from error
    return (
        str(found.get("Username") or found.get("username") or ""),
        str(found.get("Password") or found.get("password") or ""),
        str(found.get("IdentityToken") or found.get("identitytoken") or ""),
    )


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
