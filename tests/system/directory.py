#!/usr/bin/python3
"""The directory by itself, on loopback: what it takes, what it refuses and with which status, its log checked by nothing but
hashes and its key, its feeds and views, and that kill -9, altered stores and rude clients cost nothing that was acknowledged.
"""

import base64
import concurrent.futures
import gzip
import http.client
import json
import os
import pathlib
import random
import resource
import socket
import sqlite3
import threading
import time

import sodium
from grid import (GIB, HEARTBEAT_S, RESOURCES, SMALL, Directory, Principal, check_answer, check_log, check_views, hashes,
                  read_entries, read_pages)
from story import Failed, check, run, step
from process import Process, poll, program


# ---- The chapters

def first_statements(directory, world):
    step("bot, farm, node, contract, result")
    alice, bob, node = world["alice"], world["bob"], world["node"]
    invite = alice.invite()
    world["invite"] = invite
    statements = [alice.bot(), bob.bot(), alice.sign("farm", name="farm-a", description="<b>bold</b>",
                                                     location={"country": "BE", "city": "Gent"})]
    statements.append(node.node(invite))
    for index, envelope in enumerate(statements):
        answer = directory.post(envelope)
        check_answer(directory, envelope, answer)
        if answer["index"] != index:
            raise Failed(f"entry {index} became {answer['index']}")
    world["contract"] = alice.contract(node)
    world["contract_id"] = directory.post(world["contract"])["id"]
    directory.post(node.sign("result", contract=world["contract_id"], state="running", workloads=[]))
    check(True, "each is 201 with a proof that holds against the signed checkpoint")
    again = directory.post(statements[0], 200)
    check_answer(directory, statements[0], again)
    check(again["index"] == 0, "the same envelope again is 200 with the same index")
    fetched = directory.get(f"/v1/statements/{world['contract_id']}")
    check_answer(directory, world["contract"], fetched)
    check(fetched["envelope"] == world["contract"], "a statement is given back byte for byte")


def refusals(directory, world):
    step("what is refused, and how")
    alice, bob, node, stranger = world["alice"], world["bob"], world["node"], Principal("stranger")
    now, contract_id = int(time.time()), world["contract_id"]
    good = json.loads(alice.bot(description="x"))
    tampered = {**good, "signatures": [{**good["signatures"][0], "sig": sodium.b64(os.urandom(64))}]}
    old_invite, others_invite = alice.invite(expires=now - 1), bob.invite()
    bad_invite = {**world["invite"], "signatures": [{**world["invite"]["signatures"][0], "sig": sodium.b64(bytes(64))}]}
    raw = json.dumps(good)
    cases = [
        (400, "an empty body", ""),
        (400, "broken JSON", raw[:-1]),
        (400, "a duplicate key", '{"payloadType":"a",' + raw[1:]),
        (400, "an unknown key", '{"extra":1,' + raw[1:]),
        (400, "a wrong type", json.dumps({**good, "payload": 7})),
        (400, "not UTF-8", raw.encode().replace(b"vnd", b"v\xffd")),
        (400, "something behind it", raw + "{}"),
        (400, "40 levels of depth", "[" * 40 + "]" * 40),
        (400, "a payload that isn't JSON", sodium.envelope("bot", b"hello", alice.seed)),
        (400, "a payload with a duplicate key",
         sodium.envelope("bot", b'{"version":1,"version":1,"created":1,"name":"aa","description":""}', alice.seed)),
        (400, "an unknown key in the payload", alice.bot(color="red")),
        (400, "a negative size", alice.contract(node, reserves={**SMALL, "sru_bytes": -1})),
        (400, "an unknown kind", alice.sign("wish", name="x")),
        (400, "both workloads and private", alice.contract(node, private={})),
        (401, "a wrong signature", json.dumps(tampered)),
        (401, "an invite with a wrong signature", Principal().node(bad_invite)),
        (403, "an invite of another's farm", Principal().node(others_invite)),
        (403, "a result of another node's contract", stranger.sign("result", contract=contract_id, state="failed", workloads=[])),
        (403, "a cancel of another's contract", bob.sign("cancel", contract=contract_id)),
        (404, "a contract for an unknown node", alice.contract(stranger)),
        (404, "a contract by an unknown bot", stranger.contract(node)),
        (404, "a farm of an unknown bot", stranger.sign("farm", name="farm-x", description="")),
        (404, "a node in an unknown farm", Principal().node(world["invite"], farm=9)),
        (404, "a cancel of an unknown contract", alice.sign("cancel", contract="0" * 64)),
        (409, "a bot's name that is taken", stranger.bot(name="alice", description="I am too")),
        (409, "a farm's name that is taken", bob.sign("farm", name="farm-a", description="")),
        (409, "an older statement than the last", alice.bot(created=now - 500)),
        (409, "the same payload by another", sodium.envelope("contract", base64.b64decode(
            json.loads(world["contract"])["payload"]), bob.seed)),
        (422, "a statement from yesterday", bob.bot(created=now - 86400)),
        (422, "a statement of tomorrow", bob.bot(created=now + 86400)),
        (422, "an expired contract", alice.contract(node, expires=now - 1)),
        (422, "more than the node has", alice.contract(node, reserves={**SMALL, "mru_bytes": 9 * GIB, "sru_bytes": GIB})),
        (422, "reserves that don't cover the workloads", alice.contract(node, reserves=SMALL)),
        (422, "an expired invite", Principal().node(old_invite)),
        (422, "a heartbeat as a statement", node.heartbeat()),
    ]
    size = directory.checkpoint()[0]
    for status, what, body in cases:
        answer = directory.ask("POST", "/v1/statements", body)
        problem = answer.json()
        check(answer.status == status and answer.headers["Content-Type"] == "application/problem+json"
              and problem["status"] == status and {"type", "title", "detail"} <= set(problem),
              f"{what}: {status}, {answer.json().get('detail')}")
    check(directory.checkpoint()[0] == size, "the log hasn't grown by any of it")


