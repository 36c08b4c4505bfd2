#!/usr/bin/python3
"""kill -9 of any daemon, at any moment: nothing that was acknowledged is lost, and all goes on.

The real kernel and image boot with a small archive beside that holds one more unit: chaos (chaos.c), which kills storaged,
netd, provisiond, dhcpcd and containers at moments drawn by a seed, and at chosen ones (mkfs.btrfs runs, crun starts).
CHAOS_SEED= draws others. The product knows nothing of it."""

import os
import pathlib
import random
import re
import subprocess
import time

from story import BUILD, Failed, check, poll, run, step
from zos import Disk, Grid, make_disk

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SEED = int(os.environ.get("CHAOS_SEED", "1"))
DAEMONS = ["storaged", "netd", "provisiond", "dhcpcd", "crun", "container"]
# Whom to kill once what is seen: in the middle of what takes more than one step.
AT_SIGHT = ["storaged@mkfs.btrfs", "mkfs.btrfs@mkfs.btrfs", "netd@dhcpcd", "provisiond@crun", "crun@crun"]
LONG = 240  # seconds: a daemon that was killed several times in a row waits up to 30 s before it starts


def chaos_archive(folder, name, *words):
    """An archive with the program and its unit, for the kernel to unpack beside the image's own."""
    program = BUILD / "test" / "chaos"
    if not program.exists():
        raise Failed(f"{program} isn't there: run `make story-programs`")
    unit, listing, archive = (folder / f"{name}.{suffix}" for suffix in ("yaml", "list", "cpio"))
    unit.write_text(f"exec: /bin/chaos --seed {SEED} {' '.join(words)}\nrestart: never\nlog: stdout\n")
    listing.write_text(f"file /bin/chaos 0755 {program}\nfile /etc/zinit/chaos.yaml 0644 {unit}\n")
    subprocess.run([ROOT / "initramfs" / "pack", listing, archive], check=True, stdout=subprocess.DEVNULL)
    return archive


def kills(node):
    """{who: how many times} of this boot, by the console."""
    counts = {}
    for _, line in node.console.lines:
        if match := re.search(r"chaos: killed (\S+) ", line):
            counts[match[1]] = counts.get(match[1], 0) + 1
    return counts


def sees(node):
    """What chaos saw lie around when it last looked: [("volume", name), …]; None before it looks."""
    lines = [line for _, line in node.console.lines if "chaos: sees" in line]
    return re.findall(r" (\w+)=(\S+?)(?=\s|\.$)", lines[-1].split("chaos: sees")[1]) if lines else None


def comes_to_run(grid, node, contract):
    """Until it runs, whatever it was meanwhile: a contract may fail for a while, it is tried again."""
    poll(lambda: grid.contract(contract)["state"] == "running", LONG, f"contract {contract[:12]}… to run, it is "
         f"{grid.contract(contract)['state']}", alive=node.check)


def starts(grid, node, contract):
    """The number of the container's last start with its volume, by its own words to its bot."""
    output = grid.wait_output(contract, "the page says", node, timeout=LONG)
    return max(map(int, re.findall(r"start number (\d+) ", output)))


def volumes_of(contract):
    return {("volume", f"{contract}.data"), ("volume", f"{contract}.web.root")}


def expect_volumes(node, contracts):
    """Each volume once, in one pool alone, and none besides."""
    wanted = sorted(name for contract in contracts for name in volumes_of(contract))
    there = lambda: sorted(item for item in sees(node) or [] if item[0] == "volume")  # noqa: E731
    try:
        poll(lambda: there() == wanted, 30, "the volumes", alive=node.check)
    except Failed:
        raise Failed(f"on the node are {there()}, and it should be {wanted}")
    check(True, f"the node has their {len(wanted)} volumes, each once, and no other")


def first_boot(grid, node):
    """Kills from the first moment on: first registration, mkfs."""
    step("chaos from the first moment on: the node formats its disks and registers")
    node.start()
    view = grid.wait_registered(node, timeout=LONG, volumes=True)
    disks = lambda: grid.directory.get(f"/v1/nodes/{view['id']}")["disks"]  # noqa: E731
    poll(lambda: [disk["state"] for disk in disks()] == ["used", "used"], LONG, "both disks to be in use", alive=node.check)
    check(len(grid.nodes()) == 1, f"one node is registered, with both disks, {node.elapsed():.0f} s after QEMU's start")
    return view


class Contracts:
    """What the story has signed, and what is to become of each."""

    def __init__(self, grid, node, view, image):
        self.grid, self.node, self.view, self.image = grid, node, view, image
        self.kept, self.cancelled = [], []
        self.directory_kills = 0

    def kill_directory(self):
        self.grid.directory.kill9()
        self.directory_kills += 1
        time.sleep(random.choice([0, 0.3, 1]))  # a directory that is away for a while, not something to wait for
        self.grid.directory.start()

    def deploy(self, **options):
        contract = self.grid.deploy(self.view, self.image, **options)
        if random.random() < 0.5:
            self.kill_directory()
        return contract

    def keep(self, **options):
        contract = self.deploy(**options)
        self.kept.append(contract)
        comes_to_run(self.grid, self.node, contract)

    def cancel(self, contract):
        self.grid.bot.run("cancel", contract)
        if random.random() < 0.5:
            self.kill_directory()
        self.grid.wait_state(contract, "stopped", self.node, timeout=LONG)
        self.cancelled.append(contract)

    def come_and_go(self):
        """One that is cancelled: at once, while it is being made, or when it runs."""
        contract = self.deploy(public=random.random() < 0.5)
        state = random.choice(["pending", "deploying", "running"])
        poll(lambda: self.grid.contract(contract)["state"] in (state, "running", "failed"), LONG,
             f"contract {contract[:12]}… to be {state}", every=0.02, alive=self.node.check)
        self.cancel(contract)

    def states(self):
        return {contract: self.grid.contract(contract)["state"] for contract in self.kept + self.cancelled}


