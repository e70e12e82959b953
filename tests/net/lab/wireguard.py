"""Plain WireGuard devices: warrend --standalone or Debian's wireguard-go, configured by wg(8)."""

from .command import run, wait_until


class Device:
    """A device wg0 in a namespace. program: "warrend" or "wireguard-go"."""

    def __init__(self, lab, ns, address, program="warrend", port=51820):
        self.lab, self.ns, self.address, self.port = lab, ns, address, port
        self.name = f"wg-{ns.name}"  # UAPI sockets lie in one folder for all namespaces
        self.private = run(["wg", "genkey"]).stdout.strip()
        self.public = run(["wg", "pubkey"], stdin=self.private).stdout.strip()
        self.program, self.process = program, None
        self.start()

    def start(self):
        if self.program == "warrend":
            argv = [self.lab.bin("warrend"), "--standalone", "--tun", self.name]
        else:
            argv = ["wireguard-go", "-f", self.name]
        self.process = self.ns.start(self.name, *argv)
        wait_until(f"{self.name} answers wg",
                   lambda: self.ns.run("wg", "show", self.name, expect=None).returncode == 0, 10)
        key = f"/run/{self.name}.key"
        with open(key, "w", encoding="ascii") as file:
            file.write(self.private)
        self.wg("private-key", key, "listen-port", self.port)
        self.ns.ip(f"link set {self.name} mtu 1420 up")
        for address in self.address:
            self.ns.ip(f"addr add {address} dev {self.name}")

    def wg(self, *words):
        self.ns.run("wg", "set", self.name, *words)

    def add_peer(self, other, endpoint=None, keepalive=None):
        words = ["peer", other.public, "allowed-ips",
                 ",".join(a.split("/")[0] for a in other.address)]
        words += ["endpoint", endpoint] if endpoint else []
        self.wg(*words, *(["persistent-keepalive", keepalive] if keepalive else []))
