#!/usr/bin/python3
"""zinit as PID 1 of a plain PID namespace: services run, orphans are reaped, it ends in order."""

import subprocess

from story import check, poll, run, skip, step
from zinit_commands import Zinit

BEFORE = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]


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
        zinit.ends(lambda: zinit.command("shutdown", ok=True))
    finally:
        zinit.process.kill()


if __name__ == "__main__":
    run(story)