def used_up_invite(directory, world):
    step("an invite for two nodes")
    second = world["second"] = Principal()
    directory.post(second.node(world["invite"], hostname="n2", resources={**RESOURCES, "cru_milli": 16000}))
    answer = directory.ask("POST", "/v1/statements", Principal().node(world["invite"]))
    check(answer.status == 422, f"the third node is refused: {answer.problem()}")
    directory.post(world["node"].node(world["invite"], hostname="n1-renamed"))
    check(directory.get(f"/v1/nodes/{world['node'].id}")["hostname"] == "n1-renamed", "the first may register again")


def http_edges(directory, world):
    step("HTTP: methods, paths, parameters, sizes")
    for path, detail in (("/v1/nodes?limit=0", "limit"), ("/v1/nodes?limit=1001", "limit"), ("/v1/nodes?colour=red", "colour"),
                         ("/v1/nodes?farm=x", "farm"), ("/v1/nodes?farm=1&farm=2", "farm"), ("/v1/nodes?status=asleep", "status"),
                         ("/v1/contracts?state=lost", "state"), (f"/v1/nodes/{world['node'].id}/feed?wait=61", "wait"),
                         ("/v1/time?nonce=AAAA", "nonce"), ("/v1/time", "nonce"), ("/v1/log/proof?index=0", "size"),
                         ("/v1/log/proof?index=5&size=5", "index"), ("/v1/log/consistency?from=1&to=99999999", "to"),
                         ("/v1/bots?limit=99999999999999999999", "limit")):
        answer = directory.ask("GET", path)
        check(answer.status == 400 and answer.problem().startswith(detail + ":"), f"{path}: 400, {answer.problem()}")
    for path in ("/nothing", "/v1", "/v1/nodes/", "/v1/nodes/x/y", "/v1/nodes/" + "z" * 200, "/v1/bots/nobody", "/v1/farms/77",
                 "/v1/farms/one", "/v1/contracts/" + "0" * 64, "/v1/statements/nothing", "/v1/nodes/nobody/feed",
                 "/log/tile/0/999", "/log/tile/0/000", "/log/tile/0/0", "/log/tile/00/000.p/1", "/log/tile/0/x000/000.p/1",
                 "/log/tile/0/000.p/0", "/log/tile/0/000.p/01", "/log/tile/9/000.p/1", "/log/tile/entries/../0/000"):
        if directory.ask("GET", path).status != 404:
            raise Failed(f"{path} isn't 404")
    check(True, "unknown paths, ids and tile names are 404")
    for path in ("/v1/bots/%ff%00%22", "/v1/nodes?%ff=1", "/v1/farms/%3Cb%3E"):
        if directory.ask("GET", path).json()["status"] not in (400, 404):
            raise Failed(f"{path} isn't refused")
    answer = directory.ask("DELETE", "/v1/nodes")
    check(answer.status == 405 and answer.headers["Allow"] == "GET, HEAD", "a wrong method is 405 with Allow")
    check(directory.ask("HEAD", "/v1/nodes").status == 200, "HEAD is as GET")
    for size in (65536, 70 * 1024, 5 << 20):
        try:
            check(directory.ask("POST", "/v1/statements", b"x" * size).status == 413, f"a body of {size} bytes is 413")
        except (BrokenPipeError, ConnectionResetError):
            check(size > 1 << 20, f"a body of {size} bytes is cut off")
    big = world["alice"].bot(description="x" * 70000)
    check(directory.ask("POST", "/v1/statements", iter([big[i:i + 4096].encode() for i in range(0, len(big), 4096)]),
                        {"Transfer-Encoding": "chunked"}).status == 413, "so is one that doesn't say its size")


