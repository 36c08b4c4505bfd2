#!/usr/bin/python3
"""The directory over PostgreSQL: all that tests/system/directory.py shows of it over SQLite, and what is particular to a database that
several share: kill -9 of directoryd and of the database at drawn moments, a database that is away, a writer that was cut
off, heartbeats and feeds at one directoryd and seen at the other, moving a log between back ends."""

import concurrent.futures
import random
import re
import signal
import sqlite3
import subprocess
import time

import sodium
from directory import chapters, falls_silent
from directory_witness import restart
from grid import GIB, SMALL, Directory, Mirror, Principal, Witness, check_answer, check_log, check_views  # noqa: F401
from postgresql import PostgreSQL, Unavailable
from process import ROOT, Process, program
from story import Failed, check, poll, run, skip, step

ROUNDS = 6
LONG = 1100  # of which the start looks at the last 1,000
VERSION_2 = """ALTER TABLE contracts DROP COLUMN live_until;
CREATE INDEX contracts_live ON contracts (node, expires) WHERE cancelled = 0 AND state <> 'stopped';
CREATE INDEX contracts_ending ON contracts (expires) WHERE cancelled = 0 AND state <> 'stopped';
UPDATE schema_version SET version = 2"""  # what schema.c's third step began with

MOST = 2 ** 53 - 1
OVERFULL = f"""WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 1100)
INSERT INTO contracts (idx, id, bot, node, created, expires, cru, mru, sru, hru, private, state, result, cancelled, live_until)
SELECT 100000 + i, 'made-' || i, 'nobody', (SELECT min(id) FROM nodes), 1, 4000000000, {MOST}, {MOST}, {MOST}, {MOST}, 0, 'pending', NULL, 0, 4000000000
FROM numbers"""  # more than 64 bits have room for


