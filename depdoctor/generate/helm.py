"""A Helm chart of the same services as the Kustomize overlays: values for each target, and a template that prints them.

What differs between images and targets is known when this is made, so it stands in the values, under the names that
Kubernetes gives it, and any of it can be set anew with `--set` or another file of values.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from depdoctor.generate.kubernetes import MADE, Placed, by_name, manifest, placed, resources
from depdoctor.model.deployment import Deployment
from depdoctor.model.plan import Plan

TEMPLATE = """\
{{- range $name, $service := .Values.services }}
{{- range $kind, $resource := $service }}
---
{{ toYaml $resource }}
{{- end }}
{{- end }}
"""


def helm_files(plan: Plan, deployment: Deployment, tag: str) -> dict[str, str]:
    """The files below `helm/`: `values-TARGET.yaml` for each Linux target. `tag` says which plan they are of."""
    chart = {
        "apiVersion": "v2",
        "name": "services",
        "description": "Services that depdoctor planned",
        "type": "application",
        "version": "0.1.0",
        "appVersion": tag,
    }
    files = {
        "helm/Chart.yaml": manifest(chart),
        "helm/values.yaml": f"{MADE}# Give the values of a target: --values values-TARGET.yaml\nservices: {{}}\n",
        "helm/templates/services.yaml": TEMPLATE,
    }
    served = [image for image in plan.images if image.command]
    for name, target in by_name(deployment.targets).items():
        found = list(placed(deployment, served, target))
        remarks = "".join(f"# {one.remark}\n" for one in found if one.remark)
        services = {one.image.name: _service(one, deployment) for one in found if one.lands}
        files[f"helm/values-{name}.yaml"] = remarks + manifest({"services": services})
    return files


def _service(one: Placed, deployment: Deployment) -> dict[str, Any]:
    """The resources of a service by kind of file, its Deployment as it is on this target."""
    made = resources(one.image, deployment.running(one.image.name)).items()
    found: dict[str, Any] = {path.removesuffix(".yaml"): deepcopy(document) for path, document in made}
    if one.patch:
        added: Any = one.patch
        pod, more = (each["spec"]["template"]["spec"] for each in (found["deployment"], added))
        pod |= {"affinity": more["affinity"], "tolerations": more["tolerations"]}
        pod["containers"][0]["resources"]["limits"] |= more["containers"][0]["resources"]["limits"]
    return found
