"""A whole mesh as a contender of bench/run: two nodes and a coordinator with its built-in relay.

    A (node) ──── veth ──── B (node)
        └─── C (coordinator) ──┘
"""
import json
import os
import shutil
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.join(TOP, "build/bin")
COORD = "10.99.75.1"
# The blocked network: nothing of UDP leaves by a cable; what is inside the tunnel is no concern.
NO_UDP = """
table inet bench {
	chain out {
		type filter hook output priority 0
		oifname "veth*" meta l4proto udp drop
	}
}
"""
NODES = {"a": "sender", "b": "receiver"}


def available():
    return all(os.access(os.path.join(BIN, name), os.X_OK)
               for name in ("warrend", "warren", "warren-coord"))


class Mesh:
    """Joined nodes with a path that was asked for. `processes` has the daemons by their role."""

    def __init__(self, net, path, block_udp=False):
        self.net = net
        self.dir = tempfile.mkdtemp(prefix="warren-bench-", dir="/run")
        self.processes = {}
        try:
            net.add_server(COORD)
            if block_udp:
                for side in NODES:
                    net.exec(side, "nft", "-f", "-", stdin=NO_UDP)
            self._join()
            self._take(path)
        except Exception:
            self.stop()
            raise

    def _run(self, side, program, *words, stdin=None):
        return self.net.exec(side, os.path.join(BIN, program), *words, stdin=stdin)

    def _start(self, side, role, program, *words):
        log = os.path.join(self.dir, role + ".log")
        with open(log, "w", encoding="utf-8") as file:
            self.processes[role] = self.net.popen(side, os.path.join(BIN, program), *words, log=file)
        self._wait(f"{role} is ready", lambda: " ready" in open(log, encoding="utf-8").read())

    def _wait(self, what, probe):
        for _ in range(200):
            if probe():
                return
            time.sleep(0.1)
        raise RuntimeError(f"not within 20 s: {what}")

    def ctl(self, side, *words, stdin=None):
        return self._run(side, "warren", "--socket", os.path.join(self.dir, side + ".sock"), *words,
                         stdin=stdin)

    def _join(self):
        data = os.path.join(self.dir, "coord")
        said = self._run("c", "warren-coord", "init", "--data", data, "--public", COORD, "--name",
                         "bench")
        token = said.strip().splitlines()[-1]
        self._start("c", "coordinator", "warren-coord", "serve", "--data", data)
        for side, role in NODES.items():
            self._start(side, role, "warrend", "--state", os.path.join(self.dir, side), "--socket",
                        os.path.join(self.dir, side + ".sock"), "--tun", self.net.tun[side])
            self.ctl(side, "up", "--hostname", role, "--timeout", "20s", "-", stdin=token + "\n")

    def _status(self, side):
        return json.loads(self.ctl(side, "status", "--json"))

    def _peer(self, side):
        return next(iter(self._status(side)["peers"]), {})

    def _take(self, path):
        for side in NODES:
            self._wait(f"{NODES[side]} has a home relay",
                       lambda s=side: (self._status(s)["home_relay"] or {}).get("name"))
            self._wait(f"{NODES[side]} knows its peer", lambda s=side: self._peer(s))
        if path == "relay":
            self.ctl("a", "set", "path", NODES["b"], "relay")
            self.ctl("b", "set", "path", NODES["a"], "relay")
        self.target = self._address("b")
        # Paths are looked for when there is something to send.
        self.net.exec("a", "ping", "-c", "3", "-i", "0.2", "-W", "5", self.target, check=False)
        for side in NODES:
            self._wait(f"{NODES[side]} goes {path}",
                       lambda s=side: self._peer(s).get("path") == path)

    def _address(self, side):
        addresses = self._status(side)["self"]["addresses"]
        return next(a for a in addresses if ":" not in a).split("/")[0]

    def stop(self):
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.net.remove_server()
        for side in NODES:
            self.net.exec(side, "nft", "delete", "table", "inet", "bench", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
