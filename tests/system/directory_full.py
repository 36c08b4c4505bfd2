#!/usr/bin/python3
"""directoryd on a disk that is really full, a small tmpfs of its own: writes are 503, reads and proofs go on, nothing that was
acknowledged is missing; it makes do with the room that it has left, and writes return when there is more."""

import contextlib
import os
import subprocess
import time

import sodium
from grid import Directory, Principal, check_log, check_views
from process import Process
from story import check, poll, run, skip, step

DISK_MIB, FILLER_MIB = 14, 4


class OnSmallDisk(Directory):
    """In a mount namespace, which another process holds, where `disk` is small."""

    def __init__(self, folder, disk):
        self.disk = disk
        script = f"mount -t tmpfs -o size={DISK_MIB}m tmpfs {disk} && head -c {FILLER_MIB}M /dev/zero >{disk}/filler && echo mounted && exec sleep 600"
        self.holder = Process(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script], folder / "disk.log")
        poll(lambda: "mounted" in self.holder.output(), 10, "the small disk", 0.02)
        super().__init__(folder)
        self.store = disk / "directory.sqlite"

    def command(self, *, store=None, key=None, port=0):
        words = super().command(store=self.disk / "directory.sqlite", key=key, port=port)
        return ["nsenter", "--user", "--mount", "--preserve-credentials", "--target", self.holder.child.pid, *words]

    def seen(self, name):
        return f"/proc/{self.holder.child.pid}/root{self.disk / name}"


def fill(directory, acknowledged, limit):
    """Submits until one is refused for want of room, or `limit` are in."""
    for number in range(limit):
        envelope = Principal(f"bot-{len(acknowledged)}").bot(description="x" * 400)
        answer = directory.ask("POST", "/v1/statements", envelope)
        if answer.status != 201:
            return answer
        acknowledged[sodium.statement_id(envelope)] = answer.json()["index"]
    return None


def holds(directory, acknowledged, text):
    entries = check_log(directory)
    places = {sodium.statement_id(entry): index for index, entry in enumerate(entries)}
    check(all(places.get(name) == index for name, index in acknowledged.items()), text)
    check_views(directory, entries)


def story(folder):
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", disk], check=False).returncode:
        skip("a user namespace may not mount a tmpfs here")
    step(f"a disk of {DISK_MIB} MiB, {FILLER_MIB} of them filled")
    directory, acknowledged = OnSmallDisk(folder, disk), {}
    refused = fill(directory, acknowledged, 20000)
    check(refused is not None and refused.status == 503 and refused.headers["Retry-After"] and "No space left" in refused.problem(),
          f"after {len(acknowledged)} statements: 503, {refused.problem()}")
    wal, room = os.stat(directory.seen("directory.sqlite-wal")).st_size, os.statvfs(directory.seen("")).f_bavail
    size = os.stat(directory.seen("directory.sqlite")).st_size
    check(room < 64, f"the disk is full: {room} pages left, {size >> 10} KiB of store, {wal >> 10} of write-ahead log")
    check(size > wal / 4, "the log was written into the store on the way, and began anew")
    holds(directory, acknowledged, "reads go on: all that was acknowledged is there, with its proof")
    step("until there is no room for even a small one")
    for _ in range(100):
        before = len(acknowledged)
        fill(directory, acknowledged, 20000)
        time.sleep(0.05)
        if len(acknowledged) == before:
            break
    step(f"full for good, with {len(acknowledged)} statements")
    holds(directory, acknowledged, "all that was acknowledged is there")
    step("killed, and started again with not a page left")
    directory.process.kill9()
    with open(directory.seen("last"), "wb") as file, contextlib.suppress(OSError):
        while file.write(b"0" * 65536):
            file.flush()
    check(os.statvfs(directory.seen("")).f_bavail == 0, "the disk is full to the last page")
    directory.start()
    holds(directory, acknowledged, "it serves all that was acknowledged")
    poll(lambda: directory.ask("GET", "/healthz").status == 503, 30, "healthz to say that it can't write")
    refused = fill(directory, acknowledged, 1)
    check(refused is not None and refused.status == 503 and "No space left" in refused.problem(), f"503, {refused.problem()}")
    step("somebody makes room")
    os.unlink(directory.seen("filler"))
    poll(lambda: fill(directory, acknowledged, 1) is None, 60, "a statement to be taken again", 0.2)
    check(fill(directory, acknowledged, 300) is None, "writes are back by themselves")
    poll(lambda: directory.ask("GET", "/healthz").status == 200, 30, "healthz to say so")
    holds(directory, acknowledged, "nothing is lost, nothing doubled")
    check(directory.process.stop(20), "SIGTERM ends it")


run(story)
