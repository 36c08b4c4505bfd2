"""directoryd on loopback and who talks to it, for stories: `Directory` starts it and asks it, `Principal` signs statements, and
`check_log`, `check_views` hold what it serves against hashes and a replay of their own."""

import base64
import http.client
import json
import os
import time

import sodium
from story import Failed, check
from process import Process, poll, program

GIB = 1 << 30
HEARTBEAT_S = 1
RESOURCES = {"cru_milli": 4000, "mru_bytes": 8 * GIB, "sru_bytes": 100 * GIB, "hru_bytes": 0}
SMALL = {"cru_milli": 100, "mru_bytes": 64 << 20, "sru_bytes": 0, "hru_bytes": 0}


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)

    def problem(self):
        return self.json()["detail"]


class Directory:
    """directoryd on a port of its own choice; the port stays for restarts. `options`: more words of its command line; `url`: of
    its store, when it isn't a file of its own; `name`: of its log file, when there are several in one folder."""

    def __init__(self, folder, options=(), url=None, name="directoryd"):
        self.store, self.key, self.url = folder / "directory.sqlite", folder / "key", url
        self.log, self.port, self.options = folder / f"{name}.log", 0, options
        self.start()

    def command(self, *, store=None, key=None, port=0):
        url = f"sqlite:{store or self.store}" if store or not self.url else self.url
        return [program("directoryd"), "--store", url, "--key", key or self.key, "--listen",
                f"127.0.0.1:{port}", "--heartbeat", str(HEARTBEAT_S), *self.options]

    def start(self):
        self.process = Process(self.command(port=self.port), self.log)
        poll(lambda: "log key " in self.process.output(), 15, "directoryd's two lines", 0.02, self._must_live)
        lines = dict(line.rsplit(" ", 1) for line in self.process.output().splitlines() if not line.startswith("<"))
        self.vkey, self.port = lines["log key"], int(lines["listening on"].rsplit(":", 1)[1])

    def _must_live(self):
        if not self.process.alive and "log key " not in self.process.output():
            raise Failed(f"directoryd ended: {self.process.output()}")

    def ask(self, method, path, body=None, headers=None, timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, headers or {},
                               encode_chunked="Transfer-Encoding" in (headers or {}))
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, status=200):
        answer = self.ask("GET", path)
        if answer.status != status:
            raise Failed(f"GET {path}: {answer.status} {answer.body[:300]!r}, not {status}")
        return answer.json() if answer.headers["Content-Type"].endswith("json") else answer.body

    def post(self, envelope, status=201):
        answer = self.ask("POST", "/v1/statements", envelope)
        if answer.status != status:
            raise Failed(f"POST: {answer.status} {answer.body[:300]!r}, not {status}; {envelope[:120]!r}")
        return answer.json()

    def checkpoint(self, text=None):
        return sodium.checkpoint_open(text or self.get("/log/checkpoint").decode(), self.vkey)