def rude_clients(directory, world):
    step("clients that say half, too much, or nonsense")
    idle = []
    for text in (b"", b"GET", b"POST /v1/statements HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{", b"\x16\x03\x01\x02\x00",
                 b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 2000,
                 b"POST /v1/statements HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n{}",
                 b"POST /v1/statements HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                 b"GET /%00%ff?%00=%ff&=&&a HTTP/1.1\r\nHost: a\r\n\r\n"):
        for _ in range(5):
            client = socket.create_connection(("127.0.0.1", directory.port))
            client.sendall(text)
            idle.append(client)
    noise = random.Random(4)
    good = bytearray(world["contract"].encode())
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(noise.randrange(1, 4)):
            bad[noise.randrange(len(bad))] = noise.randrange(256)
        status = directory.ask("POST", "/v1/statements", bytes(bad)).status
        if status not in (200, 400, 401, 403, 404, 409, 422) or (status == 200 and bad != good and
                                                                  b"payload" not in bad):
            raise Failed(f"{status} for {bytes(bad)!r}")
    check(directory.get("/v1/stats")["bots"] == 2, "it serves on")
    for client in idle:
        client.close()


def heartbeats(directory, world):
    step("heartbeats and time")
    node, path = world["node"], f"/v1/nodes/{world['node'].id}/heartbeat"
    beat = node.heartbeat()
    answer = directory.ask("POST", path, beat)
    payload = sodium.envelope_payload(answer.body.decode())
    directory_id = sodium.b58encode(sodium.vkey_public(directory.vkey)[1])
    check(answer.status == 200 and sodium.envelope_signer(answer.body.decode()) == directory_id
          and payload["nonce"] == sodium.envelope_payload(beat)["nonce"] and payload["heartbeat_s"] == HEARTBEAT_S
          and abs(payload["created"] - time.time()) < 5, "a heartbeat is answered with the time, signed, over its nonce")
    for status, what, body in ((409, "the same again", beat), (409, "an older one", node.heartbeat(created=int(time.time()) - 60)),
                               (403, "another's", world["second"].heartbeat()), (422, "another kind", node.sign("cancel", contract="0" * 64)),
                               (422, "an old clock", node.heartbeat(created=1000)), (400, "nonsense", "{}")):
        check(directory.ask("POST", path, body).status == status, f"{what}: {status}")
    stranger = Principal()
    check(directory.ask("POST", f"/v1/nodes/{stranger.id}/heartbeat", stranger.heartbeat()).status == 404, "an unknown node's: 404")
    nonce = os.urandom(24)
    answer = directory.get(f"/v1/time?nonce={sodium.b64url(nonce)}")
    check(json.loads(base64.b64decode(answer["payload"]))["nonce"] == sodium.b64(nonce), "whoever asks gets the time")
    item = directory.get(f"/v1/nodes/{node.id}")
    check(item["status"] == "up" and item["used"] == SMALL and item["last_seen"] > 0, "the node is up, with what it uses")


def views(directory, world):
    step("views and filters")
    node, second, alice = world["node"], world["second"], world["alice"]
    item = directory.get(f"/v1/nodes/{node.id}")
    check(item["reserved"] == {**SMALL, "sru_bytes": GIB} and item["resources"] == RESOURCES and item["farm"] == 1, "what a node has left")
    contract = directory.get(f"/v1/contracts/{world['contract_id']}")
    check(contract["state"] == "running" and contract["bot"] == alice.id and not contract["cancelled"]
          and not contract["private"] and contract["result"], "a contract follows its node's results")
    farm = directory.get("/v1/farms/1")
    check(farm["location"] == {"country": "BE", "city": "Gent"} and farm["bot"] == alice.id, "farm 1")

    def ids(query):
        return {n["id"] for n in directory.get(f"/v1/nodes?{query}")["items"]}
    both = {node.id, second.id}
    for query, wanted in (("farm=1", both), ("farm=2", set()), ("country=BE", both), ("country=NL", set()), ("cru_min=4000", {second.id}),
                          ("cru_min=3900", both), ("hru_min=1", set()), ("status=standby", set()), ("mru_min=1&sru_min=1&country=BE&farm=1", both)):
        check(ids(query) == wanted, f"/v1/nodes?{query}")
    for query, count in ((f"bot={alice.id}", 1), (f"node={node.id}", 1), (f"node={second.id}", 0), ("state=running", 1), ("state=failed", 0)):
        check(len(directory.get(f"/v1/contracts?{query}")["items"]) == count, f"/v1/contracts?{query[:40]}")
    check(len(directory.get(f"/v1/farms?bot={alice.id}&country=BE")["items"]) == 1, "/v1/farms?bot=…&country=BE")
    disk = {"name": "d", "media": "ssd", "size_bytes": 1, "model": "m" * 128, "read_iops": 1, "read_bytes_per_s": 1, "state": "s" * 256}
    invite, big = alice.invite(nodes_max=40), [Principal() for _ in range(30)]
    for one in big:
        directory.post(one.node(invite, disks=[disk] * 90))
    page = directory.get("/v1/nodes?limit=1000")
    check(page["next"] and len(page["items"]) < 32, f"a page of large nodes ends after {len(page['items'])}")
    check({n["id"] for n in read_pages(directory, "/v1/nodes", 1000)} == both | {one.id for one in big}, "the next page has the others")
    page = directory.ask("GET", "/")
    check(page.headers["Content-Type"].startswith("text/html") and "default-src 'none'" in page.headers["Content-Security-Policy"]
          and directory.ask("GET", "/explorer.js").status == 200 and directory.ask("GET", "/explorer.css").status == 200, "the explorer page")


def feeds(directory, world):
    step("feeds")
    node, alice, leaves = world["node"], world["alice"], [sodium.leaf_hash(e) for e in read_entries(directory, directory.checkpoint()[0])]

    def ask(query):
        answer = directory.get(f"/v1/nodes/{node.id}/feed?{query}")
        size, root = directory.checkpoint(answer["checkpoint"])
        for entry in answer["entries"]:
            if not sodium.verify_inclusion(sodium.leaf_hash(entry["envelope"]), entry["index"], size, hashes(entry["proof"]), root):
                raise Failed("an entry of the feed isn't proved")
        return answer
    first = ask("")
    check([e["envelope"] for e in first["entries"]] == [world["contract"]], "it begins with the contract, proved")
    parts = {"name": "w", "type": "container", "data": {
        "image": "registry.example/a@sha256:" + "0" * 64, "plain_http": False, "entrypoint": [], "args": ["x" * 1000] * 30, "env": {},
        "secret_env": {}, "cpu_milli": 1, "memory_bytes": 8 << 20, "root_size_bytes": 32 << 20, "user": "", "mounts": [], "networks": [],
        "restart": "always"}}
    fat = [alice.contract(world["second"], workloads=[parts], reserves={**SMALL, "cru_milli": 1, "sru_bytes": GIB})
           for _ in range(40)]
    for envelope in fat:
        directory.post(envelope)
    got, after = [], ""
    while len(got) < len(fat):
        answer = directory.get(f"/v1/nodes/{world['second'].id}/feed?{after}")
        got += [entry["envelope"] for entry in answer["entries"]]
        after = f"after={answer['next']}"
        if len(got) < len(fat) and not answer["entries"]:
            raise Failed("the feed ends too early")
    check(got == fat and len(answer["entries"]) < len(fat), "a feed of 1.7 MB comes in parts, each once and in order")
    leaves = [sodium.leaf_hash(e) for e in read_entries(directory, directory.checkpoint()[0])]
    check(hashes(ask("from_size=3")["consistency"]) == sodium.consistency_proof(leaves, 3), "and proves that it extends what one knew")
    check(ask(f"from_size={len(leaves)}")["consistency"] == [], "the same size needs no proof")
    check(directory.ask("GET", f"/v1/nodes/{node.id}/feed?from_size={len(leaves) + 1}").status == 400, "a larger one is 400")
    check(ask(f"after={first['next']}")["entries"] == [], "nothing after that")
    began = time.monotonic()
    check(ask(f"after={first['next']}&wait=1")["entries"] == [] and 0.5 < time.monotonic() - began < 8, "a wait ends in time")
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(ask, f"after={first['next']}&wait=30") for _ in range(50)]
        for _ in range(30):  # and some who hang up meanwhile
            client = socket.create_connection(("127.0.0.1", directory.port))
            client.sendall(f"GET /v1/nodes/{node.id}/feed?after={first['next']}&wait=30 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            time.sleep(0.01)
            client.close()
        time.sleep(0.2)
        began = time.monotonic()
        cancel = alice.sign("cancel", contract=world["contract_id"])
        directory.post(cancel)
        answers = [future.result(10) for future in waiting]
    check(all([e["envelope"] for e in a["entries"]] == [cancel] for a in answers) and time.monotonic() - began < 5,
          f"50 who wait have the cancel {time.monotonic() - began:.2f} s after it was sent")
    check(directory.ask("POST", "/v1/statements", alice.sign("cancel", contract=world["contract_id"], created=int(time.time()) - 9)).status
          == 409, "cancelled already: 409")
    check(directory.get(f"/v1/nodes/{node.id}")["reserved"]["cru_milli"] == 0, "a cancelled contract reserves nothing")
    directory.post(node.sign("result", contract=world["contract_id"], state="stopped", workloads=[]))
    check(directory.ask("POST", "/v1/statements", node.sign("result", contract=world["contract_id"], state="running", workloads=[]))
          .status == 409, "what has stopped doesn't run again: 409")


def post_many(directory, count, acknowledged):
    """Bots from 16 clients; what is acknowledged is added to the dict: envelope → answer."""
    lock = threading.Lock()

    def client(number):
        for i in range(count):
            envelope = Principal(f"b{number}-{i}-{os.urandom(4).hex()}").bot()
            try:
                answer = directory.ask("POST", "/v1/statements", envelope)
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 201:
                with lock:
                    acknowledged[envelope] = answer.json()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(client, range(16)))


