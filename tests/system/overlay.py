#!/usr/bin/env python3
"""Two nodes, two contracts, one network: a container on one node serves a page that a container on the other reads over WireGuard,
with no port open on either. Who isn't in the network doesn't reach it, and who is reaches nothing else; after a loss of power the
mesh comes back by itself. The nodes are told their settings, a fixed address on the wire between them too, by a boot medium."""

import json

from story import check, run, step
from zos import Disk, Grid, Wire, make_boot_medium, make_disk

PORT = 51820
PAGE = "a page out of the overlay"
SERVER, CLIENT, OUTSIDER = "10.20.1.5", "10.20.2.5", "10.20.3.5"
NETWORK = [SERVER, CLIENT, "10.20.1.1", "10.20.2.1"]  # the gateways refuse a connection, which shows that they are reached

# Not by wget's own -T: with it, the busybox of Debian 12 ends in a segmentation fault.
GET = "get='busybox timeout 10 wget'\n"

SERVE = f"""mkdir -p /tmp/www; echo '{PAGE}, from the %s' >/tmp/www/index.html
httpd -p 80 -h /tmp/www; echo 'the %s serves'
"""

# Waits until the page comes, tells what of the rest can be reached, and then says whenever it loses the page or has it again.
READ = """until page=$($get -q -O - http://%s/ 2>/dev/null); do sleep 1; done
echo "read: $page"
"""
FOLLOW = """while sleep 1; do
    if $get -q -O /dev/null http://%s/ 2>/dev/null; then now=here; else now=lost; fi
    [ $now = "${before:-here}" ] || echo "the page is $now"
    before=$now
done
"""
STAY = "while sleep 60; do :; done\n"


def look(places):
    """Shell: says of each place, an address or URL less its scheme, whether anything answers; a refused connection is an answer."""
    words = ["echo looking"]
    for place in places:
        words.append(f"(said=$($get -O /dev/null http://{place}/ 2>&1); case $?$said in 0*|*refused*|*'server returned'*) "
                     f"echo 'reached {place}';; *) echo 'closed {place}';; esac) &")
    return "\n".join(words + ["wait", "echo 'looked around'\n"])


class Place:
    """A node on the wire."""

    def __init__(self, grid, number, end):
        self.grid, self.number, self.name = grid, number, f"node-{number}"
        self.address = f"192.168.77.{number}"
        mac = f"52:54:00:7a:70:{number:02x}"
        settings = grid.medium_settings(network={"static": [{"mac": mac, "address": f"{self.address}/24"}]})
        folder = grid.folder / self.name
        disks = [Disk(make_disk(folder / "disk", 4 << 30)), Disk(make_boot_medium(folder / "medium", settings))]
        self.node = grid.node(self.name, disks=disks, settings={}, wires=[(end, mac)], mac=f"52:54:00:7a:6f:{number:02x}")

    def start(self):
        known = self.grid.known_statements()
        self.node.start()
        self.view = self.grid.wait_registered(self.node, known, volumes=True)
        return self

    def deploy(self, name, image, script, *networks):
        """A contract for a container that runs the script, in networks: [(its address, the network)]. Its id."""
        container = {"image": image, "plain_http": True, "entrypoint": ["/bin/sh", "-c", GET + script], "cpu_milli": 500,
                     "memory_bytes": "32MiB", "root_size_bytes": "64MiB"}
        workloads = [{"name": name, "type": "container", "data": container}]
        container["networks"] = [{"network": f"net{place}", "address": address} for place, (address, _) in enumerate(networks)]
        workloads += [{"name": f"net{place}", "type": "network", "data": data} for place, (_, data) in enumerate(networks)]
        file = self.grid.folder / f"{name}.json"
        file.write_text(json.dumps({"node": self.view["id"], "expires": "1h", "workloads": workloads}))
        return self.grid.bot.run("deploy", file, "--no-wait")["contract"]

    def output(self, contract, pattern):
        self.grid.wait_state(contract, "running", self.node)
        return self.grid.wait_output(contract, pattern, self.node, timeout=150)


def network(number, *peers, which=20, **more):
    """What a contract says of a node's part of a network."""
    return {"range": f"10.{which}.0.0/16", "subnet": f"10.{which}.{number}.0/24", "peers": list(peers), **more}


def peer(place, which=20, port=None):
    """Another node's part of it; with the port at which it can be dialled."""
    endpoint = {"endpoint": f"{place.address}:{port}"} if port else {}
    return {"node": place.view["id"], "allowed": [f"10.{which}.{place.number}.0/24"], **endpoint}


def outside(grid, one, two):
    """What isn't the network's: another network, nobody's, the host's services that the node itself uses, both nodes."""
    return [OUTSIDER, "10.20.9.9", f"10.0.2.2:{grid.registry.port}/v2", f"10.0.2.2:{grid.directory.port}", "10.0.2.15", one.address,
            two.address, "10.88.0.1"]


