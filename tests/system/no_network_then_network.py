#!/usr/bin/python3
"""Whatever is missing, the node boots, says on its console what it is, keeps trying, and goes on by itself once it is there:
no cable, no directory, no invite, no disk. Of the way to its directory the console's page names the step that fails: link, lease,
route, DNS, TCP, directory (TLS: usb_boot)."""

import http.server
import json
import threading
import time

from lan import Lan
from story import check, run, step
from zos import Directory, Disk, Grid, make_disk

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


def fails(node, pattern, since, timeout=90):
    """Waits until the console's page says that this step fails."""
    found = node.wait_for(rf"^  fails +{pattern}", timeout=timeout, since=since, what=f"the page to say {pattern!r}")[1]
    check(True, found.string.strip()[:160])


def each_step_before_tcp(grid):
    """Its one cable that is in leads to a network that offers ever more."""
    step("a node on a network that offers nothing, then a lease, a gateway, a DNS server …")
    lan = Lan()
    settings = {**grid.settings(), "directory": "http://directory.example:8420"}
    node = grid.node("steps", settings=settings, link=False, wires=[(lan.end, "52:54:00:7a:6f:02")]).start()

    def again(**offers):
        """The network changes, and the cable is pulled and plugged in, so that the node asks anew."""
        vars(lan).update(offers)
        mark = node.console.count()
        for up in (False, True):
            node.qmp.call("set_link", name="nic1", up=up)
            time.sleep(0.5)
        return mark

    fails(node, r"lease: no DHCP answer on eth1", 0)
    mark = node.console.count()
    node.qmp.call("set_link", name="nic1", up=False)
    fails(node, r"link: no carrier on eth0, eth1: is the cable plugged in\?", mark)
    fails(node, r"route: no default route by eth1", again(lease=True))
    mark = again(router=True)
    fails(node, r"DNS: resolve directory\.example: no DNS server answers \(asked", mark)
    mark = node.console.count()
    lan.dns = "unknown"
    fails(node, r"DNS: resolve directory\.example: DNS knows no address of it", mark)
    mark = node.console.count()
    lan.dns = "known"
    fails(node, r"TCP: connect to directory\.example:8420: the connection is refused", mark)
    check(node.seen(r"^  way +link ok, lease ok, route ok, DNS ok, TCP FAILS", mark), "and what works before it")
    check(node.power_off(), "it powers off in order")
    lan.close()


class Unwell(http.server.BaseHTTPRequestHandler):
    """A directory that is being repaired. What it says is no text for a terminal."""

    def do_GET(self):
        body = json.dumps({"title": "Maintenance \u009b2J\x1b[31m", "detail": "back soon"}).encode()
        self.send_response(503)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def each_step_behind_tcp(grid, folder):
    """TLS is usb_boot's."""
    step("a node whose directory isn't well, then another's, then its own")
    known, port = grid.known_statements(), grid.directory.port
    grid.directory.stop()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Unwell)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    node = grid.node("behind").start()
    fails(node, r"directory: Maintenance \?2J\?\[31m: back soon", 0)
    mark = node.console.count()
    server.shutdown()
    server.server_close()
    other = Directory(folder / "other-directory", port)
    check(other.port == port, "another directory answers at the same address")
    fails(node, r"directory: the directory's time: is signed by", mark)
    mark = node.console.count()
    other.stop()
    grid.directory.start()
    grid.wait_registered(node, known)
    node.wait_for(r"^  directory +http://\S+, reachable", timeout=60, since=mark, what="the page to say that the directory is reachable")
    check(not node.seen("\x1b\\[31m|\x9b"), "no text of theirs drives the terminal")
    check(node.power_off(), "it powers off in order")


def story(folder):
    with Grid(folder, registry=False) as grid:
        grid.make_identities()
        no_cable_no_directory_no_disk(grid, folder)
        no_invite(grid, folder)
        each_step_before_tcp(grid)
        each_step_behind_tcp(grid, folder)


run(story)
