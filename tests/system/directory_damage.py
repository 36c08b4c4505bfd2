#!/usr/bin/python3
"""A disk that lies: bytes of the store flipped, pages swapped, zeroed and cut off, a write-ahead file that lost its end; before the start
and while directoryd runs; and far from the end, where only the check beside the serving finds it. It refuses and says what to do, or what it serves is right: no wrong entry, proof or root, and never a
checkpoint that the log before doesn't go over into. DAMAGES= and SEED= in the environment try more, and others."""

import concurrent.futures
import contextlib
import functools
import http.client
import os
import random
import shutil
import sqlite3

import sodium
from grid import Directory, Mirror, Principal, check_log, hashes
from process import Process, poll
from story import Failed, check, run, step

PAGE = 4096
LEAF = 0x0d
STATEMENTS = 400
LONG = 1600  # of which the start looks at the last 1,000
DAMAGES, SEED = int(os.environ.get("DAMAGES", 24)), int(os.environ.get("SEED", 1))


class Copy(Directory):
    """directoryd over a store that may keep it from starting."""

    def start(self):
        self.process = Process(self.command(), self.log)
        poll(lambda: "log key " in self.process.output() or not self.process.alive, 30, "directoryd to start or to refuse", 0.02)
        self.started = self.process.alive
        if self.started:
            lines = dict(line.rsplit(" ", 1) for line in self.process.output().splitlines() if not line.startswith("<"))
            self.vkey, self.port = lines["log key"], int(lines["listening on"].rsplit(":", 1)[1])


