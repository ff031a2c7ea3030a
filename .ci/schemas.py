"""Writes the JSON Schemas that kubeconform validates against.

    schemas.py kubernetes_validate.whl directory-of-CRDs target

target/<version>/<kind>-<group>-<version>.json: strict schemas of Kubernetes, which refuse unknown fields
target/crds/<kind>_<version>.json: the same of Prometheus Operator's ServiceMonitor, PodMonitor and PrometheusRule
"""

import json
import re
import sys
import zipfile
from pathlib import Path

import yaml

# The oldest and the newest that there are schemas of, and one between.
VERSIONS = ["1.26.0", "1.35.0", "1.37.0"]
CRDS = ["podmonitors", "prometheusrules", "servicemonitors"]


def kubernetes(wheel, target):
    with zipfile.ZipFile(wheel) as archive:
        for version in VERSIONS:
            source = f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict/"
            directory = target / version
            directory.mkdir(parents=True)
            # kubeconform resolves a $ref against its working directory, not against the file that it stands in.
            definitions = f"file://{directory.resolve()}/_definitions.json"
            for name in archive.namelist():
                if name.startswith(source) and name.endswith(".json"):
                    text = archive.read(name).decode()
                    text = re.sub('"[^"]*_definitions\\.json', f'"{definitions}', text)
                    (directory / name.removeprefix(source)).write_text(text)


def custom(directory, target):
    target.mkdir(parents=True)
    for name in CRDS:
        crd = yaml.safe_load((directory / f"monitoring.coreos.com_{name}.yaml").read_text())
        kind = crd["spec"]["names"]["kind"].lower()
        for version in crd["spec"]["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            (target / f"{kind}_{version['name']}.json").write_text(json.dumps(schema))


def closed(schema):
    """Unknown fields are refused, as the API server with strict field validation does."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    result = {name: closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        # The metadata of a resource is described as an object without a word about its fields.
        result["additionalProperties"] = False
    return result


kubernetes(Path(sys.argv[1]), Path(sys.argv[3]))
custom(Path(sys.argv[2]), Path(sys.argv[3]) / "crds")
