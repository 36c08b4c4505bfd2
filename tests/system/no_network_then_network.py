#!/usr/bin/python3
"""Whatever is missing, the node boots, says on its console what it is, keeps trying, and goes on by itself once it is there:
no cable, no directory, no invite, no disk."""

from story import check, run, step
from zos import Disk, Grid, make_disk

LINK_MISSING = r"(?i)(no (link|carrier|cable|network)|link .*down|cable|waits? for .*(lease|link|carrier))"
DIRECTORY_MISSING = r"(?i)(directory.*(connect|reach|refused|answer)|(connect|reach).*directory)"
INVITE_MISSING = r"no invite"
DISK_MISSING = r"no usable disk"


def says(node, pattern, what):
    match = node.wait_for(pattern, timeout=60, what=f"the console to say that there is no {what}")[1]
    check(True, f"there being no {what}, the console says: {match.string.strip()[:160]}")


def no_cable_no_directory_no_disk(grid, folder):
    step("a node without a cable, without a disk, and with no directory running")
    grid.directory.stop()
    node = grid.node(link=False, hotplug=True).start()
    says(node, LINK_MISSING, "network")
    says(node, DISK_MISSING, "disk")
    step("the cable is plugged in")
    mark = node.console.count()
    node.set_link(True)
    found = node.wait_for(DIRECTORY_MISSING, timeout=90, since=mark)[1]
    check(True, f"it goes on to the next thing that is missing: {found.string.strip()[:160]}")
    step("the directory is started")
    grid.directory.start()
    view = grid.wait_registered(node)
    resources = view["resources"]
    check(resources["sru_bytes"] == 0 and resources["hru_bytes"] == 0, "it registers by itself, with nothing for volumes")

    step("the cable is pulled and plugged in again")
    node.set_link(False)
    node.wait_for(LINK_MISSING, timeout=60, since=node.console.count() - 3)
    node.set_link(True)

    step("a disk is plugged in")
    known = {view["id"]: view["statement"]}
    node.plug_disk(Disk(make_disk(folder / "hot", 2 << 30)))
    more = grid.wait_registered(node, known, timeout=120, volumes=True)
    check(more["id"] == view["id"], "the same node registers anew")
    check(more["resources"]["sru_bytes"] + more["resources"]["hru_bytes"] > 1 << 30, f"with the disk: {more['resources']}")
    contract = grid.deploy(more, None)
    grid.wait_state(contract, "running", node)
    check(True, "a contract for a volume runs on it")
    check(node.power_off(), "the node powers off")


def no_invite(grid, folder):
    step("a node without an invite")
    settings = grid.settings()
    invite = settings.pop("invite")
    node = grid.node("uninvited", settings=settings, disks=[Disk(make_disk(folder / "disk", 2 << 30))]).start()
    says(node, INVITE_MISSING, "invite")
    check(node.power_off(), "it powers off in order")
    step("the same machine with an invite")
    known = grid.known_statements()
    node.settings = {**settings, "invite": invite}
    node.start()
    view = grid.wait_registered(node, known)
    check(view["farm"] == grid.farm, "it joins the farm")
    check(node.power_off(), "the node powers off")

    step("a node with settings that are wrong")
    node.settings = {"directory": "ftp://nobody", "directory_key": "nonsense", "invite": "!!!"}
    node.start()
    found = node.wait_for(r"(?i)(settings|command line|directory(_key)?|invite).*(must|wrong|not |isn't|no )", timeout=60)[1]
    check(True, f"it boots and says: {found.string.strip()[:160]}")
    check(node.power_off(), "it powers off in order")


def story(folder):
    with Grid(folder, registry=False) as grid:
        grid.make_identities()
        no_cable_no_directory_no_disk(grid, folder)
        no_invite(grid, folder)


run(story)
