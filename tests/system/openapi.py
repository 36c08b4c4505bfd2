"""directoryd's OpenAPI document held against what it answers: every path and method in it is asked until every status that
it names was seen, each answer is held against the schema of its status, and its paths are the server's own routes."""

import json
import re

import jsonschema

import sodium
from grid import GIB, SMALL, Principal
from story import Failed, check, step

NEEDS_A_FAULT = {503}  # seen where the story makes one


class Document:
    def __init__(self, text):
        self.root = json.loads(text)
        jsonschema.Draft202012Validator.check_schema({**self.root["components"]["schemas"]})
        self.operations = {(method.upper(), path): operation for path, item in self.root["paths"].items()
                           for method, operation in item.items()}
        self.seen = {key: set() for key in self.operations}

    def _resolve(self, item):
        while "$ref" in item:
            found = self.root
            for part in item["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            item = found
        return item

    def statuses(self, key):
        return {int(status) for status in self.operations[key]["responses"]}

    def hold(self, key, answer):
        """The answer is one that the document promises, to the last key."""
        response = self.operations[key]["responses"].get(str(answer.status))
        if response is None:
            raise Failed(f"{key}: {answer.status} isn't documented: {answer.body[:300]!r}")
        response = self._resolve(response)
        for name, header in response.get("headers", {}).items():
            self._validate(header["schema"], int(answer.headers[name]), f"{key} {answer.status} {name}")
        content = response.get("content", {})
        kind = (answer.headers["Content-Type"] or "").split(";")[0]
        if content and kind not in content:
            raise Failed(f"{key}: {answer.status} is {kind}, not {list(content)}")
        if content:
            body = answer.json() if kind.endswith("json") else answer.body.decode(errors="replace")
            self._validate(content[kind]["schema"], body, f"{key} {answer.status}")
        elif answer.body:
            raise Failed(f"{key}: {answer.status} has a body")
        self.seen[key].add(answer.status)

    def _validate(self, schema, value, what):
        schema = json.loads(json.dumps(schema).replace("#/components/schemas/", "#/$defs/"))
        defs = json.loads(json.dumps(self.root["components"]["schemas"]).replace("#/components/schemas/", "#/$defs/"))
        try:
            jsonschema.Draft202012Validator({**schema, "$defs": defs}).validate(value)
        except jsonschema.ValidationError as error:
            raise Failed(f"{what} isn't as documented: {error.message[:300]} at {list(error.absolute_path)}") from None


def ask(directory, document, method, path, target, body=None, headers=None):
    answer = directory.ask(method, target, body, headers)
    document.hold((method, path), answer)
    return answer


def post_cases(directory, document, world):
    """Every status of POST /v1/statements."""
    alice, node, stranger = world["alice"], world["node"], Principal("stranger")
    forged = json.loads(alice.bot())
    forged["signatures"][0]["sig"] = sodium.b64(bytes(64))
    for body in (alice.bot(description="new"), world["contract"], "{}", json.dumps(forged),
                 stranger.sign("result", contract=world["contract_id"], state="failed", workloads=[]), stranger.contract(node),
                 stranger.bot(name="alice"), "x" * 65536, node.heartbeat()):
        ask(directory, document, "POST", "/v1/statements", "/v1/statements", body)
    beat = node.heartbeat()
    for who, body in ((node, beat), (node, beat), (node, "{}"), (node, json.dumps(forged)), (node, stranger.heartbeat()),
                      (stranger, stranger.heartbeat()), (node, "x" * 65536), (node, node.sign("cancel", contract="0" * 64))):
        ask(directory, document, "POST", "/v1/nodes/{id}/heartbeat", f"/v1/nodes/{who.id}/heartbeat", body)


def targets(world):
    """What to ask each GET: the targets that are there, and those that aren't."""
    node, alice = world["node"].id, world["alice"].id
    none = Principal().id
    return {
        "/v1/statements/{id}": ([f"/v1/statements/{world['contract_id']}"], ["/v1/statements/" + "0" * 64]),
        "/v1/nodes/{id}/feed": ([f"/v1/nodes/{node}/feed", f"/v1/nodes/{node}/feed?from_size=1&wait=0&cosigned=1",
                                 f"/v1/nodes/{node}/feed?after=99"], [f"/v1/nodes/{none}/feed"]),
        "/v1/time": (["/v1/time?nonce=" + "A" * 22], []),
        "/v1/bots": (["/v1/bots", "/v1/bots?limit=1"], []),
        "/v1/bots/{id}": ([f"/v1/bots/{alice}"], [f"/v1/bots/{none}"]),
        "/v1/farms": (["/v1/farms", f"/v1/farms?bot={alice}&country=BE&limit=1&after=0"], []),
        "/v1/farms/{number}": (["/v1/farms/1", "/v1/farms/2"], ["/v1/farms/9", "/v1/farms/nine"]),
        "/v1/nodes": (["/v1/nodes", "/v1/nodes?farm=1&status=up&cru_min=1&mru_min=1&sru_min=1&hru_min=0&country=BE"], []),
        "/v1/nodes/{id}": ([f"/v1/nodes/{node}"], [f"/v1/nodes/{none}"]),
        "/v1/contracts": (["/v1/contracts", f"/v1/contracts?bot={alice}&node={node}&state=running"], []),
        "/v1/contracts/{id}": ([f"/v1/contracts/{world['contract_id']}"], ["/v1/contracts/" + "0" * 64]),
        "/v1/log/proof": (["/v1/log/proof?index=0&size=4"], []),
        "/v1/log/consistency": (["/v1/log/consistency?from=1&to=4", "/v1/log/consistency?from=0&to=0"], []),
        "/log/tile/{tile}": (["/log/tile/0/000.p/4", "/log/tile/entries/000.p/4"], ["/log/tile/9/999"]),
        "/v1/mirror": ([], ["/v1/mirror"]),
    }


def get_cases(directory, document, world):
    known = targets(world)
    for method, path in document.operations:
        if method != "GET":
            continue
        found, missing = known.get(path, ([path], []))
        key = (method, path)
        for target in found + missing:
            answer = ask(directory, document, method, path, target)
            if (answer.status == 404) != (target in missing):
                raise Failed(f"{target}: {answer.status}")
            if answer.headers["ETag"]:
                again = ask(directory, document, method, path, target, None, {"If-None-Match": answer.headers["ETag"]})
                if (again.status == 304) != (304 in document.statuses(key)):
                    raise Failed(f"{target}: {again.status} to whoever has it")
        target = (found or missing)[0]
        ask(directory, document, method, path, target + ("&" if "?" in target else "?") + "colour=red")


def limit_cases(directory, document, world):
    """429: each operation from an address of its own, until it has asked too much."""
    known = targets(world)
    for number, (method, path) in enumerate(document.operations):
        found, missing = known.get(path, ([path], []))
        target = path.replace("{id}", world["node"].id) if method == "POST" else (found + missing)[0]
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        for _ in range(200):
            if ask(directory, document, method, path, target, "{}" if method == "POST" else None, headers).status == 429:
                break


def wrong_methods(directory, document):
    for path in document.root["paths"]:
        allowed = {method for method, documented in document.operations if documented == path}
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - allowed:
            answer = directory.ask(method, re.sub(r"\{\w+\}", "x", path), "" if method in ("POST", "PUT", "PATCH") else None)
            if answer.status != 405 or not allowed <= set(answer.headers["Allow"].split(", ")):
                raise Failed(f"{method} {path}: {answer.status}, Allow: {answer.headers['Allow']}")
        if "GET" in allowed and path not in ("/v1/time",):
            answer = directory.ask("HEAD", path)
            if answer.body or answer.status not in (200, 400, 404):
                raise Failed(f"HEAD {path}: {answer.status} {answer.body[:50]!r}")


def make_world(directory):
    """One of each: a bot, farms with and without a location, a node with all that a node can have, contracts and a result."""
    alice, node = Principal("alice"), Principal()
    directory.post(alice.bot())
    directory.post(alice.sign("farm", name="farm-a", description="", location={"country": "BE", "city": "Gent", "latitude": 51.05}))
    directory.post(alice.sign("farm", name="farm-b", description=""))
    disk = {"name": "sda", "media": "ssd", "size_bytes": GIB, "model": "", "read_iops": 1, "read_bytes_per_s": 1, "state": "used"}
    directory.post(node.node(alice.invite(), disks=[disk], interfaces=[{"name": "eth0", "mac": "", "addresses": ["10.0.0.1/24"]}]))
    contract = alice.contract(node)
    contract_id = directory.post(contract)["id"]
    directory.post(node.sign("result", contract=contract_id, state="running", workloads=[]))
    directory.post(alice.contract(node, reserves={**SMALL, "sru_bytes": GIB}))
    return {"alice": alice, "node": node, "contract": contract, "contract_id": contract_id}


def hold_document(directory, routes):
    """`directory` believes X-Forwarded-For, and limits addresses to a few requests. `routes`: {(method, path)} of its own."""
    step("the OpenAPI document")
    document = Document(directory.ask("GET", "/v1/openapi.json").body)
    undocumented, unknown = routes - document.operations.keys(), document.operations.keys() - routes
    check(not undocumented and not unknown, f"its {len(routes)} operations are the server's routes {undocumented or unknown or ''}")
    world = make_world(directory)
    post_cases(directory, document, world)
    get_cases(directory, document, world)
    limit_cases(directory, document, world)
    for key, seen in document.seen.items():
        missing = document.statuses(key) - seen - NEEDS_A_FAULT
        if missing - ({200} if key[1] == "/v1/mirror" else set()):
            raise Failed(f"{key}: documented and never seen: {missing}")
    check(True, f"{sum(map(len, document.seen.values()))} kinds of answer, each as its schema says")
    wrong_methods(directory, document)
    check(True, "other methods are 405 with Allow, HEAD is as GET without the body")
    return document, world
