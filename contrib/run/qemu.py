"""A node in QEMU: its console, its disks, its cable and its power button.

KVM is used only when a short real boot shows that it works (a present /dev/kvm may hang); else TCG with one thread: QEMU
7.2's multi-threaded TCG lets about one boot in forty panic in the guest (a race in patching jump labels). The processor
model is the plain qemu64, because TCG's emulation of newer instructions isn't to be trusted.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

from process import BUILD, Failed, Process, note, poll, tail

KERNEL = BUILD / "image" / "kernel"
OVMF = pathlib.Path("/usr/share/OVMF")
BOOT_SCRIPT = "boot.ipxe"
PANIC = re.compile(r"Kernel panic|Oops:|Attempted to kill init")
TCG = ["-accel", "tcg,thread=single", "-cpu", "qemu64,svm=off,+rdrand"]
KVM = ["-accel", "kvm", "-cpu", "host"]
CMDLINE_MAX = 2047  # COMMAND_LINE_SIZE of x86, less the NUL
SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Panic(Failed):
    pass


def parse_size(text):
    """"8G" → bytes."""
    match = re.fullmatch(r"(\d+)([KMGT]?)i?B?", str(text).strip(), re.IGNORECASE)
    if not match:
        raise Failed(f"not a size: {text!r} (write 512M, 8G …)")
    return int(match[1]) * SIZE_UNITS[match[2].upper()]


def make_disk(path, size):
    """A sparse empty disk; one that is there with this size already is kept."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not (path.exists() and path.stat().st_size == size):
        with open(path, "wb") as file:
            file.truncate(size)
    return path


class Disk:
    """A raw image as a disk. kind: "scsi" (virtio-scsi; `rotation` 1 stands for an SSD, else revolutions a minute, as SCSI has
    it), or "virtio" (virtio-blk, which can't say what it is: the node tells by measuring, and a busy host is a slow disk)."""

    def __init__(self, path, kind="scsi", rotation=1):
        self.path, self.kind, self.rotation = pathlib.Path(path).resolve(), kind, rotation


def make_boot_medium(path, settings):
    """A disk as a farmer's stick has it for the node: FAT, labelled ZOSBOOT, with the settings as zos/node.json."""
    path = make_disk(path, 4 << 20)
    settings_file = path.with_suffix(".json")
    settings_file.write_text(json.dumps(settings))
    environment = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin", MTOOLS_SKIP_CHECK="1")
    for command in (["mkfs.vfat", "-n", "ZOSBOOT", path], ["mmd", "-i", path, "::/zos"],
                    ["mcopy", "-i", path, settings_file, "::/zos/node.json"]):
        try:
            subprocess.run(command, check=True, capture_output=True, env=environment)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failed(f"no boot medium: {error}; run `make setup` (packages dosfstools, mtools)")
    return path


class Wire:
    """An Ethernet cable between two nodes: `ends[0]` and `ends[1]` are for Node's `wires`. It is two UDP ports of the
    loopback, so that either node may be off for a while."""

    def __init__(self):
        with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
            for end in (one, other):
                end.bind(("127.0.0.1", 0))
            ports = [end.getsockname()[1] for end in (one, other)]
        self.ends = [f"socket,udp=127.0.0.1:{far},localaddr=127.0.0.1:{near}" for near, far in (ports, reversed(ports))]


