"""Kubernetes manifests: a Kustomize base with every service, and an overlay for every target.

An overlay holds the services that can run on its target, and lets them land on such nodes alone: a node whose driver is
too old for the CUDA of an image, or whose GPU its wheels hold no code for, matches no term of its affinity. A container
is no root, writes to /tmp alone, and reaches nothing but DNS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from depdoctor.generate.affinity import offers_gpu, platform, serves, terms, ways_on, without_gpu
from depdoctor.model.context import PROBE_TIMEOUT_S
from depdoctor.model.deployment import Deployment, Running
from depdoctor.model.image import APP_ROOT, HOME, USER
from depdoctor.model.label import WEIGHTS, weights_label
from depdoctor.model.naming import image_name, label_name
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Image, Plan
from depdoctor.model.target import Target
from depdoctor.model.weights import Keep, WeightFile

MADE = "# Made by `depdoctor generate`; change it in a Kustomization of your own, and make it again here.\n"

CPU = "500m"
BUSY_PERCENT = 80
START_S, PERIOD_S, START_FAILURES = 10, 10, 60
"""A start may take ten minutes, for weights that are loaded."""

MIB = 1 << 20

APPLICATION = "app.kubernetes.io/name"
PROMETHEUS = "prometheus"
"""What the operator and the charts of Prometheus call its pods."""


def kubernetes_files(plan: Plan, deployment: Deployment) -> dict[str, str]:
    """The files below `kubernetes/`. An image is named by digest where the deployment knows it."""
    served = [image for image in plan.images if image.command]
    files: dict[str, str] = {}
    for image in served:
        for path, document in _base(image, deployment.running(image.name)).items():
            files[f"kubernetes/base/{image.name}/{path}"] = manifest(document)
    for name, target in by_name(deployment.targets).items():
        files[f"kubernetes/overlays/{name}/kustomization.yaml"] = _overlay(served, deployment, target)
    absent = [
        f"# Not here: {image.name}, since nothing says how it is started (`command` under `[[project]]`)."
        for image in plan.images
        if not image.command
    ]
    base = {**_kustomization(), "resources": [image.name for image in served]}
    files["kubernetes/base/kustomization.yaml"] = (
        MADE + "".join(f"{line}\n" for line in absent) + manifest(base, made=False)
    )
    return files


def by_name(targets: Iterable[Target]) -> dict[str, Target]:
    """The Linux targets by what their files are called; a second of one name is told from the first by its digest."""
    named: dict[str, Target] = {}
    for target in targets:
        if target.platform.system == "linux":
            name = image_name(target.name)
            named[f"{name}-{sha256(target.name.encode()).hexdigest()[:8]}" if name in named else name] = target
    return named


def resources(image: Image, running: Running) -> dict[str, object]:
    """What a service consists of, by the name of its file."""
    documents: dict[str, object] = {
        "deployment.yaml": _deployment(image, running),
        "network.yaml": _network(image, running),
    }
    if image.port:
        documents["service.yaml"] = _service(image)
    least, most = running.replicas or (1, 1)
    if most > least:
        documents["scaling.yaml"] = _scaling(image, least, most)
    if least > 1:
        documents["disruption.yaml"] = _disruption(image)
    if _mounted(image):
        documents["weights.yaml"] = _claim(image)
    return documents


def _base(image: Image, running: Running) -> dict[str, object]:
    documents = resources(image, running)
    return {**documents, "kustomization.yaml": {**_kustomization(), "resources": sorted(documents)}}


def _mounted(image: Image) -> tuple[WeightFile, ...]:
    """The files of weights that are mounted into an image."""
    return image.weights if image.keep is Keep.VOLUME else ()


def _claim(image: Image) -> dict[str, object]:
    """A claim to a volume that holds the weights, by their paths in the project's folder; many pods may read it."""
    mib = -(-sum(one.size_bytes for one in image.weights) // MIB)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {**_metadata(image), "annotations": {WEIGHTS: weights_label(image.weights)}},
        "spec": {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": f"{mib}Mi"}}},
    }


def _kustomization() -> dict[str, object]:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}


