#!/usr/bin/python3
"""A disk with anything on it stays as it is, byte for byte: a file system, a bare partition table, or bytes that no program
knows. The console says of each why it is left alone; the empty disk beside them is used."""

import os
import subprocess
import time

from story import check, need_program, run, sha256, step
from zos import Disk, Node, make_disk

SIZE = 1 << 30


def ext4(path):
    make_disk(path, SIZE)
    subprocess.run([need_program("mkfs.ext4", "e2fsprogs"), "-q", "-F", "-L", "precious", path], check=True)


def gpt(path):
    make_disk(path, SIZE)
    subprocess.run([need_program("sfdisk", "fdisk"), "-q", path], input=b"label: gpt\n", check=True)


def unknown_bytes(path):
    """No signature of anything, but something."""
    make_disk(path, SIZE)
    with open(path, "r+b") as file:
        file.write(bytes(byte or 1 for byte in os.urandom(1 << 20)))


def story(folder):
    step("four disks: ext4, a bare GPT, unknown bytes, and an empty one")
    makers = {"vda": ext4, "vdb": gpt, "vdc": unknown_bytes}
    paths = {}
    for name, make in makers.items():
        paths[name] = folder / f"{name}.img"
        make(paths[name])
    paths["vdd"] = make_disk(folder / "vdd.img", 2 << 30)
    before = {name: sha256(path) for name, path in paths.items()}

    node = Node(folder / "node", disks=[Disk(path, kind="virtio") for path in paths.values()]).start()
    for name in makers:
        match = node.wait_for(rf"storaged: disk {name}: refused: .*", timeout=90)[1]
        check(True, match[0].strip())
    match = node.wait_for(r"storaged: disk vdd: added to pool .*", timeout=90)[1]
    check(True, match[0].strip())
    time.sleep(2)
    check(node.power_off(), "the node powers off")
    for name, make in makers.items():
        check(sha256(paths[name]) == before[name], f"{name} ({make.__name__}) is the same byte for byte")
    check(sha256(paths["vdd"]) != before["vdd"], "vdd was taken into use")

    step("a second boot, with the pool there already")
    again = Node(folder / "node", disks=[Disk(path, kind="virtio") for path in paths.values()]).start()
    for name in makers:
        again.wait_for(rf"storaged: disk {name}: refused: .*", timeout=90)
    check(again.power_off(), "the node powers off")
    for name in makers:
        check(sha256(paths[name]) == before[name], f"{name} is still the same")


run(story)
