#!/usr/bin/python3
"""directoryd towards clients of all kinds, on loopback: its OpenAPI document and its metrics are true; slow, greedy and broken
clients keep nothing from the others; rates hold; it serves TLS; and it stops without losing what it acknowledged.
"""

import concurrent.futures
import http.client
import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import threading
import time
import types

import openapi
import sodium
from grid import Answer, Directory, Principal, check_answer, check_log
from story import Failed, check, run, say, step
from postgresql import PostgreSQL, Unavailable
from process import Process, cpu_s, poll, program
from tls import Authority

IDLE = 10000
IDLE_BYTES = 10 * 1024  # what an idle connection may cost
LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? ([0-9.e+-]+|\+Inf)')


# ---- Metrics

def read_metrics(text):
    """{(name, labels): value} of a text that is strictly of Prometheus's format 0.0.4."""
    found, kinds, helped, family = {}, {}, set(), None
    if not text.endswith("\n"):
        raise Failed("the last line doesn't end")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            if family in helped:
                raise Failed(f"{family} comes twice")
            helped.add(family)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name != family or kind not in ("counter", "gauge", "histogram"):
                raise Failed(line)
            kinds[name] = kind
        else:
            match = LINE.fullmatch(line)
            if not match:
                raise Failed(f"not a sample: {line!r}")
            name = match[1] if kinds[family] != "histogram" else re.sub("_(bucket|sum|count)$", "", match[1])
            if name != family or (kinds[family] == "counter") != match[1].endswith("_total") and kinds[family] != "histogram":
                raise Failed(f"{line!r} is in the family of {family}")
            key = (match[1], tuple(re.findall(r'([a-z_]+)="([^"]*)"', match[2] or "")))
            if key in found:
                raise Failed(f"{line!r} comes twice")
            found[key] = float(match[3])
    check_histograms(found, [name for name, kind in kinds.items() if kind == "histogram"])
    return found


def check_histograms(found, names):
    for name in names:
        series = {labels for key, labels in found if key == f"{name}_count"}
        if not series:
            raise Failed(f"{name} has no count")
        for labels in series:
            buckets = [(float(key[1][-1][1]), value) for key, value in found.items()
                       if key[0] == f"{name}_bucket" and key[1][:-1] == labels]
            if buckets != sorted(buckets) or [v for _, v in buckets] != sorted(v for _, v in buckets) or buckets[-1][0] != float("inf"):
                raise Failed(f"{name}{labels}: the buckets don't grow")
            if buckets[-1][1] != found[f"{name}_count", labels] or (f"{name}_sum", labels) not in found:
                raise Failed(f"{name}{labels}: +Inf isn't the count")


def metrics(directory):
    answer = directory.ask("GET", "/metrics")
    if answer.headers["Content-Type"] != "text/plain; version=0.0.4; charset=utf-8":
        raise Failed(f"the metrics are {answer.headers['Content-Type']}")
    return read_metrics(answer.body.decode())


def routes_of(found):
    return {(dict(labels)["method"], dict(labels)["route"]) for name, labels in found if name == "directoryd_request_seconds_count"} \
        - {("any", "none")}


def counters(directory, world):
    step("metrics")

    def requests(found, route, code):
        return sum(value for (name, labels), value in found.items() if name == "directoryd_requests_total"
                   and dict(labels)["route"] == route and dict(labels)["code"] == str(code))
    before = metrics(directory)
    for path in ("/v1/bots/nobody", "/v1/stats", "/v1/stats", "/nowhere"):
        directory.ask("GET", path)
    directory.post(Principal("counted").bot())
    directory.ask("POST", f"/v1/nodes/{world['node'].id}/heartbeat", world["node"].heartbeat())
    after = metrics(directory)
    for route, code, more in (("/v1/stats", 200, 2), ("/v1/bots/{id}", 404, 1), ("none", 404, 1), ("/v1/statements", 201, 1)):
        check(requests(after, route, code) - requests(before, route, code) == more, f"{route}: {more} more answered with {code}")
    for kind in ("bot", "heartbeat"):
        key = ("directoryd_statements_total", (("kind", kind),))
        check(after[key] == before[key] + 1, f"one {kind} more")
    check(after["directoryd_log_size", ()] == directory.checkpoint()[0] and after["directoryd_writes_log", ()] == 1
          and after["directoryd_commit_seconds_count", ()] > before["directoryd_commit_seconds_count", ()]
          and after["process_resident_memory_bytes", ()] > 1 << 20, "the log's size, commits, memory")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        polls = [pool.submit(directory.ask, "GET", f"/v1/nodes/{world['node'].id}/feed?after=999&wait=2") for _ in range(3)]
        poll(lambda: metrics(directory)["directoryd_waiting", (("for", "feed"),)] == 3, 20, "three who wait", 0.05)
        check(all(one.result().status == 200 for one in polls), "three wait, and are counted")


