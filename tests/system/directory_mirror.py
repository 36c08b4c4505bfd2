#!/usr/bin/python3
"""A mirror, and `directoryd verify`: a copy that a node can use in the directory's place (views, feeds that wake, statements and
heartbeats handed on), that goes on without it and resumes after kill -9, that takes nothing from a source that shows two histories,
forged entries or forbidden ones; and a verification that finds what was altered in a store, whatever it is."""

import functools
import gzip
import http.server
import os
import resource
import shutil
import sqlite3
import subprocess
import threading
import time
import zlib

import sodium
from grid import Directory, Mirror, Principal, Witness, check_answer, check_log, check_views, read_pages, tile_name
from story import Failed, check, run, step
from process import poll, program


def url(directory):
    return f"http://127.0.0.1:{directory.port}"


def verify(*words, code=0):
    done = subprocess.run([program("directoryd"), "verify", *map(str, words)], capture_output=True, text=True, timeout=120)
    text = done.stdout + done.stderr
    if done.returncode != code or (code == 0) != (done.stdout.splitlines()[-1] == "verified"):
        raise Failed(f"directoryd verify {words}: {done.returncode}, not {code}: {text}")
    return text


def fill(directory, count):
    for n in range(count):
        directory.post(Principal(f"b-{os.urandom(6).hex()}").bot())


def follows(folder, directory, world):
    step("a mirror of a log of some bundles")
    fill(directory, 600)
    mirror = Mirror(folder, "mirror", url(directory), directory.vkey)
    mirror.wait_size(directory.checkpoint()[0])
    entries = check_log(mirror)
    check(entries == check_log(directory) and mirror.get("/log/checkpoint") == directory.get("/log/checkpoint"),
          "it has the same entries under the same signed checkpoint")
    check_views(mirror, entries)
    for path in ("/v1/bots?limit=1000", "/v1/farms", "/v1/contracts", f"/v1/statements/{world['contract']}", "/v1/log/proof?index=3&size=500",
                 "/v1/log/consistency?from=77&to=500", "/log/tile/0/000", "/log/tile/1/000.p/2", "/log/tile/entries/001"):
        if mirror.get(path) != directory.get(path):
            raise Failed(f"{path} differs at the mirror")
    check(True, "views, statements, proofs, tiles and bundles are the same")
    return mirror


def node_through_mirror(directory, mirror, world):
    step("a node and a bot that know the mirror only")
    alice, node = world["alice"], world["node"]
    answer = mirror.post(alice.contract(node))
    check_answer(directory, directory.get(f"/v1/statements/{answer['id']}")["envelope"], answer)
    check(True, "a statement is handed on, and its proof comes back")
    refused = mirror.ask("POST", "/v1/statements", alice.bot(name="x"))
    check(refused.status == 400 and "name" in refused.problem(), f"so is a refusal: {refused.problem()}")
    mirror.wait_size(answer["index"] + 1)
    got = {}
    waiter = threading.Thread(target=lambda: got.update(mirror.get(f"/v1/nodes/{node.id}/feed?after={answer['index']}&wait=20")))
    began = time.monotonic()
    waiter.start()
    time.sleep(0.5)
    fresh = directory.post(alice.contract(node))
    waiter.join(20)
    check(got["entries"][0]["index"] == fresh["index"], f"a feed at the mirror wakes, {time.monotonic() - began - 0.5:.2f} s after the contract")
    beat = node.heartbeat()
    answer = mirror.ask("POST", f"/v1/nodes/{node.id}/heartbeat", beat)
    check(answer.status == 200 and sodium.envelope_signer(answer.body.decode()) == sodium.b58encode(sodium.vkey_public(directory.vkey)[1]),
          "a heartbeat is handed on: the time is signed by the directory")
    check(mirror.get(f"/v1/nodes/{node.id}")["status"] == "up", "and the node is up at the mirror as well")
    check(mirror.ask("GET", f"/v1/time?nonce={sodium.b64url(os.urandom(24))}").status == 200, "so is a question for the time")
    second = directory.get("/v1/mirror", 404)
    check(second["status"] == 404, "the directory itself is no mirror")


