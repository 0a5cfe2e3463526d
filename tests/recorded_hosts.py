"""Machines as they were recorded in `fixtures/host`, put where `host.read` looks."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from depdoctor.adapters import host
from depdoctor.adapters.nvidia import NOT_FOUND, Outcome
from depdoctor.model.host import Host

FOLDER = Path(__file__).parents[1] / "fixtures" / "host"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


class RecordedNvml:
    """What `pynvml` answered: a value per function, or a list with one per GPU, the last for all that follow."""

    class NVMLError(Exception):
        pass

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = {"nvmlInit": 0, "nvmlShutdown": 0, **answers}
        self.calls: list[str] = []

    def __getattr__(self, function: str) -> Any:
        def ask(handle: int = 0) -> Any:
            self.calls.append(function)
            if function == "nvmlDeviceGetHandleByIndex" and function not in self.answers:
                return handle
            answer = self.answers[function]
            if isinstance(answer, list):
                answer = answer[min(handle, len(answer) - 1)]
            if isinstance(answer, str) and answer.startswith("error: "):
                raise self.NVMLError(answer.removeprefix("error: "))
            return answer

        return ask


class Recorded:
    """One machine; `commands` lists what was run on it, `nvml` what it answered."""

    def __init__(self, name: str, root: Path) -> None:
        self.data = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
        self.root = root
        self.commands: list[list[str]] = []
        self.nvml = RecordedNvml(self.data["nvml"]) if "nvml" in self.data else None
        for path, content in self.data.get("files", {}).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content, encoding="utf-8")

    def run(self, command: Sequence[str]) -> Outcome:
        self.commands.append(list(command))
        for entry in self.data.get("command", ()):
            if entry["arguments"] == list(command):
                return Outcome(status=entry["status"], stdout=entry["stdout"])
        return Outcome(status=NOT_FOUND, stdout="not found")

    def uname(self) -> platform.uname_result:
        return platform.uname_result(self.data["uname"]["system"], "node", "", "", self.data["uname"]["machine"])

    def read(self) -> Host:
        return host.read(
            self.root,
            self.data.get("environment", {}),
            self.run,
            nvml=lambda: self.nvml,
            uname=self.uname,
            platform_tags=lambda: self.data["tags"],
        )