def health(directory, document):
    step("health")
    answer = directory.ask("GET", "/healthz")
    document.hold(("GET", "/healthz"), answer)
    found = answer.json()
    check(found == {"status": "ok", "role": "alone", "size": directory.checkpoint()[0], "cosigned": None,
                    "check": {"done": 0, "of": 0}, "problems": []}, "200: ok, alone")
    pid = directory.process.child.pid
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
    answer = directory.ask("POST", "/v1/statements", Principal("unlucky").bot())
    document.hold(("POST", "/v1/statements"), answer)
    answer = directory.ask("GET", "/healthz")
    document.hold(("GET", "/healthz"), answer)
    check(answer.status == 503 and "the last commit failed" in answer.json()["problems"][0], f"no room to write: 503, {answer.json()['problems']}")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    poll(lambda: directory.ask("GET", "/healthz").status == 200, 20, "it is well again", 0.1)
    check(True, "with room it is well again by itself, without a statement")


# ---- Clients that are slow, or many, or wrong

class Trickle(threading.Thread):
    """Sends a text a byte at a time until it is cut off."""

    def __init__(self, directory, text):
        super().__init__(daemon=True)
        self.text, self.sent, self.cut = text, 0, False
        self.socket = socket.create_connection(("127.0.0.1", directory.port))
        self.start()

    def run(self):
        try:
            for byte in self.text:
                self.socket.sendall(bytes([byte]))
                self.sent += 1
                self.socket.settimeout(0.5)
                try:
                    if not self.socket.recv(1000):
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
        self.cut = self.sent < len(self.text)


def begin_trickles(directory):
    head = b"POST /v1/statements HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"
    return {"a first line": Trickle(directory, b"GET /" + b"a" * 4000), "headers": Trickle(directory, head[:30] + b"A: " + b"b" * 4000),
            "a body": Trickle(directory, head + b"{" * 4000)}


def end_trickles(directory, trickles):
    step("clients that send a byte at a time")
    for what, trickle in trickles.items():
        trickle.join(150)
        check(trickle.cut, f"{what}: cut off after {trickle.sent} bytes")
    found = metrics(directory)
    check(found["directoryd_connections_cut_total", (("why", "receiving"),)] >= 2, "and counted")


def many_idle(directory):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    room = int(min(limit[1] - 200, metrics(directory)["directoryd_connections_max", ()] - 200))
    count = min(IDLE, room)
    step(f"{count} connections that say nothing" + (f": open files allow no more ({limit[1]})" if count < IDLE else ""))
    before = metrics(directory)["process_resident_memory_bytes", ()]
    idle = []
    try:
        for number in range(count):
            one = socket.create_connection(("127.0.0.1", directory.port))
            if number % 2:
                one.sendall(b"GET /v1/st")
            idle.append(one)
        began = time.monotonic()
        directory.post(Principal(f"busy-{os.urandom(3).hex()}").bot())
        took = time.monotonic() - began
        found = metrics(directory)
        open_now = sum(value for (name, _), value in found.items() if name == "directoryd_connections")
        check(open_now >= count * 0.9, f"{int(open_now)} are open, and a statement is logged meanwhile, in {took * 1000:.0f} ms")
        each = (found["process_resident_memory_bytes", ()] - before) / count
        check(each < IDLE_BYTES, f"each costs {each / 1024:.1f} KiB")
    finally:
        for one in idle:
            one.close()