def without_source(folder, directory, mirror, world):
    step("the source is gone")
    size = directory.checkpoint()[0]
    mirror.wait_size(size)
    directory.process.kill9()
    check(mirror.checkpoint()[0] == size and check_log(mirror), "what is there is served on")
    refused = mirror.ask("POST", "/v1/statements", world["alice"].contract(world["node"]))
    check(refused.status == 503 and "can't be reached" in refused.problem() and refused.headers["Retry-After"], "a statement is 503")
    poll(lambda: mirror.problem(), 30, "the mirror to say that it follows nobody")
    check(True, f"/v1/mirror says so: {mirror.problem()[:100]}")
    mirror.process.kill9()
    mirror.start()
    check(mirror.checkpoint()[0] == size, "kill -9 of the mirror: it starts without its source")
    directory.start()
    fill(directory, 3)
    mirror.wait_size(size + 3)
    check(True, "and follows again once the source is back")
    poll(lambda: not mirror.problem(), 30, "the problem to be over")
    step("kill -9 in the midst of catching up, again and again")
    fill(directory, 400)
    late = Mirror(folder, "late", url(directory), directory.vkey)
    for turn in range(6):
        late.process.kill9()
        if turn % 2:
            shutil.copy(late.store, folder / "late.copy")
        late.start(wait=False)
        time.sleep(0.02 * turn)
    late.process.kill9()
    late.start()
    late.wait_size(directory.checkpoint()[0])
    check(check_log(late) == check_log(directory), "it has it all")
    check(late.process.stop(), "SIGTERM ends it")
    return late


def copy_files(directory, target):
    """What any static mirror does: every file of the log below `target`."""
    size, _ = directory.checkpoint()
    names, level = ["checkpoint"], 0
    while size >> (8 * level):
        hashes = size >> (8 * level)
        for tile in range((hashes + 255) // 256):
            width = min(256, hashes - 256 * tile)
            suffix = tile_name(tile) + (f".p/{width}" if width < 256 else "")
            names += [f"tile/{level}/{suffix}"] + ([f"tile/entries/{suffix}"] if level == 0 else [])
        level += 1
    for name in names:
        path = target / "log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(directory.ask("GET", f"/log/{name}").body)
    return names


class Quiet(http.server.SimpleHTTPRequestHandler):
    zipped, accepted = {}, set()  # gzip bytes by path; what was asked for

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.accepted.add(self.headers["Accept-Encoding"])
        body = self.zipped.get(self.path)
        if body is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def bomb():
    """A gibibyte of zeros as gzip: a megabyte."""
    zipper = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(zipper.compress(bytes(1 << 20)) for _ in range(1024)) + zipper.flush()


def static_copy(folder, directory):
    step("a plain file server with a copy of the log, as rsync or a CDN would have it")
    files = folder / "files"
    names = copy_files(directory, files)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=files))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    static = f"http://127.0.0.1:{server.server_address[1]}"
    mirror = Mirror(folder, "second", static, directory.vkey)
    mirror.wait_size(directory.checkpoint()[0])
    check(check_log(mirror) == check_log(directory), f"a mirror can follow {len(names)} files as well")
    check("verified" in verify(static, "--log", directory.vkey), "and `directoryd verify URL` verifies them")
    for name, what, text in (("tile/entries/001", "an altered entry", "aren't those of the checkpoint|byte|sig|must"),
                             ("tile/0/001", "an altered tile", "isn't of the same history|aren't those"),
                             ("tile/entries/000", "a bundle that is cut short", "cut short")):
        path = files / "log" / name
        good = path.read_bytes()
        path.write_bytes(good[:-3] if "short" in what else good[:4000] + bytes([good[4000] ^ 1]) + good[4001:])
        said = verify(static, "--log", directory.vkey, code=1).splitlines()[-1]
        path.write_bytes(good)
        check("NOT VERIFIED" in said, f"{what}: {said[:150]}")
    bundle = files / "log" / "tile" / "entries" / "000"
    Quiet.zipped["/log/tile/entries/000"] = gzip.compress(bundle.read_bytes())
    verify(static, "--log", directory.vkey)
    check(Quiet.accepted == {"gzip"}, "bundles may come as gzip")
    Quiet.zipped["/log/tile/entries/000"] = bomb()
    said = verify(static, "--log", directory.vkey, code=1).splitlines()[-1]
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    check("NOT VERIFIED" in said and "too large" in said, f"one that becomes a gibibyte: {said[:150]}")
    check(most < 400, f"and no process took more than {most} MiB")
    Quiet.zipped.clear()
    verify(static, "--log", directory.vkey)
    verify(static, "--log", sodium.vkey("zos-directory", sodium.keypair(os.urandom(32))[0]), code=1)
    server.shutdown()
    mirror.process.stop()


