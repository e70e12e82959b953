"""Round trips of small packets, by build/release/bench/rtt, one answerer a pair."""
import json

from .measurement import Measurement
from .testbed import check

PORT = 5210
PROGRAM = "release/bench/rtt"
LOST_NS = 1_000_000_000  # what a packet without an answer counts as


class Asking:
    """Round trips that are being measured; idle or beside something else."""

    def __init__(self, pair, target, seconds, interval_us):
        program = pair.bed.built(PROGRAM)
        self.answerer = pair.start("b", "rtt-answer", program, "answer", PORT)
        self.answerer.wait_log("ready")
        count = max(1, int(seconds * 1e6 / interval_us))
        self.asker = pair.start("a", "rtt-ask", program, "ask", target, PORT, count, interval_us)
        self.timeout_s = seconds + 10

    def result(self):
        """All round trips in ns, lost ones as LOST_NS; sorted."""
        try:
            status = self.asker.wait(self.timeout_s)
            check(status == 0, f"rtt: {self.asker.log().strip()[-200:]}")
            said = json.loads(self.asker.log())
        finally:
            self.stop()
        check(said["rtt_ns"], "rtt: no packet came back")
        return sorted(said["rtt_ns"] + [LOST_NS] * said["lost"])

    def stop(self):
        for process in (self.asker, self.answerer):
            process.kill()


def percentile(ordered, percent):
    """The least value that this part of all does not exceed."""
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def figures(ordered, percents, prefix):
    """{prefix_p50: us, …} and the number lost."""
    found = {f"{prefix}_p{str(p).replace('.', '')}": percentile(ordered, p) / 1000 for p in percents}
    found[f"{prefix}_lost"] = sum(1 for ns in ordered if ns == LOST_NS)
    return found


class Idle(Measurement):
    """Nobody else uses the tunnel: a thousand packets a second."""

    name, about = "rtt", "round trips with nothing else in the tunnel"
    figures = ("rtt_p50", "rtt_p99", "rtt_p999")

    def measure(self, pair, tunnel, seconds):
        return figures(Asking(pair, tunnel.target, seconds, 1000).result(), (50, 99, 99.9), "rtt")