def crowded(folder):
    step("more connections than there is room for")
    directory = Directory(folder / "crowded", ("--connections", "50"))
    idle = [socket.create_connection(("127.0.0.1", directory.port)) for _ in range(120)]
    for number in range(100):
        if directory.ask("GET", "/healthz").status != 200:
            raise Failed(f"request {number} isn't answered")
    cut = 0
    for one in idle[:70]:
        one.settimeout(20)
        cut += one.recv(1) == b""
    check(cut == 70, "beside 120 idle ones, of which the oldest made room, requests are answered")
    idle[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    check(idle[-1].recv(1000).startswith(b"HTTP/1.1 200"), "the youngest is still served")
    check(metrics(directory)["directoryd_connections_cut_total", (("why", "crowded"),)] >= 70, "and that is counted")
    directory.process.stop()


def gone(directory, world):
    step("clients that go while they wait")
    log = world["alice"]
    size = directory.checkpoint()[0]
    paths = [f"/v1/nodes/{world['node'].id}/feed?after={size - 1}&wait=60", f"/v1/log/checkpoint?above={size}&wait=60"] * 20

    def waiting():
        found = metrics(directory)
        return [found["directoryd_waiting", (("for", what),)] for what in ("feed", "checkpoint")]
    clients = [socket.create_connection(("127.0.0.1", directory.port), timeout=30) for _ in paths]
    for client, path in zip(clients, paths):
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    poll(lambda: waiting() == [20, 20], 20, "all to wait", 0.05)
    for client in clients[:20]:
        client.close()
    poll(lambda: waiting() == [10, 10], 20, "the places of those who went", 0.05)
    check(True, "half of 40, who would wait for a minute, go: they are waited for no longer")
    contract = log.contract(world["node"])
    directory.post(contract)
    answers = [status for client in clients[20:] for status, _ in read_answers(client, 1)]
    check(answers == [200] * 20, "the others are woken by a contract")
    for client in clients[20:]:
        client.close()


def read_answers(connection, count):
    """So many pipelined answers: [(status, body)]."""
    file, answers = connection.makefile("rb"), []
    for _ in range(count):
        status, length = int(file.readline().split()[1]), 0
        while (line := file.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        answers.append((status, file.read(length)))
    return answers


def pipelining(directory):
    step("pipelining, and bodies in chunks")
    envelope = Principal("piped").bot()
    post = f"POST /v1/statements HTTP/1.1\r\nHost: a\r\nContent-Length: {len(envelope)}\r\n\r\n{envelope}"
    with socket.create_connection(("127.0.0.1", directory.port), timeout=20) as client:
        for text in ("".join(f"GET /v1/farms/{n} HTTP/1.1\r\nHost: a\r\n\r\n" for n in range(1, 41)) + post
                     + "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + post,):
            client.sendall(text.encode())
        answers = read_answers(client, 43)
    farms = [status for status, _ in answers[:40]]
    check(farms[:2] == [200, 200] and set(farms[2:]) == {404} and json.loads(answers[0][1])["farm"] == 1
          and json.loads(answers[1][1])["farm"] == 2, "40 reads in one packet are answered in order")
    check([status for status, _ in answers[40:]] == [201, 200, 200], "and a statement, a read, and the statement again behind them")
    envelope = Principal("chunked").bot().encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(envelope[i:i + 7]), envelope[i:i + 7]) for i in range(0, len(envelope), 7)) + b"0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", directory.port), timeout=20) as client:
        client.sendall(b"POST /v1/statements HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        (status, body), = read_answers(client, 1)
    check(status == 201, "a body in chunks of 7 bytes is logged")
    check_answer(directory, envelope.decode(), json.loads(body))


def broken(directory):
    step("requests that aren't HTTP, or lie about their length")
    post = b"POST /v1/statements HTTP/1.1\r\nHost: a\r\n"
    for what, text in (("a length that is no number", post + b"Content-Length: 12x\r\n\r\n{}"),
                       ("a negative length", post + b"Content-Length: -5\r\n\r\n{}"),
                       ("an endless length", post + b"Content-Length: 99999999999999999999999\r\n\r\n{}"),
                       ("a body of 5 GB", post + b"Content-Length: 5000000000\r\n\r\n{}"),
                       ("a chunk whose size is no number", post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
                       ("headers of 40 KB", post + b"A: " + b"b" * 40000 + b"\r\n\r\n"),
                       ("a path of 40 KB", b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n\r\n"),
                       ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")):
        with socket.create_connection(("127.0.0.1", directory.port), timeout=60) as client:
            try:
                client.sendall(text)
                said = client.recv(65536)
                while said and client.recv(65536):
                    pass
            except ConnectionError:
                said = b""
        status = int(said.split()[1]) if said.startswith(b"HTTP/") else 0
        check(status == 0 or 400 <= status < 500, f"{what}: {status or 'cut off'}, and the connection ends")
    with socket.create_connection(("127.0.0.1", directory.port), timeout=120) as client:
        client.sendall(post + b"Content-Length: 3000\r\n\r\n{")
        client.shutdown(socket.SHUT_WR)
        check(client.recv(1000) == b"", "half a request, then the end: nothing is answered, and the connection ends")
    check(directory.ask("GET", "/healthz", headers={"A": "b" * 4000}).status == 200, "headers of 4 KB are taken, and it serves on")


def addresses(directory):
    step("addresses: one thing has one")
    for path, status in (("/v1/bots?%6cimit=%31", 200), ("/v1/%73tats", 200), ("/v1/stats%00", 400), ("/v1/stats%00/x", 400), ("/v1/bots?limit=1%00", 400),
                         ("/v1/bots?limit%00=1", 400), ("/v1/bots?limit=1%000", 400), ("/v1/bots?limit=%zz", 400), ("/log/tile/entries/000%00", 400),
                         ("/v1/bots/..", 404), ("/v1/bots/a%3fb", 404), ("/v1/bots/a%0d%0ab", 404), ("/v1/bots/", 404), ("/v1/bots?limit=1&limit=1", 400)):
        answer = directory.ask("GET", path)
        check(answer.status == status and (status == 200 or answer.problem()), f"{path}: {status}")


# ---- Rates

def rates(folder):
    step("rates")
    directory = Directory(folder / "rates", ("--behind-proxy", "127.0.0.1", "--rate-address", "2", "--rate-key", "5"))

    def ask(forwarded, path="/v1/stats"):
        return directory.ask("GET", path, headers={"X-Forwarded-For": forwarded} if forwarded else {})

    def refused_at(forwarded):
        """Two a second come back while it is asked."""
        return next(answer for answer in (ask(forwarded) for _ in range(20)) if answer.status == 429)
    statuses = [ask("203.0.113.7").status for _ in range(40)]
    check(statuses[:20] == [200] * 20 and 429 in statuses, f"an address has its burst of 20, then {statuses.count(429)} are refused")
    refused = refused_at("203.0.113.7")
    check(refused.status == 429 and int(refused.headers["Retry-After"]) >= 1 and refused.problem(), "429 with Retry-After, as a problem")
    check(ask("203.0.113.8").status == 200 and ask("2001:db8::1").status == 200, "others are served")
    check(refused_at("203.0.113.9, 203.0.113.7"), "what a client writes before its address counts for nothing")
    v6 = [ask(f"2001:db8:1:2::{n}").status for n in range(1, 60)]
    check(429 in v6, "an IPv6 /64 is one customer")
    check(all(ask(None).status == 200 for _ in range(60)), "loopback itself isn't limited")
    time.sleep(int(refused.headers["Retry-After"]))
    check(ask("203.0.113.7").status == 200, "after that time it is served again")
    key_rates(directory)
    directory.process.stop()


def key_rates(directory):
    alice, bob, node = Principal("alice"), Principal("bob"), Principal()
    now = int(time.time())
    answers = [directory.ask("POST", "/v1/statements", alice.bot(created=now - 50 + n)) for n in range(8)]
    check([a.status for a in answers[:5]] == [201] * 5 and answers[-1].status == 429, "a key has five a minute, then 429")
    check(1 <= int(answers[-1].headers["Retry-After"]) <= 60 and "this key" in answers[-1].problem(), answers[-1].problem())
    forged = json.loads(bob.bot())
    forged["signatures"][0]["sig"] = sodium.b64(bytes(64))
    for _ in range(10):
        directory.ask("POST", "/v1/statements", json.dumps(forged))
    check(directory.ask("POST", "/v1/statements", bob.bot()).status == 201, "nobody uses up another's with signatures that don't hold")
    directory.post(bob.sign("farm", name="farm-b", description=""))
    directory.post(node.node(bob.invite()))
    beats = [directory.ask("POST", f"/v1/nodes/{node.id}/heartbeat", node.heartbeat(created=now + n // 8)).status for n in range(400)]
    check(beats[:60] == [200] * 60 and 429 in beats, f"heartbeats have a rate of their own: {beats.count(200)} of 400 at once")
    found = metrics(directory)
    check(all(found["directoryd_limited_total", (("by", by),)] > 0 for by in ("address", "key", "heartbeat")), "all of it is counted")


# ---- Who takes nothing, and who waits in every place

def rss(directory):
    status = open(f"/proc/{directory.process.child.pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) << 10


def connected(directory, path, read_bytes=None):
    client = socket.socket()
    if read_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_bytes)
    client.connect(("127.0.0.1", directory.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def registered(directory):
    alice, node = Principal("unread"), Principal()
    for envelope in (alice.bot(), alice.sign("farm", name="farm-unread", description=""), node.node(alice.invite())):
        directory.post(envelope)
    return node, directory.post(alice.contract(node))["id"]


def untaken(folder):
    step("answers that nobody takes")
    directory = Directory(folder / "untaken", ("--rate-key", "0"))
    node, contract = registered(directory)
    for _ in range(256):  # about the largest that there can be
        workload = {"name": "data", "state": "running", "message": "", "data": {"x": os.urandom(23500).hex()}}
        directory.post(node.sign("result", contract=contract, state="running", workloads=[workload]))
    bundle, before = "/log/tile/entries/000", rss(directory)
    size = len(directory.get(bundle))
    clients = [connected(directory, bundle, 4096) for _ in range(60)]
    refused = poll(lambda: (a := directory.ask("GET", bundle)).status == 503 and a, 20, "another one to be refused", 0.02)
    grown = rss(directory) - before
    check("too many large answers" in refused.problem() and refused.headers["Retry-After"], f"503, {refused.problem()}")
    check(grown < 300 << 20 < 60 * size, f"{60 * size >> 20} MiB that 60 clients ask for and don't take: {grown >> 20} MiB")
    check(metrics(directory)["directoryd_answer_bytes", ()] <= 128 << 20, "what waits is counted")
    check(directory.ask("GET", "/healthz").status == 200 and directory.get("/v1/stats"), "small answers go on")
    poll(lambda: directory.ask("GET", bundle).status == 200, 90, "the slowest to make room", 0.2)
    for client in clients:
        client.close()
    poll(lambda: metrics(directory)["directoryd_answer_bytes", ()] < 1 << 20, 20, "their memory to be free")
    check(True, "the slowest make room, and the rest when they are gone")
    directory.process.stop()


def all_places(folder):
    step("one client that waits in every place")
    directory = Directory(folder / "places", ("--connections", "100"))
    node, _ = registered(directory)
    clients = [connected(directory, f"/v1/nodes/{node.id}/feed?after=100&wait=60") for _ in range(200)]
    health = directory.ask("GET", "/healthz", timeout=50)  # less than its waits
    check(health.status == 200, "somebody else is served, before their time is over")
    for client in clients:
        client.close()
    directory.process.stop()


# ---- Several over one database

def shared(folder):
    step("two directoryds over one PostgreSQL: their health, and one rate for both")
    try:
        server = PostgreSQL(folder / "postgresql")
    except Unavailable as reason:
        say(f"           left out: {reason}")
        return
    options = ("--store", server.url, "--rate-key", "5")
    first = Directory(folder / "first", options)
    second = Directory(folder / "second", (*options, "--key", first.key))
    both = first, second

    def roles():
        return sorted((a.status, a.json()["role"]) for a in (one.ask("GET", "/healthz") for one in both))
    well = [(200, "front"), (200, "in_office")]
    poll(lambda: roles() == well, 20, "one in office and one front", 0.1)
    check(True, "one is in office, the other a front, both are well")
    alice, now = Principal("alice"), int(time.time())
    statuses = [both[n % 2].ask("POST", "/v1/statements", alice.bot(created=now - 50 + n)).status for n in range(10)]
    check(statuses[:5] == [201] * 5 and statuses[5:].count(429) >= 4, f"through both together a key has five a minute: {statuses}")
    server.kill9()
    poll(lambda: [status for status, _ in roles()] == [503, 503], 60, "503 from both", 0.2)
    check(True, f"the database is away: 503, {first.ask('GET', '/healthz').json()['problems']}")
    server.start()
    poll(lambda: roles() == well, 60, "both to be well again", 0.2)
    check(True, "and both come back with it")
    for one in both:
        one.process.stop(40)
    server.stop()


# ---- TLS

def tls_ask(directory, context, path="/healthz"):
    connection = http.client.HTTPSConnection("127.0.0.1", directory.port, timeout=20, context=context)
    try:
        connection.request("GET", path)
        answer = Answer(connection.getresponse())
        return answer, connection.sock.getpeercert() if connection.sock else None
    finally:
        connection.close()


def serial(directory, context):
    with socket.create_connection(("127.0.0.1", directory.port), timeout=20) as plain, \
            context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
        return client.getpeercert()["serialNumber"]


def stalled(directory):
    """A handshake whose client takes its time costs nothing meanwhile."""
    out = ssl.MemoryBIO()
    try:
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="127.0.0.1").do_handshake()
    except ssl.SSLWantReadError:
        hello = out.read()
    for what, sent in (("half a hello", hello[:50]), ("a hello", hello)):
        with socket.create_connection(("127.0.0.1", directory.port), timeout=20) as client:
            client.sendall(sent)
            before, began = cpu_s(directory.process.child.pid), time.monotonic()
            time.sleep(2)
            used = (cpu_s(directory.process.child.pid) - before) / (time.monotonic() - began)
            check(used < 0.2, f"after {what} it waits, with {100 * used:.0f} % of a core")


def encrypted(folder):
    step("TLS")
    authority = Authority(folder / "ca")
    certificate, key = authority.certificate("server", ["127.0.0.1"])
    directory = Directory(folder / "tls", ("--tls-cert", certificate, "--tls-key", key))
    context = ssl.create_default_context(cafile=authority.pem)
    check("listening on https://" in directory.process.output() and tls_ask(directory, context)[0].status == 200, "it serves HTTPS")
    old = ssl.create_default_context(cafile=authority.pem)
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    for what, bad in (("an unknown authority", ssl.create_default_context()), ("TLS 1.1", old)):
        try:
            tls_ask(directory, bad)
            raise Failed(f"{what} is taken")
        except (ssl.SSLError, OSError):
            check(True, f"{what}: nothing comes of it")
    with socket.create_connection(("127.0.0.1", directory.port), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        check(b"HTTP/1.1 200" not in client.recv(1000), "HTTP without TLS isn't served")
    stalled(directory)
    bot(folder, directory, authority)
    mirrored(folder, directory, authority, context)
    kept = http.client.HTTPSConnection("127.0.0.1", directory.port, timeout=20, context=context)
    kept.request("GET", "/healthz")
    kept.getresponse().read()
    before = serial(directory, context)
    authority.certificate("server", ["127.0.0.1"])
    directory.process.child.send_signal(signal.SIGHUP)
    poll(lambda: serial(directory, context) != before, 20, "another certificate", 0.05)
    kept.request("GET", "/healthz")
    check(kept.getresponse().status == 200, "SIGHUP: a renewed certificate is served, and the connection that was open goes on")
    renewed = serial(directory, context)
    key.write_text("nonsense")
    directory.process.child.send_signal(signal.SIGHUP)
    poll(lambda: "the certificate stays as it was" in directory.process.output(), 20, "a word about it", 0.05)
    check(serial(directory, context) == renewed, "a broken file changes nothing, and is told")
    directory.process.stop()
    wrong = subprocess.run([*map(str, directory.command())], capture_output=True, text=True, timeout=20)
    check(wrong.returncode == 1 and "tls-key" in wrong.stderr, f"with it directoryd doesn't start: {wrong.stderr.strip()[-120:]}")


def mirrored(folder, directory, authority, context):
    certificate, key = authority.certificate("mirror", ["127.0.0.1"])
    process = Process([program("directoryd"), "mirror", f"https://127.0.0.1:{directory.port}", "--log", directory.vkey, "--store",
                       f"sqlite:{folder / 'mirror.sqlite'}", "--listen", "127.0.0.1:0", "--ca", authority.pem, "--tls-cert", certificate,
                       "--tls-key", key, "--behind-proxy", "127.0.0.1", "--rate-address", "1"], folder / "mirror.log", name="mirror")
    poll(lambda: "listening on https://" in process.output(), 20, "the mirror", 0.05)
    mirror = types.SimpleNamespace(port=int(re.search(r"listening on https://[0-9.]+:(\d+)", process.output())[1]))
    document = openapi.Document(tls_ask(mirror, context, "/v1/openapi.json")[0].body)
    for path in ("/healthz", "/v1/mirror", "/v1/stats", "/metrics", "/log/checkpoint"):
        document.hold(("GET", path), tls_ask(mirror, context, path)[0])
        if document.seen[("GET", path)] != {200}:
            raise Failed(f"{path} of the mirror")
    check(tls_ask(mirror, context)[0].json()["role"] == "mirror", "a mirror by HTTPS of a directory by HTTPS is well, and answers as documented")
    process.child.send_signal(signal.SIGHUP)
    poll(lambda: "were read again" in process.output(), 20, "SIGHUP", 0.05)
    process.stop()
    check(process.child.returncode == 0, "it reads its certificate again, and ends")


def bot(folder, directory, authority):
    home = folder / "bot"
    home.mkdir()
    settings = {"directory": f"https://127.0.0.1:{directory.port}", "directory_key": directory.vkey, "directory_ca": authority.pem.read_text()}
    for extra, code in (({}, 0), ({"directory_ca": Authority(folder / "other").pem.read_text()}, 1)):
        (home / "config.json").write_text(json.dumps({**settings, **extra}))
        done = subprocess.run([program("3bot"), "init", "--name", "carol"], env={**os.environ, "THREEBOT_HOME": str(home)},
                              capture_output=True, text=True, timeout=60)
        check(done.returncode == code, f"3bot over https with {'the' if not code else 'another'} authority: {code}, {(done.stdout + done.stderr).strip()[-90:]}")


# ---- The end

def stopping(folder):
    step("SIGTERM under load")
    directory = Directory(folder / "stopping")
    world = openapi.make_world(directory)
    acknowledged, lock, ended = {}, threading.Lock(), []

    def client(number):
        connection = http.client.HTTPConnection("127.0.0.1", directory.port, timeout=30)
        try:
            for n in range(10000):
                envelope = Principal(f"s{number}-{n}").bot()
                connection.request("POST", "/v1/statements", envelope)
                answer = Answer(connection.getresponse())
                if answer.status != 201:
                    raise Failed(f"{answer.status}: {answer.body!r}")
                with lock:
                    acknowledged[envelope] = answer.json()
                if answer.headers["Connection"] == "close":
                    ended.append(number)
                    return
        except (OSError, http.client.HTTPException):
            pass
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        polls = [pool.submit(directory.ask, "GET", f"/v1/nodes/{world['node'].id}/feed?after=999&wait=60", None, None, 90) for _ in range(20)]
        clients = [pool.submit(client, number) for number in range(16)]
        poll(lambda: len(acknowledged) > 200, 60, "200 statements", 0.02)
        began = time.monotonic()
        directory.process.child.send_signal(signal.SIGTERM)
        answers = [future.result() for future in polls]
        for future in clients:
            future.result()
        directory.process.child.wait(40)
        took = time.monotonic() - began
    check(directory.process.child.returncode == 0, f"it ends by itself, in {took:.2f} s")
    check(all(answer.status == 200 and answer.json()["entries"] == [] for answer in answers), "20 long polls are answered with what there is")
    check(ended, f"{len(ended)} of 16 clients were told that this answer is the last")
    directory.start()
    entries = check_log(directory)
    for envelope, answer in acknowledged.items():
        if entries[answer["index"]] != envelope:
            raise Failed(f"acknowledged as {answer['index']} and lost")
    check(True, f"{len(acknowledged)} were acknowledged, all are in the log")
    directory.process.stop()


def story(folder):
    for name in ("main", "crowded", "rates", "untaken", "places", "first", "second", "tls", "stopping"):
        (folder / name).mkdir()
    directory = Directory(folder / "main", ("--behind-proxy", "127.0.0.1", "--rate-address", "1"))
    trickles = begin_trickles(directory)
    document, world = openapi.hold_document(directory, routes_of(metrics(directory)))
    counters(directory, world)
    health(directory, document)
    pipelining(directory)
    broken(directory)
    addresses(directory)
    gone(directory, world)
    crowded(folder)
    rates(folder)
    untaken(folder)
    all_places(folder)
    shared(folder)
    encrypted(folder)
    stopping(folder)
    many_idle(directory)
    end_trickles(directory, trickles)
    directory.process.stop()


run(story)
