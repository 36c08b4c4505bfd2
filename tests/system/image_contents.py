#!/usr/bin/python3
"""What is in the image: exactly what initramfs/files.list names; at most eight executables, each static; no shell, no
busybox, no interpreter. And what a running node offers to the network: nothing."""

import concurrent.futures
import hashlib
import pathlib
import socket
import stat
import struct
import subprocess

from story import BUILD, check, run, step
from process import ROOT, free_ports
from zos import Node

ARCHIVE = BUILD / "image" / "initramfs.cpio"
LIST = ROOT / "initramfs" / "files.list"
EXECUTABLES_MAX = 8
# Names of programs that take commands from somebody: none of them may be there, as file or as link.
UNWANTED = {"sh", "ash", "bash", "dash", "zsh", "ksh", "csh", "fish", "busybox", "toybox", "python", "python3", "perl", "ruby",
            "lua", "tclsh", "node", "awk", "login", "getty", "agetty", "sshd", "dropbear", "telnetd", "su", "sudo"}
PT_INTERP, PT_DYNAMIC = 3, 2
# What somebody could hope to find open on a machine, and a few of the range that the kernel picks from.
PORTS = [21, 22, 23, 25, 53, 80, 110, 111, 139, 143, 179, 389, 443, 445, 514, 548, 631, 853, 873, 902, 993, 1080, 1433, 2049,
         2222, 2375, 2376, 2379, 2380, 3000, 3128, 3306, 3389, 4243, 5000, 5355, 5432, 5900, 6379, 6443, 8000, 8080, 8443, 8888,
         9000, 9090, 9100, 10250, 27017, 51820, 32768, 40000, 49152, 60999]


def read_newc(data):
    """[(name, mode, content)] of a newc archive (the kernel's buffer-format.rst)."""
    entries, at = [], 0
    while True:
        if data[at:at + 6] != b"070701":
            raise ValueError(f"no newc header at byte {at}")
        fields = [int(data[at + 6 + 8 * n:at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[at + 110:at + 110 + name_size - 1].decode()
        begin = (at + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return entries
        entries.append((name, mode, data[begin:begin + size]))
        at = (begin + size + 3) & ~3


def wanted_entries():
    """{name: kind} as files.list has it."""
    kinds = {"dir": stat.S_IFDIR, "file": stat.S_IFREG, "link": stat.S_IFLNK, "node": stat.S_IFCHR}
    lines = [line.split("#")[0].split() for line in LIST.read_text().splitlines()]
    return {words[1].lstrip("/"): kinds[words[0]] for words in lines if words}


def segment_types(program):
    """The types of an ELF64 executable's program headers."""
    if program[:5] != b"\x7fELF\x02":
        raise ValueError("not a 64-bit ELF file")
    offset, size, count = struct.unpack_from("<Q", program, 32)[0], *struct.unpack_from("<HH", program, 54)
    return [struct.unpack_from("<I", program, offset + n * size)[0] for n in range(count)]


def needs_libraries(program):
    """Whether a dynamic section names a library (a static position-independent executable has one that names none)."""
    offset, size, count = struct.unpack_from("<Q", program, 32)[0], *struct.unpack_from("<HH", program, 54)
    for n in range(count):
        kind, _, begin, _, _, length = struct.unpack_from("<IIQQQQ", program, offset + n * size)
        if kind == PT_DYNAMIC:
            tags = [struct.unpack_from("<Q", program, at)[0] for at in range(begin, begin + length, 16)]
            return 1 in tags[:tags.index(0) if 0 in tags else None]  # DT_NEEDED, DT_NULL
    return False


def archive_is_as_listed(entries):
    listed = wanted_entries()
    found = {name: stat.S_IFMT(mode) for name, mode, _ in entries}
    check(found == listed, f"the archive holds exactly the {len(listed)} entries of files.list")
    check(len(found) == len(entries), "no entry is there twice")
    executables = [(name, content) for name, mode, content in entries if stat.S_ISREG(mode) and mode & 0o111]
    check(0 < len(executables) <= EXECUTABLES_MAX,
          f"{len(executables)} executables, at most {EXECUTABLES_MAX}: {' '.join(name for name, _ in executables)}")
    for name, content in executables:
        check(PT_INTERP not in segment_types(content) and not needs_libraries(content), f"{name} is a static executable")
    others = [name for name, mode, content in entries
              if stat.S_ISREG(mode) and not mode & 0o111 and content[:4] in (b"\x7fELF", b"#!/b", b"#! /")]
    check(not others, "nothing else is a program or a script")
    bad = [name for name in found if pathlib.PurePath(name).name in UNWANTED]
    check(not bad, "no name of a shell, an interpreter or a login")
    check(not any(mode & (stat.S_ISUID | stat.S_ISGID) for _, mode, _ in entries), "nothing is setuid or setgid")


def archive_is_reproducible(folder, data):
    again = folder / "again.cpio"
    subprocess.run([ROOT / "initramfs" / "pack", "initramfs/files.list", again], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    check(hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(data).digest(), "packed again, it is the same bit for bit")


def answers(port):
    """Whether something behind QEMU's port forwarding accepts a connection. QEMU itself always accepts, and closes when the
    guest refuses; a guest that drops packets leaves the connection silent. A listener would keep it and take our bytes."""
    with socket.socket() as connection:
        connection.settimeout(4)
        try:
            connection.connect(("127.0.0.1", port))
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(1) != b""
        except OSError:
            return False


def nothing_listens(folder):
    forward = list(zip(free_ports(len(PORTS)), PORTS))
    node = Node(folder / "node", forward=forward).start()
    node.wait_for(r"uplink .*gateway", timeout=90)
    listening = node.wait_for(r"^ *listening +(.*)", timeout=30)[1][1].strip()
    check(listening.split(" (DHCP client")[0] == "none", f"the node lists its listening sockets: {listening}")
    with concurrent.futures.ThreadPoolExecutor(len(forward)) as pool:
        found = list(pool.map(lambda pair: answers(pair[0]), forward))
    open_ports = [guest for (_, guest), is_open in zip(forward, found) if is_open]
    check(not open_ports, f"none of {len(PORTS)} TCP ports answers from outside {open_ports or ''}")
    mark = node.console.count()
    check(node.power_off(), "the node powers off by its button")
    check(not node.seen("panic", mark), "without a panic")


def story(folder):
    step("the archive")
    data = ARCHIVE.read_bytes()
    entries = read_newc(data)
    archive_is_as_listed(entries)
    archive_is_reproducible(folder, data)
    kernel = (BUILD / "image" / "kernel").stat().st_size
    check(kernel <= 20 << 20, f"kernel with initramfs: {kernel / (1 << 20):.1f} MiB, at most 20")
    step("a running node, seen from the network")
    nothing_listens(folder)


run(story)
