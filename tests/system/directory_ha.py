#!/usr/bin/python3
"""Two directoryds over three database machines, as contrib/directory/ha sets them up (PostgreSQL under Patroni on etcd), on
loopback: under load the primary's machine is killed, then the directoryd in office. Nothing that was acknowledged is lost or
doubled; for how long writes stood still is printed."""

import random
import threading
import time

import sodium
from grid import Directory, Principal, check_answer, check_log
from patroni import Cluster
from postgresql import Unavailable
from story import Failed, check, poll, run, skip, step

CLIENTS = 6
PATIENCE = 90  # seconds a client tries one statement


class Load:
    """Clients that each submit one bot after the other, to either directoryd, until its statement is acknowledged."""

    def __init__(self, directories):
        self.directories, self.acknowledged, self.lock = directories, {}, threading.Lock()
        self.times, self.failed, self.stopping = [], None, False
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def submit(self, envelope):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                answer = random.choice(self.directories).ask("POST", "/v1/statements", envelope, timeout=25)
                if answer.status in (200, 201):
                    return answer.json()
                if answer.status != 503 or "Retry-After" not in answer.headers:
                    raise Failed(f"{answer.status} {answer.body[:200]!r}")
            except OSError:
                pass  # this one is gone: the next try may be the other's
            time.sleep(0.2)
        raise Failed(f"not acknowledged within {PATIENCE} s")

    def run(self, number):
        count = 0
        try:
            while not self.stopping:
                count += 1
                envelope = Principal(f"client-{number}-{count}").bot()
                answer = self.submit(envelope)
                check_answer(self.directories[0], envelope, answer)
                with self.lock:
                    self.acknowledged[sodium.statement_id(envelope)] = answer["index"]
                    self.times.append(time.monotonic())
        except Exception as error:  # a thread's failure is the story's
            self.failed = error

    def grow(self, by):
        """Until so many more were acknowledged."""
        target = len(self.times) + by
        poll(lambda: len(self.times) >= target or self.failed, PATIENCE, f"{by} more statements to be acknowledged")
        if self.failed:
            raise Failed(f"a client failed: {self.failed}")

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def longest_pause(self, since):
        times = [since, *(t for t in self.times if t >= since)]
        return max(b - a for a, b in zip(times, times[1:]))


def in_office(directories):
    for directory in directories:
        lines = [line for line in directory.process.output().splitlines() if "office" in line]
        if directory.process.alive and lines and "in office: this directoryd" in lines[-1]:
            return directory
    return None


def check_all(directory, load):
    entries = check_log(directory)
    place = {sodium.statement_id(entry): index for index, entry in enumerate(entries)}
    check(len(place) == len(entries), f"none of {len(entries)} entries is doubled")
    lost = [index for identity, index in load.acknowledged.items() if place.get(identity) != index]
    check(not lost, f"all {len(load.acknowledged)} that were acknowledged are where they were said to be{lost or ''}")


def primary_dies(cluster, load):
    step("kill -9 of all that runs on the primary's machine: etcd, Patroni, PostgreSQL")
    gone = cluster.leader()
    killed = time.monotonic()
    gone.kill9()
    load.grow(30)
    check(cluster.leader() not in (None, gone), f"{cluster.leader().name} leads instead of {gone.name}")
    step(f"writes stood still for {load.longest_pause(killed):.1f} s")
    return gone


def front_end_dies(directories, load):
    step("kill -9 of the directoryd in office")
    first = poll(lambda: in_office(directories), 30, "one directoryd to be in office")
    killed = time.monotonic()
    first.process.kill9()
    load.grow(30)
    second = poll(lambda: in_office(directories), 30, "another directoryd to take office")
    check(second is not first, "the other one took office")
    step(f"writes stood still for {load.longest_pause(killed):.1f} s")
    first.start()


def primary_comes_back(cluster, gone):
    step("the machine comes back")
    gone.start_etcd()
    gone.start_patroni()
    poll(lambda: gone.ask().get("role") == "replica" and gone.ask().get("state") in ("running", "streaming"), 90,
         "the old primary to be a standby", 0.5)
    cluster.wait_synchronous(60)
    check(True, "it is a standby, and there is a synchronous one again")


def with_cluster(cluster, folder):
    leader = cluster.leader()
    check(leader, f"{leader.name} leads, with a synchronous standby")
    directories = [Directory(folder, url=cluster.url, name=f"front-{i}") for i in (1, 2)]
    load = Load(directories)
    try:
        load.grow(60)
        gone = primary_dies(cluster, load)
        front_end_dies(directories, load)
        primary_comes_back(cluster, gone)
        step("the primary of now dies as well")
        killed = time.monotonic()
        cluster.leader().kill9()
        load.grow(30)
        step(f"writes stood still for {load.longest_pause(killed):.1f} s")
    finally:
        load.stop()
    if load.failed:
        raise Failed(f"a client failed: {load.failed}")
    for directory in directories:
        poll(lambda: directory.ask("GET", "/v1/stats").status == 200, 20, "reads to be served")
        check_all(directory, load)


def story(folder):
    step("etcd, Patroni and PostgreSQL, three times")
    try:
        cluster = Cluster(folder / "cluster")
    except Unavailable as why:
        skip(str(why))
    with cluster:
        with_cluster(cluster, folder)


run(story)
