#!/usr/bin/python3
"""zinit as PID 1 of a plain PID namespace: services run, orphans are reaped, it ends in order and its exit code tells how."""

import subprocess

from story import check, poll, run, skip, step
from zinit_commands import Zinit

BEFORE = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]


def zombies_of(pid):
    """Children of the process that have ended and wait to be taken in."""
    said = subprocess.run(["ps", "-o", "stat=", "--ppid", pid], capture_output=True, text=True).stdout.split()
    return [state for state in said if state.startswith("Z")]


def story(folder):
    tried = subprocess.run([*BEFORE, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        skip(f"no PID namespace can be made here: {tried.stderr.strip()}")
    step("zinit is PID 1 of a namespace")
    zinit = Zinit(folder, "namespace", *BEFORE)
    try:
        check(zinit.result("service_list")["tick"] == "Running", "services run")
        check(zinit.result("service_status", ["web"])["pid"] < 100, "with the namespace's numbers")
        zinit.result("service_create", ["orphan", {"exec": "sh -c 'setsid sleep 0.2 & exit 0'", "oneshot": True}])
        zinit.result("service_monitor", ["orphan"])
        poll(lambda: zinit.state("orphan") == "Success", 30, "its end")
        zinit.refused(-32003, "service_stop", ["orphan"])
        step("a storm of orphans, and what outlives zinit's services")
        zinit.result("service_create", ["storm", {"exec": "sh -c 'while :; do (setsid true &); done'"}])
        zinit.result("service_monitor", ["storm"])
        for _ in range(20):
            check(zinit.state("tick") == "Running", "zinit answers amid it")
        zinit.result("service_stop", ["storm"])
        poll(lambda: zinit.result("service_status", ["storm"])["pid"] == 0, 30, "it is stopped")
        inside = subprocess.run(["pgrep", "-P", str(zinit.process.pid)], capture_output=True, text=True).stdout.split()[0]
        poll(lambda: not zombies_of(inside), 30, "every orphan is reaped")
        zinit.ends(lambda: zinit.command("shutdown", ok=True))
        check(zinit.process.returncode == 0, "with exit code 0")
        zinit = Zinit(folder, "again", *BEFORE)
        zinit.ends(lambda: zinit.command("reboot", ok=True))
        check(zinit.process.returncode == 3, "and 3 when it was told to reboot")
    finally:
        zinit.process.kill()


if __name__ == "__main__":
    run(story)