class Console:
    """Follows the file that the serial console is written to, and notes when each line came."""

    def __init__(self, path, started):
        self.path, self.started = pathlib.Path(path), started
        self.lines = []  # (seconds since QEMU's start, text)
        self.panic = None
        self._rest = b""
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def text(self, since=0):
        with self._lock:
            return "\n".join(line for _, line in self.lines[since:])

    def find(self, pattern, since=0):
        """(seconds, match) of the first line from number `since` on that fits, or None."""
        expression = re.compile(pattern)
        with self._lock:
            lines = self.lines[since:] + ([(0, self._rest.decode("utf-8", "replace"))] if self._rest else [])
        for seconds, line in lines:
            match = expression.search(line)
            if match:
                return seconds or time.monotonic() - self.started, match
        return None

    def count(self):
        with self._lock:
            return len(self.lines)

    def close(self):
        self._end.set()
        self._thread.join(2)

    def _follow(self):
        while not self.path.exists() and not self._end.is_set():
            time.sleep(0.01)
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            last = False
            while True:
                data = file.read()
                if data:
                    self._take(data)
                elif last:
                    return
                else:
                    last = self._end.wait(0.01)

    def _take(self, data):
        now = time.monotonic() - self.started
        with self._lock:
            *whole, self._rest = (self._rest + data).split(b"\n")
            for raw in whole:
                line = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw.decode("utf-8", "replace")).strip("\r")
                self.lines.append((now, line))
                if not self.panic and PANIC.search(line):
                    self.panic = line


