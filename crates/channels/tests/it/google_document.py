"""Gmail's description of its API, which comes with Google's client for Python.

As a program it reads requests, one JSON object a line with method, path, parameters and body, and
says what of them the description does not have.
"""

import json
import re
import sys
from pathlib import Path

import googleapiclient

PLACE = "discovery_cache/documents/gmail.v1.json"
KINDS = {"string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict}


class Document:
    def __init__(self):
        document = json.loads((Path(googleapiclient.__file__).parent / PLACE).read_text())
        self.schemas = document["schemas"]
        self.common = document["parameters"]
        self.methods = {}
        self.collect(document["resources"])

    def collect(self, resources):
        for resource in resources.values():
            for method in resource.get("methods", {}).values():
                self.methods[method["id"]] = method
            self.collect(resource.get("resources", {}))

    def method_at(self, verb, path):
        for method in self.methods.values():
            # `{+id}` may hold slashes; nothing of Gmail's does.
            pattern = re.sub(r"\{\+?[^}]+\}", "[^/]+", method["path"])
            if method["httpMethod"] == verb and re.fullmatch("/" + pattern, path):
                # Fixed paths are more exact than those with an id at the same place.
                if not (pattern.endswith("[^/]+") and self.is_fixed(verb, path)):
                    return method
        return None

    def is_fixed(self, verb, path):
        last = path.rsplit("/", 1)[1]
        methods = self.methods.values()
        return any(method["httpMethod"] == verb and method["path"].endswith("/" + last) for method in methods)

    def check_answer(self, method_id, answer):
        schema = self.methods[method_id].get("response")
        if schema is None:
            assert answer in ("", None), (method_id, answer)
            return
        problems = list(self.problems(schema, answer, method_id))
        assert not problems, problems

    def problems(self, schema, value, where):
        schema = self.schemas[schema["$ref"]] if "$ref" in schema else schema
        kind = KINDS.get(schema.get("type"), object)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            yield f"{where}: {type(value).__name__}, not {schema['type']}"
        elif isinstance(value, dict):
            fields = schema.get("properties", {})
            for name, below in value.items():
                if name in fields:
                    yield from self.problems(fields[name], below, f"{where}.{name}")
                else:
                    yield f"{where}.{name}: no such field"
        elif isinstance(value, list):
            for below in value:
                yield from self.problems(schema["items"], below, where)
        else:
            yield from self.text_problems(schema, value, where)

    def text_problems(self, schema, value, where):
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value} is none of {schema['enum']}"
        if schema.get("format") in ("uint64", "int64") and not re.fullmatch(r"\d+", value):
            yield f"{where}: {value} is no number"
        if schema.get("format") == "byte" and not re.fullmatch(r"[A-Za-z0-9_-]*={0,2}", value):
            yield f"{where}: no base64 with the URL alphabet"

    def request_problems(self, request):
        where = f"{request['method']} {request['path']}"
        method = self.method_at(request["method"], request["path"])
        if method is None:
            yield f"{where}: no such method"
            return
        known = {name: one for name, one in method["parameters"].items() if one["location"] == "query"}
        given = [name for name, _ in request["parameters"]]
        for name, value in request["parameters"]:
            schema = known.get(name) or self.common.get(name)
            if schema is None:
                yield f"{where}: no parameter {name}"
                continue
            if given.count(name) > 1 and not schema.get("repeated"):
                yield f"{where}: {name} stands twice"
            read = int(value) if schema["type"] == "integer" and value.isdigit() else value
            yield from self.problems(schema, read, f"{where}?{name}")
        # Needed where it is not marked as such.
        if method["id"].endswith("history.list") and "startHistoryId" not in given:
            yield f"{where}: startHistoryId is missing"
        if request["body"] is not None:
            if "request" not in method:
                yield f"{where}: it takes no body"
            else:
                yield from self.problems(method["request"], request["body"], where)
        elif "request" in method:
            yield f"{where}: a body is missing"


if __name__ == "__main__":
    document = Document()
    requests = [json.loads(line) for line in sys.stdin]
    found = [problem for request in requests for problem in document.request_problems(request)]
    print("\n".join(found))
    sys.exit(1 if found else 0)
