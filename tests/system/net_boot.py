#!/usr/bin/env python3
"""A node boots from the network, as initramfs/README.md says it does: a BIOS machine by iPXE, with a script that holds the words of
`3bot invite --cmdline`; a UEFI machine by its own PXE, with the kernel as the boot file and the settings on a partition ZOSBOOT."""

import json
import shutil

from story import check, run, step
from qemu import BOOT_SCRIPT
from zos import BUILD, Disk, Grid, make_boot_medium, make_disk


def invite(grid, form):
    return grid.bot.run("invite", "--farm", grid.farm, form, "--node-directory", grid.directory.node_url())


def offer(grid, folder):
    """What a farmer puts on a TFTP server."""
    folder.mkdir()
    shutil.copy(BUILD / "image" / "kernel", folder / "kernel")
    (folder / BOOT_SCRIPT).write_text(f"#!ipxe\nkernel kernel {invite(grid, '--cmdline')['cmdline']}\nboot\n")
    return folder


def boots(grid, firmware, tftp, disk, *others):
    known = grid.known_statements()
    disks = [Disk(path, kind="virtio") for path in (disk, *others)]
    node = grid.node("node", boot=firmware, tftp=tftp, disks=disks).start()
    view = grid.wait_registered(node, known, volumes=True, timeout=180)
    check(view["farm"] == grid.farm, f"the node joins farm {grid.farm}, {node.elapsed():.1f} s after QEMU's start")
    check(node.power_off(), "it powers off in order")
    return view["id"]


def story(folder):
    with Grid(folder, registry=False) as grid:
        grid.make_identities()
        step("a TFTP server with the kernel and an iPXE script, and a BIOS machine with one empty disk")
        tftp, disk = offer(grid, folder / "tftp"), make_disk(folder / "disk", 4 << 30)
        first = boots(grid, "bios", tftp, disk)
        step("the same as a UEFI machine, with a second disk that has the settings")
        again = boots(grid, "uefi", tftp, disk, make_boot_medium(folder / "medium", invite(grid, "--settings")))
        check(first == again, "it is the same node")


run(story)