def mesh(grid, image, one, two):
    """The network on both nodes. Returns the contract of the one that serves, and of the one that reads."""
    step("a network over both nodes: each dials the other, no port is open")
    to_two, to_one = peer(two, port=PORT), peer(one, port=PORT)
    del to_two["node"]
    to_two["public_key"] = two.view["wireguard_key"]  # the other way to name it
    server = one.deploy("server", image, SERVE % ("server", "server") + STAY, (SERVER, network(1, to_two, listen_port=PORT)))
    script = SERVE % ("client", "client") + READ % SERVER + look(NETWORK + outside(grid, one, two)) + FOLLOW % SERVER
    client = two.deploy("client", image, script, (CLIENT, network(2, to_one, listen_port=PORT)))
    return server, client


def strangers(image, two):
    """Beside the one that reads: a container without a network, and one in another network of the same range."""
    step("on the second node too: a container without network, and one in another network of the same range")
    loner = two.deploy("loner", image, look(NETWORK) + STAY)
    script = SERVE % ("outsider", "outsider") + READ % OUTSIDER + look(NETWORK) + STAY
    outsider = two.deploy("outsider", image, script, (OUTSIDER, network(3)))
    return loner, outsider


def check_closed(output, place):
    check(f"closed {place}\n" in output + "\n", f"doesn't reach {place}")


def look_at_strangers(two, loner, outsider):
    for name, contract in (("the container without a network", loner), ("the container in another network", outsider)):
        step(name)
        output = two.output(contract, "looked around")
        for place in NETWORK:
            check_closed(output, place)
        check("reached" not in output, "nor anything else that it tried")
    check(f"read: {PAGE}, from the outsider" in output, "while its own network works, with addresses of the same range")


def look_at_client(grid, one, two, client):
    step("the container that reads")
    output = two.output(client, "looked around")
    check(f"read: {PAGE}, from the server" in output, "has read the page over the overlay; its output came back sealed")
    for place in NETWORK:
        check(f"reached {place}\n" in output, f"reaches {place} in its network")
    for place in outside(grid, one, two):
        check_closed(output, place)


def doors(image, one, two):
    """Two networks in which the first node can't dial; in one of them it has access: true. Returns the contracts."""
    step("the first node can't dial: only where its contract says `access` does it open the port")
    nets, dials = [], []
    for which, access in ((21, True), (22, False)):
        nets.append((f"10.{which}.1.5", network(1, peer(two, which), which=which, listen_port=PORT + which, access=access)))
        dials.append((f"10.{which}.2.5", network(2, peer(one, which, PORT + which), which=which)))
    host = one.deploy("host", image, SERVE % ("host", "host") + STAY, *nets)
    guest = two.deploy("guest", image, READ % "10.21.1.5" + look(["10.22.1.5"]) + STAY, *dials)
    one.output(host, "the host serves")
    output = two.output(guest, "looked around")
    check(f"read: {PAGE}, from the host" in output, "with access it is reached")
    check_closed(output, "10.22.1.5")
    return host, guest


def reboots(one, two, client):
    step("the node that serves loses power")
    before = two.node.console.count()
    one.node.pull_plug()
    says = rf"c-{client[:20]}-client\] the page is "
    two.node.wait_for(says + "lost", since=before)
    before = two.node.console.count()
    check(True, "the page is lost")
    one.node.start()
    two.node.wait_for(says + "here", timeout=150, since=before)
    check(True, "and comes back by itself once the node is there again")
    step("the node that reads is turned off and on")
    check(two.node.power_off(), "it powers off")
    two.node.start()
    two.node.wait_for(rf"c-{client[:20]}-client\] read: {PAGE}, from the server", timeout=150)
    check(True, "its container reads the page again")


def story(folder):
    with Grid(folder) as grid:
        grid.make_identities()
        image = grid.push_demo()
        step("two nodes with a wire between them, told by boot media")
        one, two = (Place(grid, number, end) for number, end in enumerate(Wire().ends, 1))
        for place in (one, two):
            place.start()
            addresses = [address for link in place.view["interfaces"] for address in link["addresses"]]
            check(f"{place.address}/24" in addresses, f"{place.name} is registered, with {place.address} on the wire")
        server, client = mesh(grid, image, one, two)
        loner, outsider = strangers(image, two)
        one.output(server, "the server serves")
        look_at_client(grid, one, two, client)
        look_at_strangers(two, loner, outsider)
        host, guest = doors(image, one, two)
        reboots(one, two, client)
        step("the contracts end")
        for contract, place in ((client, two), (server, one), (guest, two), (host, one)):
            grid.bot.run("cancel", contract)
            grid.wait_state(contract, "stopped", place.node)
        for place in (one, two):
            check(place.node.power_off(), f"{place.name} powers off")
            check(not place.node.console.panic, "without a panic")


run(story)