class Qmp:
    """QEMU's machine protocol over an inherited socket, so that no path's length matters."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(30)
        self.file = connection.makefile("r", encoding="utf-8")
        self.file.readline()  # the greeting
        self.call("qmp_capabilities")

    def call(self, command, **arguments):
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self.socket.sendall((json.dumps(request) + "\n").encode())
        while True:
            line = self.file.readline()
            if not line:
                raise Failed(f"QEMU ended while asked to {command}")
            answer = json.loads(line)
            if "error" in answer:
                raise Failed(f"QEMU refuses {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]


class Node:
    """One virtual 3Node. `folder` keeps its console logs, one a boot: console-1.log, console-2.log …"""

    def __init__(self, folder, *, memory="512M", cpus=2, disks=(), settings=None, words=(), link=True, hotplug=False,
                 forward=(), wires=(), no_reboot=True, accel=None, mac="52:54:00:7a:6f:01", boot="kernel", stick=None, tftp=None,
                 screen=False, rtc=None, initrd=None, devices=()):
        """settings: {"directory": …} written as zos.* words (invite: the envelope's base64url). words: more for the
        command line. forward: [(host port, guest port)]. link: whether the cable is in from the start.
        wires: [(an end of a Wire, MAC address)], a network card each beside the one that leads to the host.
        boot: who loads the kernel: "kernel" (QEMU, with settings and words), or the firmware, "bios" or "uefi", which
        then knows neither: from `stick`, the image of a USB stick, or else over the network from the folder `tftp`: UEFI
        its file `kernel`, BIOS, by iPXE, its BOOT_SCRIPT. screen: with a graphics card, for screenshot(). rtc: what the machine's clock says at the
        start, like 2001-01-01T00:00:00, rather than the time. initrd: an archive that the kernel unpacks over the image's own. devices: more of
        QEMU's -device, like "i6300esb"."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.memory, self.cpus, self.disks = memory, cpus, list(disks)
        self.settings, self.words = dict(settings or {}), list(words)
        self.link, self.hotplug, self.forward, self.no_reboot, self.mac = link, hotplug, list(forward), no_reboot, mac
        self.accel, self.wires = accel, list(wires)
        self.boot, self.screen, self.rtc, self.initrd = boot, screen, rtc, initrd
        self.devices = list(devices)
        self.stick, self.tftp = (pathlib.Path(path).resolve() if path else None for path in (stick, tftp))
        self.process = self.console = self.qmp = None
        self._plugged = 0

    # ---- power

    def start(self):
        if self.boot == "kernel" and not KERNEL.exists():
            raise Failed(f"{KERNEL} isn't there: run `make image`")
        log, self.qmp = self._next_log(), None
        ours, theirs = socket.socketpair()
        accel = self.accel or accelerator()
        with theirs:
            self.process = Process(self._command(log, theirs.fileno(), accel), self.folder / "qemu.log",
                                   pass_fds=[theirs.fileno()], name="qemu")
        self.console = Console(log, self.process.started)
        try:
            self.qmp = Qmp(ours)
        except OSError:
            ours.close()
            raise Failed(f"QEMU ended: {tail(self.process.log, 3)}")
        if not self.link:
            self.set_link(False)
        self.qmp.call("cont")
        return self

    def power_off(self, timeout=40):
        """Presses the power button; True when the node turned itself off in time."""
        if not self.process or not self.process.alive:
            return True
        self.qmp.call("system_powerdown")
        orderly = self.process.wait_exit(timeout)
        self._ended()
        return orderly

    def pull_plug(self):
        """Loss of power: what the guest hadn't flushed is gone."""
        if self.process:
            self._ended()

    stop = pull_plug

    @property
    def alive(self):
        return self.process is not None and self.process.alive

    # ---- what is plugged in

    def set_link(self, up):
        self.qmp.call("set_link", name="nic0", up=up)

    def plug_disk(self, disk):
        """Adds a disk while the node runs (a SCSI disk: needs hotplug=True)."""
        name = f"hot{self._plugged}"
        self._plugged += 1
        self.qmp.call("blockdev-add", **{"driver": "raw", "node-name": name,
                                         "file": {"driver": "file", "filename": str(disk.path)}})
        self.qmp.call("device_add", driver="scsi-hd", bus="scsi0.0", drive=name, id=f"disk-{name}",
                      rotation_rate=disk.rotation)

    # ---- what it says

    def seen(self, pattern, since=0):
        return self.console.find(pattern, since)

    def wait_for(self, pattern, timeout=60, since=0, what=None):
        """Waits for a console line; returns (seconds since QEMU's start, match). A guest panic ends the wait at once."""
        return poll(lambda: self.console.find(pattern, since), timeout, what or f"the console to say {pattern!r}",
                    every=0.02, alive=self.check)

    def check(self):
        """Raises when the node can't go on: its kernel panicked, or QEMU ended."""
        if self.console.panic:
            raise Panic(f"the node's kernel panicked: {self.console.panic}")
        if not self.process.alive:
            raise Failed(f"QEMU ended: {tail(self.process.log, 3)}")

    def screenshot(self, path):
        """Writes what is on the screen as a PPM picture (needs screen=True)."""
        self.qmp.call("screendump", filename=str(path))

    def elapsed(self):
        return time.monotonic() - self.process.started

    # ---- private

    def _next_log(self):
        number = 1
        while (self.folder / f"console-{number}.log").exists():
            number += 1
        return self.folder / f"console-{number}.log"

    def _ended(self):
        if self.process.alive:
            self.process.kill9()
        if self.qmp:
            self.qmp.socket.close()
        self.console.close()

    def cmdline(self):
        words = [f"zos.{key}={value}" for key, value in self.settings.items() if value]
        line = " ".join(["8250.nr_uarts=1"] + self.words + words)
        if len(line) > CMDLINE_MAX - 128:  # the kernel's built-in words come on top
            raise Failed(f"the kernel's command line would be {len(line)} bytes long")
        return line

    def _command(self, log, qmp_fd, accel):
        command = [
            qemu(), *accel, "-nodefaults", "-no-user-config", "-display", "none", "-S",
            "-vga", "std" if self.screen else "none",
            "-m", str(parse_size(self.memory) >> 20), "-smp", str(self.cpus), *self._boot_arguments(),
            "-chardev", f"file,id=serial0,path={log}", "-serial", "chardev:serial0",
            "-chardev", f"socket,id=qmp,fd={qmp_fd}", "-mon", "chardev=qmp,mode=control",
            *self._network_arguments()]
        if self.rtc:
            command += ["-rtc", f"base={self.rtc}"]
        if self.initrd:
            command += ["-initrd", str(self.initrd)]
        for number, (end, mac) in enumerate(self.wires, 1):
            command += ["-netdev", f"{end},id=net{number}",
                        "-device", f"virtio-net-pci,id=nic{number},netdev=net{number},mac={mac},romfile="]
        for device in self.devices:
            command += ["-device", device]
        if self.no_reboot:
            command.append("-no-reboot")
        return command + self._disk_arguments()

    def _boot_arguments(self):
        arguments, first = [], ",bootindex=0"
        if self.boot == "kernel":
            arguments, first = ["-kernel", str(KERNEL), "-append", self.cmdline()], ""
        elif self.boot == "uefi":
            arguments = self._uefi_arguments()
        if self.stick:
            arguments += ["-drive", f"if=none,id=stick,file={self.stick},format=raw",
                          "-device", "qemu-xhci,id=usb", "-device", f"usb-storage,bus=usb.0,drive=stick{first}"]
        return arguments

    def _uefi_arguments(self):
        """OVMF, with variables of this node's own that it keeps from boot to boot."""
        code, fresh = OVMF / "OVMF_CODE_4M.fd", OVMF / "OVMF_VARS_4M.fd"
        if not code.exists():
            raise Failed(f"{code} isn't there: run `make setup`")
        variables = self.folder / "uefi-variables.fd"
        if not variables.exists():
            shutil.copyfile(fresh, variables)
        return ["-machine", "q35", "-drive", f"if=pflash,format=raw,readonly=on,file={code}",
                "-drive", f"if=pflash,format=raw,file={variables}"]

    def _network_arguments(self):
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in self.forward)
        offer, card = "", "romfile="
        if self.tftp:
            file = "kernel" if self.boot == "uefi" else BOOT_SCRIPT
            offer = f",tftp={self.tftp},bootfile={file}"
            card = "bootindex=0,romfile=" if self.boot == "uefi" else "bootindex=0"  # UEFI has PXE by itself, BIOS by iPXE
        return ["-netdev", f"user,id=net0{forwards}{offer}",
                "-device", f"virtio-net-pci,id=nic0,netdev=net0,mac={self.mac},{card}"]

    def _disk_arguments(self):
        arguments = []
        if self.hotplug or any(disk.kind == "scsi" for disk in self.disks):
            arguments += ["-device", "virtio-scsi-pci,id=scsi0"]
        for number, disk in enumerate(self.disks):
            name = f"disk{number}"
            arguments += ["-drive", f"if=none,id={name},file={disk.path},format=raw,discard=unmap"]
            if disk.kind == "scsi":
                device = f"scsi-hd,bus=scsi0.0,drive={name},rotation_rate={disk.rotation}"
            else:
                device = f"virtio-blk-pci,drive={name},serial={name}"
            arguments += ["-device", device]
        return arguments


