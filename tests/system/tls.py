"""An authority of one's own, and TLS in front of a server that has none: what a farmer has who runs a directory behind a
certificate that no browser knows."""

import pathlib
import select
import socket
import ssl
import subprocess
import threading

from story import need_program

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]


class Authority:
    """Signs certificates; `pem` is its own, which others have to be told to trust."""

    def __init__(self, folder, name="authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pem, self._key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        self._request(self.pem, self._key, name, "basicConstraints=critical,CA:TRUE")

    def certificate(self, name, addresses):
        """(certificate, key) files of a server at these IP addresses."""
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        names = "subjectAltName=" + ",".join(f"IP:{address}" for address in addresses)
        self._request(*files, name, "basicConstraints=critical,CA:FALSE", names, "-CA", self.pem, "-CAkey", self._key)
        return files

    @staticmethod
    def _request(certificate, key, name, *extensions_and_words):
        words = [word for extension in extensions_and_words
                 for word in (["-addext", extension] if "=" in str(extension) else [extension])]
        command = [need_program("openssl", "openssl"), "req", "-x509", *KEY, "-subj", f"/CN={name}", "-keyout", key, "-out",
                   certificate, *words]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)


class Front:
    """Takes TLS connections on a loopback port and hands what they say to another port. `refused` counts those that came to
    nothing: the other side didn't like the certificate."""

    def __init__(self, certificate, key, target_port):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.served = self.refused = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(20)
        try:
            with self._context.wrap_socket(connection, server_side=True) as inner:
                self._pass_on(inner)
        except OSError:  # ssl.SSLError is one
            self.refused += 1

    def _pass_on(self, inner):
        with socket.create_connection(self._target) as outer:
            first = inner.recv(65536)  # with TLS 1.3 only now does the client have judged the certificate
            if not first:
                raise OSError("nothing was asked")
            self.served += 1
            outer.sendall(first)
            inner.settimeout(None)
            try:
                self._pump(inner, outer)
            except OSError:
                pass  # either side may go whenever it likes

    @staticmethod
    def _pump(inner, outer):
        while True:
            ready = [inner] if inner.pending() else select.select([inner, outer], [], [])[0]
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                (outer if source is inner else inner).sendall(data)
