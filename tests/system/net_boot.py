#!/usr/bin/env python3
"""A node without any boot medium boots from the network: PXE in a BIOS machine's network card (iPXE) fetches a script and the
kernel by TFTP, and the words of `3bot invite --cmdline` are all the settings there are."""

import shutil

from story import check, run, step
from qemu import BOOT_SCRIPT
from zos import BUILD, Disk, Grid, make_disk


def offer(grid, folder):
    """What a farmer puts on his TFTP server: a script of three lines (initramfs/README.md), and the kernel."""
    folder.mkdir()
    shutil.copy(BUILD / "image" / "kernel", folder / "kernel")
    words = grid.bot.run("invite", "--farm", grid.farm, "--cmdline", "--node-directory", grid.directory.node_url())["cmdline"]
    (folder / BOOT_SCRIPT).write_text(f"#!ipxe\nkernel kernel {words}\nboot\n")
    return folder


def story(folder):
    with Grid(folder, registry=False) as grid:
        grid.make_identities()
        step("a TFTP server with the kernel and an iPXE script, and a machine with one empty disk")
        node = grid.node(boot="bios", tftp=offer(grid, folder / "tftp"),
                         disks=[Disk(make_disk(folder / "disk", 4 << 30), kind="virtio")]).start()
        view = grid.wait_registered(node, volumes=True)
        check(view["farm"] == grid.farm, f"the node joins farm {grid.farm}, {node.elapsed():.1f} s after QEMU's start")
        check(node.power_off(), "it powers off in order")


run(story)