def qemu():
    command = shutil.which("qemu-system-x86_64")
    if not command:
        raise Failed("qemu-system-x86_64 isn't installed: run `make setup`")
    return command


def accelerator():
    """KVM when a short real boot with it gives console output, else TCG; found out once for a kernel of ours."""
    if os.environ.get("ZOS_ACCEL") == "tcg" or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return TCG
    verdict = BUILD / "run" / "kvm"
    stamp = str(KERNEL.stat().st_mtime_ns)
    known = verdict.read_text().split() if verdict.exists() else []
    if known[:1] != [stamp]:
        verdict.parent.mkdir(parents=True, exist_ok=True)
        known = [stamp, "yes" if _kvm_boots() else "no"]
        verdict.write_text(" ".join(known) + "\n")
    return KVM if known[1:] == ["yes"] else TCG


def _kvm_boots():
    folder = BUILD / "run" / "kvm-probe"
    shutil.rmtree(folder, ignore_errors=True)
    probe = Node(folder, memory="256M", cpus=1, accel=KVM, words=["loglevel=7"])
    try:
        probe.start()
        probe.wait_for(r"\S", timeout=15)
        return True
    except Failed as error:
        note(f"KVM is there but boots nothing here ({str(error).splitlines()[0]}); going on with TCG")
        return False
    finally:
        probe.stop()
