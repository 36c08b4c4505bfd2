#!/usr/bin/python3
"""PID 1 when things go wrong: a critical service that can't be helped, PID 1 itself that stands still or faults, a disk that
hangs, services that won't end, memory, descriptors and processes that run out. The machine comes back, or to its end, in
bounded time, and says why."""

import re
import subprocess
import sys
import time

from story import BUILD, Failed, check, need_program, poll, run, step
from qemu import KERNEL, Disk, make_disk
from testbed import machine

UP = r"zinit: up, \d+ units"
SHORT = "zos.watchdog=4,3"  # seconds: the watchdog's, and those that a critical service may be unwell


def boots(node):
    """How many times zinit has come up on this console."""
    return sum(bool(re.search(UP, line)) for _, line in node.console.lines)


def wait_for_boot(node, number, timeout=60):
    """Also past a panic, which Node takes for the end."""
    poll(lambda: boots(node) >= number, timeout, f"boot number {number}", every=0.05)


def at(node, pattern):
    found = node.seen(pattern)
    if not found:
        raise Failed(f"the console doesn't say {pattern!r}")
    return found[0]


def critical_service(folder):
    step("a critical service that starting again doesn't help, and another that holds the reboot up")
    node = machine(folder, "critical", {
        "sick": "exec: /bin/probe sleep\ntest: /bin/probe fail\ncritical: true\n",
        "stuck": "exec: /bin/probe deaf\nshutdown_timeout: 300\n"}, words=[SHORT], no_reboot=False)
    node.start()
    node.wait_for("sick is critical and not well for .* rebooting")
    check(True, "it is told, with the name, for how long, and the reason")
    node.wait_for("softdog: Initiating system reboot", 30)
    wait_for_boot(node, 2)
    check(True, "the watchdog resets the machine, which boots again")
    node.stop()


def orderly_reboot(folder):
    step("the same, and nothing holds the reboot up")
    node = machine(folder, "orderly", {"sick": "exec: /bin/probe sleep\ntest: /bin/probe fail\ncritical: true\n"},
                   words=["zos.watchdog=30,2"], no_reboot=False)
    node.start()
    node.wait_for("zinit: reboot$", 60)
    wait_for_boot(node, 2)
    check(not node.seen("softdog: Initiating"), "it reboots in order, before the watchdog has to")
    node.stop()


def hardware_watchdog(folder):
    step("a hardware watchdog, and a PID 1 that stands still")
    node = machine(folder, "frozen", {"ice": "exec: /bin/probe after 6 /bin/probe freeze\nrestart: never\n",
                                      "well": "exec: /bin/probe sleep\ncritical: true\n"},
                   words=[SHORT], devices=["i6300esb"], no_reboot=False)
    node.start()
    node.wait_for(r"watchdog /dev/watchdog\d \(i6300ESB timer\)")
    check(True, "it is chosen, though softdog is there too")
    seconds, _ = node.wait_for("PID 1 is stopped")
    check(seconds - at(node, UP) > 4, "for longer than its time it was fed")
    wait_for_boot(node, 2)
    check(not node.seen("softdog: Initiating"), "the device resets the machine, which boots again")
    node.stop()


def kexec(folder):
    step("kexec: the same kernel again, without firmware")
    node = machine(folder, "kexec", {
        "early": "exec: /bin/zinit kexec\noneshot: true\nrestart: never\n",
        "load": "exec: /bin/zinit kexec /kernel zos.hostname=another\noneshot: true\nafter: [wait]\n",
        "wait": "exec: /bin/probe after 1 /bin/probe ok\noneshot: true\n",
        "go": "exec: /bin/zinit kexec\nafter: [load]\nrestart: never\n"},
        files=[("/kernel", "0644", KERNEL)], no_reboot=False, memory="1G")
    node.start()
    node.wait_for(r"load one first: zinit kexec KERNEL")
    check(True, "without a kernel it is refused, with what to do")
    node.wait_for("start of the loaded kernel$", 60)
    node.wait_for(r"Zero-OS +\S+ on another", 60)
    check(boots(node) == 2, "the kernel that was loaded runs, with the command line that it was given")
    node.stop()