class Witness:
    """directoryd witness on a port of its own choice; port and state stay for restarts."""

    def __init__(self, folder, name, *logs):
        self.state, self.log, self.name, self.logs, self.port = folder / f"{name}.state", folder / f"{name}.log", name, logs, 0
        self.key = folder / f"{name}.key"
        self.start()

    def start(self):
        logs = [word for log in self.logs for word in ("--log", log)]
        self.process = Process([program("directoryd"), "witness", "--key", self.key, "--name", self.name, "--state", self.state,
                                "--listen", f"127.0.0.1:{self.port}", *logs], self.log, name=self.name)
        poll(lambda: "witness key " in self.process.output(), 10, "the witness's two lines", 0.02)
        lines = dict(line.rsplit(" ", 1) for line in self.process.output().splitlines() if not line.startswith("<"))
        self.vkey, self.port = lines["witness key"], int(lines["listening on"].rsplit(":", 1)[1])

    @property
    def option(self):
        return ("--witness", f"{self.vkey},http://127.0.0.1:{self.port}")

    def ask(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/add-checkpoint", body.encode())
            return Answer(connection.getresponse())
        finally:
            connection.close()


class Mirror(Directory):
    """directoryd mirror; asked like a directory."""

    def __init__(self, folder, name, source, vkey, options=(), url=None):
        self.name, self.source, self.vkey, self.options, self.url = name, source, vkey, options, url
        self.store, self.log, self.port = folder / f"{name}.sqlite", folder / f"{name}.log", 0
        self.evidence = folder / f"{name}.sqlite.evidence"
        self.start()

    def start(self, wait=True):
        self.process = Process([program("directoryd"), "mirror", self.source, "--log", self.vkey, "--store", self.url or f"sqlite:{self.store}",
                                "--listen", f"127.0.0.1:{self.port}", *self.options], self.log, name=self.name)
        if wait:
            self.wait_listening()

    def wait_listening(self):
        poll(lambda: "listening on" in self.process.output(), 20, f"{self.name} to listen", 0.02)
        line = next(line for line in self.process.output().splitlines() if line.startswith("listening on"))
        self.port = int(line.rsplit(":", 1)[1])

    def wait_size(self, size):
        poll(lambda: self.checkpoint()[0] >= size, 20, f"{self.name} to have {size} entries", 0.02)

    def problem(self):
        return self.get("/v1/mirror")["problem"]


class Principal:
    def __init__(self, name=""):
        self.seed, self.name = os.urandom(32), name
        self.id = sodium.identity(self.seed)

    def sign(self, kind, **payload):
        return sodium.envelope(kind, payload, self.seed)

    def bot(self, **changes):
        return self.sign("bot", **{"name": self.name, "description": "", **changes})

    def invite(self, **changes):
        return json.loads(self.sign("invite", **{"farm": 1, "expires": int(time.time()) + 600, "nodes_max": 2, **changes}))

    def node(self, invite, **changes):
        key = sodium.b64(sodium.keypair(self.seed)[0])  # any 32 bytes of its own
        machine = dict.fromkeys(("vendor", "product", "bios", "cpu", "hypervisor"), "")
        return self.sign("node", **{"farm": 1, "invite": invite, "hostname": "n1", "os_version": "1", "wireguard_key": key,
                                    "sealing_key": key, "resources": RESOURCES, "disks": [], "machine": machine,
                                    "interfaces": [], **changes})

    def contract(self, node, **changes):
        volume = {"name": "data", "type": "volume", "data": {"size_bytes": GIB, "media": "ssd"}}
        return self.sign("contract", **{"node": node.id, "expires": int(time.time()) + 3600,
                                        "nonce": sodium.b64(os.urandom(16)), "reserves": {**SMALL, "sru_bytes": GIB},
                                        "workloads": [volume], **changes})

    def heartbeat(self, **changes):
        return self.sign("heartbeat", **{"nonce": sodium.b64(os.urandom(16)), "uptime_s": 5, "used": SMALL, "log_size": 0,
                                         "alerts": [], **changes})


def hashes(proof):
    return [base64.b64decode(text) for text in proof]


def check_answer(directory, envelope, answer):
    """The answer to a POST proves that the statement is in the tree that its checkpoint vouches for."""
    size, root = directory.checkpoint(answer["checkpoint"])
    proved = sodium.verify_inclusion(sodium.leaf_hash(envelope), answer["index"], size, hashes(answer["proof"]), root)
    if not proved or answer["id"] != sodium.statement_id(envelope):
        raise Failed(f"the answer for entry {answer['index']} proves nothing")


# ---- The log, read as a monitor reads it: tiles and bundles only

def tile_name(number):
    text = f"{number % 1000:03}"
    while number := number // 1000:
        text = f"x{number % 1000:03}/{text}"
    return text


def read_tiles(directory, level, count):
    """The `count` hashes of tile level `level`."""
    found = []
    for tile in range((count + 255) // 256):
        width = min(256, count - 256 * tile)
        body = directory.get(f"/log/tile/{level}/{tile_name(tile)}" + (f".p/{width}" if width < 256 else ""))
        found += [body[i:i + 32] for i in range(0, len(body), 32)]
    return found


def read_entries(directory, size):
    entries = []
    for tile in range((size + 255) // 256):
        width = min(256, size - 256 * tile)
        body = directory.get(f"/log/tile/entries/{tile_name(tile)}" + (f".p/{width}" if width < 256 else ""))
        while body:
            length = int.from_bytes(body[:2], "big")
            entries.append(body[2:2 + length].decode())
            body = body[2 + length:]
    return entries


def check_log(directory):
    """Reads the whole log and holds it against its checkpoint. The entries."""
    size, root = directory.checkpoint()
    entries = read_entries(directory, size)
    leaves = [sodium.leaf_hash(entry) for entry in entries]
    if len(entries) != size or read_tiles(directory, 0, size) != leaves:
        raise Failed("bundles and tiles don't hold the same entries")
    full = [sodium.tree_root(leaves[i:i + 256]) for i in range(0, size - size % 256, 256)]
    if read_tiles(directory, 1, size // 256) != full:
        raise Failed("tiles of level 1 don't hold the roots of those of level 0")
    check(sodium.tree_root(leaves) == root, f"{size} entries from tiles give the root of the signed checkpoint")
    return entries


def replay(entries):
    """The views that the entries give, as far as this story compares them."""
    bots, farms, nodes, contracts = {}, [], {}, {}
    for entry in entries:
        kind, payload, signer = sodium.statement_kind(entry), sodium.envelope_payload(entry), sodium.envelope_signer(entry)
        if signer is None:
            raise Failed("an entry whose signature doesn't fit")
        if kind == "bot":
            bots[signer] = payload["name"]
        elif kind == "farm":
            farms.append(payload["name"])
        elif kind == "node":
            nodes[signer] = (sodium.statement_id(entry), payload["hostname"])
        elif kind == "contract":
            contracts[sodium.statement_id(entry)] = ("pending", False)
        elif kind == "cancel":
            contracts[payload["contract"]] = (contracts[payload["contract"]][0], True)
        elif kind == "result":
            contracts[payload["contract"]] = (payload["state"], contracts[payload["contract"]][1])
    return bots, farms, nodes, contracts


def read_pages(directory, path, limit):
    items, after = [], ""
    while True:
        page = directory.get(f"{path}?limit={limit}{after}")
        items += page["items"]
        if page["next"] is None:
            return items
        after = f"&after={page['next']}"


def check_views(directory, entries):
    views = ({b["id"]: b["name"] for b in read_pages(directory, "/v1/bots", 300)},
             [f["name"] for f in read_pages(directory, "/v1/farms", 1)],
             {n["id"]: (n["statement"], n["hostname"]) for n in read_pages(directory, "/v1/nodes", 1)},
             {c["id"]: (c["state"], c["cancelled"]) for c in read_pages(directory, "/v1/contracts", 2)})
    check(views == replay(entries), "the views are what a replay of the log gives, page by page")
