"""The real kernel and image with a story's own units, and a program for them (probe.c), for what no node does by itself.

    node = machine(folder, "late", {"late": "exec: /bin/probe sleep\\n"}, memory="256M")
    node.start()

The kernel unpacks an archive of the story's over its own initramfs. The node's units are there as `oneshot` that end well at
once, unless `keep` names them. What a unit writes is on the console: `[late] text`."""

import subprocess

from story import BUILD, Failed
from process import ROOT
from qemu import Node

OWN_UNITS = sorted(path.stem for path in (ROOT / "initramfs" / "units").glob("*.yaml"))


def archive(folder, name, units, keep=(), files=()):
    """Packs units {name: text} and files [(path inside, mode, path here)]; returns the archive's path. zinit is packed too, as
    it was last built: a story of PID 1 needs no image made anew."""
    probe = BUILD / "test" / "probe"
    if not probe.exists():
        raise Failed(f"{probe} isn't there: run `make story-programs`")
    nothing = {own: "exec: /bin/probe ok\noneshot: true\n" for own in OWN_UNITS if own not in keep}
    lines = [f"file /bin/probe 0755 {probe}", f"file /bin/zinit 0755 {BUILD / 'node' / 'zinit'}"]
    lines += [f"file {inside} {mode} {path}" for inside, mode, path in files]
    place = folder / f"{name}.units"
    place.mkdir(parents=True, exist_ok=True)
    for unit, text in {**nothing, **units}.items():
        (place / f"{unit}.yaml").write_text(text)
        lines.append(f"file /etc/zinit/{unit}.yaml 0644 {place / unit}.yaml")
    listing, packed = folder / f"{name}.list", folder / f"{name}.cpio"
    listing.write_text("\n".join(lines) + "\n")
    subprocess.run([ROOT / "initramfs" / "pack", listing, packed], check=True, stdout=subprocess.DEVNULL)
    return packed


def machine(folder, name, units, *, keep=(), files=(), **options):
    """A Node, not started, with these units; `options` are Node's."""
    options.setdefault("memory", "512M")
    options.setdefault("cpus", 1)
    return Node(folder / name, initrd=archive(folder, name, units, keep, files), **options)
