"""TLS in front of a server that has none: a relay with a certificate, which wants one, too.

The servers of the wheels are built without TLS. What a client sees is the same: handshake, both
certificates, and the bytes of the server.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType

import trustme

from tests.ports import free_port


class TlsRelay:
    """Listens on a port of its own, and carries what it decrypts to a server and back."""

    def __init__(self, port: int, folder: Path) -> None:
        self.target, self.port = port, free_port()
        authority = trustme.CA()
        self.authority_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.authority_file)
        self.client_file = folder / "client.pem"
        authority.issue_cert("client@shop.example").private_key_and_cert_chain_pem.write_to_path(
            self.client_file
        )
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(self.context)
        authority.issue_cert("localhost").configure_cert(self.context)
        self.versions: set[str] = set()  # of TLS, of the connections that were made
        self.listening = socket.create_server(("127.0.0.1", self.port))

    def __enter__(self) -> TlsRelay:
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def accept(self) -> None:
        """Take connections until the relay is closed."""
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.listening.accept()
                threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain: socket.socket) -> None:
        """Carry one connection."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.target)) as (server),
        ):
            try:
                client = self.context.wrap_socket(plain, server_side=True)
            except OSError:
                plain.close()
                return
            self.versions.add(client.version() or "")
            threading.Thread(target=carry, args=(server, client), daemon=True).start()
            carry(client, server)


def carry(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes in one direction until either end is closed; then close both."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
