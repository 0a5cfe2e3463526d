"""The Compose file of a plan."""

from __future__ import annotations

from dataclasses import replace

import yaml
from fleets import ENVIRONMENT, entry, fleet, inventory, lock, pin
from packaging.version import Version

from depdoctor.generate import generate
from depdoctor.generate.compose import host_ports
from depdoctor.model.config import Config, ProjectConfig
from depdoctor.model.deployment import Deployment, GpuNeed, Running
from depdoctor.model.plan import Image, Plan
from depdoctor.model.target import Platform, Target
from depdoctor.plan import plan


def made(*settings: ProjectConfig) -> Plan:
    return plan(fleet({one.path: [pin("x")] for one in settings}), Config(projects=settings), {})


def served(path: str, port: int | None = None) -> ProjectConfig:
    return ProjectConfig(path=path, command=("uvicorn", "app:app"), port=port)


def test_service_is_confined_and_comes_back() -> None:
    text = generate(made(served("asr/fast", 8000)), only=["compose"]).files["compose.yaml"]
    (service,) = yaml.safe_load(text)["services"].values()
    assert service["image"] == "${REGISTRY:-depdoctor}/asr-fast:${TAG:-latest}"
    assert service["ports"] == ["${BIND:-127.0.0.1}:8000:8000"]
    assert service["restart"] == "unless-stopped"
    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert "command" not in service, "the command is the image's own"


def test_model_that_nobody_starts_is_named_and_left_out() -> None:
    text = generate(made(served("a"), ProjectConfig(path="b")), only=["compose"]).files["compose.yaml"]
    assert set(yaml.safe_load(text)["services"]) == {"a"}
    assert "# Not here: b," in text
    assert "ports" not in yaml.safe_load(text)["services"]["a"]


def test_cohorts_are_profiles_where_there_are_several() -> None:
    settings = tuple(served(name) for name in ("asr", "tts", "old", "old-gpu"))
    locks = [lock(one.path, []) for one in settings[:2]]
    locks += [lock(one.path, [], replace(ENVIRONMENT, python="3.9")) for one in settings[2:]]
    planned = plan(inventory([entry(one.project, one) for one in locks]), Config(projects=settings), {})
    running = {"old-gpu": Running(gpu=GpuNeed(cuda=Version("12.4")))}
    pool = Target(name="pool", platform=Platform(), driver=Version("550.54.15"))
    deployment = Deployment(images=running, targets=(pool,))
    text = generate(planned, only=["compose"], deployment=deployment).files["compose.yaml"]
    profiles = {name: service["profiles"] for name, service in yaml.safe_load(text)["services"].items()}
    assert profiles == {
        "asr": ["python3.11"],
        "tts": ["python3.11"],
        "old": ["python3.9"],
        "old-gpu": ["gpu", "python3.9-gpu"],
    }
    assert "# Profiles: python3.11, python3.9. `--profile '*'` starts all.\n" in text


def images(*ports: int | None) -> tuple[Image, ...]:
    return made(*(served(f"p{number}", port) for number, port in enumerate(ports))).images


def test_images_come_from_the_registry_that_was_named() -> None:
    config = Config(projects=(ProjectConfig(path="a", command=("python",)),))
    made = generate(
        plan(fleet({"a": []}), config, {}), only=["compose"], deployment=Deployment(registry="127.0.0.1:5000/team")
    )
    (service,) = yaml.safe_load(made.files["compose.yaml"])["services"].values()
    assert service["image"] == "${REGISTRY:-127.0.0.1:5000/team}/a:${TAG:-latest}"


def test_ports_never_clash() -> None:
    assert host_ports(images(8000, 8000, 8001, None, 8000)) == {"p0": 8000, "p1": 8002, "p2": 8001, "p4": 8003}
    assert host_ports(images(65535, 65535)) == {"p0": 65535, "p1": 1024}


def test_memory_is_limited_and_models_with_cuda_reserve_a_gpu_on_a_fleet_that_has_one() -> None:
    settings = tuple(ProjectConfig(path=name, command=("python", "app.py")) for name in ("a", "b"))
    planned = plan(fleet({"a": [], "b": []}), Config(projects=settings), {})
    running = {
        "a": Running(gpu=GpuNeed(cuda=Version("12.4")), weights_bytes=1 << 30),
        "b": Running(unpacked_bytes=600 << 20),
    }
    pool = Target(name="pool", platform=Platform(), driver=Version("550.54.15"))
    for targets, reserved in (((pool,), True), ((), False)):
        deployment = Deployment(images=running, targets=targets)
        text = generate(planned, only=["compose"], deployment=deployment).files["compose.yaml"]
        services = yaml.safe_load(text)["services"]
        a, b = (services[name]["deploy"]["resources"] for name in ("a", "b"))
        assert a["limits"] == {"memory": "2560M"}
        assert b["limits"] == {"memory": "1024M"}
        assert ("reservations" in a, "profiles" in services["a"]) == (reserved, reserved)
        assert "reservations" not in b
        assert (services["a"]["shm_size"], services["b"].get("shm_size")) == ("1280m", None)
        assert yaml.safe_load(text)["x-service"]["environment"] == {"HOME": "/tmp"}
        assert "profiles" not in services["b"]
