"""How an image is started: as the configuration says, else as the project's own files do."""

from __future__ import annotations

from collections.abc import Collection

from depdoctor.model.config import ProjectConfig
from depdoctor.model.reading import Serving

PORT = 8000

Started = tuple[tuple[str, ...], int | None, str]
"""A command, the port it listens to, and the path of its health check."""


def started(settings: ProjectConfig, found: Serving | None, packages: Collection[str]) -> Started:
    """How an image is started; `packages` are the names of what it installs, since only what is there can serve.

    What the configuration says goes before what was found, each for itself; a command of its own drops the whole.
    """
    if settings.command or found is None:
        return settings.command, settings.port, settings.health
    if found.interface == "command":
        if found.command[0] not in {"python", "python3", *packages}:
            return (), settings.port, settings.health
        port = settings.port or found.port
        return found.command, port, settings.health or (found.health if port else "")
    port = settings.port or PORT
    command = _server(found.interface, *found.command, port=port, packages=packages)
    if not command:
        return (), settings.port, settings.health
    return command, port, settings.health or found.health


def _server(
    interface: str, application: str, folder: str = "", *, port: int, packages: Collection[str]
) -> tuple[str, ...]:
    """The command of the first server among the packages that speaks the interface; none if there is none.

    Modules are found from `folder` where one is given, else from the project's own.
    """
    address = f"0.0.0.0:{port}"
    uvicorn, gunicorn = (("--app-dir", folder), ("--pythonpath", folder)) if folder else ((), ())
    environment = ("env", f"PYTHONPATH={folder}") if folder else ()
    servers: dict[str, tuple[str, ...]] = {
        "uvicorn": ("uvicorn", *uvicorn, application, "--host", "0.0.0.0", "--port", str(port)),  # noqa: S104 - in a container
        "hypercorn": (*environment, "hypercorn", "--bind", address, application),
    }
    if interface == "wsgi":
        flask = ("flask", "--app", application, "run", "--host", "0.0.0.0", "--port", str(port))  # noqa: S104
        servers = {
            "gunicorn": ("gunicorn", *gunicorn, "--bind", address, application),
            "waitress": (*environment, "waitress-serve", f"--listen={address}", application),
            "flask": (*environment, *flask),
        }
    return next((command for name, command in servers.items() if name in packages), ())
