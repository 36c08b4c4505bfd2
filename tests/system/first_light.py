#!/usr/bin/python3
"""The demo with asserts: a node boots, registers itself, and runs a signed private contract; then an open one; contracts
that can't be kept are refused with a reason; cancel ends all of it and gives the capacity back."""

import re
import time

from story import check, poll, run, step
from zos import Disk, Grid, make_disk

ID = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")


def check_view(view, grid):
    check(ID.fullmatch(view["id"]), f"the node's id is a base58 key: {view['id']}")
    check(view["farm"] == grid.farm and view["status"] == "up", f"it is in farm {view['farm']}, and up")
    resources = view["resources"]
    check(resources["cru_milli"] in range(1000, 2001), f"cru_milli {resources['cru_milli']}: of two CPUs")
    check(256 << 20 <= resources["mru_bytes"] < 512 << 20, f"mru_bytes {resources['mru_bytes']}: of 512 MiB, less the system's share")
    check(4 << 30 <= resources["sru_bytes"] <= 8 << 30 and resources["hru_bytes"] == 0,
          f"sru_bytes {resources['sru_bytes']}: of two SSDs of 4 GiB, less the system's share")
    check([disk["name"] for disk in view["disks"]] == ["sda", "sdb"], "both disks are listed")
    check(all(disk["size_bytes"] == 4 << 30 and disk["state"] == "used" for disk in view["disks"]), "with their sizes, in use")
    check(all(disk["read_iops"] > 0 and disk["read_bytes_per_s"] > 0 for disk in view["disks"]), "and measured reads")
    link = view["interfaces"][0]
    check(link["mac"] == "52:54:00:7a:6f:01" and any(a.startswith("10.0.2.") for a in link["addresses"]),
          f"link {link['name']} has {link['addresses']}")
    check(view["machine"]["hypervisor"] and view["machine"]["cpu"], f"machine: {view['machine']}")


def private_contract(grid, node, view, image):
    step("a private contract: a volume and a container")
    contract = grid.deploy(view, image)
    grid.wait_state(contract, "running", node)
    seen = grid.contract(contract)
    check(seen["private"] and seen["node"] == view["id"] and seen["bot"] == grid.bot.id, "running, and private to bot and node")
    statement = grid.directory.get(f"/v1/statements/{contract}")["envelope"]
    check("busybox" not in statement and "/data" not in statement and "image" not in grid.payload(contract),
          "the log doesn't show what runs")
    output = grid.wait_output(contract, "the page says", node)
    check("start number 1 " in output, "the container's output comes back: its first start with this volume")
    check("Served by a container" in output, "the page is served")
    check("a secret of 28 characters came" in output, "its secret came with it")
    grid.bot.run("verify", contract)
    check(True, "3bot verifies signature, inclusion proof and checkpoint by itself")
    used = grid.directory.get(f"/v1/nodes/{view['id']}")["reserved"]
    check(used == seen["reserves"], f"the node's reserved capacity is the contract's: {used}")
    return contract


def open_contract(grid, node, view, image):
    step("an open contract")
    contract = grid.deploy(view, image, public=True)
    grid.wait_state(contract, "running", node)
    payload = grid.payload(contract)
    check(not grid.contract(contract)["private"] and "workloads" in payload, "everybody can read what runs")
    check("start number 1 " in grid.wait_output(contract, "the page says", node), "its output is for the bot all the same")
    return contract


def refused_by_the_node(grid, node, view, image):
    step("contracts that the node can't keep")
    missing = image.split("@")[0] + "@sha256:" + "0" * 64
    contract = grid.deploy(view, missing)
    grid.wait_state(contract, "failed", node)
    check("sha256" in (why := grid.why_failed(contract)) or "404" in why or "image" in why, f"an image that isn't there: {why[:200]}")
    grid.bot.run("cancel", contract)
    grid.wait_state(contract, "stopped", node)
    check(True, "a failed contract can be cancelled")


def refused_at_once(grid, view, image):
    step("contracts that are refused before anybody signs")
    error = grid.deploy(view, image, memory_bytes=1 << 44, fails=True)
    check(error, f"more memory than the node has: {error}"[:200])
    error = grid.deploy(view, image, node="1" * 32, fails=True)
    check(error, f"an unknown node: {error}"[:200])
    error = grid.bot.run("cancel", "0" * 64, fails=True)
    check(error, f"cancel of an unknown contract: {error}"[:200])


def short_contract(grid, node, view):
    step("a contract that expires")
    contract = grid.deploy(view, None, expires="20s")
    grid.wait_state(contract, "running", node)
    grid.wait_state(contract, "stopped", node, timeout=60)
    check(True, "it ran, and stopped by itself when its time was up")


def story(folder):
    with Grid(folder) as grid:
        grid.make_identities()
        image = grid.push_demo()
        step("a node boots and registers itself")
        disks = [Disk(make_disk(folder / f"disk{n}", 4 << 30)) for n in range(2)]
        node = grid.node(disks=disks).start()
        view = grid.wait_registered(node, volumes=True)
        check(True, f"registered {node.elapsed():.1f} s after QEMU's start")
        check_view(view, grid)
        contracts = [private_contract(grid, node, view, image), open_contract(grid, node, view, image)]
        refused_by_the_node(grid, node, view, image)
        refused_at_once(grid, view, image)
        short_contract(grid, node, view)
        step("cancel")
        for contract in contracts:
            grid.bot.run("cancel", contract)
        for contract in contracts:
            grid.wait_state(contract, "stopped", node)
        empty = lambda: not any(grid.directory.get(f"/v1/nodes/{view['id']}")["reserved"].values())  # noqa: E731
        check(poll(empty, 10, "the capacity to be free again"), "all are stopped, and the node's capacity is free again")
        time.sleep(0.5)
        check(node.power_off(), "the power button turns the node off in order")
        check(not node.console.panic, "without a panic")


run(story)
