#!/usr/bin/python3
"""The user's command against a real directory, with a node that is a double in Python: every command in words and in JSON, exit
codes, a contract's life, and a directory that lies to it."""

import base64
import http.server
import json
import os
import re
import shutil
import ssl
import stat
import subprocess
import threading
import time
import urllib.error
import urllib.request

import sodium
from story import check, poll, run, step  # first: it knows where the modules of contrib/run are
from process import program
from zos import Bot, Directory

SEED = bytes(range(32))
IMAGE = "registry.example/shop/web@sha256:" + "ab" * 32
GIB = 1 << 30
EVIL = "evil\x1b[31m\u202e"
EVIL_SHOWN = "evil\\x1b[31m\\u{202e}"

DEPLOYMENT = """\
# a page and its data
node: auto
expires: 1h
workloads:
  - name: data
    type: volume
    data: {size_bytes: 1GiB}
  - name: web
    type: container
    data:
      image: %s
      cpu_milli: 250
      memory_bytes: 128MiB
      root_size_bytes: 0.5GiB
      env: {A: b}
      secrets:
        PLAIN: "in the file"
        FROM_ENV: {env: BOT_STORY_SECRET}
      mounts: [{volume: data, target: /data}]
""" % IMAGE


class FakeNode:
    """A node as the directory and the bot see it: it registers, and says of contracts what the story wants said."""

    def __init__(self, directory, seed=SEED):
        self.directory, self.seed = directory, seed
        self.id = sodium.identity(seed)
        self.sealing = sodium.derive_x25519(seed, b"zos-seal")

    def post(self, path, envelope):
        request = urllib.request.Request(self.directory.url + path, envelope.encode(), {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}")

    def register(self, farm, invite):
        resources = {"cru_milli": 2000, "mru_bytes": GIB, "sru_bytes": 10 * GIB, "hru_bytes": 0}
        disk = {"name": "vda", "media": "ssd", "size_bytes": 10 * GIB, "model": "", "read_iops": 1000,
                "read_bytes_per_s": 100000000, "state": "used"}
        machine = {"vendor": "story", "product": EVIL, "bios": "", "cpu": "none", "hypervisor": ""}
        link = {"name": "eth0", "mac": "52:54:00:00:00:01", "addresses": ["192.0.2.5/24"]}
        self.post("/v1/statements", sodium.envelope("node", {
            "farm": farm, "invite": invite, "hostname": "double", "os_version": "0", "wireguard_key": sodium.b64(b"w" * 32),
            "sealing_key": sodium.b64(self.sealing[0]), "resources": resources, "disks": [disk], "machine": machine,
            "interfaces": [link]}, self.seed))

    def heartbeat(self):
        used = {"cru_milli": 0, "mru_bytes": 0, "sru_bytes": 0, "hru_bytes": 0}
        self.post(f"/v1/nodes/{self.id}/heartbeat", sodium.envelope("heartbeat", {
            "nonce": sodium.b64(os.urandom(16)), "uptime_s": 1, "used": used, "log_size": 0, "alerts": []}, self.seed))

    def contracts(self):
        """{contract id: payload} of its feed."""
        entries = self.directory.get(f"/v1/nodes/{self.id}/feed")["entries"]
        return {sodium.statement_id(entry["envelope"]): sodium.envelope_payload(entry["envelope"]) for entry in entries
                if sodium.statement_kind(entry["envelope"]) == "contract"}

    def wait_contract(self, known):
        new = lambda: [one for one in self.contracts().items() if one[0] not in known]  # noqa: E731
        return poll(new, 20, "a contract in the node's feed")[0]

    def open(self, payload):
        """The workloads of a contract, opened as its node."""
        if "workloads" in payload:
            return payload["workloads"]
        return sodium.contract_unseal(payload["private"], self.id, *self.sealing, base64.b64decode(payload["nonce"]))

    def secret(self, box):
        return sodium.unseal(*self.sealing, base64.b64decode(box))

    def result(self, contract, state, workloads=None, bot=None, message=None, seed=None):
        payload = {"contract": contract, "state": state}
        if message:
            payload["message"] = message
        if bot:
            readers = {self.id: self.sealing[0], bot: sodium.public_as_x25519(sodium.b58decode(bot))}
            payload["private"] = sodium.contract_seal(workloads or [], bytes.fromhex(contract), readers)
        else:
            payload["workloads"] = workloads or []
        self.post("/v1/statements", sodium.envelope("result", payload, seed or self.seed))


def workload(name, state, message="", **data):
    return {"name": name, "state": state, "message": message, "data": data}


class Words:
    """3bot as a person calls it: exit code, and what stands on the two streams."""

    def __init__(self, bot):
        self.bot = bot

    def start(self, *words, **environment):
        return subprocess.Popen([program("3bot"), *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=dict(self.environment(), **environment))

    def environment(self):
        return {"PATH": os.environ.get("PATH", ""), "THREEBOT_HOME": str(self.bot.folder), "BOT_STORY_SECRET": "from outside"}

    def __call__(self, *words, **environment):
        child = self.start(*words, **environment)
        out, err = child.communicate(timeout=60)
        return child.returncode, out, err


def fails(words, code, pattern, *command, **environment):
    """The command ends with that code and says so on stderr; and the same in JSON."""
    status, out, err = words(*command, **environment)
    said = err.strip().replace("\n", " ")
    check(status == code and re.search(pattern, err) and not out, f"3bot {' '.join(map(str, command))}: {code}, {said[:160]}")
    status, out, _ = words(*command, "--json", **environment)
    check(status == code and re.search(pattern, json.loads(out)["error"]), "     and with --json")


def command_line(words):
    step("the command line")
    status, out, err = words("--help")
    check(status == 0 and "farm create NAME" in out and not err, "--help lists the commands")
    for name in re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?: [A-Z\[]| )", out, re.M):
        status, out, _ = words(*name.split(), "--help")
        check(status == 0 and "--json" in out and out.startswith(f"3bot {name}"), f"{name} --help")
    check(words()[0] == 2, "no command at all: 2")
    fails(words, 2, "unknown command", "frobnicate")
    fails(words, 2, "half a command.*farm create.*farm list", "farm")
    fails(words, 2, "unknown option --nope", "id", "--nope")
    fails(words, 2, "needs a value", "id", "--directory")
    fails(words, 2, "takes no value", "id", "--json=x")
    fails(words, 2, "NAME is missing", "farm", "create")
    fails(words, 2, "one too many", "id", "x")
    fails(words, 2, "--farm: must be a number", "node", "list", "--farm", "x")
    fails(words, 2, "--expires: must be a duration", "deploy", "x", "--expires", "soon")


def beginning(words, directory, folder):
    step("no bot yet, no directory yet")
    (folder / "web.yaml").write_text(DEPLOYMENT)
    for command in (["id"], ["farm", "create", "ab"], ["invite"], ["status"], ["deploy", folder / "web.yaml"]):
        fails(words, 1, "no bot here yet.*3bot init", *command)
    fails(words, 1, "no directory known.*3bot init --directory", "init")
    fails(words, 1, "must begin with https", "init", "--directory", "ftp://x")
    fails(words, 1, "directory key", "init", "--directory", directory.url, "--directory-key", "nonsense")
    fails(words, 1, "key isn't known", "init", "--directory", directory.url)
    step("init")
    home = words.bot.folder
    before = (home / "key").read_bytes()
    fails(words, 1, "isn't registered.*3bot init. again", "init", "--directory", "http://127.0.0.1:9", "--directory-key", directory.key)
    status, out, err = words("init", "--directory", directory.url, "--directory-key", directory.key, "--name", "story")
    check(status == 0 and "bot story:" in out, "registered")
    check((home / "key").read_bytes() == before, "with the key that was made first")
    check(stat.S_IMODE((home / "key").stat().st_mode) == 0o600 and stat.S_IMODE(home.stat().st_mode) == 0o700, "mode 0600 in 0700")
    check(before.decode().strip() not in out + err, "which it doesn't print")
    status, out, _ = words("init")
    check(status == 0 and "bot story:" in out, "a second init is harmless")
    fails(words, 1, "registered as .story. already", "init", "--name", "other")
    status, out, _ = words("id")
    words.bot.id = out.strip()
    check(status == 0 and words.bot.id == sodium.identity(sodium.seed_read(home / "key")), f"id: {words.bot.id}")
    os.chmod(home / "key", 0o644)
    fails(words, 1, "others can read.*chmod 600", "id")
    os.chmod(home / "key", 0o600)


def farms(words, directory):
    step("farm and invite")
    fails(words, 1, "you have no farm.*farm create", "invite")
    fails(words, 1, "name: must be", "farm", "create", "Bad Name")
    fails(words, 2, "not a number of degrees", "farm", "create", "green", "--latitude", "north")
    status, out, _ = words("farm", "create", "green", "--country", "Belgium", "--latitude", "51.05", "--longitude", "-3.7")
    check(status == 0 and "farm 1: green" in out, out.strip())
    status, out, _ = words("farm", "create", "green")
    check(status == 0 and "there already" in out, "the same again is told")
    status, out, _ = words("farm", "list", "--mine")
    check(status == 0 and re.search(r"1 +green +Belgium", out), "it is listed")
    made = words.bot.run("farm", "list")[0]
    check(made["location"]["longitude"] == -3.7, "and where it stands, in JSON")
    status, out, _ = words("invite", "--nodes", "3", "--expires", "2h")
    payload = sodium.envelope_payload(out)
    check(sodium.envelope_signer(out) == words.bot.id and payload["farm"] == 1 and payload["nodes_max"] == 3
          and abs(payload["expires"] - time.time() - 7200) < 60, "the invite is signed by the bot, for 3 nodes and 2 hours")
    status, out, _ = words("invite", "--settings", "--node-directory", "http://10.0.2.2:1")
    settings = json.loads(out)
    check(settings["directory"] == "http://10.0.2.2:1" and settings["directory_key"] == directory.key
          and sodium.envelope_signer(json.dumps(settings["invite"])) == words.bot.id, "--settings is a node.json")
    out = words("invite", "--cmdline")[1].strip()
    kernel = dict(word.split("=", 1) for word in out.split(" "))
    encoded = kernel["zos.invite"]
    inner = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    check(kernel["zos.directory"] == directory.url and kernel["zos.directory_key"] == directory.key
          and sodium.envelope_signer(inner) == words.bot.id, "--cmdline has three words")
    path = words.bot.folder / "invite.json"
    status, out, _ = words("invite", "--out", path)
    check(status == 0 and stat.S_IMODE(path.stat().st_mode) == 0o600, "--out writes it, mode 0600")
    fails(words, 1, "there is no farm 77", "invite", "--farm", "77")
    return json.loads(path.read_text())


def other_bot(words, directory, folder):
    step("another bot")
    other = Words(Bot(folder / "other", directory))
    fails(other, 1, "can't be had.*another with", "init", "--directory", directory.url, "--directory-key", directory.key, "--name",
          "story")
    status, out, _ = other("init")
    check(status == 0 and re.search(r"^bot bot-[a-z0-9]{10}:", out), "a name is made when none is given")
    fails(other, 1, "can't be had", "farm", "create", "green")
    fails(other, 1, "isn't yours", "invite", "--farm", "1")
    return other


def nodes(words, node, invite):
    step("nodes")
    status, out, _ = words("node", "list")
    check(status == 0 and "no nodes" in out and words.bot.run("node", "list") == [], "none yet")
    node.register(1, invite)
    node.heartbeat()
    status, out, _ = words("node", "list", "--farm", "1", "--status", "up")
    check(status == 0 and re.search(node.id + r" +1 +up +double +2 of 2 +1 GiB of 1 GiB +10 GiB of 10 GiB +-", out), "listed")
    status, out, _ = words("node", "show", node.id[:8])
    check(status == 0 and f"node          {node.id}" in out and "entry " in out, "shown by the beginning of its id, proven")
    check(EVIL_SHOWN in out and "\x1b" not in out and "\u202e" not in out, "what it calls itself can't drive the terminal")
    out = words("node", "show", node.id, "--json")[1]
    check("\\u202e" in out and "\u202e" not in out and json.loads(out)["machine"]["product"] == EVIL, "nor in JSON")
    fails(words, 1, "no node zz", "node", "show", "zz")
    fails(words, 1, "no node 1111", "node", "show", "1" * 32)


def deployment_errors(words, node, folder):
    step("deployments that are wrong")
    path = folder / "wrong.yaml"

    def wrong(text, pattern, *options):
        path.write_text(text)
        fails(words, 1, pattern, "deploy", path, *options)
    fails(words, 1, "can't be read", "deploy", folder / "absent.yaml")
    wrong("", r"wrong.yaml:1: the file is empty")
    wrong("node: [", r"wrong.yaml:\d: ")
    wrong("node: auto\nnode: auto\n", r"wrong.yaml:2: the key \"node\" stands twice")
    wrong("a: &x 1\n", r"wrong.yaml:1: a: anchors")
    wrong(DEPLOYMENT.replace("250", "0"), r"wrong.yaml:12: workloads\[1\].data.cpu_milli: ")
    wrong(DEPLOYMENT.replace("128MiB", "128M"), r"wrong.yaml:13: workloads\[1\].data.memory_bytes: unknown unit")
    wrong(DEPLOYMENT.replace("volume: data", "volume: dota"), r"wrong.yaml:19: workloads\[1\].data.mounts\[0\].volume: must name")
    wrong(DEPLOYMENT.replace("BOT_STORY_SECRET", "NOT_THERE"), r"wrong.yaml:18: .*no variable NOT_THERE")
    wrong(DEPLOYMENT.replace("expires: 1h\n", ""), "expires is missing.*expires: 30d")
    wrong(DEPLOYMENT.replace("expires", "expire"), "wrong.yaml:3: expire: unknown key")
    wrong(json.dumps({"workloads": 3}), "wrong.yaml: workloads: must be an array")
    wrong(DEPLOYMENT.replace("1GiB", "1TiB"), "none of the 1 nodes that are up has room.*sru_bytes")
    wrong(DEPLOYMENT.replace("1GiB", "1TiB"), "no room for it.*sru_bytes", "--node", node.id)
    path.write_text(DEPLOYMENT)
    fails(words, 2, "exclude each other", "deploy", path, "--wait", "--no-wait")
    status, out, _ = words("deploy", path, "--check")
    check(status == 0 and "2 workloads, 0.25 CPU, 128 MiB memory, 1.5 GiB SSD" in out, "--check tells what a good one reserves")
    check(not node.contracts(), "nothing of all that reached the directory")


def private_contract(words, node, folder):
    step("a private contract")
    child = words.start("deploy", folder / "web.yaml")
    contract, payload = node.wait_contract({})
    check("workloads" not in payload and set(payload["private"]["keys"]) == {node.id, words.bot.id}, "for node and bot alone")
    check(payload["reserves"] == {"cru_milli": 250, "mru_bytes": 128 << 20, "sru_bytes": 3 * GIB // 2, "hru_bytes": 0},
          "reserves is the sum")
    volume, container = node.open(payload)
    check(volume["data"] == {"size_bytes": GIB, "media": "ssd"}, "the node reads the exact contract")
    secrets = {name: node.secret(box) for name, box in container["data"]["secret_env"].items()}
    check(secrets == {"PLAIN": b"in the file", "FROM_ENV": b"from outside"} and "secrets" not in container["data"],
          "and the secrets, sealed to its key")
    node.result(contract, "deploying", [workload("data", "running"), workload("web", "deploying", "pulling " + EVIL)], words.bot.id)
    time.sleep(2.5)
    node.result(contract, "running", [workload("data", "running"), workload("web", "running", output="hello\n\x1b[2Jworld\n")],
                words.bot.id)
    out, err = child.communicate(timeout=30)
    check(child.returncode == 0 and f"contract {contract}" in out and re.search("web +container +running", out), "deploy says it runs")
    check(f"web deploying (pulling {EVIL_SHOWN})" in err and "\x1b" not in out + err, "and how it came there, line by line")
    return contract


def peers(words, node, folder, known):
    step("a network whose peer is named by its node")
    path = folder / "net.json"
    peer = {"node": node.id[:8], "endpoint": "192.0.2.7:51820", "allowed": ["10.20.2.0/24"]}
    network = {"range": "10.20.0.0/16", "subnet": "10.20.1.0/24", "listen_port": 51820, "peers": [peer]}
    file = {"expires": "1h", "workloads": [{"name": "net", "type": "network", "data": network}]}
    path.write_text(json.dumps(file))
    check(words("deploy", path, "--no-wait")[0] == 0, "deployed")
    read = node.open(node.wait_contract(known)[1])[0]["data"]["peers"]
    check(read == [{"endpoint": peer["endpoint"], "allowed": peer["allowed"], "public_key": sodium.b64(b"w" * 32)}],
          "the contract has the key that the node has signed")
    peer["node"] = "zz"
    path.write_text(json.dumps(file))
    fails(words, 1, r"workloads\[0\].data.peers\[0\].node: no node zz", "deploy", path, "--no-wait")


def statuses(words, other, node, contract):
    step("status")
    status, out, _ = words("status")
    check(status == 0 and re.search(contract[:16] + ".* running +in 59m", out), "the list")
    check([one["id"] for one in words.bot.run("status")] == [contract], "the list in JSON")
    status, out, _ = words("status", contract[:10], "--output")
    check(status == 0 and "output of web:\n  | hello\n  | \\x1b[2Jworld\n" in out, "the output, as text that can do no harm")
    answer = words.bot.run("status", contract, "--output")
    check(answer["state"] == "running" and answer["workloads"][1]["output"] == "hello\n\x1b[2Jworld\n", "the output in JSON")
    status, out, _ = other("status", contract, "--output")
    check(status == 0 and "private" in out and "hello" not in out, "another bot sees that it runs, and no more")
    fails(words, 1, "you have no contract 0000", "status", "0000")
    fails(words, 1, "the directory has no contract", "status", "0" * 64)
    fails(words, 2, "needs the contract", "status", "--output")


def verifications(words, contract):
    step("verify")
    status, out, _ = words("verify", contract)
    for name in ("id", "signature", "form", "witnesses", "checkpoint", "history", "inclusion"):
        check(re.search(f"^{name} +ok ", out, re.M), f"{name} is checked")
    result = words.bot.run("status", contract)["result"]
    answer = words.bot.run("verify", result)
    check(answer["ok"] and answer["kind"] == "result" and answer["checks"][-1]["name"] == "author", "a result's author is checked")
    fails(words, 1, "not a statement id", "verify", "xyz")
    fails(words, 1, "has no statement", "verify", "0" * 64)


def public_contract(words, node, folder, known):
    step("an open contract that fails")
    child = words.start("deploy", folder / "web.yaml", "--public", "--node", node.id, "--expires", "2d", "--json")
    contract, payload = node.wait_contract(known)
    check("private" not in payload and payload["workloads"][1]["data"]["image"] == IMAGE, "everybody can read it")
    check(node.secret(payload["workloads"][1]["data"]["secret_env"]["PLAIN"]) == b"in the file", "but for its secrets")
    boxed = sodium.b64(sodium.seal(sodium.public_as_x25519(sodium.b58decode(words.bot.id)), b"for the bot"))
    node.result(contract, "failed", [workload("data", "running"), workload("web", "failed", "no such image", sealed_output=boxed)],
                message="one workload failed")
    out = child.communicate(timeout=30)[0]
    answer = json.loads(out)
    check(child.returncode == 1 and answer["state"] == "failed" and answer["message"] == "one workload failed"
          and answer["workloads"][1]["message"] == "no such image", "deploy tells why, and exits 1")
    check(words.bot.run("status", contract, "--output")["workloads"][1]["output"] == "for the bot", "output comes sealed to the bot")
    return contract


def waiting(words, folder, node, known):
    step("a node that doesn't answer")
    answer = json.loads(words("deploy", folder / "web.yaml", "--no-wait", "--json")[1])
    check(answer["state"] == "pending" and answer["workloads"][0]["state"] == "pending", "--no-wait: pending")
    status, _, err = words("cancel", answer["contract"], "--wait", "--timeout", "1s")
    check(status == 1 and "isn't stopped yet" in err, "cancel --wait tells that it isn't stopped yet")
    return answer["contract"]


def cancels(words, other, node, contracts):
    step("cancel")
    fails(other, 1, "isn't yours", "cancel", contracts[0])
    child = words.start("cancel", contracts[0][:12], "--wait")
    gone = lambda: node.directory.get(f"/v1/contracts/{contracts[0]}")["cancelled"]  # noqa: E731
    poll(gone, 20, "the cancel to be logged")
    node.result(contracts[0], "stopped", [workload("data", "stopped"), workload("web", "stopped")], words.bot.id)
    out = child.communicate(timeout=30)[0]
    check(child.returncode == 0 and "is cancelled" in out and "stopped" in out, "--wait waits until it is stopped")
    status, out, _ = words("cancel", contracts[0])
    check(status == 0, "to cancel what is stopped is harmless")
    check(contracts[0][:16] not in words("status")[1] and contracts[0][:16] in words("status", "--all")[1],
          "status leaves it out but for --all")
    status, out, _ = words("cancel", contracts[2])
    check(status == 0 and "is cancelled" in out, "and to cancel twice, too")


class Liar(http.server.BaseHTTPRequestHandler):
    """Passes everything on to the real directory, and bends what comes back with `bend(path, answer)`."""
    bend = None

    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(urllib.request.Request(self.server.real + self.path, body), timeout=30) as real:
                status, answer = real.status, json.load(real)
        except urllib.error.HTTPError as error:
            status, answer = error.code, json.load(error)
        data = json.dumps(Liar.bend(self.path, answer)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """The liar's door on loopback, with TLS when a certificate is given; clients that hang up are nothing to talk about."""

    def __init__(self, directory, certificate=None):
        super().__init__(("127.0.0.1", 0), Liar)
        self.real = directory.url
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


def on(prefix, change):
    """A bend of the answers under that path alone."""
    def bend(path, answer):
        if path.startswith(prefix):
            change(answer)
        return answer
    return bend


def tampered(answer):
    envelope = json.loads(answer["envelope"])
    payload = sodium.envelope_payload(answer["envelope"])
    payload["expires"] += 1
    envelope["payload"] = sodium.b64(json.dumps(payload).encode())
    answer["envelope"] = json.dumps(envelope)


def forged_signature(answer):
    envelope = json.loads(answer["envelope"])
    envelope["signatures"][0]["sig"] = sodium.b64(b"\1" * 64)
    answer["envelope"] = json.dumps(envelope)


def other_root(directory):
    """A log of the directory's own key that is as large as the real one, with another history."""
    seed = sodium.seed_read(directory.folder / "directory.key")

    def change(answer):
        name = answer["checkpoint"].split("\n")[0]
        size = int(answer["checkpoint"].split("\n")[1])
        leaf = sodium.leaf_hash(answer["envelope"])
        leaves = [sodium.leaf_hash(b"%d" % n) for n in range(size)]
        leaves[answer["index"]] = leaf
        answer["checkpoint"] = sodium.checkpoint(name, size, sodium.tree_root(leaves), seed)
        answer["proof"] = [sodium.b64(part) for part in sodium.inclusion_proof(leaves, answer["index"], size)]
    return change


def lies(words, directory, contract, result, folder):
    step("a directory that lies")
    server = Server(directory)
    lying = server.url

    def caught(change, check_name, pattern, path=f"/v1/statements/{contract}", command="verify"):
        Liar.bend = staticmethod(on(path, change))
        status, out, err = words(command, contract, "--directory", lying)
        if command == "verify":
            check(status == 1 and re.search(rf"^{check_name} +WRONG.*{pattern}", out, re.M) and "NOT PROVEN" in out,
                  f"{check_name}: {re.search('WRONG(.*)', out)[1].strip()[:150]}")
        else:
            check(status == 1 and re.search(pattern, err), err.strip()[:200])
    Liar.bend = staticmethod(lambda path, answer: answer)
    check(words("verify", contract, "--directory", lying)[0] == 0, "an honest one behind the same door is believed")
    real = directory.get(f"/v1/statements/{result}")
    caught(lambda answer: answer.update(real), "id", "another statement")
    caught(tampered, "id", "another statement")
    caught(forged_signature, "signature", "")
    caught(lambda answer: answer.update(proof=answer["proof"][:-1]), "inclusion", "isn't in the log")
    caught(lambda answer: answer.update(index=answer["index"] + 1), "inclusion", "isn't in the log")
    caught(lambda answer: answer.update(checkpoint=answer["checkpoint"].replace("zos-directory", "zos-directorx")), "checkpoint", "")
    caught(other_root(directory), "history", "ALARM.*another root")
    caught(other_root(directory), "", "ALARM.*rewritten", command="status")
    caught(lambda answer: answer.update(result=contract), "", "is a contract, not a result", f"/v1/contracts/{contract}", "status")
    server.shutdown()


def make_certificate(folder, name, address):
    """A certificate that signs itself, and is its own authority."""
    paths = folder / f"{name}.pem", folder / f"{name}-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=story", "-addext", f"subjectAltName={address}", "-out", paths[0], "-keyout", paths[1]],
                   check=True, capture_output=True)
    return paths


def over_tls(words, directory, folder):
    if not shutil.which("openssl"):
        step("TLS: left out, openssl isn't here")
        return
    step("a directory behind TLS")
    Liar.bend = staticmethod(lambda path, answer: answer)
    good, other = make_certificate(folder, "good", "IP:127.0.0.1"), make_certificate(folder, "other", "DNS:other.example")
    addresses = [Server(directory, paths).url for paths in (good, other)]
    fails(words, 1, "TLS with 127.0.0.1", "farm", "list", "--directory", addresses[0])
    fails(words, 1, "TLS with 127.0.0.1", "farm", "list", "--directory", addresses[0], "--directory-ca", other[0])
    fails(words, 1, "TLS with 127.0.0.1", "farm", "list", "--directory", addresses[1], "--directory-ca", other[0])
    fails(words, 1, "can't be read", "farm", "list", "--directory-ca", folder / "absent.pem")
    status, out, _ = words("farm", "list", "--directory", addresses[0], "--directory-ca", good[0])
    check(status == 0 and "green" in out, "its own authority is believed when it is given")
    settings = json.loads(words("invite", "--settings", "--directory", addresses[0], "--directory-ca", good[0])[1])
    check(settings["directory_ca"] == good[0].read_text(), "and passed on to the nodes")


def no_directory(words, directory, contract, folder):
    step("the directory away, back, and with another log")
    child = words.start("deploy", folder / "web.yaml", "--timeout", "12s")
    time.sleep(1.5)
    directory.kill9()
    fails(words, 1, "the directory can't be reached.*connect", "status")
    time.sleep(1)
    directory.start()
    err = child.communicate(timeout=60)[1]
    check("trying again" in err and "isn't running yet" in err, "deploy keeps asking, and ends in time")
    check(words("verify", contract)[0] == 0, "all is there after the directory was killed")
    fresh = Directory(folder / "fresh")
    name = "checkpoint-" + directory.key.split("+")[1]
    check((words.bot.folder / name).exists(), f"the last checkpoint is kept in {name}")
    fails(words, 1, "", "farm", "list", "--directory-key", "x+00000000+AAAA")
    status, out, _ = words("farm", "list", "--directory", fresh.url, "--directory-key", fresh.key)
    check(status == 0 and "no farms" in out, "another directory is another log")
    fails(words, 1, "isn't the directory whose key was given", "init", "--directory", fresh.url)
    check(words.bot.run("id")["directory"] == directory.url, "init with a wrong key changes nothing")
    fresh.stop()


def story(folder):
    directory = Directory(folder / "directory")
    words = Words(Bot(folder / "bot", directory))
    node = FakeNode(directory)
    command_line(words)
    beginning(words, directory, folder)
    invite = farms(words, directory)
    other = other_bot(words, directory, folder)
    nodes(words, node, invite)
    deployment_errors(words, node, folder)
    contract = private_contract(words, node, folder)
    statuses(words, other, node, contract)
    verifications(words, contract)
    failed = public_contract(words, node, folder, {contract})
    pending = waiting(words, folder, node, {contract, failed})
    cancels(words, other, node, [contract, failed, pending])
    peers(words, node, folder, {contract, failed, pending})
    lies(words, directory, failed, words.bot.run("status", failed)["result"], folder)
    over_tls(words, directory, folder)
    no_directory(words, directory, contract, folder)
    directory.stop()


run(story)
