#!/usr/bin/python3
"""directoryd on a disk that is really full, a small tmpfs of its own: writes are 503, reads and proofs go on, nothing that was
acknowledged is missing; it makes do with the room that it has left, and writes return when there is more."""

import os
import subprocess
import time

import sodium
from grid import Directory, Principal, check_log, check_views
from story import check, poll, run, skip, step

DISK_MIB, FILLER_MIB = 14, 4


class OnSmallDisk(Directory):
    """In a mount namespace of its own, where `folder` is the small disk."""

    def __init__(self, folder, disk):
        self.disk = disk
        super().__init__(folder)
        self.store = disk / "directory.sqlite"

    def command(self, *, store=None, key=None, port=0):
        disk = self.disk
        script = f"mount -t tmpfs -o size={DISK_MIB}m tmpfs {disk} && head -c {FILLER_MIB}M /dev/zero >{disk}/filler && exec \"$@\""
        words = super().command(store=disk / "directory.sqlite", key=key, port=port)
        return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *words]

    def seen(self, name):
        return f"/proc/{self.process.child.pid}/root{self.disk / name}"


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
    step("somebody makes room")
    os.unlink(directory.seen("filler"))
    poll(lambda: fill(directory, acknowledged, 1) is None, 60, "a statement to be taken again", 0.2)
    check(fill(directory, acknowledged, 300) is None, "writes are back by themselves")
    poll(lambda: directory.ask("GET", "/healthz").status == 200, 30, "healthz to say so")
    holds(directory, acknowledged, "nothing is lost, nothing doubled")
    check(directory.process.stop(20), "SIGTERM ends it")


run(story)