def command(*words, status=0):
    done = subprocess.run([program("directoryd"), *map(str, words)], capture_output=True, text=True, timeout=120)
    if done.returncode != status:
        raise Failed(f"directoryd {words[0]}: {done.returncode}, {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def in_office(*directories):
    said = {d: [line for line in d.process.output().splitlines() if "office" in line] for d in directories if d.process.alive}
    return next((d for d, lines in said.items() if lines and "in office: this directoryd" in lines[-1]), None)


def insist(directories, envelope, seconds=60):
    """Submits until it is acknowledged, to any of them; what isn't 503 with Retry-After is a failure."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = random.choice(directories).ask("POST", "/v1/statements", envelope, timeout=30)
        except OSError:
            time.sleep(0.05)
            continue
        if answer.status in (200, 201):
            return answer.json()
        if answer.status != 503 or "Retry-After" not in answer.headers:
            raise Failed(f"{answer.status} {answer.body[:200]!r}")
    raise Failed(f"not acknowledged within {seconds} s")


def check_kept(directory, acknowledged):
    entries = check_log(directory)
    places = {sodium.statement_id(entry): index for index, entry in enumerate(entries)}
    check(len(places) == len(entries) and all(places.get(name) == index for name, index in acknowledged.items()),
          f"{len(acknowledged)} acknowledged ones are where they were said to be, none doubled")
    check_views(directory, entries)


def shared(server, first, folder):
    step("a second directoryd over the same database")
    second = Directory(folder, url=server.url, name="second")
    check(in_office(first, second) is first, "the first is in office")
    alice, node = Principal("shared-alice"), Principal()
    check_answer(second, alice.bot(), second.post(alice.bot()))
    farm = alice.sign("farm", name="shared-farm", description="")
    number = None
    second.post(farm)
    for item in first.get("/v1/farms?limit=1000")["items"]:
        number = item["farm"] if item["name"] == "shared-farm" else number
    first.post(node.node(alice.invite(farm=number), farm=number))
    poll(lambda: second.ask("GET", f"/v1/nodes/{node.id}").status == 200, 5, "the second to know the node", 0.02)
    size = poll(lambda: second.checkpoint()[0] == first.checkpoint()[0] and first.checkpoint()[0], 5, "one checkpoint", 0.02)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.get, f"/v1/nodes/{node.id}/feed?after={size - 1}&wait=30")
        time.sleep(0.3)
        contract = alice.contract(node)
        begin = time.monotonic()
        first.post(contract)
        check(waiting.result(10)["entries"][0]["envelope"] == contract and time.monotonic() - begin < 8,
              "a long poll at the second is woken by what was submitted to the first")
    beat = node.heartbeat(created=int(time.time()))
    check(second.ask("POST", f"/v1/nodes/{node.id}/heartbeat", beat).status == 200, "a heartbeat at the second")
    poll(lambda: first.get(f"/v1/nodes/{node.id}")["used"] == SMALL, 10, "the first to know of it")
    check(first.get(f"/v1/nodes/{node.id}")["status"] == "up", "is seen at the first")
    check(first.ask("POST", f"/v1/nodes/{node.id}/heartbeat", beat).status == 409, "and the same one is refused there")
    return second


def random_kills(server, directories, acknowledged):
    step(f"{ROUNDS} rounds of kill -9 under load, of a directoryd or the database")
    stop, failed = [], []

    def client(number):
        try:
            for count in range(10 ** 6):
                if stop:
                    return
                envelope = Principal(f"k{number}-{count}").bot()
                answer = insist(directories, envelope)
                acknowledged[sodium.statement_id(envelope)] = answer["index"]
        except Exception as error:
            failed.append(error)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for number in range(6):
            pool.submit(client, number)
        try:
            for number in range(ROUNDS):
                time.sleep(random.uniform(0.2, 1.5))
                if number % 3 == 2:
                    server.kill9()
                    time.sleep(random.uniform(0, 1))
                    server.start()
                else:
                    victim = random.choice(directories)
                    victim.process.kill9()
                    time.sleep(random.uniform(0, 0.7))
                    victim.start()
                target = len(acknowledged) + 10
                poll(lambda: len(acknowledged) > target or failed, 60, "statements to be acknowledged again")
        finally:
            stop.append(True)
    check(not failed, f"every client went on{failed or ''}")
    for directory in directories:
        poll(lambda: directory.ask("GET", "/v1/stats").status == 200, 20, "reads to be served")
        check_kept(directory, acknowledged)


def database_away(server, directories):
    step("the database is away, and comes back")
    server.stop()
    for directory in directories:
        answer = poll(lambda: (a := directory.ask("GET", "/v1/bots")).status == 503 and a, 10, "reads to be 503")
        check(answer.headers["Retry-After"], f"reads: 503, {answer.problem()}")
    answer = directories[0].ask("POST", "/v1/statements", Principal("away").bot(), timeout=40)
    check(answer.status == 503 and answer.headers["Retry-After"], f"writes: 503, {answer.problem()}")
    server.start()
    for directory in directories:
        poll(lambda: directory.ask("GET", "/v1/bots").status == 200, 20, "reads to be served again")
    insist(directories, Principal("back").bot())
    check(True, "reads and writes are back by themselves")


def cut_off(server, directories, acknowledged):
    step("the one in office stands still, and believes to be in office when it goes on")
    old = poll(lambda: in_office(*directories), 20, "one to be in office")
    new = next(d for d in directories if d is not old)
    old.process.child.send_signal(signal.SIGSTOP)
    # What the server does by itself after a while (idle_session_timeout): it ends the session that it hears nothing of.
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    envelope = Principal("new-office").bot()
    acknowledged[sodium.statement_id(envelope)] = insist([new], envelope)["index"]
    check(in_office(new), "another took office, and writes")
    old.process.child.send_signal(signal.SIGCONT)
    for count in range(5):
        envelope = Principal(f"old-office-{count}").bot()
        acknowledged[sodium.statement_id(envelope)] = insist([old], envelope)["index"]
    check("out of office" in old.process.output() and in_office(new, old) is new, "the old one hands on")
    for directory in directories:
        check_kept(directory, acknowledged)


def migrations(server, directories, folder):
    step("from PostgreSQL to a file and on to another database")
    notes = [d.checkpoint() for d in directories]
    for directory in directories:
        check(directory.process.stop(20), "SIGTERM ends it")
    there, back = f"sqlite:{folder}/there.sqlite", server.url.replace("/postgres", "/second")
    server.psql("CREATE DATABASE second")
    say = command("migrate", server.url, there)
    check(f"of {notes[0][0]} entries" in say, say.strip().splitlines()[-1])
    check("give an empty store" in command("migrate", server.url, there, status=1), "not into a store that holds something")
    child = subprocess.Popen([program("directoryd"), "migrate", there, back], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.15)
    child.kill()
    child.wait()
    poll(lambda: "in the database" in subprocess.run([program("directoryd"), "migrate", there, back], capture_output=True, text=True,
                                                     timeout=120).stdout, 30, "the one that was killed to go on")
    command("verify", "--store", there)
    server.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", back, "-c", VERSION_2)
    check("older than" in command("verify", "--store", back, status=1), "a database of version 2")
    moved = Directory(folder, url=back, name="moved")
    check(moved.checkpoint() == notes[0], "it signs the very checkpoint, killed in the middle or not")
    entries = check_log(moved)
    check_views(moved, entries)
    mirrored(server, moved, folder)
    moved.process.stop()
    check("verified" in command("verify", "--store", back), "the database is what a replay of its log gives")
    old_copy(server, moved)


def mirrored(server, moved, folder):
    step("a mirror over PostgreSQL")
    server.psql("CREATE DATABASE copy")
    url = server.url.replace("/postgres", "/copy")
    mirror = Mirror(folder, "mirror", f"http://127.0.0.1:{moved.port}", moved.vkey, url=url)
    mirror.wait_size(moved.checkpoint()[0])
    check_views(mirror, check_log(mirror))
    mirror.process.stop()
    check("verified" in command("verify", "--store", url), "its database is what a replay of the log gives")


def signed_over(server, url):
    return server.run("psql", "-X", "-A", "-t", "-q", "-d", url, "-c", "SELECT value FROM meta WHERE name = 'checkpoint'").stdout


def overfull(directory):
    """What no rule lets in, but a clock that went back could make so."""
    nodes = sorted(directory.get("/v1/nodes?limit=1000")["items"], key=lambda node: node["id"])
    full = dict.fromkeys(SMALL, MOST)
    check(nodes[0]["reserved"] == full != nodes[1]["reserved"], "sums beyond 64 bits are the largest number, not a failure")
    check(nodes[0]["id"] not in [n["id"] for n in directory.get("/v1/nodes?mru_min=1")["items"]], "and nothing is left of that node")
    directory.get("/v1/stats")


def old_copy(server, moved):
    step("an old copy of the database is put back")
    server.psql("CREATE DATABASE old TEMPLATE second")
    moved.start()
    moved.post(Principal("after-the-copy").bot())
    moved.process.stop()
    moved.url = server.url.replace("/postgres", "/old")
    signed = signed_over(server, moved.url)
    refused = Process(moved.command(port=moved.port), moved.log)
    check(refused.wait_exit(20) and refused.child.returncode == 1, "whoever starts over it refuses")
    check("an old copy was put back" in refused.output(), "and says why")
    check(signed and signed_over(server, moved.url) == signed, "nothing more was signed over it")
    moved.url = server.url.replace("/postgres", "/second")
    moved.start()
    check(moved.get("/v1/bots?limit=1000")["items"], "over the right one it starts")
    server.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", moved.url, "-c", OVERFULL, check=True)
    overfull(moved)
    moved.process.stop()


def witnessed(server, folder):
    server.psql("CREATE DATABASE witnessed")
    folder = folder / "witnessed"
    folder.mkdir()
    directory = Directory(folder, url=server.url.replace("/postgres", "/witnessed"), name="witnessed")
    witness = Witness(folder, "witness", directory.vkey)
    directory.process.stop()
    directory.options = [*witness.option, "--quorum", "1"]
    directory.start()
    restart(directory, [witness], [witness.vkey], quorum=1)
    directory.process.stop()


def tell_damaged(directory):
    answer = poll(lambda: (a := directory.ask("GET", "/healthz")).status == 503 and a, 30, "the damage to be found", 0.02).json()
    check("restore the store from a back-up" in answer["problems"][0], f"/healthz: {answer['problems'][0]}")
    check("the log is damaged: nothing more is written or signed" in directory.process.output(), "so does its log")


def refuses_writes(directory, what, text="is damaged"):
    poll(lambda: text in (a := directory.ask("POST", "/v1/statements", Principal("late").bot(), timeout=30)).body.decode()
         and a.status == 503, 60, f"{what} to answer 503")
    check(directory.get("/v1/stats"), f"{what} writes nothing, and reads go on")


def damaged(server, folder):
    """Only whoever is in office looks; and who found damage takes office no more."""
    step(f"a log of {LONG} statements, damaged far from its end")
    server.psql("CREATE DATABASE damaged")
    url = server.url.replace("/postgres", "/damaged")
    folder = folder / "damaged"
    folder.mkdir()
    first = Directory(folder, url=url, name="damaged-first")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: first.post(Principal(f"damaged-{number}").bot()), range(LONG)))
    check(first.process.stop(20), "stopped")
    first.start()
    poll(lambda: "the log is whole" in first.process.output(), 30, "the check to be over", 0.02)
    check(first.ask("GET", "/healthz").json()["check"] == {"done": LONG, "of": LONG}, "served at once, and found to be whole")
    first.process.stop(20)
    server.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c",
               "UPDATE hashes SET hash = decode(repeat('00', 32), 'hex') WHERE level = 1 AND idx = 9", check=True)
    first.start()
    second = Directory(folder, url=url, name="damaged-second")
    tell_damaged(first)
    check(second.ask("GET", "/healthz").json()["check"] is None, "the other one has nothing to check")
    refuses_writes(first, "the one in office")
    refuses_writes(second, "the other one", "nobody can write it down now")
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    tell_damaged(second)
    refuses_writes(second, "the one that took office then")
    check(in_office(first, second) is second, "who found damage doesn't take office again")
    for directory in (first, second):
        check(directory.process.stop(20), "SIGTERM ends it")


def older(folder, version):
    """directoryd over the store of an older version (tests/fixtures), which it has brought up to date."""
    path, key = folder / f"version-{version}.sqlite", folder / "first-key"
    key.write_text("".join(f"{i:02x}" for i in range(32)) + "\n")
    key.chmod(0o600)
    with sqlite3.connect(path) as database:
        database.executescript((ROOT / "tests" / "fixtures" / f"directory-{version}.sql").read_text())
    database.close()
    copy = folder / "copy.sqlite"
    copy.write_bytes(path.read_bytes())
    check("older than" in command("verify", "--store", f"sqlite:{copy}", status=1), "isn't read as it is")
    directory = Directory(folder, ("--key", key), url=f"sqlite:{path}", name=f"version-{version}")
    check_views(directory, check_log(directory))
    return directory, path


def second(folder):
    step("a store of version 2")
    directory, path = older(folder, 2)
    stats, reserved = directory.get("/v1/stats"), {n["hostname"]: n["reserved"] for n in directory.get("/v1/nodes")["items"]}
    once = {**SMALL, "sru_bytes": GIB}
    check((stats["statements"], stats["contracts"], stats["contracts_live"]) == (21, 8, 3)
          and reserved == {"n1": {key: 2 * value for key, value in once.items()}, "n2": once}, "is brought up to date: three contracts are live")
    live = [c for c in directory.get("/v1/contracts")["items"] if c["state"] == "pending" and not c["cancelled"] and c["expires"] > time.time()]
    check(len(live) == 2, "two of them pending")
    directory.process.stop()
    check("verified" in command("verify", "--store", f"sqlite:{path}"), "it is what a replay of its log gives")
    with sqlite3.connect(path) as database:
        database.execute(OVERFULL)
    database.close()
    directory.start()
    overfull(directory)
    directory.process.stop()


def first_light(folder):
    step("a store of the first version")
    directory, path = older(folder, 1)
    stats = directory.get("/v1/stats")
    check((stats["statements"], stats["bots"], stats["farms"], stats["nodes"], stats["contracts"]) == (17, 2, 2, 2, 5)
          and stats["resources"]["cru_milli"] == 12000, "is brought up to date, totals and all")
    directory.post(Principal("later").bot())
    say = command("backup", f"sqlite:{path}", folder / "backup.sqlite")
    check("18 entries" in say, f"backed up while it runs: {say.strip().splitlines()[-1]}")
    check("there already" in command("backup", f"sqlite:{path}", folder / "backup.sqlite", status=1), "never over another file")
    directory.process.stop()
    for store in (path, folder / "backup.sqlite"):
        check("verified" in command("verify", "--store", f"sqlite:{store}"), f"{store.name} is what a replay of its log gives")


def story(folder):
    first_light(folder)
    second(folder)
    step("a PostgreSQL of our own")
    try:
        server = PostgreSQL(folder / "postgresql")
    except Unavailable as why:
        skip(str(why))
    try:
        directory = Directory(folder, url=server.url)
        world = chapters(directory)
        falls_silent(directory, world)
        directories, acknowledged = [directory, shared(server, directory, folder)], {}
        database_away(server, directories)
        random_kills(server, directories, acknowledged)
        cut_off(server, directories, acknowledged)
        migrations(server, directories, folder)
        witnessed(server, folder)
        damaged(server, folder)
    finally:
        server.stop()


run(story)
