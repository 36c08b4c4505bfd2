#!/usr/bin/python3
"""The node's own units on the real image: storaged and netd pass their health checks; storaged, once it is stopped by a signal and
so hangs, is started again, and netd doesn't notice."""

from story import check, run, step
from process import ROOT
from testbed import machine

# As they are, but asked three times as often.
OWN = {name: (ROOT / "initramfs" / "units" / f"{name}.yaml").read_text().replace("every_s: 30", "every_s: 10")
       for name in ("storaged", "netd")}
UNITS = {
    **OWN,
    "stopper": "exec: /bin/zinit kill storaged SIGSTOP\noneshot: true\nafter: [waiter]\n",
    "waiter": "exec: /bin/probe sleep\ntest: /bin/zinit call /run/storaged.sock capacity\nafter: [storaged, netd]\n",
}


def story(folder):
    step("storaged and netd run; storaged is stopped by a signal")
    node = machine(folder, "health", UNITS, memory="512M").start()
    node.wait_for(r"stopper: exited with code 0", 120)
    mark = node.console.count()
    step("it hangs: its health check fails, and it is started again")
    why = node.wait_for(r"storaged: health check failed 3 times: .*", 240, since=mark)[1]
    check(True, why.string.strip())
    node.wait_for(r"storaged: .*killed by SIGKILL", 60, since=mark)
    node.wait_for(r"storaged: settled", 60, since=mark)
    check(not node.seen(r"netd: health check failed"), "netd answers all the while")
    node.pull_plug()


if __name__ == "__main__":
    run(story)
