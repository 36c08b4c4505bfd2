#!/usr/bin/python3
"""What a node was told once it does again after a reboot, be it orderly or a loss of power, by itself and with the directory
down: same identity, same contracts, same data. And directoryd may be killed at any moment: nothing acknowledged is lost."""

from story import check, run, step
from zos import Disk, Grid, make_disk

def container_back(node, contract):
    """Waits for the container's own words on the console, after it has written to its volume and serves its page."""
    match = node.wait_for(rf"c-{contract[:20]}-web\] demo: the page says", timeout=120)[1]
    check(True, f"the container is back without a directory: {match.string.strip()[:120]}")


def story(folder):
    with Grid(folder) as grid:
        grid.make_identities()
        image = grid.push_demo()
        node = grid.node(disks=[Disk(make_disk(folder / "disk", 4 << 30))])

        step("a container counts its starts on a volume")
        node.start()
        view = grid.wait_registered(node, volumes=True)
        contract = grid.deploy(view, image)
        grid.wait_state(contract, "running", node)
        check("start number 1 " in grid.wait_output(contract, "the page says", node), "first start")

        step("directoryd is killed and comes back while the node runs")
        before = grid.directory.get("/v1/stats")
        grid.directory.kill9()
        grid.directory.start()
        after = grid.directory.get("/v1/stats")
        check(grid.contract(contract)["state"] == "running", "it has lost nothing that it acknowledged")
        check({k: before[k] for k in before if k in ("nodes", "contracts")} ==
              {k: after[k] for k in after if k in ("nodes", "contracts")}, f"its totals are the same: {after}")
        second = grid.deploy(view, image)
        grid.wait_state(second, "running", node)
        check(True, "the node takes another contract from it")
        grid.bot.run("cancel", second)
        grid.wait_state(second, "stopped", node)
        grid.bot.run("verify", contract)
        check(True, "the log still verifies")

        step("orderly power-off; the directory is down when the node boots again")
        check(node.power_off(), "the node powers off")
        grid.directory.stop()
        node.start()
        container_back(node, contract)

        step("loss of power; the directory is still down")
        node.pull_plug()
        node.start()
        container_back(node, contract)

        step("the directory comes back")
        known = {view["id"]: view["statement"]}
        grid.directory.start()
        again = grid.wait_registered(node, known, volumes=True)
        check(again["id"] == view["id"], "the same node registers by itself")
        check(again["wireguard_key"] == view["wireguard_key"] and again["sealing_key"] == view["sealing_key"], "with the same keys")
        check(len(grid.nodes()) == 1, "and is the only one")
        check(grid.contract(contract)["state"] == "running", "its contract is running")
        output = grid.wait_output(contract, r"start number 3 (.|\n)*the page says", node)  # it says them one after the other
        check("start number 4 " not in output, "it was started three times in all, each with the same volume")

        step("a loss of power in the middle of a deployment")
        third = grid.deploy(view, image)
        grid.wait_state(third, "deploying", node, at_least=True, every=0.02)
        node.pull_plug()
        node.start()
        grid.wait_state(third, "running", node)
        check(True, "it is finished after the next boot")

        step("the contract is cancelled while the node is off")
        check(node.power_off(), "the node powers off")
        grid.bot.run("cancel", contract)
        node.start()
        grid.wait_state(contract, "stopped", node)
        check(True, "the node learns it and stops the container")
        grid.bot.run("cancel", third)
        grid.wait_state(third, "stopped", node)
        check(node.power_off(), "the node powers off")
        check(not node.console.panic, "without a panic")


run(story)
