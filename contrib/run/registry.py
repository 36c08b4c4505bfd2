"""A real OCI registry (Debian's docker-registry) on loopback, and the demo's image, made from Debian's busybox-static.

Images may hold a shell: only the node may not. The same bytes come out at every run, so the digest stays the same too.
"""

import gzip
import hashlib
import io
import json
import pathlib
import shutil
import tarfile
import urllib.error
import urllib.request

from process import Failed, Process, free_port, poll, port_is_free

PAGE = "<!doctype html><title>Zero-OS</title><h1>Served by a container that a signed contract asked for</h1>\n"

# Appends a line to a file on the volume at each start and makes it durable, serves the page, and shows that it is served.
ENTRYPOINT = """#!/bin/sh
echo "start" >>/data/starts && sync
echo "demo: start number $(wc -l </data/starts | tr -d ' ') with this volume"
[ -z "$TOKEN" ] || echo "demo: a secret of ${#TOKEN} characters came with it"
httpd -f -p 80 -h /www &
server=$!
trap 'echo "demo: asked to stop"; kill $server; exit 0' TERM INT
tries=0
until page=$(wget -q -O - http://127.0.0.1/ 2>/dev/null) || [ $tries -ge 50 ]; do tries=$((tries + 1)); sleep 0.1; done
echo "demo: the page says: $page"
wait $server
"""

APPLETS = ["sh", "httpd", "wget", "cat", "date", "echo", "hostname", "ls", "mkdir", "ps", "sleep", "sync", "tr", "wc",
           "dd", "id", "ip", "mount", "nc", "ping", "rm", "touch", "env", "true", "false"]

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layer:
    """One layer in the making: a tar archive with fixed times and owners."""

    def __init__(self):
        self._bytes = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w", format=tarfile.GNU_FORMAT)

    def folder(self, path, mode=0o755):
        self._add(path, mode, tarfile.DIRTYPE)

    def file(self, path, content, mode=0o644):
        self._add(path, mode, tarfile.REGTYPE, content if isinstance(content, bytes) else content.encode())

    def link(self, path, target):
        self._add(path, 0o777, tarfile.SYMTYPE, target=target)

    def _add(self, path, mode, kind, content=b"", target=""):
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(content), target
        self._tar.addfile(entry, io.BytesIO(content))

    def bytes(self):
        self._tar.close()
        return self._bytes.getvalue()


def busybox():
    """The bytes of a static busybox."""
    path = shutil.which("busybox") or "/bin/busybox"
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise Failed(f"no busybox: {error}; run `make setup` (package busybox-static)")
    if b"ld-linux" in content[:4096]:
        raise Failed(f"{path} is not static: install busybox-static")
    return content


def demo_layers(entrypoint=ENTRYPOINT):
    """Two layers: the tools, and above them the page and what starts."""
    tools = Layer()
    for path in ("bin", "data", "dev", "etc", "proc", "sys"):
        tools.folder(path)
    tools.folder("tmp", 0o1777)
    tools.file("bin/busybox", busybox(), 0o755)
    for applet in APPLETS:
        tools.link(f"bin/{applet}", "busybox")
    tools.file("etc/passwd", "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    tools.file("etc/group", "root:x:0:\nnogroup:x:65534:\n")
    site = Layer()
    site.folder("www")
    site.file("www/index.html", PAGE)
    site.file("entrypoint", entrypoint, 0o755)
    return [tools.bytes(), site.bytes()]


class Registry:
    """Serves images below `folder`; `port` 0 takes a free one. A port that is taken is replaced by a free one."""

    def __init__(self, folder, port=0):
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port if port and port_is_free(port) else free_port()
        self.address = f"127.0.0.1:{self.port}"
        config = self.folder / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: info}\n"
            f"storage:\n  filesystem: {{rootdirectory: {json.dumps(str(self.folder / 'images'))}}}\n"
            f"http: {{addr: '{self.address}'}}\n")
        command = shutil.which("docker-registry") or "/usr/bin/docker-registry"
        if not pathlib.Path(command).exists():
            raise Failed("docker-registry isn't installed: run `make setup`")
        self.process = Process([command, "serve", config], self.folder / "registry.log", name="docker-registry")
        poll(self._answers, 20, "the registry to answer", alive=self._check)

    def stop(self):
        self.process.stop()

    def push(self, name, layers=None, entrypoint=("/entrypoint",)):
        """Pushes an image (the demo's, unless layers are given) and returns its digest."""
        layers = layers or demo_layers()
        packed = [gzip.compress(layer, compresslevel=6, mtime=0) for layer in layers]
        config = json.dumps({
            "architecture": "amd64", "os": "linux",
            "config": {"Entrypoint": list(entrypoint), "Env": ["PATH=/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}}, sort_keys=True).encode()
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest(config), "size": len(config)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": digest(blob), "size": len(blob)} for blob in packed],
        }, sort_keys=True).encode()
        for blob in packed + [config]:
            self._push_blob(name, blob)
        self._request("PUT", f"/v2/{name}/manifests/latest", manifest, MANIFEST_TYPE)
        return digest(manifest)

    def for_node(self, name, image_digest):
        """How a node behind QEMU's user network names the image: the host's loopback is 10.0.2.2 there."""
        return f"10.0.2.2:{self.port}/{name}@{image_digest}"

    def requests(self):
        """What was asked of it since its start, as its log has it."""
        return self.process.output()

    def _push_blob(self, name, blob):
        try:
            self._request("HEAD", f"/v2/{name}/blobs/{digest(blob)}")
            return
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
        location = self._request("POST", f"/v2/{name}/blobs/uploads/", b"").headers["Location"]
        join = "&" if "?" in location else "?"
        self._request("PUT", f"{location}{join}digest={digest(blob)}", blob, "application/octet-stream")

    def _request(self, method, url, body=None, content_type=None):
        url = url if url.startswith("http") else f"http://{self.address}{url}"
        request = urllib.request.Request(url, data=body, method=method)
        if content_type:
            request.add_header("Content-Type", content_type)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            answer.read()
            return answer

    def _answers(self):
        try:
            return self._request("GET", "/v2/")
        except OSError:
            return None

    def _check(self):
        if not self.process.alive:
            raise Failed(f"the registry ended: {self.process.output()[-500:]}")
