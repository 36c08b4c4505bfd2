#!/usr/bin/python3
"""Nodes that trust the directory with even less: one asks for two of three witnesses, and acts on nothing that they haven't cosigned:
not while they are away, which it says, not on a fork of the log; and goes on when they are back. Another knows only a mirror."""

import shutil
import time

import sodium
from grid import Directory, Mirror, Principal, Witness
from process import free_ports
from story import check, poll, run, step
from zos import Disk, Node, make_boot_medium, make_disk


class World:
    """A directory with three witnesses, a quorum of two, one of them dead for good; and a farmer's bot."""

    def __init__(self, folder):
        self.folder, self.alice = folder, Principal("alice")
        self.directory = Directory(folder)
        self.witnesses = [Witness(folder, f"w{n}", self.directory.vkey) for n in range(2)]
        dead = sodium.witness_vkey("w.example/dead", sodium.keypair(bytes(32))[0])
        self.vkeys = [*(w.vkey for w in self.witnesses), dead]
        self.directory.process.stop()
        self.directory.options = [*self.witnesses[0].option, *self.witnesses[1].option, "--witness",
                                  f"{dead},http://127.0.0.1:{free_ports(1)[0]}", "--quorum", "2"]
        self.directory.start()
        self.directory.post(self.alice.bot())
        self.directory.post(self.alice.sign("farm", name="farm-a", description=""))

    def node(self, name, directory, **settings):
        """A node, started, that knows `directory` alone; and what the directory has of it once it is registered."""
        known = {item["id"] for item in self.directory.get("/v1/nodes")["items"]}
        settings = {"directory": f"http://10.0.2.2:{directory.port}", "directory_key": directory.vkey,
                    "invite": self.alice.invite(), **settings}
        folder = self.folder / name
        node = Node(folder, disks=[Disk(make_disk(folder / "disk", 4 << 30)), Disk(make_boot_medium(folder / "medium", settings))])
        node.start()

        def fresh():
            return [item for item in self.directory.get("/v1/nodes")["items"]
                    if item["id"] not in known and item["resources"]["sru_bytes"] >= 1 << 30]
        view = poll(fresh, 120, "the node to register with its disk", alive=node.check)[0]
        node.id = view["id"]
        return node

    def contract(self, node):
        volume = {"name": "data", "type": "volume", "data": {"size_bytes": VOLUME_BYTES, "media": "ssd"}}
        reserves = {"cru_milli": 0, "mru_bytes": 0, "sru_bytes": VOLUME_BYTES, "hru_bytes": 0}
        return self.directory.post(self.alice.contract(node, workloads=[volume], reserves=reserves))

    def state(self, contract):
        return self.directory.get(f"/v1/contracts/{contract['id']}")["state"]

    def wait_running(self, contract, node):
        poll(lambda: self.state(contract) == "running", 60, "the contract to run", alive=node.check)

    def cosigned(self):
        """The size that two witnesses have cosigned as the directory shows it; -1: none."""
        text = self.directory.get("/log/checkpoint").decode()
        return self.directory.checkpoint(text)[0] if len(sodium.cosigned_by(text, self.vkeys)) >= 2 else -1


VOLUME_BYTES = 256 << 20
LAG = r"witnesses: too few have cosigned the directory's log for \d+ s"


def quorum(world):
    step("a node that asks for two of three witnesses, one of which is dead")
    node = world.node("strict", world.directory, witnesses=world.vkeys, witness_quorum=2)
    first = world.contract(node)
    world.wait_running(first, node)
    check(world.cosigned() > first["index"], "it registers, and runs its contract, which is cosigned")
    check(not node.seen(LAG), "it has nothing to say about witnesses")
    step("the witnesses die")
    mark = node.console.count()
    for witness in world.witnesses:
        witness.process.kill9()
    second = world.contract(node)
    _, match = node.wait_for(LAG, timeout=90, since=mark)
    check(world.state(second) == "pending", f"the next contract isn't begun, and the console says why: {match.string.strip()[:150]}")
    poll(lambda: f"node {node.id}: alert: witnesses: too few" in world.directory.process.output(), 30, "the alert", alive=node.check)
    check(True, "its heartbeats tell the directory")
    check(world.state(first) == "running", "what ran goes on")
    return node, second


def restart(world, node, second):
    step("the directory is restarted meanwhile")
    before = world.cosigned()
    world.directory.process.stop()
    shutil.copy(world.directory.store, world.folder / "copy.sqlite")
    world.directory.start()
    check(0 < before == world.cosigned(), f"it has the cosigned checkpoint of {before} entries still")
    step("the witnesses come back")
    mark = node.console.count()
    for witness in world.witnesses:
        witness.start()
    world.wait_running(second, node)
    check(world.cosigned() > second["index"], "the contract that waited runs, under their cosignatures")
    node.wait_for(r"the witnesses cosign the directory's log again", timeout=30, since=mark)
    check(True, "the console says that they are back")


def fork(world, node):
    step("the directory goes another way: an old copy of its store, under the same key")
    poll(lambda: world.cosigned() == world.directory.get("/v1/stats")["statements"], 20, "all to be cosigned")
    world.directory.process.stop()
    world.directory.store, store = world.folder / "copy.sqlite", world.directory.store
    world.directory.start()
    mark = node.console.count()
    forbidden = world.contract(node)
    poll(lambda: "has seen another history" in world.directory.process.output(), 20, "the witnesses' refusal")
    _, match = node.wait_for(LAG, timeout=90, since=mark)
    check(world.state(forbidden) == "pending", f"its contract isn't begun: {match.string.strip()[:150]}")
    world.directory.process.stop()
    world.directory.store = store
    world.directory.start()
    contract = world.contract(node)
    world.wait_running(contract, node)
    check(world.cosigned() > contract["index"], "back on the true log, the node goes on")
    check(node.power_off(), "it powers off")


def through_mirror(world):
    step("a node that knows nothing but a mirror")
    mirror = Mirror(world.folder, "mirror", f"http://127.0.0.1:{world.directory.port}", world.directory.vkey,
                    ("--witness", world.vkeys[0], "--witness", world.vkeys[1], "--quorum", "2"))
    node = world.node("distant", mirror, witnesses=world.vkeys, witness_quorum=2)
    check(True, f"it is registered through it: {node.id}")
    contract = world.contract(node)
    world.wait_running(contract, node)
    check(True, "it has its contract from it, and its result is in the directory's log")
    seen = lambda place: place.get(f"/v1/nodes/{node.id}")["last_seen"]  # noqa: E731
    before = seen(mirror), seen(world.directory), time.time()
    poll(lambda: seen(mirror) > before[0] and seen(world.directory) > before[1], 30, "heartbeats", alive=node.check)
    check(True, "its heartbeats come to the mirror and to the directory")
    check(node.power_off(), "it powers off")


def story(folder):
    world = World(folder)
    node, second = quorum(world)
    restart(world, node, second)
    fork(world, node)
    through_mirror(world)


run(story)
