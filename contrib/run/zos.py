"""The grid on one machine: directory, registry, bots and nodes, for the demo, the system stories and the benchmark.

    with Grid(folder) as grid:
        node = grid.node(disks=[Disk(make_disk(folder / "disk", 4 << 30))]).start()
        …

Everything listens on loopback alone; a node reaches the host's loopback as 10.0.2.2 (QEMU's user network).
"""

import base64
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.request

from process import BUILD, ROOT, Failed, Process, free_port, poll, port_is_free, program
from qemu import Disk, Node, Panic, Wire, make_boot_medium, make_disk, parse_size
from registry import Registry

__all__ = ["BUILD", "ROOT", "Bot", "Directory", "Disk", "Failed", "Grid", "Node", "Panic", "Registry", "Wire",
           "make_boot_medium", "make_disk", "parse_size", "poll"]

VKEY = re.compile(r"\S+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*")
STATES = ["pending", "deploying", "running", "failed", "stopped"]


class Directory:
    """directoryd on loopback; its key and, unless `store` is the URL of another, its store lie in `folder`. Restarted, it keeps
    its port."""

    def __init__(self, folder, port=0, options=(), store=None):
        self.options = options
        self.folder = pathlib.Path(folder)
        self.store = store or f"sqlite:{self.folder / 'directory.db'}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port if port and port_is_free(port) else 0
        self.process = self.url = self.key = None
        self.start()

    def start(self):
        """Starts it and reads its two lines: its address, and the verifier key of its log."""
        command = [program("directoryd"), "--store", self.store, "--key", self.folder / "directory.key",
                   "--listen", f"127.0.0.1:{self.port}", *self.options]
        self.process = Process(command, self.folder / "directoryd.log")
        found = poll(self._lines, 20, "directoryd to say its address and key", every=0.02, alive=self.check)
        self.url, self.key = found
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def _lines(self):
        output = self.process.output()
        address = re.search(r"^listening on (https?://127\.0\.0\.1:\d+)$", output, re.M)
        key = VKEY.search(output)
        return (address[1], key[0]) if address and key else None

    def check(self):
        if not self.process.alive:
            raise Failed(f"directoryd ended: {self.process.output()[-800:]}")

    def stop(self):
        return self.process.stop()

    def kill9(self):
        self.process.kill9()

    def get(self, path):
        """The JSON that a GET answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + path, timeout=70) as answer:
            return json.load(answer)

    def node_url(self):
        return f"http://10.0.2.2:{self.port}"


class Bot:
    """A 3Bot: the command with a home of its own, as a user would call it, answering in JSON."""

    def __init__(self, folder, directory):
        self.folder, self.directory, self.id = pathlib.Path(folder), directory, None

    def run(self, *words, timeout=120, fails=False):
        """The parsed answer of `3bot WORDS --json`. fails: it must fail, and the answer is what it says."""
        command = [program("3bot"), *map(str, words), "--json"]
        environment = dict(os.environ, THREEBOT_HOME=str(self.folder), THREEBOT_DIRECTORY=self.directory.url,
                           THREEBOT_DIRECTORY_KEY=self.directory.key)
        try:
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"`3bot {' '.join(map(str, words))}` wasn't done after {timeout} s")
        output, errors = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        if (done.returncode != 0) != fails:
            raise Failed(f"`3bot {' '.join(map(str, words))}` exits {done.returncode}: {(output or errors).strip()[-800:]}")
        try:
            return json.loads(output)
        except ValueError:
            raise Failed(f"`3bot {' '.join(map(str, words))} --json` prints no JSON: {output[:400]!r} {errors[-400:]!r}")


class Grid:
    """Directory, registry, a bot with a farm and an invite; what is in `folder` from an earlier run is taken up again."""

    def __init__(self, folder, *, registry=True, directory_port=0, registry_port=0):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.directory = Directory(self.folder / "directory", directory_port)
        self.registry = Registry(self.folder / "registry", registry_port) if registry else None
        self.bot = Bot(self.folder / "bot", self.directory)
        self.farm, self.settings_words = None, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.directory.stop()
        if self.registry:
            self.registry.stop()

    def start_registry(self, port=0):
        self.registry = Registry(self.folder / "registry", port)

    def push_demo(self, name="demo/web", **what):
        """Pushes the demo's image (or another) and gives its name as a node has to call it."""
        return self.registry.for_node(name, self.registry.push(name, **what))

    def make_identities(self, farm="demo-farm"):
        """A bot, its farm and an invite; all are kept from run to run but for the invite, which is made anew."""
        self.bot.id = self.bot.run("init", "--name", "demo-bot")["id"]
        self.farm = self.bot.run("farm", "create", farm, "--country", "Belgium")["farm"]
        words = self.bot.run("invite", "--farm", self.farm, "--cmdline", "--node-directory", self.directory.node_url())["cmdline"]
        self.settings_words = dict(word.removeprefix("zos.").split("=", 1) for word in words.split())

    def settings(self):
        """What a node needs to be told, as {word of the kernel's command line, less "zos.": value}."""
        return dict(self.settings_words)

    def medium_settings(self, **more):
        """The same as a whole node.json for a boot medium, with `more` of it (network, storage)."""
        settings = self.bot.run("invite", "--farm", self.farm, "--settings", "--node-directory", self.directory.node_url())
        return {**settings, **more}

    def node(self, name="node", **options):
        options.setdefault("settings", self.settings())
        return Node(self.folder / name, **options)

    # ---- nodes and contracts, as the directory's views have them

    def nodes(self):
        return self.directory.get("/v1/nodes?limit=1000")["items"]

    def known_statements(self):
        """{node id: the id of its newest statement}: what tells a registration that comes after from one before."""
        return {item["id"]: item["statement"] for item in self.nodes()}

    def wait_registered(self, node, known=None, timeout=120, volumes=False):
        """The view of a node that registered since `known` was taken. volumes: and that has disks for volumes (a slow disk may be ready
        only after the first registration: the node registers anew then)."""
        known = known or {}

        def fresh():
            return [item for item in self.nodes() if known.get(item["id"]) != item["statement"]
                    and (not volumes or item["resources"]["sru_bytes"] + item["resources"]["hru_bytes"])]
        item = poll(fresh, timeout, "the node to register" + (" with its disks" if volumes else ""), every=0.05, alive=node.check)[0]
        return self.directory.get(f"/v1/nodes/{item['id']}")

    def contract(self, contract_id):
        return self.directory.get(f"/v1/contracts/{contract_id}")

    def payload(self, statement_id):
        """What a statement says, as the log has it."""
        envelope = json.loads(self.directory.get(f"/v1/statements/{statement_id}")["envelope"])
        return json.loads(base64.b64decode(envelope["payload"]))

    def live_contract(self, node_id):
        """A contract of our bot for that node which runs, or would if the node were up; None when there is none."""
        items = self.directory.get(f"/v1/contracts?bot={self.bot.id}&node={node_id}&limit=1000")["items"]
        live = [item["id"] for item in items if item["state"] in ("pending", "deploying", "running") and not item["cancelled"]
                and item["expires"] > time.time() + 60]
        return live[0] if live else None

    def known_results(self):
        """{contract id: the id of its newest result} of our bot's contracts."""
        items = self.directory.get(f"/v1/contracts?bot={self.bot.id}&limit=1000")["items"]
        return {item["id"]: item["result"] for item in items}

    def wait_new_result(self, contract_id, known, node=None, timeout=120):
        """Waits until its node says something of the contract that isn't the result `known`."""
        poll(lambda: self.contract(contract_id)["result"] != known, timeout, f"news of contract {contract_id[:12]}…", every=0.05,
             alive=node.check if node else None)

    def wait_state(self, contract_id, state, node=None, timeout=120, every=0.1, at_least=False):
        """Waits until the directory has the contract in that state (or a later one: at_least); a failed contract ends the wait
        for another state."""
        def reached():
            now = self.contract(contract_id)["state"]
            if now == "failed" and state in ("deploying", "running"):
                raise Failed(f"contract {contract_id} failed, waiting for {state}: {self.why_failed(contract_id)}")
            return now == state or at_least and STATES.index(now) > STATES.index(state)
        poll(reached, timeout, f"contract {contract_id[:12]}… to be {state}", every=every, alive=node.check if node else None)

    def deploy(self, view, image, *, public=False, expires="1d", node=None, memory_bytes=64 << 20, fails=False):
        """Signs a contract for a volume, and for the demo's container when an image is given. Returns the contract's id without
        waiting for it to run; or, when it must fail, what 3bot says."""
        file = self.folder / "deployment.json"
        file.write_text(json.dumps({"node": node or view["id"], "expires": expires,
                                    "workloads": workloads(view, image, memory_bytes)}))
        answer = self.bot.run("deploy", file, "--no-wait", *(["--public"] if public else []), fails=fails)
        return answer["error"] if fails else answer["contract"]

    def why_failed(self, contract_id):
        """What the node says of a failure, for the bot to read."""
        answer = self.bot.run("status", contract_id)
        said = [answer["message"]] + [f"{workload['name']}: {workload['message']}" for workload in answer["workloads"] if workload["message"]]
        return "; ".join(text for text in said if text) or "no message"

    def wait_output(self, contract_id, pattern, node=None, timeout=60):
        """The container's output as its bot sees it, once it contains the pattern."""
        def matching():
            output = find_output(self.bot.run("status", contract_id, "--output"))
            return output if output and re.search(pattern, output) else None
        return poll(matching, timeout, f"the container's output to contain {pattern!r}", every=0.5,
                    alive=node.check if node else None)


def workloads(view, image, memory_bytes=64 << 20):
    """A volume, and a container of the demo's image that has it at /data."""
    media = "ssd" if view["resources"]["sru_bytes"] >= 1 << 30 else "hdd"
    volume = {"name": "data", "type": "volume", "data": {"size_bytes": "256 MiB", "media": media}}
    container = {"name": "web", "type": "container", "data": {
        "image": image, "plain_http": True, "cpu_milli": 500, "memory_bytes": memory_bytes, "root_size_bytes": "256 MiB",
        "mounts": [{"volume": "data", "target": "/data"}], "secrets": {"TOKEN": "correct horse battery staple"}}}
    return [volume, container] if image else [volume]


def find_output(answer):
    """The first "output" anywhere in an answer."""
    if isinstance(answer, dict):
        if isinstance(answer.get("output"), str):
            return answer["output"]
        answer = list(answer.values())
    if isinstance(answer, list):
        return next((found for found in map(find_output, answer) if found), None)
    return None
