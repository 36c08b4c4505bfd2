"""A network of one host that this process plays, frame by frame: what it offers to a node (DHCP, a gateway, DNS) can be changed
while the node runs, so that each step towards the world can be had without the next. Nothing leaves the loopback: QEMU hands
Ethernet frames over as UDP datagrams."""

import socket
import struct
import threading

MAC = bytes.fromhex("525400990001")
HOST, NODE = "10.99.0.1", "10.99.0.7"
MASK = "255.255.255.0"
ARP, IPV4 = 0x0806, 0x0800
TCP, UDP = 6, 17


def checksum(data):
    """RFC 1071."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Lan:
    """`end` is for Node's `wires`. lease, router: whether DHCP answers, and names a gateway. dns: "silent", "unknown" (no such
    name) or "known" (every name is this host's). A TCP connection is refused."""

    def __init__(self):
        self.lease = self.router = False
        self.dns = "silent"
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        with socket.socket(type=socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            self._node = other.getsockname()
        self.end = f"socket,udp=127.0.0.1:{self._socket.getsockname()[1]},localaddr=127.0.0.1:{self._node[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._socket.close()

    def _serve(self):
        while True:
            try:
                frame = self._socket.recv(65536)
            except ConnectionRefusedError:
                continue  # the node is off
            except OSError:
                return
            kind, = struct.unpack("!H", frame[12:14])
            if kind == ARP:
                self._on_arp(frame[6:12], frame[14:])
            elif kind == IPV4:
                self._on_ip(frame[6:12], frame[14:])

    def _send(self, mac, kind, data):
        self._socket.sendto(mac + MAC + struct.pack("!H", kind) + data.ljust(46, b"\0"), self._node)

    def _on_arp(self, mac, packet):
        """RFC 826: whoever asks for us is told."""
        if packet[6:8] == b"\0\1" and packet[24:28] == socket.inet_aton(HOST):
            self._send(mac, ARP, packet[:6] + b"\0\2" + MAC + packet[24:28] + packet[8:18])

    def _on_ip(self, mac, packet):
        header, protocol = (packet[0] & 15) * 4, packet[9]
        body = packet[header:struct.unpack("!H", packet[2:4])[0]]
        source, to = struct.unpack("!HH", body[:4])
        if protocol == UDP and to == 67 and self.lease:
            self._on_dhcp(mac, body[8:])
        elif packet[16:20] != socket.inet_aton(HOST):
            return
        elif protocol == UDP and to == 53 and self.dns != "silent":
            self._send_udp(mac, packet[12:16], 53, source, self._dns_answer(body[8:]))
        elif protocol == TCP and body[13] & 2:
            self._refuse(mac, packet[12:16], body)

    def _send_ip(self, mac, to, protocol, body):
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0, socket.inet_aton(HOST), to)
        self._send(mac, IPV4, header[:10] + struct.pack("!H", checksum(header)) + header[12:] + body)

    def _send_udp(self, mac, to, from_port, to_port, data):
        self._send_ip(mac, to, UDP, struct.pack("!HHHH", from_port, to_port, 8 + len(data), 0) + data)

    def _on_dhcp(self, mac, message):
        """RFC 2131: an offer for a discover, else an acknowledgement."""
        options, kind = message[240:], 0
        while options and options[0] != 255:
            if options[0] == 53:
                kind = options[2]
            options = options[1:] if options[0] == 0 else options[2 + options[1]:]
        if kind not in (1, 3):
            return
        given = [(53, bytes([2 if kind == 1 else 5])), (54, socket.inet_aton(HOST)), (51, struct.pack("!I", 3600)),
                 (1, socket.inet_aton(MASK)), (6, socket.inet_aton(HOST))]
        if self.router:
            given.append((3, socket.inet_aton(HOST)))
        reply = (b"\2" + message[1:12] + b"\0" * 4 + socket.inet_aton(NODE) + socket.inet_aton(HOST) + b"\0" * 4 + message[28:44]
                 + b"\0" * 192 + message[236:240] + b"".join(bytes([code, len(value)]) + value for code, value in given) + b"\xff")
        self._send_udp(mac, b"\xff" * 4, 67, 68, reply.ljust(300, b"\0"))

    def _dns_answer(self, question):
        """RFC 1035: no such name, or, to a question for an A record, this host."""
        end = question.index(b"\0", 12) + 5
        asked, = struct.unpack("!H", question[end - 4:end - 2])
        known, answers = self.dns == "known", self.dns == "known" and asked == 1
        head = question[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, int(answers), 0, 0)
        record = struct.pack("!HHHIH", 0xc00c, 1, 1, 1, 4) + socket.inet_aton(HOST)
        return head + question[12:end] + (record if answers else b"")

    def _refuse(self, mac, to, segment):
        """RFC 9293 §3.10.7.1: a reset that acknowledges the SYN."""
        sequence, = struct.unpack("!I", segment[4:8])
        reset = struct.pack("!2s2sIIBBHHH", segment[2:4], segment[:2], 0, (sequence + 1) & 0xffffffff, 0x50, 0x14, 0, 0, 0)
        pseudo = socket.inet_aton(HOST) + to + struct.pack("!BBH", 0, TCP, len(reset))
        self._send_ip(mac, to, TCP, reset[:16] + struct.pack("!H", checksum(pseudo + reset)) + reset[18:])