def alterations(folder, directory):
    step("directoryd verify of a store, in use and altered")
    said = verify("--store", f"sqlite:{directory.store}")
    for line in said.splitlines():
        print(f"           | {line}")
    stop = threading.Event()

    def write():
        while not stop.is_set():
            fill(directory, 1)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        verify("--store", f"sqlite:{directory.store}", "--log", directory.vkey)
    finally:
        stop.set()
        writer.join()
    check(True, "all is well, also while it grows")
    verify("--store", f"sqlite:{directory.store}", "--log", sodium.vkey("zos-directory", sodium.keypair(os.urandom(32))[0]), code=1)
    directory.process.stop()
    cases = ("UPDATE entries SET envelope = replace(envelope, 'a', 'b') WHERE idx = 7", "DELETE FROM entries WHERE idx = 7",
             "UPDATE entries SET node = NULL WHERE node IS NOT NULL", "UPDATE entries SET signer = 'x' WHERE idx = 9",
             "UPDATE hashes SET hash = zeroblob(32) WHERE level = 1 AND idx = 9", "DELETE FROM hashes WHERE level = 3 AND idx = 2",
             "INSERT INTO hashes VALUES (1, 999999, zeroblob(32))", "UPDATE bots SET name = 'mallory' WHERE name = 'alice'",
             "DELETE FROM bots WHERE name = 'alice'", "UPDATE contracts SET state = 'stopped' WHERE state = 'running'",
             "UPDATE contracts SET cancelled = 1", "UPDATE nodes SET mru = mru + 1", "UPDATE farms SET country = 'NL'",
             "UPDATE invites SET uses = 0", "UPDATE totals SET count = count + 1",
             "UPDATE meta SET value = (SELECT count(*) - 1 FROM entries) || substr(value, instr(value, ' ')) WHERE name = 'head'",
             "UPDATE meta SET value = substr(value, 1, length(value) - 1) || (substr(value, -1) == '0') WHERE name = 'head'")
    for statement in cases:
        copy = folder / "altered.sqlite"
        shutil.copy(directory.store, copy)
        database = sqlite3.connect(copy)
        with database:
            if database.execute(statement).rowcount == 0:
                raise Failed(f"{statement}: nothing is altered by it")
        database.close()
        said = verify("--store", f"sqlite:{copy}", code=1).splitlines()[-1]
        check("NOT VERIFIED" in said, f"{statement[:60]}: {said[13:120]}")
    directory.start()


class Between(http.server.BaseHTTPRequestHandler):
    """Between a mirror and its directory; what it does beside handing on, the class says."""
    protocol_version = "HTTP/1.1"
    source, asked, wrong_tiles, waits, hang = None, 0, 0, True, None

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        kind, path = type(self), self.path
        if path.startswith("/v1/log/checkpoint"):
            kind.asked += 1
            path = path if kind.waits else path.split("&")[0]
        got = kind.source.ask("GET", path, timeout=40)
        body = got.body
        if kind.wrong_tiles and path.startswith("/log/tile/0/"):
            kind.wrong_tiles -= 1
            body = bytes(byte ^ 1 for byte in body)
        self.answer(got.status, body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).hang.wait(60)
        self.answer(503, b"")


def bad_source(folder, directory):
    step("a source that does what it shouldn't")
    Between.source, Between.hang = directory, threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mirror = Mirror(folder, "between", f"http://127.0.0.1:{server.server_address[1]}", directory.vkey)
    mirror.wait_size(directory.checkpoint()[0])
    Between.wrong_tiles = 1
    fill(directory, 1)
    poll(lambda: "the tiles aren't those of the checkpoint" in (mirror.problem() or ""), 20, "a wrong tile to be noticed", 0.02)
    mirror.wait_size(directory.checkpoint()[0])
    poll(lambda: not mirror.problem(), 20, "the problem to be over")
    check(not Between.wrong_tiles and not mirror.evidence.exists(), "one wrong tile is asked for again, and the log isn't accused of it")
    Between.waits = False
    fill(directory, 1)
    mirror.wait_size(directory.checkpoint()[0])
    before = Between.asked
    time.sleep(3)
    check(Between.asked - before < 50, f"where nobody waits it pauses: asked {Between.asked - before} times in 3 s")
    for _ in range(150):
        threading.Thread(target=lambda: mirror.ask("POST", "/v1/statements", Principal("hung").bot(), timeout=90), daemon=True).start()
    poll(lambda: "too much is under way" in mirror.ask("POST", "/v1/statements", Principal("more").bot(), timeout=90).body.decode(), 20, "many to be handed on")
    bots = mirror.ask("GET", "/v1/bots?limit=1000", headers={"Accept-Encoding": "gzip"}, timeout=15)
    check(bots.status == 200 and not Between.hang.is_set(), "while nothing that is handed on is answered, reads are")
    check(mirror.process.stop(20), "and SIGTERM ends it")
    Between.hang.set()
    server.shutdown()


