#!/usr/bin/python3
"""The directory's wall clock jumps by hours and days, forward and back, while nodes report, polls wait and clients post: nobody waits
longer for it, nobody is locked out by what was written under the wrong time, who is silent doesn't count as up for hours, and the log is
whole. The clock is moved by clock.c, loaded in front of the C library, so that only directoryd sees it."""

import concurrent.futures
import itertools
import os
import struct
import threading
import time

import sodium
from grid import GIB, HEARTBEAT_S, SMALL, Directory, Principal, check_log, check_views
from process import BUILD
from story import Failed, check, run, step
from process import poll

HOUR = 3600
JUMPS = (6 * HOUR, 0, -6 * HOUR, 0, 400 * 24 * HOUR, -30, 0)


class Clock:
    """What directoryd takes for the time."""

    def __init__(self, path):
        self.path, self.moved = path, 0
        self.move(0)

    def move(self, seconds):
        self.moved = seconds
        with open(self.path, "r+b" if self.path.exists() else "w+b") as file:
            file.write(struct.pack("=q", seconds))

    def now(self):
        return int(time.time()) + self.moved


def environment(clock):
    library = BUILD / "test" / "clock.so"
    if not library.exists():
        raise Failed(f"{library} isn't there: run `make story-programs`")
    os.environ.update(LD_PRELOAD=str(library), ZOS_CLOCK=str(clock.path))


def status(directory, node):
    return directory.get(f"/v1/nodes/{node.id}")["status"]


def beat(directory, node, created):
    answer = directory.ask("POST", f"/v1/nodes/{node.id}/heartbeat", node.heartbeat(created=created))
    return answer.status if answer.status != 409 else answer.problem()


def poll_across(directory, clock, node, seconds):
    """A poll that waits while the clock jumps ends by its own time, not by the wall's."""
    size = directory.checkpoint()[0]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        begin = time.monotonic()
        polls = [pool.submit(directory.get, f"/v1/nodes/{node.id}/feed?after={size}&wait=2"),
                 pool.submit(directory.get, f"/v1/log/checkpoint?above={size}&wait=2")]
        time.sleep(0.3)
        clock.move(seconds)
        for answer in polls:
            answer.result(20)
        waited = time.monotonic() - begin
    check(waited >= 1.5, f"who waits has its answer after its own time ({waited:.1f} s), not at once")


def jump(directory, clock, world, number, seconds):
    alice, node, silent = world["alice"], world["node"], world["silent"]
    step(f"the clock goes from {clock.moved / HOUR:+.2f} h to {seconds / HOUR:+.2f} h")
    before = clock.now()
    small = abs(seconds - clock.moved) <= 600  # what a `created` may be off by
    poll_across(directory, clock, node, seconds)
    told = sodium.envelope_payload(directory.ask("GET", "/v1/time?nonce=AAAAAAAAAAAAAAAAAAAAAA").body.decode())["created"]
    check(abs(told - clock.now()) < 60, "the time that is told is the new one")
    if not small:
        check(beat(directory, node, before) == 422, "a heartbeat of the time before is refused (422)")
        check(directory.ask("POST", "/v1/statements", alice.bot(created=before, description="late")).status == 422, "and so is a statement")
    answer = beat(directory, node, clock.now())
    check(answer == 200, f"one of the present time is taken: {answer}")
    check(status(directory, node) == "up", "and the node is up")
    poll(lambda: status(directory, silent) == "down", 20 + 3 * HEARTBEAT_S if not small else 60, "the silent node to count as down")
    up = {item["id"] for item in directory.get("/v1/nodes?status=up")["items"]}
    check(silent.id not in up and directory.get("/v1/nodes?status=down")["items"][0]["id"] == silent.id, "a silent node is down, in lists too")
    directory.post(alice.bot(created=clock.now(), description=f"after jump {number}"))
    directory.post(node.node(world["invite"], created=clock.now(), hostname=f"n{number}"))
    check(directory.get(f"/v1/nodes/{node.id}")["hostname"] == f"n{number}", "bot and node can say something newer")
    check(beat(directory, silent, clock.now()) == 200 and status(directory, silent) == "up", "the silent one shows itself, and is up")


def expiry(directory, clock, world):
    step("contracts end and come back with the time")
    alice, node = world["alice"], world["node"]
    clock.move(0)
    directory.post(alice.contract(node, created=clock.now(), expires=clock.now() + HOUR, reserves={**SMALL, "sru_bytes": GIB}))
    reserved = lambda: directory.get(f"/v1/nodes/{node.id}")["reserved"]["sru_bytes"]
    live = lambda: directory.get("/v1/stats")["contracts_live"]
    check(reserved() == GIB and live() == 1, "a live contract reserves")
    clock.move(2 * HOUR)
    check(reserved() == 0 and live() == 0, "two hours later it doesn't")
    clock.move(0)
    check(reserved() == GIB and live() == 1, "back in its time it does")


def jumping_under_load(directory, clock, world):
    step("the clock jumps 40 times while 8 clients post")
    stop, answers = threading.Event(), []

    def post(number):
        for turn in itertools.count():
            if stop.is_set():
                return
            bot = Principal(f"load-{number}-{turn}")
            answers.append(directory.ask("POST", "/v1/statements", bot.bot(created=clock.now())).status)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(post, number) for number in range(8)]
        for turn in range(40):
            clock.move((0, 6 * HOUR, -6 * HOUR, 300)[turn % 4])
            time.sleep(0.05)
        stop.set()
        for client in clients:
            client.result(30)
    clock.move(0)
    # A statement may be made in one time and taken in in another: 422. Nothing else goes wrong.
    check(set(answers) <= {201, 422} and 201 in answers, f"{answers.count(201)} taken, {answers.count(422)} too far from the time")


def story(folder):
    clock = Clock(folder / "clock")
    environment(clock)
    step("directoryd with a clock that can be moved")
    directory = Directory(folder)
    world = {"alice": Principal("alice"), "node": Principal(), "silent": Principal()}
    alice = world["alice"]
    for envelope in (alice.bot(), alice.sign("farm", name="farm", description="")):
        directory.post(envelope)
    world["invite"] = alice.invite(expires=int(time.time()) + 10**9)
    for node in (world["node"], world["silent"]):
        directory.post(node.node(world["invite"]))
    check(beat(directory, world["node"], clock.now()) == 200 and beat(directory, world["silent"], clock.now()) == 200, "two nodes are up")
    for number, seconds in enumerate(JUMPS):
        jump(directory, clock, world, number, seconds)
        if number % 2:
            time.sleep(2 * HEARTBEAT_S)  # it is written down who was seen
            check(directory.process.stop(), "a restart in between")
            directory.start()
    expiry(directory, clock, world)
    jumping_under_load(directory, clock, world)
    check_views(directory, check_log(directory))
    check(directory.process.alive, "and it never fell")


run(story)
