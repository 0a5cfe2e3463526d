"""The command line: flags, streams and exit status. Results go to stdout, talk to stderr; nothing else prints."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from depdoctor.errors import ConfigError, DepdoctorError

INTERRUPTED = 130
UNUSABLE = 3


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status: 0 done, 1 findings, 2 usage, 3 a tool failed, 130 interrupted."""
    from depdoctor.cli import arguments as command_line
    from depdoctor.cli import commands
    from depdoctor.cli.streams import tolerate

    try:
        options = command_line.parse(arguments)
        tolerate(document=options.format != "console")
        status = commands.COMMANDS[options.command](options)
        sys.stdout.flush()
    except DepdoctorError as error:
        sys.stderr.write(_told(error))
        return error.exit_status
    except KeyboardInterrupt:
        sys.stderr.write("\ndepdoctor: interrupted; nothing was left half-written\n")
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output went away (`| head`): no traceback at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        sys.stderr.write(_failed(error))
        return UNUSABLE
    return status


def _failed(error: OSError) -> str:
    """What the operating system refused, and where; of what is kept between runs, how to keep it elsewhere."""
    from pathlib import Path

    from depdoctor.adapters.cache_place import CACHE_VARIABLE, cache_folder

    place = error.filename or "a file or a connection"
    said = f"depdoctor: {error.strerror or error}\n  in {place}\n"
    kept = cache_folder().absolute()
    if isinstance(place, str) and (Path(place).is_relative_to(kept) or kept.is_relative_to(Path(place).absolute())):
        said += f"  what is kept between runs goes to `{kept}`: `{CACHE_VARIABLE}` names another folder\n"
    return said


def _told(error: DepdoctorError) -> str:
    """What, where, what to do: a line each, or more where a text has more."""
    lines = [f"depdoctor: {error.message}"]
    rest = (error.where and f"in {_where(error)}", error.hint)
    lines += [f"  {line}" for text in rest if text for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def _where(error: DepdoctorError) -> str:
    """The place of an error, with the line of the key of the configuration that it is about."""
    if not isinstance(error, ConfigError) or error.file is None or not error.key:
        return error.where
    from depdoctor.read import toml
    from depdoctor.read.errors import ManifestError

    try:
        line = toml.document(error.file.read_text(encoding="utf-8-sig")).line(*error.key)
    except (OSError, UnicodeDecodeError, ManifestError):
        line = 0
    return f"{error.where}:{line}" if line else error.where
