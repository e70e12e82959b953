"""Debian's coturn in the lab: a TURN server that nobody here wrote."""

import os

from .command import check, run, tool


class Coturn:
    """turnserver with use-auth-secret on a namespace's v4 address. options: further ones of its own.
    Made known to the coordinator under the namespace's name."""

    def __init__(self, coordinator, ns, *options, tls_port=5349):
        self.ns, self.name, self.options, self.tls_port = ns, ns.name, options, tls_port
        self.secret = os.urandom(16).hex()
        self.process = None
        path = f"/run/{self.name}.secret"
        with open(path, "w", encoding="ascii") as file:
            file.write(self.secret + "\n")
        os.chmod(path, 0o600)
        self.cert, self.key = f"/run/{self.name}.crt", f"/run/{self.name}.key"
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", f"/CN={self.name}", "-keyout", self.key, "-out", self.cert])
        self.start()
        coordinator.admin("relay", "add", self.name, f"{ns.address(4)}:3478", "--turn",
                          "--secret-file", path, *(["--tls-port", tls_port] if tls_port != 5349 else []))
        check(" turn" in coordinator.admin("relay", "list").stdout, "relay list shows no kind")

    def start(self, secret=None):
        address = self.ns.address(4)
        self.process = self.ns.start(
            self.name, tool("turnserver"), "-n", "--no-cli", "--log-file", "stdout", "--simple-log",
            "--listening-ip", address, "--relay-ip", address, "--listening-port", "3478",
            "--tls-listening-port", str(self.tls_port), "--cert", self.cert, "--pkey", self.key,
            "--realm", "turn.example", "--use-auth-secret",
            "--static-auth-secret", secret or self.secret, "--userdb", f"/run/{self.name}.db",
            "--pidfile", f"/run/{self.name}.pid", "--min-port", "50000", "--max-port", "50999",
            "--verbose", *self.options)
        self.process.wait_log("listener opened on", 15)
