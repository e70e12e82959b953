"""Streams by iperf3, CPU time a GB meanwhile, and round trips of small packets beside them."""
import json
import time

from . import delay
from .measurement import Measurement
from .testbed import check
from .usage import Usage

PING_INTERVAL_US = 2000
SETTLE_S = 0.3  # the streams' first moments, in which no round trip is taken


class Streams(Measurement):
    """`count` streams from A to B, or as many each way. `name` is that of the Gbit/s; CPU time a GB
    and round trips come along under names of their own."""

    def __init__(self, name, about, count, both=False, cpu=None, rtt=None):
        self.name, self.about, self.count, self.both = name, about, count, both
        self.cpu, self.rtt = cpu, rtt
        self.figures = (name, *([f"{cpu}_daemon", f"{cpu}_system"] if cpu else []),
                        *([f"{rtt}_p50", f"{rtt}_p99"] if rtt else []))

    def measure(self, pair, tunnel, seconds):
        server = pair.start("b", "iperf3-server", "iperf3", "-s", "-1", "--forceflush")
        server.wait_log("Server listening")
        words = ["-c", tunnel.target, "-t", seconds, "-P", self.count, *(["--bidir"] if self.both else [])]
        usage, asking = Usage(tunnel.processes), None
        client = pair.start("a", "iperf3-client", "iperf3", "-J", *words)
        try:
            if self.rtt:
                time.sleep(SETTLE_S)
                asking = delay.Asking(pair, tunnel.target, seconds - 2 * SETTLE_S, PING_INTERVAL_US)
            client.wait(seconds + 15)
            return self._figures(client, usage, asking)
        finally:
            client.kill()
            server.kill()
            if asking:
                asking.stop()

    def _figures(self, client, usage, asking):
        size, rate = received(client.log(), self.both)
        found = {self.name: rate, "stolen_s": usage.stolen()}
        if self.cpu:
            used = usage.per_gb(size)
            found |= {f"{self.cpu}_daemon": used["daemon"], f"{self.cpu}_system": used["system"],
                      f"{self.cpu}_roles": used["roles"]}
        if asking:
            found |= delay.figures(asking.result(), (50, 99), self.rtt)
        return found


def received(text, both):
    """Bytes that arrived at both ends and Gbit/s, from iperf3's JSON."""
    try:
        said = json.loads(text)
    except json.JSONDecodeError:
        said = {"error": f"no JSON: {text.strip()[-200:]}"}
    end = said.get("end", {})
    sums = [end.get(name) for name in ["sum_received", *(["sum_received_bidir_reverse"] if both else [])]]
    check("error" not in said, f"iperf3: {said.get('error')}")
    check(all(s and s["bytes"] > 0 for s in sums), "iperf3: nothing arrived")
    return sum(s["bytes"] for s in sums), sum(s["bits_per_second"] for s in sums) / 1e9


ALL = (
    Streams("tcp1", "one TCP stream, with round trips beside it", 1, cpu="cpu", rtt="rtt1"),
    Streams("tcp1-both", "one TCP stream each way", 1, both=True),
    Streams("tcp8", "eight TCP streams, with round trips beside them", 8, rtt="rtt8"),
    Streams("tcp8-both", "eight TCP streams each way", 8, both=True, cpu="cpu8"),
)
