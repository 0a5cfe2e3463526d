"""Kubernetes manifests: valid for the API servers of today, and no pod on a node where it would not start."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fleets import fleet, pin
from packaging.version import Version

from depdoctor.generate import generate
from depdoctor.model.config import Config, ProjectConfig
from depdoctor.model.deployment import Deployment, GpuNeed, Running, Way
from depdoctor.model.plan import Plan
from depdoctor.model.target import Gpu, Platform, Target
from depdoctor.plan import plan

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"
VERSIONS = ("1.35", "1.36", "1.37")
DIGEST = "sha256:" + "e" * 64
HOPPER, AMPERE = (9, 0), (8, 6)

TARGETS = (
    Target(name="Pool A", platform=Platform(), driver=Version("525.60.13"), gpus=(Gpu(name="A10", capability=AMPERE),)),
    Target(
        name="hopper", platform=Platform(), driver=Version("580.65.06"), gpus=(Gpu(name="H100", capability=HOPPER),)
    ),
    Target(name="old", platform=Platform(), driver=Version("470.82.01"), gpus=(Gpu(name="T4", capability=(7, 5)),)),
    Target(name="cpu", platform=Platform()),
    Target(name="arm", platform=Platform(machine="aarch64")),
    Target(name="laptop", platform=Platform(system="windows")),
)
NEEDS = {
    "cuda12": GpuNeed(cuda=Version("12.4"), ways=(Way(driver=Version("525.60.13"), capabilities=((8, 6), (9, 0))),)),
    "cuda13": GpuNeed(cuda=Version("13.0"), ways=(Way(driver=Version("580"), capabilities=((7, 5), (8, 6), (9, 0))),)),
    "anywhere": GpuNeed(cuda=Version("11.8"), ways=(Way(driver=Version("450.80.02")),)),
    "unknown": GpuNeed(cuda=Version("10.2")),
    "web": None,
}
REPLICAS = {"web": (2, 10), "cuda12": (3, 3), "anywhere": (1, 4)}


def made() -> tuple[Plan, dict[str, str]]:
    settings = tuple(
        ProjectConfig(path=name, command=("python", "app.py"), port=8000, health="/healthz") for name in NEEDS
    )
    settings += (ProjectConfig(path="3d/batch", command=("python", "batch.py")),)
    planned = plan(fleet({name: [pin("x")] for name in (*NEEDS, "3d/batch", "library")}), Config(projects=settings), {})
    deployment = Deployment(
        images={
            image.name: Running(
                reference=f"registry.example/team/{image.name}@{DIGEST}",
                gpu=NEEDS.get(image.name),
                weights_bytes=(3 << 30) if image.name == "cuda12" else 0,
                replicas=REPLICAS.get(image.name),
                metrics="/metrics" if image.name == "web" else "",
            )
            for image in planned.images
        },
        targets=TARGETS,
    )
    return planned, dict(generate(planned, only=["kubernetes", "helm"], tag="t1", deployment=deployment).files)


def write(files: Mapping[str, str], folder: Path) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def documents(files: Mapping[str, str], folder: str) -> Iterator[dict[str, Any]]:
    for path, text in files.items():
        if path.startswith(f"kubernetes/{folder}/"):
            yield yaml.safe_load(text)


def merged(files: Mapping[str, str], overlay: str) -> dict[str, dict[str, Any]]:
    """The Deployments of an overlay by name, as Kustomize makes them of base and patches."""
    kustomization = yaml.safe_load(files[f"kubernetes/overlays/{overlay}/kustomization.yaml"])
    found = {}
    for resource in kustomization["resources"]:
        document = yaml.safe_load(files[f"kubernetes/base/{resource.rpartition('/')[2]}/deployment.yaml"])
        found[document["metadata"]["name"]] = document
    for each in kustomization.get("patches", ()):
        patch = yaml.safe_load(each["patch"])
        pod, added = (one["spec"]["template"]["spec"] for one in (found[patch["metadata"]["name"]], patch))
        pod["affinity"], pod["tolerations"] = added["affinity"], added["tolerations"]
        pod["containers"][0]["resources"]["limits"] |= added["containers"][0]["resources"]["limits"]
    return found


def lands(deployment: Mapping[str, Any], node: Mapping[str, str]) -> bool:
    """Whether the scheduler would let a pod onto a node (Kubernetes API, NodeSelectorTerm and its operators)."""

    def holds(rule: Mapping[str, Any]) -> bool:
        value = node.get(rule["key"])
        if rule["operator"] == "DoesNotExist":
            return value is None
        if value is None:
            return False
        if rule["operator"] == "In":
            return value in rule["values"]
        (limit,) = rule["values"]
        if not value.isdigit():
            return False
        return int(value) > int(limit) if rule["operator"] == "Gt" else int(value) < int(limit)

    chosen = deployment["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    terms = chosen["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return any(all(holds(rule) for rule in term["matchExpressions"]) for term in terms)


def node(
    driver: str = "", capability: tuple[int, int] = AMPERE, arch: str = "amd64", memory: int = 23028
) -> dict[str, str]:
    """The labels of a node, as kubelet and GPU feature discovery give them."""
    labels = {"kubernetes.io/os": "linux", "kubernetes.io/arch": arch}
    if driver:
        numbers = [*driver.split("."), ""][:3]
        parts = dict(zip(("major", "minor", "revision"), numbers, strict=False))
        labels |= {f"nvidia.com/cuda.driver-version.{part}": number for part, number in parts.items()}
        labels |= {
            "nvidia.com/gpu.compute.major": str(capability[0]),
            "nvidia.com/gpu.compute.minor": str(capability[1]),
        }
        labels |= {"nvidia.com/gpu.memory": str(memory), "nvidia.com/gpu.count": "1"}
    return labels


def of_old_discovery(labels: Mapping[str, str]) -> dict[str, str]:
    """The same node where GPU feature discovery knows none but the names that are deprecated now."""
    names = {"version.major": ".major", "version.minor": ".minor", "version.revision": ".rev"}
    pairs = ((key.partition("driver-"), value) for key, value in labels.items())
    return {head + "driver" + names[tail] if cut else head: value for (head, cut, tail), value in pairs}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_is_valid(version: str) -> None:
    _, files = made()
    resources = [each for each in documents(files, "base") if each["kind"] != "Kustomization"]
    for target in ("pool-a", "hopper", "old", "cpu"):
        resources += merged(files, target).values()
    assert len(resources) > 20
    for each in resources:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("target", ["pool-a", "hopper", "old", "cpu", "arm"])
def test_kustomize_makes_what_was_meant(tmp_path: Path, target: str) -> None:
    _, files = made()
    write(files, tmp_path)
    command = [KUBECTL, "kustomize", str(tmp_path / "kubernetes" / "overlays" / target)]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    built = [each for each in yaml.safe_load_all(printed) if each]
    found = {each["metadata"]["name"]: each for each in built if each["kind"] == "Deployment"}
    assert found == merged(files, target)


@pytest.mark.parametrize("target", ["pool-a", "hopper", "old", "cpu", "arm"])
def test_values_of_the_chart_are_what_the_overlay_makes(target: str) -> None:
    _, files = made()
    services = yaml.safe_load(files[f"helm/values-{target}.yaml"])["services"]
    assert {one["deployment"]["metadata"]["name"]: one["deployment"] for one in services.values()} == merged(
        files, target
    )
    for name, one in services.items():
        bare = {path.rpartition("/")[2] for path in files if path.startswith(f"kubernetes/base/{name}/")}
        assert {f"{kind}.yaml" for kind in one} == bare - {"kustomization.yaml"}


@pytest.mark.skipif(not shutil.which("helm"), reason="helm is not here")
@pytest.mark.parametrize("target", ["pool-a", "hopper", "old", "cpu", "arm"])
def test_helm_prints_what_kustomize_does(tmp_path: Path, target: str) -> None:
    _, files = made()
    write(files, tmp_path)
    values = ["--values", str(tmp_path / "helm" / f"values-{target}.yaml"), str(tmp_path / "helm")]
    subprocess.run(["helm", "lint", "--strict", *values], capture_output=True, check=True)
    printed = subprocess.run(["helm", "template", "fleet", *values], capture_output=True, check=True).stdout
    command = [KUBECTL, "kustomize", str(tmp_path / "kubernetes" / "overlays" / target)]
    built = subprocess.run(command, capture_output=True, check=True).stdout
    chart, overlay = (
        {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text) if one}
        for text in (printed, built)
    )
    assert chart == overlay


def test_target_gets_what_can_run_there() -> None:
    _, files = made()
    assert set(merged(files, "pool-a")) == {"cuda12", "anywhere", "web", "image-3d-batch"}
    assert set(merged(files, "hopper")) == {"cuda12", "cuda13", "anywhere", "web", "image-3d-batch"}
    assert set(merged(files, "old")) == {"anywhere", "web", "image-3d-batch"}
    assert set(merged(files, "cpu")) == {"cuda12", "cuda13", "anywhere", "unknown", "web", "image-3d-batch"}
    assert not merged(files, "arm")
    assert not any("laptop" in path for path in files)
    assert (
        "# Not here: cuda13, since neither driver nor GPU here runs its CUDA 13.0."
        in files["kubernetes/overlays/pool-a/kustomization.yaml"]
    )
    assert "# Not here: library" in files["kubernetes/base/kustomization.yaml"]


def test_pod_lands_on_no_node_with_too_old_a_driver() -> None:
    """Nodes of each target, and such as a target should not have, against each affinity."""
    _, files = made()
    nodes = {
        "pool-a": node("525.60.13"),
        "pool-a updated": node("535.183.01"),
        "pool-a not yet updated": node("525.60.11"),
        "pool-a older branch": node("520.61.05"),
        "hopper": node("580.65.06", HOPPER, memory=81559),
        "old": node("470.82.01", (7, 5), memory=15360),
        "cpu": node(),
        "arm": node(arch="arm64"),
        "small": node("580.65.06", memory=2048),
    }
    gpus = {
        (target, name): {label for label, labels in nodes.items() if lands(deployment, labels)}
        for target in ("pool-a", "hopper", "old")
        for name, deployment in merged(files, target).items()
        if NEEDS.get(name)
    }
    assert gpus == {
        ("pool-a", "cuda12"): {"pool-a", "pool-a updated"},
        ("pool-a", "anywhere"): {"pool-a", "pool-a updated", "pool-a not yet updated", "pool-a older branch", "small"},
        ("hopper", "cuda12"): {"hopper"},
        ("hopper", "cuda13"): {"hopper"},
        ("hopper", "anywhere"): {"hopper"},
        ("old", "anywhere"): {"old"},
    }
    web = merged(files, "cpu")["web"]
    assert {label for label, labels in nodes.items() if lands(web, labels)} == set(nodes) - {"arm"}


def test_pod_lands_on_no_node_that_does_not_tell_its_driver() -> None:
    """Labels as clusters have them: one missing, of an older discovery, of slices of a GPU, of an operator alone."""
    _, files = made()
    whole = node("580.65.06", HOPPER, memory=81559)
    told = ("kubernetes.io/", "nvidia.com/cuda.driver-version.", "nvidia.com/gpu.compute.")
    for name in ("cuda12", "cuda13", "anywhere"):
        gpu, no_gpu = (merged(files, target)[name] for target in ("hopper", "cpu"))
        assert lands(gpu, whole)
        for missing in (key for key in whole if key.startswith(told) and not key.endswith(("minor", "revision"))):
            assert not lands(gpu, {key: value for key, value in whole.items() if key != missing}), missing
        slices = {"nvidia.com/mig.strategy": "single", "nvidia.com/gpu.product": "H100-MIG-1g.10gb"}
        assert lands(gpu, {**whole, **slices, "nvidia.com/gpu.memory": "9728"})
        assert lands(gpu, {**node("470.82.01", HOPPER), **slices}) is (name == "anywhere")
        operator = {**node(), "nvidia.com/gpu.present": "true"}
        for labels in (operator, of_old_discovery(whole), of_old_discovery(node("470.82.01"))):
            assert not lands(gpu, labels)
            assert not lands(no_gpu, labels)
        assert lands(no_gpu, node())
        assert not lands(no_gpu, whole)


def test_what_has_cuda_lands_on_no_gpu_node_without_an_overlay() -> None:
    _, files = made()
    for name in ("cuda12", "cuda13", "anywhere", "unknown"):
        base = yaml.safe_load(files[f"kubernetes/base/{name}/deployment.yaml"])
        assert lands(base, node())
        assert not lands(base, node("470.82.01"))


def test_values_are_such_as_labels_have() -> None:
    """API servers refuse others in a required affinity since 1.33."""
    planned, _ = made()
    for lowest in ("418.0.1", "525.60.13", "580", "450.80"):
        running = {
            image.name: Running(gpu=GpuNeed(cuda=Version("12"), ways=(Way(driver=Version(lowest)),)))
            for image in planned.images
        }
        target = Target(name="t", platform=Platform(), driver=Version("999"))
        files = generate(planned, only=["kubernetes"], deployment=Deployment(images=running, targets=(target,))).files
        for deployment in merged(files, "t").values():
            chosen = deployment["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
            for term in chosen["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]:
                for rule in term["matchExpressions"]:
                    assert all(re.fullmatch(r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", one) for one in rule["values"])


def test_targets_that_would_share_a_folder_have_two() -> None:
    planned, _ = made()
    targets = tuple(Target(name=name, platform=Platform()) for name in ("Pool A", "pool-a"))
    files = generate(planned, only=["kubernetes", "helm"], deployment=Deployment(targets=targets)).files
    assert sum(path.startswith("kubernetes/overlays/pool-a") for path in files) == 2
    assert sum(path.startswith("helm/values-pool-a") for path in files) == 2


@pytest.mark.parametrize("lowest", ["525.60.13", "580", "470.57.02", "450.80.02", "418.0.1"])
def test_affinity_is_the_comparison_of_drivers(lowest: str) -> None:
    planned, _ = made()
    need = GpuNeed(cuda=Version("12.0"), ways=(Way(driver=Version(lowest)),))
    running = {image.name: Running(gpu=need) for image in planned.images}
    target = Target(name="t", platform=Platform(), driver=Version("999"))
    files = generate(planned, only=["kubernetes"], deployment=Deployment(images=running, targets=(target,))).files
    deployment = merged(files, "t")["web"]
    floor = tuple(map(int, lowest.split(".")))
    for major in (floor[0] - 1, floor[0], floor[0] + 1):
        for minor in ("0", "01", "57", "60", "80", "100", "161"):
            for revision in ("00", "01", "02", "03", "13", "14"):
                driver = (major, int(minor), int(revision))
                assert lands(deployment, node(f"{major}.{minor}.{revision}")) is (driver >= (*floor, 0, 0)[:3]), driver


def test_gpu_memory_must_hold_the_weights() -> None:
    _, files = made()
    deployment = merged(files, "pool-a")["cuda12"]
    assert lands(deployment, node("525.60.13", memory=3072))
    assert not lands(deployment, node("525.60.13", memory=3071))
    limits = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"memory": f"{512 + 2 * 3072}Mi", "nvidia.com/gpu": 1}


def test_processes_of_what_has_cuda_share_more_memory_than_the_runtime_gives() -> None:
    _, files = made()
    pod = merged(files, "pool-a")["cuda12"]["spec"]["template"]["spec"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == "/dev/shm"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == mount["name"]]
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": f"{(512 + 2 * 3072) // 2}Mi"}
    assert [each["name"] for each in merged(files, "cpu")["web"]["spec"]["template"]["spec"]["volumes"]] == ["tmp"]


def test_container_has_no_rights_and_is_named_by_digest() -> None:
    _, files = made()
    pod = merged(files, "cpu")["web"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"registry.example/team/web@{DIGEST}"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "service"}
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[kind]["timeoutSeconds"] == 5  # one second is short for Python that computes
    policies = [each for each in documents(files, "base/web") if each["kind"] == "NetworkPolicy"]
    assert [each["spec"]["policyTypes"] for each in policies] == [["Ingress", "Egress"]]


def test_replicas_are_scaled_and_not_all_taken_away_at_once() -> None:
    _, files = made()

    def of(name: str, kind: str) -> dict[str, Any]:
        found = [each for each in documents(files, f"base/{name}") if each["kind"] == kind]
        return found[0]["spec"] if found else {}

    scaling = of("web", "HorizontalPodAutoscaler")
    assert (scaling["minReplicas"], scaling["maxReplicas"]) == (2, 10)
    assert scaling["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    assert "replicas" not in of("web", "Deployment")  # each apply would undo what the autoscaler did
    assert of("web", "PodDisruptionBudget")["selector"] == of("web", "Deployment")["selector"]
    assert of("cuda12", "Deployment")["replicas"] == 3
    assert not of("cuda12", "HorizontalPodAutoscaler")
    assert of("cuda12", "PodDisruptionBudget")
    assert not of("anywhere", "PodDisruptionBudget")  # it would let nobody drain the node of the only one
    assert not of("unknown", "HorizontalPodAutoscaler")
    resources = yaml.safe_load(files["kubernetes/base/web/kustomization.yaml"])["resources"]
    assert resources == ["deployment.yaml", "disruption.yaml", "network.yaml", "scaling.yaml", "service.yaml"]


def test_metrics_are_announced_where_there_are_some() -> None:
    _, files = made()
    web = yaml.safe_load(files["kubernetes/base/web/deployment.yaml"])["spec"]["template"]["metadata"]
    assert web["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "8000",
        "prometheus.io/path": "/metrics",
    }
    other = yaml.safe_load(files["kubernetes/base/cuda12/deployment.yaml"])["spec"]["template"]["metadata"]
    assert "annotations" not in other
    (scraped,), (plain,) = (
        yaml.safe_load(files[f"kubernetes/base/{name}/network.yaml"])["spec"]["ingress"] for name in ("web", "cuda12")
    )
    prometheus = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}
    assert scraped["from"] == [{"podSelector": {}}, prometheus]
    assert plain["from"] == [{"podSelector": {}}]


def test_what_listens_to_nothing_has_no_service() -> None:
    _, files = made()
    assert "kubernetes/base/3d-batch/service.yaml" not in files
    (policy,) = (each for each in documents(files, "base/3d-batch") if each["kind"] == "NetworkPolicy")
    assert "ingress" not in policy["spec"]
