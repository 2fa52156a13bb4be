"""Strict validation: the API server's schemas, in which a member that they don't know is a mistake, as it is for `kubectl apply
--validate=strict`. Kubernetes' own kinds come from its OpenAPI document, the operators' from their CustomResourceDefinitions."""
import glob
import json
import os

import jsonschema
import yaml

import tools

DEFINITION = "#/definitions/"
QUANTITY = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"  # apimachinery/pkg/api/resource
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
INT_OR_STRING = {"anyOf": [{"type": "integer"}, {"type": "string"}]}


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML as it is meant: a key twice in a map is a mistake."""


def no_duplicates(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    if len(keys) != len(set(keys)):
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: a key is there twice")
    return loader.construct_mapping(node, deep=True)


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, no_duplicates)


def documents(text):
    return [d for d in yaml.load_all(text, Loader) if d is not None]


def strict(schema):
    """The same, as JSON Schema that knows no other members."""
    if isinstance(schema, list):
        return [strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return INT_OR_STRING
    made = {k: strict(v) for k, v in schema.items() if k not in ("properties", "default", "enum", "description", "example")}
    if "enum" in schema:
        made["enum"] = schema["enum"] + ([None] if schema.get("nullable") else [])
    if "properties" in schema:
        made["properties"] = {k: strict(v) for k, v in schema["properties"].items()}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    if schema.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


class Schemas:
    def __init__(self):
        with open(os.path.join(tools.STORE, "kubernetes.json")) as file:
            definitions = json.load(file)["definitions"]
        self.kinds = {}
        for name, schema in definitions.items():
            for kind in schema.get("x-kubernetes-group-version-kind", []):
                self.kinds["/".join(filter(None, (kind["group"], kind["version"]))), kind["kind"]] = {"$ref": DEFINITION + name}
        self.definitions = {name: strict(schema) for name, schema in definitions.items()}
        self.definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"type": ["string", "number"], "pattern": QUANTITY}
        self.own = len(self.kinds)
        for path in glob.glob(os.path.join(tools.STORE, "resources", "*.yaml")):
            with open(path) as file:
                for definition in documents(file.read()):
                    self.add_resource(definition["spec"])
        self.validators = {}

    def add_resource(self, spec):
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"].update(apiVersion={"type": "string"}, kind={"type": "string"}, metadata={"$ref": DEFINITION + META})
            if version["served"]:
                self.kinds[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema

    def mistakes(self, document):
        """Lines, none when it is good."""
        kind = document.get("apiVersion"), document.get("kind")
        if kind not in self.kinds:
            return [f"there is no {kind[1]} of {kind[0]}"]
        if kind not in self.validators:
            self.validators[kind] = jsonschema.Draft7Validator({**self.kinds[kind], "definitions": self.definitions} if "$ref" not in self.kinds[kind]
                                                               else {"allOf": [self.kinds[kind]], "definitions": self.definitions})
        return [f"{'.'.join(str(p) for p in error.absolute_path)}: {error.message[:200]}" for error in self.validators[kind].iter_errors(document)]


def label(value):
    """A DNS label: what a Service, a container and a port may be called."""
    return 0 < len(value) < 64 and value.replace("-", "a").isalnum() and value == value.lower() and value[0].isalpha() and value[-1] != "-"


def subdomain(value):
    return 0 < len(value) < 254 and all(part and part.replace("-", "a").isalnum() and part == part.lower() and part.strip("-") == part
                                        for part in value.split("."))