def stubborn_end(folder):
    step("an end with services that won't, and other ends asked for meanwhile")
    node = machine(folder, "stubborn", {
        "deaf": "exec: /bin/probe deaf\nshutdown_timeout: 3\n",
        "escape": "exec: /bin/probe escape\nshutdown_timeout: 1\n",
        "base": "exec: /bin/probe sleep\n",
        "top": "exec: /bin/probe late 0 /bin/probe sleep\nafter: [base]\nshutdown_timeout: 2\n",
        "ask": "exec: /bin/probe after 2 /bin/zinit shutdown\nrestart: never\n",
        "again": "exec: /bin/probe late 4 /bin/zinit reboot\nrestart: never\nshutdown_timeout: 20\n",
        "late": "exec: /bin/probe late 4 /bin/zinit start base\nrestart: never\nshutdown_timeout: 20\n"})
    node.start()
    node.wait_for("power-off: stopping all services")
    check(node.process.wait_exit(60), "it powers off all the same")
    for name in ("deaf", "top"):
        check(node.seen(f"{name}: didn't end in time, is killed"), f"{name} was killed after its own time")
    check(at(node, "base: killed by SIGTERM") >= at(node, "top: killed by SIGKILL"), "in the reverse of the order")
    for name in ("again", "late"):
        check(node.seen(rf"\[{name}\].*already shutting down"), f"{name}'s request was answered with an error")
    check(at(node, r"zinit: power-off$") - at(node, "stopping all services") < 30, "in bounded time")


def fault(folder):
    step("a fault in PID 1")
    node = machine(folder, "fault", {"fault": "exec: /bin/probe after 2 /bin/probe fault\nrestart: never\n",
                                     "sent": "exec: /bin/zinit kill nobody SEGV\noneshot: true\nrestart: never\n"},
                   words=["panic=2"], no_reboot=False)
    node.start()
    poll(lambda: node.seen("zinit: died of SIGSEGV"), 60, "the fault", every=0.05)
    _, match = node.seen(r"zinit: died of SIGSEGV \(11\) on 0x5a5a; at 0x5a5a, called from((?: 0x[0-9a-f]+)+)")
    names = subprocess.run([need_program("addr2line", "binutils"), "-fe", BUILD / "debug" / "zinit", *match[1].split()],
                           capture_output=True, text=True).stdout
    check("loop_run" in names or "supervise" in names, "it is told on the console, and addr2line names its callers")
    wait_for_boot(node, 2)
    check(at(node, "Kernel panic") >= at(node, "died of"), "then the kernel panics, and reboots by itself")
    node.stop()


def scarcity(folder):
    step("memory, descriptors and processes run out")
    node = machine(folder, "scarce", {
        "bystander": "exec: /bin/probe sleep\ncritical: true\n",
        "hog": "exec: /bin/probe eat 0\nrestart: never\n",
        "crowd": "exec: /bin/probe clients /run/zinit.sock 3000\nrestart: never\n",
        "storm": "exec: /bin/probe after 3 /bin/probe storm 400\nrestart: never\n",
        "beat": "exec: /bin/probe after 11 /bin/probe say beat\n"}, words=[SHORT], memory="256M", no_reboot=False)
    node.start()
    node.wait_for("hog: killed by", 90)
    check(True, "the kernel ends the process that takes all memory")
    node.wait_for(r"\d+ clients", 60)
    node.wait_for("storm of 3200 is over", 120)
    beats = node.console.count()
    node.wait_for(r"\[beat\] beat", 60, since=beats)
    check(True, "after that, and with every client that zinit takes, services are started again")
    check(node.power_off(60), "it ends in order")
    check(boots(node) == 1, "no watchdog had to reset it")
    check(not node.seen(r"bystander: (killed by SIGKILL|exited)"), "the others were undisturbed")


def hanging_disk(folder):
    step("a disk that hangs while the machine is to end")
    disk = Disk(make_disk(folder / "disk", 2 << 30), kind="virtio")
    node = machine(folder, "hanging", {"writer": "exec: /bin/probe rewrite /var/lib/zos/block\nafter: [storaged]\n"},
                   keep=["storaged"], disks=[disk])
    node.start()
    node.wait_for("probe: writes", 120)
    node.qmp.call("block_set_io_throttle", device="disk0", bps=1, bps_rd=0, bps_wr=0, iops=1, iops_rd=0, iops_wr=0)
    time.sleep(1)  # a write is under way
    since = node.console.count()
    node.qmp.call("system_powerdown")
    check(node.process.wait_exit(90), "it powers off all the same")
    for pattern in (r"storaged: its process \d+ can't be killed", "some processes can't be killed", "can't be unmounted within"):
        check(node.seen(pattern, since), f"and says what it gave up: {node.seen(pattern, since)[1].string.strip()}")


PARTS = [critical_service, orderly_reboot, hardware_watchdog, kexec, stubborn_end, fault, scarcity, hanging_disk]


def story(folder):
    """All parts, or those named on the command line."""
    for part in PARTS:
        if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
            part(folder)


run(story)
