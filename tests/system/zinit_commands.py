#!/usr/bin/python3
"""zinit as people use it: a folder of units under `zinit init --container`, every command of its command line and every
method and protocol of its socket, as an ordinary process of this machine."""

import json
import os
import socket
import subprocess

from story import BUILD, check, poll, run, step

ZINIT = BUILD / "bin" / "zinit"
UNITS = {
    "web": "exec: sh -c 'echo serving; sleep 1000 & sleep 1000'\n",
    "tick": "exec: sh -c 'while sleep 0.1; do echo tick; done'\nafter: [web]\n",
    "once": "exec: \"true\"\noneshot: true\n",
    "bad": "exec: sh -c 'exit 3'\noneshot: true\n",
    "idle": "exec: sleep 1000\nafter: [bad]\n",
}


class Zinit:
    def __init__(self, folder, name, *before):
        self.units = folder / name
        self.units.mkdir()
        for unit, text in UNITS.items():
            (self.units / f"{unit}.yaml").write_text(text)
        self.socket = folder / f"{name}.sock"
        self.out = open(folder / f"console-{name}.log", "wb")
        self.process = subprocess.Popen([*before, str(ZINIT), "-s", str(self.socket), "init", "--container", "-c",
                                         str(self.units), "-b", "500"], stdout=self.out, stderr=self.out)
        poll(lambda: self.socket.exists() and self.command("status", "web").stdout.find("state: Running") >= 0, 30,
             "web runs")

    def command(self, *words, ok=None):
        """A command of the command line; `ok` checks its exit code."""
        done = subprocess.run([ZINIT, "-s", self.socket, *words], capture_output=True, text=True, timeout=60)
        if ok is not None:
            check(done.returncode == (0 if ok else 1), f"zinit {' '.join(words)} exits {done.returncode}")
        return done

    def dial(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        client.connect(str(self.socket))
        return client.makefile("rwb", buffering=0)

    def call(self, method, params=None):
        request = {"jsonrpc": "2.0", "id": 1, "method": method}
        if params is not None:
            request["params"] = params
        with self.dial() as client:
            client.write(json.dumps(request).encode())
            return json.loads(client.readline())

    def result(self, method, params=None):
        answer = self.call(method, params)
        check("result" in answer, f"{method} {'' if params is None else json.dumps(params)} is answered")
        return answer["result"]

    def refused(self, code, method, params=None):
        answer = self.call(method, params)
        check(answer.get("error", {}).get("code") == code, f"{method} {json.dumps(params)}: {code}")

    def text(self, line):
        with self.dial() as client:
            client.write(line.encode() + b"\n")
            answer = client.readline()
            check(client.read() == b"", f"{line}: one line, and the end")
        return json.loads(answer)

    def state(self, name):
        return self.call("service_status", [name])["result"]["state"]

    def ends(self, how):
        how()
        check(self.process.wait(60) is not None, "and zinit ends")
        self.out.close()


def commands(zinit):
    step("the command line")
    said = zinit.command("list", ok=True).stdout
    check({"web: Running", "tick: Running", "once: Success", "bad: Error"} <= set(said.splitlines()), "list tells states")
    check(zinit.command().stdout.splitlines()[0] in said, "without a command it lists")
    status = zinit.command("status", "tick", ok=True).stdout
    check("name: tick\n" in status and "target: Up\n" in status and "after:\n  web: Running\n" in status, "status is YAML")
    stats = zinit.command("stats", "web", ok=True).stdout
    check("memory_usage: " in stats and "children:\n  - pid: " in stats, "stats tells of the children too")
    before = zinit.result("service_status", ["web"])["pid"]
    zinit.command("restart", "web", ok=True)
    check(zinit.result("service_status", ["web"])["pid"] not in (0, before), "restart: another process")
    zinit.command("kill", "web", "usr1", ok=True)
    zinit.command("kill", "web", "nonsense", ok=False)
    zinit.command("stop", "web", ok=True)
    zinit.command("forget", "tick", ok=False)
    poll(lambda: zinit.command("forget", "web").returncode == 0, 30, "web is forgotten, once all of it has ended")
    zinit.command("status", "web", ok=False)
    zinit.command("monitor", "web", ok=True)
    zinit.command("monitor", "web", ok=False)
    zinit.command("start", "web", ok=True)
    check("tick" in zinit.command("log", "-s", "tick", ok=True).stdout, "log -s ends by itself")
    check(zinit.command("log", "--snapshot", "nobody").returncode == 1, "log of nobody is refused")
    follow = subprocess.Popen([ZINIT, "-s", zinit.socket, "log", "tick"], stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        check(follow.stdout.readline() == "[+] tick: tick\n", "log goes on")
    follow.terminate()
    follow.wait()
    unit = zinit.units.parent / "new-unit"
    unit.write_text("exec: sleep 1000\nafter:\n  - web\n")
    zinit.command("create", "new", str(unit), ok=True)
    zinit.command("create", "new", str(unit), ok=False)
    check(zinit.command("get", "new", ok=True).stdout == "exec: sleep 1000\nafter:\n  - web\n", "get gives it back")
    zinit.command("delete", "new", ok=True)
    zinit.command("delete", "new", ok=False)
    check(zinit.command("frobnicate").returncode == 2 and zinit.command("status").returncode == 2, "not understood: 2")
    check("restart NAME" in zinit.command("help", ok=True).stdout, "help tells")


def methods(zinit):
    step("the methods and their error codes")
    told = {method["name"] for method in zinit.result("rpc.discover")["methods"]}
    check(len(told) >= 19, "rpc.discover tells of all")
    check(zinit.result("service_list")["tick"] == "Running", "the list is a map")
    check(zinit.result("service_get", {"name": "tick"})["after"] == ["web"], "a unit in YAML comes as JSON")
    stats = zinit.result("service_stats", ["web"])
    check(stats["memory_usage"] > 0 and 0 <= stats["cpu_usage"] <= 100 and len(stats["children"]) >= 1, "stats")
    zinit.refused(-32000, "service_status", ["nobody"])
    zinit.refused(-32000, "service_start", {"name": "nobody"})
    zinit.refused(-32000, "service_delete", ["nobody"])
    zinit.refused(-32000, "service_get", ["nobody"])
    zinit.refused(-32001, "service_monitor", ["web"])
    zinit.refused(-32002, "service_forget", ["web"])
    zinit.refused(-32003, "service_stop", ["once"])
    zinit.refused(-32003, "service_kill", ["once", "SIGTERM"])
    zinit.refused(-32003, "service_stats", ["once"])
    zinit.refused(-32004, "service_kill", ["web", "SIGNONSENSE"])
    zinit.refused(-32005, "service_monitor", ["nobody"])
    zinit.refused(-32007, "service_create", ["web", {"exec": "true"}])
    zinit.refused(-32008, "service_create", ["other", {"after": []}])
    zinit.refused(-32601, "service_dance")
    zinit.refused(-32602, "service_status", {})
    zinit.refused(-32602, "service_status", ["a", "b"])
    zinit.refused(-32602, "system_start_http_server", ["127.0.0.1:8080"])
    zinit.refused(-32602, "system_stop_http_server")
    check(len(zinit.result("stream_currentLogs", [None])) > 0, "null stands for nothing given")

    step("batches, notifications, back to back, line by line, in pieces")
    one = {"jsonrpc": "2.0", "id": 1, "method": "service_list"}
    note = {"jsonrpc": "2.0", "method": "service_list"}
    with zinit.dial() as client, zinit.dial() as other:
        client.write((json.dumps(one) + json.dumps(note) + json.dumps(one, indent=2)).encode())
        check(json.loads(client.readline())["id"] == 1 and json.loads(client.readline())["id"] == 1, "back to back")
        other.write(b'{"jsonrpc":"2.0",')
        client.write(json.dumps([one, note, {**one, "id": "b"}]).encode())
        check([answer["id"] for answer in json.loads(client.readline())] == [1, "b"], "a batch")
        other.write(b'"id":7,"method":"service_list"}')
        check(json.loads(other.readline())["id"] == 7, "half a request waits for its other half")
        client.write(json.dumps({**one, "id": 2, "method": "stream_subscribeLogs", "params": ["tick"]}).encode())
        subscription = json.loads(client.readline())["result"]
        line = json.loads(client.readline())
        check(line["method"] == "stream_subscribeLogs" and line["params"]["subscription"] == subscription and
              line["params"]["result"].endswith(" tick: tick"), "a subscription is told its lines")


def text(zinit):
    step("the text protocol")
    check(zinit.text("list")["body"]["tick"] == "Running", "list")
    status = zinit.text("status tick")
    check(status["state"] == "ok" and status["body"]["after"] == {"web": "Running"} and status["body"]["target"] == "Up" and
          status["body"]["pid"] > 0, "status")
    check(zinit.text("status nobody") == {"state": "error", "body": 'service name "nobody" unknown'}, "status of nobody")
    check(zinit.text("monitor web") == {"state": "error", "body": 'service "web" already monitored'}, "monitor")
    for line in ("start web", "kill web SIGUSR1", "restart tick", "stop web"):
        check(zinit.text(line) == {"state": "ok", "body": None}, line)
    poll(lambda: zinit.text("forget web")["state"] == "ok", 30, "forget, once all of it has ended")
    check(zinit.text("monitor web")["state"] == "ok", "monitor")
    check(zinit.text("dance")["state"] == "error", "an unknown command")
    with zinit.dial() as client:
        client.write(b"log snapshot tick\n")
        lines = client.read()
        while more := client.read():
            lines += more
        check(lines.startswith(b"[+] tick: tick\n"), "log snapshot")


def checks(folder):
    step("zinit check")
    units = folder / "checked"
    units.mkdir()
    (units / "a.yaml").write_text("exec: a\nafter: [b]\ncolour: red\n")
    (units / "b.yaml").write_text("exec: b\nafter: [a, nobody]\nlog: loud\n")
    done = subprocess.run([ZINIT, "check", units], capture_output=True, text=True)
    check(done.returncode == 1 and f"{units}/b.yaml:3: log" in done.stdout and f"{units}/a.yaml:3: " in done.stdout,
          "errors and warnings have file and line, and the exit code is 1")
    (units / "b.yaml").write_text("exec: b\n")
    check(subprocess.run([ZINIT, "check", units], stdout=subprocess.DEVNULL).returncode == 0, "warnings alone: 0")


def run_unit(zinit, name, **unit):
    zinit.result("service_create", [name, unit])
    zinit.result("service_monitor", [name])


def what_it_gives_services(zinit):
    step("their environment and logs")
    run_unit(zinit, "mark", exec="sh -c 'echo mark $STORY_MARK own $OWN'", env={"OWN": "too"}, oneshot=True)
    poll(lambda: zinit.state("mark") == "Success", 30, "its end")
    check("mark seen own too" in zinit.command("log", "-s", "mark", ok=True).stdout, "zinit's own environment, and the unit's")
    run_unit(zinit, "talker", exec="sh -c 'for i in $(seq 1000); do echo line $i; done'", oneshot=True)
    poll(lambda: zinit.state("talker") == "Success", 30, "its end")
    kept = zinit.result("stream_currentLogs", {"name": "talker", "raw": True})
    check(kept == [f"line {i}" for i in range(501, 1001)], "-b 500: the last 500 lines are kept")


def what_hangs(zinit, folder):
    step("a health check that calls a socket")
    answered = zinit.command("call", str(zinit.socket), "service_status", '{"name": "web"}', ok=True).stdout
    check("name: web" in answered, "call asks a socket")
    zinit.command("call", str(folder / "nobody.sock"), "status", ok=False)
    zinit.command("call", str(zinit.socket), "dance", ok=False)
    hung = socket.socket(socket.AF_UNIX)
    hung.bind(str(folder / "hung.sock"))
    hung.listen()
    for name, path in (("well", zinit.socket), ("hangs", folder / "hung.sock")):
        method = "service_list" if name == "well" else "status"
        run_unit(zinit, name, exec="sleep 1000", health={"exec": f"{ZINIT} call {path} {method}", "every_s": 1, "failures": 2})
    well = zinit.result("service_status", ["well"])["pid"]
    poll(lambda: zinit.result("service_status", ["hangs"])["restarts"] > 0, 60, "what hangs is started again")
    check(zinit.result("service_status", ["hangs"])["last_exit"].get("unhealthy"), "and why is told")
    check(zinit.result("service_status", ["well"])["pid"] == well, "what answers isn't")
    hung.close()


def every_way(zinit, folder):
    second = subprocess.run([ZINIT, "-s", zinit.socket, "init", "--container", "-c", zinit.units], capture_output=True)
    check(second.returncode == 1, "a second zinit doesn't take the socket over")
    commands(zinit)
    methods(zinit)
    text(zinit)
    what_it_gives_services(zinit)
    what_hangs(zinit, folder)
    tick = zinit.result("service_status", ["tick"])["pid"]
    zinit.ends(lambda: zinit.text("shutdown"))
    check(not os.path.exists(f"/proc/{tick}") and not zinit.socket.exists(), "nothing of it is left")


def story(folder):
    checks(folder)
    os.environ["STORY_MARK"] = "seen"
    zinit = Zinit(folder, "process")
    try:
        every_way(zinit, folder)
    finally:
        zinit.process.terminate()


if __name__ == "__main__":
    run(story)
