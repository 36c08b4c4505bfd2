#!/usr/bin/python3
"""What a node's last boot said is read after a loss of power: the kernel's lines and the services', those from before the disk was
there too; while a service floods, the others are heard; after an orderly end the log says so."""

import time

from story import check, run, step
from testbed import machine
from zos import Disk, make_disk

UNITS = {
    # Before any disk: what it says is only in memory until the cache volume is mounted.
    "early": "exec: /bin/probe say an early word\noneshot: true\n",
    "flood": "exec: /bin/probe flood\n",
    "late": "exec: /bin/probe after 2 /bin/probe say a late word\noneshot: true\nafter: [disk]\n",
    "disk": "exec: /bin/probe exists /var/lib/zos/log\noneshot: true\nrestart: on-failure\n",
    "last": "exec: /bin/zinit log --boot -1 early\noneshot: true\nafter: [disk]\nlog: stdout\n",
    "last-kernel": "exec: /bin/zinit log --boot -1 kernel\noneshot: true\nafter: [last]\nlog: stdout\n",
    "last-late": "exec: /bin/zinit log --boot -1 late\noneshot: true\nafter: [last-kernel]\nlog: stdout\n",
    "last-zinit": "exec: /bin/zinit log --boot -1 zinit\noneshot: true\nafter: [last-late]\nlog: stdout\n",
    "end": "exec: /bin/probe say that is all\noneshot: true\nafter: [last-zinit]\n",
}
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def comes(node, pattern, what):
    found = node.wait_for(pattern, timeout=120, what=what)[1].string.strip()
    check(True, f"{what}: {found[:150]}")


def story(folder):
    node = machine(folder, "node", UNITS, keep=["storaged"], disks=[Disk(make_disk(folder / "disk", 4 << 30))])

    step("first boot, on an empty disk, beside a service that floods")
    node.start()
    comes(node, r"\[late\] a late word", "the others are heard")
    comes(node, r"\[last-?\w*\] zinit: no log of that boot|^zinit: no log of that boot", "there is no boot before this one")
    check(node.seen(r"\[flood\] \(\d+ lines left out here\)|\[flood\] flood"), "and the flood ran")

    step("loss of power, some seconds later")
    time.sleep(5)
    node.check()
    node.pull_plug()
    node.start()
    comes(node, r"warning .*boot 1, the last one, ended without a shutdown; its last line: \d{4}-", "the console says how it ended")
    comes(node, TIME + r" info early: an early word", "what was said before there was a disk")
    comes(node, TIME + r" \w+ kernel: Linux version ", "the kernel's first line")
    comes(node, TIME + r" info late: a late word", "what was said after")
    comes(node, TIME + r" info zinit: zinit: up, \d+ units", "zinit's own lines")
    comes(node, r"zinit: boot 1 ended without a shutdown", "and that nothing ended it")
    comes(node, r"\[end\] that is all", "all units had their turn")

    step("an orderly end")
    check(node.power_off(), "the node powers off")
    node.start()
    comes(node, r"boot 2, the last one, ended in order", "the console says so")
    comes(node, TIME + r" info zinit: zinit: all services stopped, unmounting", "the log has the last lines of the shutdown")
    comes(node, r"\[end\] that is all", "all units had their turn")
    check(not node.seen(r"^warning zinit: boot 2, the last one"), "no word of an end without a shutdown")
    check(node.power_off(), "the node powers off")
    check(not node.console.panic, "without a panic")


run(story)