def _metadata(image: Image) -> dict[str, object]:
    return {"name": label_name(image.name), "labels": {APPLICATION: label_name(image.name)}}


def _selector(image: Image) -> dict[str, object]:
    return {"matchLabels": {APPLICATION: label_name(image.name)}}


def _deployment(image: Image, running: Running) -> dict[str, object]:
    user, _, group = USER.partition(":")
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": int(user),
            "runAsGroup": int(group),
            "fsGroup": int(group),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": _affinity(without_gpu(image) if running.gpu else [{"matchExpressions": platform(image)}]),
        "containers": [_container(image, running)],
        "volumes": list(_volumes(image, running)),
    }
    metadata: dict[str, object] = {"labels": {APPLICATION: label_name(image.name)}}
    if running.metrics and image.port:
        named = {"scrape": "true", "port": str(image.port), "path": running.metrics}
        metadata["annotations"] = {f"prometheus.io/{name}": value for name, value in named.items()}
    least, most = running.replicas or (1, 1)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(image),
        "spec": {
            # an autoscaler sets the number itself, and would be undone by one that stands here
            **({"replicas": least} if running.replicas and least == most else {}),
            "selector": _selector(image),
            "template": {"metadata": metadata, "spec": pod},
        },
    }


def _volumes(image: Image, running: Running) -> Iterator[dict[str, object]]:
    yield {"name": "tmp", "emptyDir": {}}
    if running.gpu:
        yield {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{running.shared_mib}Mi"}}
    if _mounted(image):
        claim = {"claimName": label_name(image.name), "readOnly": True}
        yield {"name": "weights", "persistentVolumeClaim": claim}


def _scaling(image: Image, least: int, most: int) -> dict[str, object]:
    """As many as keep the processors at a share of what is requested for each."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": BUSY_PERCENT}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(image),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": label_name(image.name)},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": cpu}],
        },
    }


def _disruption(image: Image) -> dict[str, object]:
    """One at a time is taken away where nodes are drained."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(image),
        "spec": {"maxUnavailable": 1, "selector": _selector(image)},
    }


def _affinity(choices: list[dict[str, object]]) -> dict[str, object]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": choices}}}


def _container(image: Image, running: Running) -> dict[str, object]:
    memory = f"{running.memory_mib}Mi"
    container: dict[str, object] = {
        "name": "service",
        "image": running.reference or image.name,
        "env": [{"name": "HOME", "value": HOME}],
        "resources": {"requests": {"cpu": CPU, "memory": memory}, "limits": {"memory": memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a mount point inside the container
            *([{"name": "shm", "mountPath": "/dev/shm"}] if running.gpu else []),  # noqa: S108 - likewise
            *(
                {"name": "weights", "mountPath": f"{APP_ROOT}/{one.path}", "subPath": one.path, "readOnly": True}
                for one in _mounted(image)
            ),
        ],
    }
    if image.port:
        probe: dict[str, object] = {"tcpSocket": {"port": "service"}}
        if image.health:
            probe = {"httpGet": {"path": image.health, "port": "service"}}
        probe["timeoutSeconds"] = PROBE_TIMEOUT_S
        container["ports"] = [{"name": "service", "containerPort": image.port}]
        container["startupProbe"] = {**probe, "periodSeconds": START_S, "failureThreshold": START_FAILURES}
        container["readinessProbe"] = {**probe, "periodSeconds": PERIOD_S}
        container["livenessProbe"] = {**probe, "periodSeconds": PERIOD_S, "failureThreshold": 6}
    return container


def _service(image: Image) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(image),
        "spec": {
            "selector": {APPLICATION: label_name(image.name)},
            "ports": [{"name": "service", "port": image.port, "targetPort": "service"}],
        },
    }


