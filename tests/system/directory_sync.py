#!/usr/bin/python3
"""What a 201 rests on, seen from the kernel's side: between the last write to the store's write-ahead log and the answer the file
was synced. And a disk that refuses: nothing is answered that may not be on it, directoryd ends and says what to do, and the next
one has everything that was acknowledged."""

import contextlib
import http.client
import re
import signal
import sqlite3
import threading

import sodium
from grid import Directory, Principal, check_log, check_views
from process import Process, poll
from story import Failed, check, need_program, run, skip, step

CALLS = 30
SLOW_MS = 500
LINE = re.compile(r"^(\d+) +(?:(\w+)\((\d+)<([^>]*)>|<\.\.\. (\w+) resumed>)(.*)$")


class Tracer:
    """strace on a running directoryd: `output` is a call a line, with the files' names."""

    def __init__(self, directory, folder, name, *options):
        self.output = folder / f"{name}.trace"
        strace = need_program("strace", "strace")
        self.process = Process([strace, "-f", "-y", "-s", "16", "-o", self.output, *options, "-p", directory.process.child.pid],
                               folder / f"{name}.log", name="strace")
        poll(lambda: "attached" in self.process.output() or not self.process.alive, 20, "strace to attach", 0.02)
        if not self.process.alive:
            skip(f"a process can't be traced here: {self.process.output().strip()}")

    def detach(self):
        self.process.child.send_signal(signal.SIGINT)
        self.process.wait_exit(10)

    def calls(self):
        """(name, file, result) in the order in which they returned."""
        begun = {}
        for line in self.output.read_text().splitlines():
            found = LINE.match(line)
            if not found:
                continue
            thread, name, _, file, resumed, rest = found.groups()
            if "<unfinished ...>" in rest:
                begun[thread] = file
                continue
            file = begun.pop(thread, "") if resumed else file
            yield name or resumed, file, rest.rpartition("= ")[2].strip()


def every_answer_follows_a_sync(folder):
    step(f"{CALLS} statements, one after the other, and what the kernel was asked meanwhile")
    directory = Directory(folder)
    tracer = Tracer(directory, folder, "order", "-e", "trace=pwrite64,fdatasync,sendmsg,sendto")
    for number in range(CALLS):
        directory.post(Principal(f"bot-{number}").bot())
    tracer.detach()
    unsynced, written, answers = False, 0, 0
    for name, file, result in tracer.calls():
        if name == "pwrite64" and file.endswith("-wal"):
            unsynced, written = True, written + 1
        elif name == "fdatasync" and file.endswith("-wal") and result == "0":
            unsynced = False
        elif name in ("sendmsg", "sendto") and ("TCP" in file or "socket" in file):
            answers += 1
            if unsynced:
                raise Failed(f"answer {answers} left before the write-ahead log was synced")
    check(answers == CALLS, f"{answers} answers left, each after the sync that follows its writes ({written} writes)")
    return directory


def a_slow_disk(folder, directory):
    step(f"every sync takes {SLOW_MS} ms: what the tables show is asked for at once")
    tracer = Tracer(directory, folder, "slow", "-e", "trace=fdatasync", "-e", f"inject=fdatasync:delay_enter={SLOW_MS}000")
    bot = Principal("soon")
    envelope = bot.bot()
    poster = threading.Thread(target=directory.post, args=[envelope])
    poster.start()
    poll(lambda: directory.ask("GET", f"/v1/bots/{bot.id}").status == 200, 20, "the bot to be seen", 0.005)
    check(poster.is_alive(), "a bot is seen before its statement is acknowledged")
    answer = directory.get(f"/v1/statements/{sodium.statement_id(envelope)}")
    check(sodium.checkpoint_open(answer["checkpoint"], directory.vkey)[0] > answer["index"], "its statement comes with a checkpoint that has it")
    poster.join(20)
    tracer.detach()


def a_reader_of_what_was_before(directory):
    step("killed while somebody still reads an older state of the store, as a back-up does")
    with contextlib.closing(sqlite3.connect(directory.store, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM entries").fetchone()[0]
        directory.post(Principal("after").bot())
        directory.process.kill9()
        directory.start()  # after the ten seconds that the reader is waited for
        directory.post(Principal("later").bot())
        check(reader.execute("SELECT count(*) FROM entries").fetchone()[0] == before, "the next one starts, and writes, beside the reader")
    check_views(directory, check_log(directory))


def a_disk_that_refuses(folder, directory):
    step("every sync fails")
    size = directory.checkpoint()[0]
    tracer = Tracer(directory, folder, "refuse", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO")
    late = Principal("late").bot()
    try:
        answer = directory.ask("POST", "/v1/statements", late)
        raise Failed(f"it was answered: {answer.status} {answer.body[:200]!r}")
    except (http.client.HTTPException, OSError):
        pass
    check(directory.process.wait_exit(10) and directory.process.child.returncode == 1, "it wasn't answered: directoryd ended with exit code 1")
    check("may not be on the disk" in directory.process.output() and "start directoryd again" in directory.process.output(),
          "and said why, and what to do")
    tracer.process.wait_exit(10)
    directory.start()
    check(directory.checkpoint()[0] in (size, size + 1), "the next one has all that was acknowledged")
    again = directory.ask("POST", "/v1/statements", late)
    check(again.status in (200, 201), "and takes the statement that wasn't answered, once")
    check_views(directory, check_log(directory))
    check(directory.checkpoint()[0] == size + 1, "log and views are whole")
    directory.process.stop()


def story(folder):
    directory = every_answer_follows_a_sync(folder)
    a_slow_disk(folder, directory)
    a_reader_of_what_was_before(directory)
    a_disk_that_refuses(folder, directory)


run(story)
