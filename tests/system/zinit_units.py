#!/usr/bin/python3
"""What a unit promises, seen from inside, on the real kernel with its control groups: limits, the user and what it may,
readiness by sd_notify, health checks; a bomb of forks and a daemon that slips away end with their services, and the other
services don't notice."""

from story import BUILD, check, run, step
from testbed import machine

INMATE = [("/bin/inmate", "0755", BUILD / "test" / "inmate")]

UNITS = {
    "plain": "exec: /bin/inmate show\noneshot: true\n",
    "confined": "exec: /bin/inmate show\noneshot: true\nuser: 4711:815\ncapabilities: [NET_BIND_SERVICE]\nno_new_privs: true\n"
                "read_only: true\nwritable: [/tmp]\nlimits: {nofile: 99}\n",
    "rooted": "exec: /bin/inmate show\noneshot: true\nread_only: true\ncapabilities: []\n",
    "nobody": "exec: /bin/inmate show\noneshot: true\nuser: nosuch\n",
    "notifier": "exec: /bin/inmate notify\nready: notify\n",
    "heeded": "exec: /bin/probe say it was heard\noneshot: true\nafter: [notifier]\n",
    "hungry": "exec: /bin/probe eat 0\nlimits: {memory_bytes: 16777216}\nrestart: never\n",
    "waiting": "exec: /bin/probe sleep\nafter: [broken]\n",
    "broken": "exec: /bin/probe fail\noneshot: true\n",
    "bomb": "exec: /bin/inmate bomb\nlimits: {pids: 50, cpu_milli: 200}\nhealth: {exec: /bin/inmate absent /run/full, every_s: 2, failures: 2}\n"
            "shutdown_timeout: 1\nrestart: never\n",
    "counter": "exec: /bin/inmate count bomb\n",
    "daemon": "exec: /bin/inmate daemon\nrestart: never\n",
    "daemons": "exec: /bin/inmate count daemon\n",
    "hanger": "exec: /bin/inmate hang 3\nhealth: {exec: /bin/inmate pulse, every_s: 1, failures: 2}\nshutdown_timeout: 1\n",
    "steady": "exec: /bin/probe sleep\n",
}


def story(folder):
    node = machine(folder, "units", UNITS, files=INMATE)
    node.start()

    step("what a process is given")
    node.wait_for(r"\[plain\] inmate: that is all", 120)
    node.wait_for(r"\[confined\] inmate: that is all", 60)
    node.wait_for(r"\[rooted\] inmate: that is all", 60)
    check(node.seen(r"\[plain\] inmate: write to /run: done"), "one that isn't confined writes where it likes")
    check(node.seen(r"\[confined\] inmate: uid 4711 gid 815 nofile 99"), "user, group and descriptors are the unit's")
    for line in ("CapEff:.0000000000000400", "CapBnd:.0000000000000400", "CapAmb:.0000000000000400", "NoNewPrivs:.1",
                 "write to /: Read-only file system", "write to /run: Read-only file system", "write to /tmp: done"):
        check(node.seen(rf"\[confined\] inmate: {line}"), f"confined: {line}")
    for line in ("uid 0 ", "CapEff:.0000000000000000", "CapBnd:.0000000000000000", "write to /tmp: Read-only file system"):
        check(node.seen(rf"\[rooted\] inmate: {line}"), f"root without capabilities: {line}")
    node.wait_for(r"nobody: can't set up user nosuch: there is no such user or group", 30)
    check(True, "a user who isn't there is told")

    step("readiness by sd_notify")
    told = node.wait_for(r"inmate: tells that it is ready", 60)[0]
    heard = node.wait_for(r"\[heeded\] it was heard", 60)[0]
    check(heard >= told, "what comes after it starts when it has told, and its control group vouches for it")

    step("memory")
    node.wait_for(r"hungry: killed by the kernel: out of memory within its limit", 90)
    check(True, "the reason names its limit")

    step("a daemon that slips away: two forks, a session of its own, an empty environment")
    node.wait_for(r"\[daemon\] inmate: is a daemon", 60)
    node.wait_for(r"daemon: exited with code 0", 60)
    since = node.console.count()
    node.wait_for(r"\[daemons\] inmate: 0 of daemon", 60, since)
    check(True, "ends when its service's first process ends")

    step("a bomb of forks, within pids: 50")
    node.wait_for(r"\[bomb\] inmate: no more forks", 90)
    node.wait_for(r"bomb: health check failed 2 times: .*; killed by SIG", 90)
    since = node.console.count()
    node.wait_for(r"\[counter\] inmate: 0 of bomb", 60, since)
    check(True, "not one process of it is left once its service was told to end")
    largest = max(int(line.split("inmate: ")[1].split()[0]) for _, line in node.console.lines if " of bomb" in line)
    check(largest <= 50, f"there were never more than {largest}")

    step("what hangs is started again")
    node.wait_for(r"hanger: health check failed 2 times: exit code 1", 60)
    since = node.console.count()
    node.wait_for(r"\[hanger\] inmate: hangs", 90, since)
    check(True, "and works again")

    check(not node.seen(r"steady: (killed|exited)"), "the service beside them all never noticed")
    check(node.power_off(), "the machine turns itself off in order")
    check(node.console.panic is None, "without a panic")


run(story)