def many(directory, world):
    step("800 statements from 16 clients at once")
    began, acknowledged = time.monotonic(), {}
    post_many(directory, 50, acknowledged)
    check(len(acknowledged) == 800, f"all are taken, in {time.monotonic() - began:.1f} s")
    for envelope, answer in acknowledged.items():
        check_answer(directory, envelope, answer)
    check(len({a["index"] for a in acknowledged.values()}) == 800, "each has its own index and a proof that holds")
    entries = check_log(directory)
    leaves, size = [sodium.leaf_hash(e) for e in entries], len(entries)
    noise = random.Random(1)
    for _ in range(20):
        to = noise.randrange(2, size)
        first = noise.randrange(1, to)
        proof = directory.get(f"/v1/log/proof?index={first}&size={to}")["proof"]
        if hashes(proof) != sodium.inclusion_proof(leaves, first, to):
            raise Failed(f"inclusion proof of {first} in {to}")
        proof = directory.get(f"/v1/log/consistency?from={first}&to={to}")["proof"]
        if hashes(proof) != sodium.consistency_proof(leaves, first, to):
            raise Failed(f"consistency proof from {first} to {to}")
    check(True, "20 inclusion and 20 consistency proofs at random")
    what_caches_see(directory)
    check_views(directory, entries)