def live_on(contracts):
    """Contracts come and go until chaos is done."""
    rounds = 0
    while not contracts.node.seen(r"chaos: done, \d+ kills"):
        contracts.come_and_go()
        rounds += 1
    check(True, f"{rounds} contracts came and went meanwhile; directoryd was killed {contracts.directory_kills} times so far")
    check(True, f"killed in this boot: {kills(contracts.node)}")


def loss_of_power(contracts, folder):
    """The plug is pulled while chaos still rages; the next boot has chaos of its own."""
    grid, node = contracts.grid, contracts.node
    step("loss of power, with a deployment and a cancel under way")
    contracts.kept.append(contracts.deploy())
    gone = contracts.grid.deploy(contracts.view, contracts.image)
    grid.bot.run("cancel", gone)
    contracts.cancelled.append(gone)
    node.pull_plug()
    node.initrd = chaos_archive(folder, "second", "--kills", "12", "--every", "100-4000", *DAEMONS, *AT_SIGHT[2:])
    known = grid.known_statements()
    node.start()
    again = grid.wait_registered(node, known, timeout=LONG, volumes=True)
    check(len(grid.nodes()) == 1 and again["id"] == contracts.view["id"], "the node is back, and it is the same")
    check(again["wireguard_key"] == contracts.view["wireguard_key"], "with the same keys")
    for contract in contracts.kept:
        node.wait_for(rf"c-{contract[:20]}-web\] demo: the page says", timeout=LONG)
        comes_to_run(grid, node, contract)
    check(True, f"its {len(contracts.kept)} contracts run")
    grid.wait_state(gone, "stopped", node, timeout=LONG)
    check(True, "the one that was cancelled meanwhile is stopped")


def all_is_well(contracts):
    grid, node = contracts.grid, contracts.node
    step("no more kills: all is well")
    poll(lambda: sees(node) is not None, 20, "chaos to look around", alive=node.check)
    for contract in contracts.kept:
        comes_to_run(grid, node, contract)
    first = rf"c-{contracts.kept[0][:20]}-web\] demo: start number (\d+) "
    count = max(int(match[1]) for _, line in node.console.lines if (match := re.search(first, line)))
    check(count >= 2, f"the first container counts {count} starts on its volume, from before the loss of power on")
    expect_volumes(node, contracts.kept)
    contracts.keep()
    check(starts(grid, node, contracts.kept[-1]) == 1, "a new contract runs as if nothing had been")
    check(set(contracts.states()) == set(grid.known_results()), "the directory has every contract that was acknowledged, and no other")
    wrong = [contract for contract, state in contracts.states().items()
             if state != ("running" if contract in contracts.kept else "stopped")]
    check(not wrong, " ".join(["each is in the state that it should be in", *wrong]))
    for contract in contracts.states():
        grid.bot.run("verify", contract)
    check(True, f"3bot verifies all {len(contracts.states())} of them, with proof and checkpoint")
    expect_volumes(node, contracts.kept)


def the_end(contracts):
    grid, node = contracts.grid, contracts.node
    step("the end: all is given back")
    for contract in list(contracts.kept):
        contracts.cancel(contract)
    try:
        poll(lambda: sees(node) == [], 40, "the node to be tidy", alive=node.check)
    except Failed:
        raise Failed(f"left on the node: {sees(node)}")
    check(True, "no volume, service, namespace, bundle or mount is left")
    check(not any(grid.directory.get(f"/v1/nodes/{contracts.view['id']}")["reserved"].values()), "the capacity is free again")
    check(node.power_off(), "the node powers off in order")
    check(not node.console.panic, "without a panic")


def story(folder):
    step(f"seed {SEED}")
    random.seed(SEED)
    with Grid(folder) as grid:
        grid.make_identities()
        image = grid.push_demo()
        node = grid.node(disks=[Disk(make_disk(folder / f"disk{n}", 4 << 30)) for n in range(2)])
        node.initrd = chaos_archive(folder, "first", "--kills", "20", "--every", "100-4000", *DAEMONS, *AT_SIGHT)
        contracts = Contracts(grid, node, first_boot(grid, node), image)

        step("contracts amid the kills")
        contracts.keep()
        contracts.keep(public=True)
        check(True, "two contracts run")
        live_on(contracts)
        loss_of_power(contracts, folder)
        step("more contracts amid the kills")
        live_on(contracts)
        all_is_well(contracts)
        the_end(contracts)


run(story)
