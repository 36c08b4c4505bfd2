#!/usr/bin/env python3
"""A node boots as a farmer boots it: from a USB stick made with `3bot invite --settings` and initramfs/usb-image, by BIOS and by
UEFI. The directory is behind TLS with an authority that only the stick's settings name. The stick isn't taken for a disk and
stays as it is; with another authority the node says which step fails, and waits. A clock whose battery is empty is no obstacle."""

import json
import subprocess

from story import check, run, sha256, step
from tls import Authority, Front
from zos import BUILD, ROOT, Disk, Grid, make_disk, poll

USB_IMAGE = ROOT / "initramfs" / "usb-image"
HOST = "10.0.2.2"  # this machine's loopback, for a node


def settings_file(grid, folder, port, authority):
    """What `3bot invite --settings` gives when 3bot itself reaches the directory through TLS."""
    path = folder / "node.json"
    grid.bot.run("invite", "--farm", grid.farm, "--settings", "--out", path, "--directory", f"https://127.0.0.1:{port}",
                 "--directory-ca", authority.pem, "--node-directory", f"https://{HOST}:{port}")
    settings = json.loads(path.read_text())
    check(settings["directory_ca"] == authority.pem.read_text(), "the settings carry the authority's certificate")
    return path


def make_stick(folder, name, settings):
    path = folder / f"{name}.img"
    subprocess.run([USB_IMAGE, BUILD / "image" / "kernel", path, settings], check=True, stdout=subprocess.DEVNULL)
    return path


def boots(grid, stick, disk, firmware, front, **options):
    """One boot to registration and off again; the node as the directory sees it."""
    step(f"the stick in a machine with {firmware.upper()} and one more disk" + (f", where it is {options['rtc']}" if options else ""))
    before, known, served = sha256(stick), grid.known_statements(), front.served
    node = grid.node("node", boot=firmware, stick=stick, disks=[Disk(disk, kind="virtio")], screen=True, **options).start()
    view = grid.wait_registered(node, known, volumes=True, timeout=180)
    check(view["farm"] == grid.farm, f"the node joins farm {grid.farm}, {node.elapsed():.1f} s after QEMU's start")
    check(front.served > served, "over TLS")
    states = {found["name"]: found["state"] for found in view["disks"]}
    check(states.get("vda") == "used", "the empty disk is used")
    check(states.get("sda", "").startswith("refused: "), f"the stick isn't: {states.get('sda')}")
    taken = node.seen(r"boot medium sda1: settings taken over.*")
    check(taken, f"the console: {taken and taken[1][0]}")
    check(node.power_off(), "it powers off in order")
    check(sha256(stick) == before, "the stick is the same byte for byte")
    return view


def wrong_authority(grid, folder, settings, front):
    step("a stick whose settings name another authority")
    other = Authority(folder / "tls", "another-authority")
    wrong = folder / "wrong.json"
    wrong.write_text(json.dumps({**json.loads(settings.read_text()), "directory_ca": other.pem.read_text()}))
    known = grid.known_statements()
    node = grid.node("wrong", boot="bios", stick=make_stick(folder, "wrong", wrong), screen=True).start()
    said = node.wait_for(rf"TLS with {HOST}: .*certificate.*CA$", timeout=90)[1]
    check(True, f"the console names the step: {said.string.strip()}")
    refused = front.refused
    page = node.wait_for(r"^  fails +TLS: .*", timeout=60, what="the console's page to say what fails")[1]
    check(True, f"and so does the page: {page[0].strip()}")
    poll(lambda: front.refused > refused, 60, "the node to try again", alive=node.check)
    check(grid.known_statements() == known, "it tells that directory nothing of itself, and tries on")
    check(node.power_off(), "it powers off in order")


def story(folder):
    with Grid(folder, registry=False) as grid:
        grid.make_identities()
        step("a directory behind TLS, and a stick with its settings")
        authority = Authority(folder / "tls")
        front = Front(*authority.certificate("directory", [HOST, "127.0.0.1"]), grid.directory.port)
        settings = settings_file(grid, folder, front.port, authority)
        stick, disk = make_stick(folder, "stick", settings), make_disk(folder / "disk", 4 << 30)
        first = boots(grid, stick, disk, "bios", front, rtc="2001-01-01T00:00:00")
        again = boots(grid, stick, disk, "uefi", front)
        check(again["id"] == first["id"], "it is the same node")
        wrong_authority(grid, folder, settings, front)
        front.close()


run(story)
