"""What the data plane is to reach, and whether it does."""
OURS, NEWEST, YARDSTICK = "warrend", "wireguard-go-latest", "probe"


class Target:
    """A bound on a figure of ours, either on its ratio to another contender's or on the value itself."""

    def __init__(self, key, title, bound, at_least=False, to=None, scale=1, unit=""):
        self.key, self.title, self.bound, self.at_least = key, title, bound, at_least
        self.to, self.scale, self.unit = to, scale, unit

    def text(self):
        sign = ">=" if self.at_least else "<="
        what = f"of {self.to}" if self.to else self.unit
        return f"{sign} {self.bound:g} {what}".strip()

    def reached(self, figure):
        """The value to hold against the bound; None when it was not measured."""
        if figure is None:
            return None
        if self.to:
            return figure["to_newest" if self.to == NEWEST else "to_probe"]
        return figure["median"] / self.scale

    def met(self, value):
        return value >= self.bound if self.at_least else value <= self.bound


TARGETS = (
    Target("tcp1", "one TCP stream", 2, True, NEWEST),
    Target("tcp1", "one TCP stream", 0.95, True, YARDSTICK),
    Target("tcp8-both", "eight streams, both directions", 2, True, NEWEST),
    Target("cpu_daemon", "daemon CPU s/GB, one stream", 0.5, to=NEWEST),
    Target("cpu_system", "system CPU s/GB, one stream", 0.67, to=NEWEST),
    Target("udp1400", "UDP 1400 B, packets/s", 2, True, NEWEST),
    Target("udp64", "UDP 64 B, packets/s", 2, True, NEWEST),
    Target("added_p50", "added RTT idle, p50", 0.5, to=NEWEST),
    Target("added_p99", "added RTT idle, p99", 0.5, to=NEWEST),
    Target("rtt1_p99", "RTT beside one stream, p99", 0.5, to=NEWEST),
    Target("rtt1_p99", "RTT beside one stream, p99", 5, scale=1000, unit="ms"),
    Target("rtt8_p99", "RTT beside eight streams, p99", 0.5, to=NEWEST),
    Target("rtt8_p99", "RTT beside eight streams, p99", 5, scale=1000, unit="ms"),
    Target("handshakes", "handshakes/s/core", 1.5, True, NEWEST),
    Target("memory_peer", "memory per idle peer at 10,000", 4, unit="KiB"),
    Target("idle_cpu", "idle CPU at 10,000 peers", 0.1, unit="s/min"),
    Target("udp1400_reordered", "reordered in a flow, 1400 B", 0, unit="packets"),
    Target("udp64_reordered", "reordered in a flow, 64 B", 0, unit="packets"),
)


def judge(results):
    """One entry a target: what was reached, and whether that meets it (None: not measured)."""
    judged = []
    for target in TARGETS:
        figure = results.get(OURS, {}).get(target.key)
        value = target.reached(figure)
        # Nothing out of order means in no round.
        if value is not None and target.bound == 0:
            value = figure["max"]
        judged.append({"key": target.key, "title": target.title, "target": target.text(), "reached": value,
                       "ours": figure and figure["median"],
                       "theirs": results.get(target.to or NEWEST, {}).get(target.key, {}).get("median"),
                       "met": None if value is None else target.met(value)})
    return judged


def judge_relay(figures):
    """The relay's targets, from the figures of bench/relay: the worst of its cases counts, against
    coturn where that has the least to do (a plain peer)."""
    cases = [case["summary"] for case in figures["cases"]]

    def worst(choose, value):
        values = [v for case in cases if (v := value(case)) is not None]
        return choose(values) if len(values) == len(cases) and values else None

    def per_core(case, kind):
        return case.get(kind, {}).get("full", {}).get("pps_per_core", {}).get("median")

    def ratio(case):
        return per_core(case, "warren") / per_core(case, "coturn") if per_core(case, "coturn") else None

    share = worst(min, ratio)
    delay = worst(max, lambda case: case["warren"]["half"].get("added_p99_us", {}).get("median"))
    return [{"key": "relay_per_core", "title": "relay, packets/s per core", "target": ">= 1.5 of coturn",
             "reached": share, "met": None if share is None else share >= 1.5},
            {"key": "relay_added_p99", "title": "relay, added p99 at half load", "target": "<= 0.5 ms",
             "reached": delay and delay / 1000, "met": None if delay is None else delay < 500}]