def what_caches_see(directory):
    full, partial = directory.ask("GET", "/log/tile/0/000"), directory.ask("GET", "/log/tile/1/000.p/1")
    check("immutable" in full.headers["Cache-Control"] and full.headers["Content-Type"] == "application/octet-stream",
          "a full tile may be cached for ever")
    check("max-age=3600" in partial.headers["Cache-Control"], "a partial one for an hour")
    note = directory.ask("GET", "/log/checkpoint")
    check(note.headers["Cache-Control"] == "public, max-age=1" and note.headers["Content-Type"] == "text/plain; charset=utf-8",
          "the checkpoint for a second")
    for path in ("/log/checkpoint", "/log/tile/0/000", "/log/tile/entries/000"):
        first = directory.ask("GET", path)
        again = directory.ask("GET", path, headers={"If-None-Match": f'"x", W/{first.headers["ETag"]}'})
        other = directory.ask("GET", path, headers={"If-None-Match": '"x"'})
        check(again.status == 304 and not again.body and again.headers["ETag"] == first.headers["ETag"] and other.status == 200,
              f"{path}: 304 to whoever has it")
    plain = directory.ask("GET", "/log/tile/entries/000")
    for accept, zipped in (("gzip", True), ("br;q=1, GZIP;q=0.1", True), ("gzip;q=0", False), ("identity", False)):
        bundle = directory.ask("GET", "/log/tile/entries/000", headers={"Accept-Encoding": accept})
        body = gzip.decompress(bundle.body) if bundle.headers["Content-Encoding"] == "gzip" else bundle.body
        if (bundle.headers["Content-Encoding"] == "gzip") != zipped or body != plain.body or bundle.headers["Vary"] != "Accept-Encoding":
            raise Failed(f"a bundle for Accept-Encoding: {accept}: {dict(bundle.headers)}")
        if zipped and bundle.headers["ETag"] == plain.headers["ETag"]:
            raise Failed("gzip and plain bytes have one strong ETag")
    check(True, "a bundle goes out as gzip to whoever takes it")
    missing = directory.ask("GET", "/log/tile/0/999")
    check(missing.status == 404 and missing.headers["Cache-Control"] == "no-store", "what isn't there yet isn't cached")