def _network(image: Image, running: Running) -> dict[str, object]:
    """Nothing in or out but the service's port, from its own namespace and for what asks for metrics, and DNS."""
    spec: dict[str, object] = {
        "podSelector": _selector(image),
        "policyTypes": ["Ingress", "Egress"],
        "egress": [{"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}],
    }
    if image.port:
        peers: list[dict[str, object]] = [{"podSelector": {}}]
        if running.metrics:
            peers.append({"namespaceSelector": {}, "podSelector": {"matchLabels": {APPLICATION: PROMETHEUS}}})
        spec["ingress"] = [{"from": peers, "ports": [{"protocol": "TCP", "port": "service"}]}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(image),
        "spec": spec,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A service on a target: a patch to its Deployment that gives it a GPU, or None; `remark` is for a comment.

    Without `lands` it is left out of the target, and the remark says why.
    """

    image: Image
    lands: bool = True
    remark: str = ""
    patch: dict[str, object] | None = None


def placed(deployment: Deployment, served: Sequence[Image], target: Target) -> Iterator[Placed]:
    """Where each service that a plan starts is on a target, in the order they have."""
    for image in served:
        running = deployment.running(image.name)
        if not serves(target, image):
            machine = image.environment.platform.machine
            yield Placed(image=image, lands=False, remark=f"Not here: {image.name}, which is built for {machine}.")
        elif other := _served_instead(image, served, target):
            remark = f"Not here: {image.name}, since {other.name} serves this target."
            yield Placed(image=image, lands=False, remark=remark)
        elif running.gpu and offers_gpu(target):
            if ways := ways_on(running.gpu, target):
                yield Placed(image=image, patch=_gpu_patch(image, terms(image, ways, running)))
            else:
                why = "neither driver nor GPU here runs" if running.gpu.ways else "nothing tells what runs"
                remark = f"Not here: {image.name}, since {why} its CUDA {running.gpu.cuda}."
                yield Placed(image=image, lands=False, remark=remark)
        elif running.gpu:
            remark = f"{image.name} has CUDA and gets no GPU: this target names neither `gpus` nor `driver`."
            yield Placed(image=image, remark=remark)
        else:
            yield Placed(image=image)


def _overlay(served: Sequence[Image], deployment: Deployment, target: Target) -> str:
    """The Kustomization of a target, with a line for each image that is left out of it."""
    found = list(placed(deployment, served, target))
    document = {**_kustomization(), "resources": [f"../../base/{one.image.name}" for one in found if one.lands]}
    if patches := [{"patch": manifest(one.patch, made=False)} for one in found if one.patch]:
        document["patches"] = patches
    return MADE + "".join(f"# {one.remark}\n" for one in found if one.remark) + manifest(document, made=False)


def _served_instead(image: Image, images: Iterable[Image], target: Target) -> Image | None:
    """The other image of the same project that is planned for a target, if this one is not."""
    if target.name in image.targets:
        return None
    return next((one for one in images if one.project == image.project and target.name in one.targets), None)


def _gpu_patch(image: Image, choices: list[dict[str, object]]) -> dict[str, object]:
    """A strategic merge patch: a GPU, the taint of GPU nodes borne, and only nodes on which it starts."""
    pod = {
        "affinity": _affinity(choices),
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "containers": [{"name": "service", "resources": {"limits": {"nvidia.com/gpu": 1}}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": label_name(image.name)},
        "spec": {"template": {"spec": pod}},
    }


def manifest(document: object, *, made: bool = True) -> str:
    """A resource as YAML, with a heading unless it has another."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - an anchor would be no help to a reader
            return True

        def represent_text(self, text: str) -> yaml.Node:
            return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Plain.add_representer(str, Plain.represent_text)
    return (MADE if made else "") + yaml.dump(document, Dumper=Plain, sort_keys=False, width=120)