def forbidden(folder, directory, world):
    step("a directory that breaks its own rules: the mirror doesn't follow")
    stranger = Principal()
    evil = Directory(folder / "evil")
    evil.post(world["alice"].bot())
    mirror = Mirror(folder, "strict", url(evil), evil.vkey)
    evil.process.stop()
    body = world["alice"].contract(stranger)  # for a node that isn't there
    leaves = [sodium.leaf_hash(evil_entry) for evil_entry in check_log(mirror)] + [sodium.leaf_hash(body)]
    note = sodium.checkpoint("zos-directory", 2, sodium.tree_root(leaves), sodium.seed_read(evil.key))
    files = folder / "evil-files" / "log" / "tile"
    (files / "entries" / "000.p").mkdir(parents=True)
    (files / "0" / "000.p").mkdir(parents=True)
    first = mirror.get("/log/tile/entries/000.p/1")
    (files / "entries" / "000.p" / "2").write_bytes(first + len(body).to_bytes(2, "big") + body.encode())
    (files / "0" / "000.p" / "2").write_bytes(b"".join(leaves))
    (files.parent / "checkpoint").write_text(note)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", evil.port), functools.partial(Quiet, directory=files.parent.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    poll(lambda: "rules forbid" in (mirror.problem() or ""), 40, "the mirror to refuse the entry")
    check(mirror.checkpoint()[0] == 1, f"in words: {mirror.problem()}")
    verify(url(evil), "--log", evil.vkey, code=1)
    server.shutdown()
    mirror.process.stop()


def split_view(folder, directory, mirror):
    step("the source shows another history")
    size = directory.checkpoint()[0]
    mirror.wait_size(size)
    directory.process.stop()
    copy = folder / "fork.sqlite"
    shutil.copy(directory.store, copy)
    directory.start()
    fill(directory, 2)
    mirror.wait_size(size + 2)
    honest = mirror.get("/log/checkpoint")
    directory.process.stop()
    directory.store, store = copy, directory.store
    directory.start()
    for more in (2, 3):  # of the same size, then larger
        fill(directory, more)
        poll(lambda: "isn't of the same history" in (mirror.problem() or ""), 60, "the mirror to notice")
        check(mirror.get("/log/checkpoint") == honest, f"with {2 if more == 2 else 5} other entries: it serves what it had")
    text = mirror.evidence.read_text()
    check(honest.decode() in text and text.count("zos-directory\n") >= 2, f"both signed notes are kept: {text.splitlines()[0][:160]}")
    directory.process.stop()
    directory.store = store
    directory.start()
    fill(directory, 1)
    mirror.wait_size(size + 3)
    poll(lambda: not mirror.problem(), 30, "the problem to be over")
    check(True, "back on the true history it is followed again")


def witnessed(folder):
    step("a mirror that asks for witnesses")
    directory = Directory(folder / "w")
    witness = Witness(folder, "w.example-m", directory.vkey)
    directory.process.stop()
    directory.options = witness.option
    directory.start()
    fill(directory, 2)
    poll(lambda: sodium.cosigned_by(directory.get("/log/checkpoint").decode(), [witness.vkey]), 20, "the witness")
    mirror = Mirror(folder, "careful", url(directory), directory.vkey, ("--witness", witness.vkey, "--quorum", "1"))
    check(sodium.cosigned_by(mirror.get("/log/checkpoint").decode(), [witness.vkey]), "it serves the cosigned checkpoint")
    verify(url(directory), "--log", directory.vkey, "--witness", witness.vkey, "--quorum", "1")
    other = sodium.witness_vkey("w.example/other", sodium.keypair(os.urandom(32))[0])
    verify(url(directory), "--log", directory.vkey, "--witness", other, "--quorum", "1", code=1)
    mirror.process.stop()


def story(folder):
    for name in ("evil", "w"):
        (folder / name).mkdir()
    directory = Directory(folder)
    alice, node = Principal("alice"), Principal()
    world = {"alice": alice, "node": node}
    directory.post(alice.bot())
    directory.post(alice.sign("farm", name="farm-a", description="", location={"country": "BE"}))
    directory.post(node.node(alice.invite()))
    world["contract"] = directory.post(alice.contract(node))["id"]
    directory.post(node.sign("result", contract=world["contract"], state="running", workloads=[]))
    mirror = follows(folder, directory, world)
    node_through_mirror(directory, mirror, world)
    without_source(folder, directory, mirror, world)
    static_copy(folder, directory)
    bad_source(folder, directory)
    alterations(folder, directory)
    forbidden(folder, directory, world)
    split_view(folder, directory, mirror)
    witnessed(folder)
    check(len(read_pages(mirror, "/v1/bots", 500)) == mirror.get("/v1/stats")["bots"], "the totals are those of the lists")


run(story)