def end_when_busy(acknowledged, delay, end):
    for _ in range(1000):
        if acknowledged:
            break
        time.sleep(0.02)
    time.sleep(delay)
    end()


def killed(directory, world):
    for turn in range(4):
        how = "kill -9" if turn < 3 else "SIGTERM"
        step(f"{how} while 16 clients post, {turn + 1} of 4")
        acknowledged, process = {}, directory.process
        killer = threading.Thread(target=end_when_busy, args=(acknowledged, 0.05 + 0.23 * turn, process.kill9 if turn < 3 else process.stop))
        killer.start()
        post_many(directory, 1000, acknowledged)
        killer.join()
        check(process.child.returncode == (-9 if turn < 3 else 0), f"it ended by {how}")
        directory.start()
        entries = check_log(directory)
        leaves = [sodium.leaf_hash(e) for e in entries]
        for envelope, answer in acknowledged.items():
            if entries[answer["index"]] != envelope:
                raise Failed(f"acknowledged as {answer['index']} and lost")
            size, root = directory.checkpoint(answer["checkpoint"])
            if sodium.tree_root(leaves[:size]) != root:
                raise Failed(f"a checkpoint of size {size} was signed that the log doesn't extend")
        check(len(acknowledged) > 0, f"{len(acknowledged)} were acknowledged: all are there, and every checkpoint is extended")
    check_views(directory, entries)
    item = directory.get(f"/v1/nodes/{world['node'].id}")
    check(item["hostname"] == "n1-renamed", "the node is as it was")


def full_disk(directory, world):
    step("no room to write")
    node, pid = world["node"], directory.process.child.pid
    limits, size = resource.prlimit(pid, resource.RLIMIT_FSIZE), directory.checkpoint()[0]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
    envelope = node.node(world["invite"], hostname="n1-again")
    answer = directory.ask("POST", "/v1/statements", envelope)
    check(answer.status == 503 and answer.headers["Retry-After"], f"503, {answer.problem()}")
    check(directory.checkpoint()[0] == size and directory.get(f"/v1/nodes/{node.id}")["hostname"] == "n1-renamed",
          "what is there is served on, nothing new is signed")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    check_answer(directory, envelope, directory.post(envelope))
    check_log(directory)


def refuses_to_start(directory, command, text):
    process = Process(command, directory.log.with_name("refused.log"))
    process.wait_exit(10)
    check(process.child.returncode == 1 and text in process.output(), f"refused: {process.output().strip()}")