def flip(data, draw):
    for _ in range(draw.choice((1, 1, 8))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def flip_everywhere(data, draw):
    for page in range(1, len(data) // PAGE):
        data[page * PAGE + draw.randrange(PAGE)] ^= 1 << draw.randrange(8)


def zero_page(data, draw):
    page = draw.randrange(len(data) // PAGE) * PAGE
    data[page:page + PAGE] = bytes(PAGE)


def swap_pages(data, draw):
    one, other = (page * PAGE for page in draw.sample(range(len(data) // PAGE), 2))
    data[one:one + PAGE], data[other:other + PAGE] = data[other:other + PAGE], data[one:one + PAGE]


def cut(data, draw):
    del data[draw.randrange(len(data)):]


def header(data, draw):
    data[draw.randrange(100)] ^= 1 << draw.randrange(8)


WORDS = ("restore", "belongs to log", "or a newer one")  # what to do; the latter two when the damage hit just that value
KINDS = (flip, flip, zero_page, swap_pages, cut, header, flip_everywhere)


class Truth:
    """What was acknowledged, and what may be said of it."""

    def __init__(self, directory):
        self.entries = check_log(directory)
        self.leaves = [sodium.leaf_hash(entry) for entry in self.entries]
        self.root, self.vkey = sodium.tree_root(self.leaves), directory.vkey

    def asked(self, directory, path):
        """The answer, or None: it may say that it can't."""
        try:
            answer = directory.ask("GET", path)
        except (OSError, http.client.HTTPException):
            directory.process.wait_exit(5)
            raise Failed(f"{path}: no answer; exit {directory.process.child.returncode}: {directory.process.output()[-500:]}") from None
        if answer.status not in (200, 404, 503):
            raise Failed(f"{path}: {answer.status} {answer.body[:200]!r}")
        return answer if answer.status == 200 else None

    def look(self, directory, draw):
        """Reads what carries proof; a client that checks would notice anything else itself, so nothing wrong may come with 200."""
        known, answered = len(self.entries), 0
        note = self.asked(directory, "/log/checkpoint")
        if note and sodium.checkpoint_open(note.body.decode(), self.vkey) != (known, self.root):
            raise Failed("the checkpoint isn't that of what was acknowledged")
        for index in draw.sample(range(known), 12):
            answer = self.asked(directory, f"/v1/log/proof?index={index}&size={known}")
            if answer and not sodium.verify_inclusion(self.leaves[index], index, known, hashes(answer.json()["proof"]), self.root):
                raise Failed(f"a wrong proof of entry {index}")
            answered += bool(answer)
            answer = self.asked(directory, f"/v1/statements/{sodium.statement_id(self.entries[index])}")
            if answer and (answer.json()["index"] != index or answer.json()["envelope"] != self.entries[index]):
                raise Failed(f"a wrong entry {index}")
        return answered

    def grow(self, directory, envelope):
        """One more statement: logged on top of all that was, or not at all."""
        answer = directory.ask("POST", "/v1/statements", envelope)
        if answer.status != 201:
            if answer.status not in (404, 409, 503):
                raise Failed(f"POST: {answer.status} {answer.body[:200]!r}")
            return False
        leaf, answer = sodium.leaf_hash(envelope), answer.json()
        if sodium.checkpoint_open(answer["checkpoint"], self.vkey) != (len(self.leaves) + 1, sodium.tree_root([*self.leaves, leaf])):
            raise Failed("signed what the log before doesn't go over into")
        return True


def grow_store(directory):
    step(f"a store with {STATEMENTS} statements")
    for number in range(STATEMENTS):
        directory.post(Principal(f"bot-{number}").bot(description="x" * (number % 300)))


def tell(copy, counts, answered, grew):
    if not copy.started:
        if copy.process.child.returncode != 1 or not any(word in copy.process.output() for word in WORDS):
            raise Failed(f"exit {copy.process.child.returncode} without a word on what to do: {copy.process.output()}")
        counts["refused"] = counts.get("refused", 0) + 1
        return
    if not copy.process.stop() or copy.process.child.returncode != 0:
        raise Failed(f"ended with {copy.process.child.returncode}: {copy.process.output()[-800:]}")
    kind = "served and grew" if grew else "served, and didn't sign" if answered else "served nothing"
    counts[kind] = counts.get(kind, 0) + 1


def before_the_start(directory, truth, folder):
    step(f"{DAMAGES} damages before the start, seeds from {SEED}")
    good, counts = directory.store.read_bytes(), {}
    for number in range(SEED, SEED + DAMAGES):
        draw, data = random.Random(number), bytearray(good)
        damage = KINDS[number % len(KINDS)]
        damage(data, draw)
        copy = fresh(folder, directory, data)
        answered = truth.look(copy, draw) if copy.started else 0
        grew = copy.started and truth.grow(copy, Principal(f"new-{number}").bot())
        tell(copy, counts, answered, grew)
    check(counts.get("refused"), f"nothing wrong was served: {counts}")


def fresh(folder, directory, data, wal=None, alter_by=None):
    place = folder / "copy"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copy(directory.key, place / "key")
    (place / "directory.sqlite").write_bytes(data)
    if wal is not None:
        (place / "directory.sqlite-wal").write_bytes(wal)
    if alter_by:
        alter_by(place / "directory.sqlite")
    return Copy(place)


def while_it_runs(directory, truth, folder):
    step("damages under a running directoryd")
    good, counts = directory.store.read_bytes(), {}
    for number in range(SEED, SEED + max(3, DAMAGES // 4)):
        draw = random.Random(1000 + number)
        copy = fresh(folder, directory, good)
        truth.look(copy, draw)
        data = bytearray(good)
        (flip_everywhere if number % 2 else flip)(data, draw)
        with open(copy.store, "r+b") as file:
            file.write(data)
        answered = truth.look(copy, draw)
        grew = truth.grow(copy, Principal(f"new-{number}").bot())
        tell(copy, counts, answered, grew)
    check(True, f"nothing wrong was served: {counts}")


def submitted_again(folder):
    """A hash far from the edge that a commit looks at, altered after the check of the whole log was over."""
    step("a statement that is submitted again")
    place = folder / "again"
    place.mkdir()
    directory = Copy(place)
    envelopes = [Principal(f"again-{number}").bot() for number in range(21)]
    for envelope in envelopes:
        directory.post(envelope)
    answer = directory.ask("POST", "/v1/statements", envelopes[8])
    check(answer.status == 200, "is answered with its proof")
    directory.process.stop()
    directory.start()
    poll(lambda: "the log is whole" in directory.process.output(), 30, "the check to be over", 0.02)
    alter(directory.store, "UPDATE hashes SET hash = zeroblob(32) WHERE level = 0 AND idx = 9")
    answers = [directory.ask(method, path, body) for method, path, body in (
        ("GET", f"/v1/statements/{sodium.statement_id(envelopes[8])}", None), ("POST", "/v1/statements", envelopes[8]))]
    check([answer.status for answer in answers] == [503, 503], f"and with 503 when the store doesn't prove it: {answers[1].problem()}")
    directory.process.stop()


def lost_end(directory, folder):
    """The write-ahead file loses what was acknowledged: SQLite alone goes on from before, and the log would fork."""
    step("a write-ahead file without its end")
    copy = fresh(folder, directory, directory.store.read_bytes())
    for number in range(3):
        copy.post(Principal(f"last-{number}").bot())
    size = copy.checkpoint()[0]
    copy.process.kill9()
    wal = copy.store.with_name("directory.sqlite-wal")
    whole = wal.read_bytes()
    copy.start()
    check(copy.started and copy.checkpoint()[0] == size, "after kill -9 all is there")
    copy.process.kill9()
    wal.write_bytes(whole[:len(whole) // 2])
    copy.start()
    check(not copy.started and "restore" in copy.process.output(), f"refused: {copy.process.output().splitlines()[-1]}")


# ---- Far from the end: found while it serves

def alter(store, statement):
    with contextlib.closing(sqlite3.connect(store)) as database, database:
        if database.execute(statement).rowcount == 0:
            raise Failed(f"{statement}: nothing is altered by it")


def zero_page_of(store, bytes_in_it):
    """The file's page with these bytes, which are of one entry, is zeros: the leaf (sqlite.org/fileformat.html, 1.6), and not one that it
    was split from, where they may lie on."""
    data = bytearray(store.read_bytes())
    pages = [at for at in range(0, len(data), PAGE) if data[at] == LEAF and bytes_in_it in data[at:at + PAGE]]
    data[pages[0]:pages[0] + PAGE] = bytes(PAGE)
    store.write_bytes(data)


def look_at_damaged(copy, entries, what):
    size = len(entries)
    poll(lambda: copy.ask("GET", "/healthz").status == 503, 30, f"{what}: found", 0.02)
    health, said = copy.ask("GET", "/healthz").json(), copy.process.output()
    if "restore the store from a back-up" not in health["problems"][0] or f"<3>directoryd: the log is damaged: nothing more is written or signed: {health['problems'][0]}" not in said:
        raise Failed(f"{what}: {health} {said[-600:]}")
    answer = copy.ask("POST", "/v1/statements", Principal("late").bot())
    if answer.status != 503 or "is damaged" not in answer.json()["detail"]:
        raise Failed(f"{what}: POST: {answer.status} {answer.body[:300]!r}")
    if copy.checkpoint()[0] != size or "directoryd_log_damaged 1\n" not in copy.get("/metrics").decode():
        raise Failed(f"{what}: the checkpoint or the metrics")
    for index in (size - 1, size - 900):
        if copy.get(f"/v1/statements/{sodium.statement_id(entries[index])}")["envelope"] != entries[index]:
            raise Failed(f"{what}: entry {index} isn't served")
    if not copy.process.stop() or copy.process.child.returncode != 0:
        raise Failed(f"{what}: ended with {copy.process.child.returncode}: {copy.process.output()[-800:]}")
    check(True, f"{what}: {health['problems'][0][:90]}…")


def mirror_of_it(directory, folder):
    mirror = Mirror(folder, "copy", f"http://127.0.0.1:{directory.port}", directory.vkey)
    mirror.wait_size(LONG)
    check(mirror.process.stop(), "a mirror has it")
    alter(mirror.store, "UPDATE hashes SET hash = zeroblob(32) WHERE level = 1 AND idx = 9")
    mirror.start()
    health = poll(lambda: (a := mirror.ask("GET", "/healthz")).status == 503 and a, 30, "the mirror to find its damage", 0.02).json()
    check("the stored tree hashes don't fit" in health["problems"][0] and mirror.checkpoint()[0] == LONG,
          "whose store is damaged then: it says so, and serves on")
    directory.post(Principal("after-the-mirror").bot())
    poll(lambda: "remove it, and the log is fetched again" in (mirror.problem() or ""), 30, "the mirror to take nothing more")
    check(mirror.process.stop(), "and takes nothing more")
    for path in folder.glob("copy.sqlite*"):
        path.unlink()
    mirror.start()
    mirror.wait_size(LONG + 1)
    check(mirror.process.stop(), "removed, it is fetched again")


def in_the_middle(folder):
    step(f"a log of {LONG} statements, damaged far from its end")
    place = folder / "long"
    place.mkdir()
    directory = Directory(place, options=("--rate-key", "0"))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: directory.post(Principal(f"bot-{number}").bot()), range(LONG)))
    directory.process.stop()
    directory.start()
    poll(lambda: "the log is whole" in directory.process.output(), 30, "the check to be over", 0.02)
    check(directory.ask("GET", "/healthz").json()["check"] == {"done": LONG, "of": LONG}, "served at once, and found to be whole")
    mirror_of_it(directory, place)
    entries = check_log(directory)
    check(directory.process.stop() and directory.process.child.returncode == 0, "stopped")
    directory.start()
    check(directory.process.stop() and directory.process.child.returncode == 0, "stopped as soon as it serves")
    good = directory.store.read_bytes()
    for statement in ("UPDATE entries SET envelope = replace(envelope, 'a', 'b') WHERE idx = 7", "DELETE FROM entries WHERE idx = 7",
                      "UPDATE hashes SET hash = zeroblob(32) WHERE level = 1 AND idx = 9", "DELETE FROM hashes WHERE level = 3 AND idx = 2"):
        copy = fresh(folder, directory, good, alter_by=functools.partial(alter, statement=statement))
        look_at_damaged(copy, entries, statement)
    copy = fresh(folder, directory, good, alter_by=functools.partial(zero_page_of, bytes_in_it=entries[7][-60:].encode()))
    look_at_damaged(copy, entries, "a page of zeros")
    alter(directory.store, f"UPDATE entries SET envelope = replace(envelope, 'a', 'b') WHERE idx = {LONG - 7}")
    copy = fresh(folder, directory, directory.store.read_bytes())
    check(not copy.started and "restore" in copy.process.output(), "near the end: refused at the start")


def story(folder):
    directory = Directory(folder)
    grow_store(directory)
    truth = Truth(directory)
    check(directory.process.stop(), "stopped")
    before_the_start(directory, truth, folder)
    while_it_runs(directory, truth, folder)
    lost_end(directory, folder)
    submitted_again(folder)
    in_the_middle(folder)


run(story)