def stores(directory, folder):
    step("a second one, a wrong key, an altered store")
    refuses_to_start(directory, directory.command(), "another directoryd")
    beat = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        node = directory.get("/v1/nodes?limit=1")["items"][0]["id"]
        size = directory.checkpoint()[0]
        waiting = pool.submit(directory.get, f"/v1/nodes/{node}/feed?after={size - 1}&wait=60")
        time.sleep(0.3)
        check(directory.process.stop(), "SIGTERM ends it")
        check(waiting.result(5)["entries"] == [] and time.monotonic() - beat < 15, "and who waited has an answer")
    check(directory.process.child.returncode == 0, "with exit code 0")
    refuses_to_start(directory, directory.command(key=folder / "other"), "belongs to log")
    refuses_to_start(directory, [*directory.command(), "--name", "other"], "belongs to log")
    for statement in ("UPDATE entries SET envelope = replace(envelope, 'a', 'b') WHERE idx = (SELECT max(idx) - 7 FROM entries)",
                      "DELETE FROM entries WHERE idx = (SELECT max(idx) - 7 FROM entries)",
                      "DELETE FROM entries WHERE idx = (SELECT max(idx) FROM entries)",
                      "UPDATE hashes SET hash = zeroblob(32) WHERE level = 1 AND idx = (SELECT max(idx) - 9 FROM hashes WHERE level = 1)",
                      "INSERT INTO hashes VALUES (1, 999999, zeroblob(32))"):  # near the end; directory_damage has the rest
        copy = folder / "altered.sqlite"
        copy.write_bytes(directory.store.read_bytes())
        with sqlite3.connect(copy) as database:
            database.execute(statement)
        database.close()
        refuses_to_start(directory, directory.command(store=copy), "restore the store")
        copy.unlink()
    (folder / "garbage.sqlite").write_bytes(os.urandom(9000))
    refuses_to_start(directory, directory.command(store=folder / "garbage.sqlite"), "can't use")
    directory.start()
    check_log(directory)


def usage(directory):
    step("the command line")
    for arguments, code, text in ((["--help"], 0, "usage:"), ([], 2, "are needed"), (["--bad"], 2, "usage:"), (["x"], 2, "no command x"), (["--store", "sqlite:x", "y"], 2, "options only"),
                                  (["--store", "mysql:x", "--key", directory.key, "--listen", "127.0.0.1:0"], 2, "sqlite:PATH"),
                                  ([*directory.command()[1:-4], "--listen", "nowhere"], 2, "ADDRESS:PORT"),
                                  ([*directory.command()[1:-4], "--listen", "127.0.0.1:70000"], 2, "65535"),
                                  ([*directory.command()[1:], "--heartbeat", "0"], 2, "86400")):
        process = Process([program("directoryd"), *arguments], directory.log.with_name("usage.log"))
        process.wait_exit(10)
        check(process.child.returncode == code and text in process.output(), f"directoryd {' '.join(map(str, arguments))[:30]}: {code}")
    check(pathlib.Path(directory.key).stat().st_mode & 0o777 == 0o600, "the key file is its owner's alone")


def chapters(directory):
    """What holds over every back end; the world that it leaves."""
    check(directory.checkpoint()[0] == 0, "it signs the empty tree")
    world = {"alice": Principal("alice"), "bob": Principal("bob"), "node": Principal()}
    first_statements(directory, world)
    refusals(directory, world)
    used_up_invite(directory, world)
    http_edges(directory, world)
    rude_clients(directory, world)
    heartbeats(directory, world)
    views(directory, world)
    feeds(directory, world)
    many(directory, world)
    killed(directory, world)
    return world


def falls_silent(directory, world):
    poll(lambda: directory.get(f"/v1/nodes/{world['node'].id}")["status"] == "down", 10, "the silent node to count as down")
    check(directory.get("/v1/nodes?status=up")["items"] == [], "a node that is silent for 3 intervals is down")


def story(folder):
    step("directoryd starts with an empty store and no key")
    directory = Directory(folder)
    world = chapters(directory)
    full_disk(directory, world)
    stores(directory, folder)
    usage(directory)
    falls_silent(directory, world)


if __name__ == "__main__":
    run(story)
