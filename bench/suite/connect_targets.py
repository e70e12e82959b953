"""What connecting is to reach, and whether it does. Pure: no measuring, no printing.

A bound on cells holds for each of them by itself: what counts is the worst one, and it is named.
"""


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round((len(ordered) - 1) * percent / 100))]


def spread(values, runs):
    """Of the values that there are, among so many runs."""
    there = [v for v in values if v is not None]
    found = {"runs": runs, "missed": runs - len(there)}
    if there:
        found |= {f"p{p}": percentile(there, p) for p in (50, 95, 99)} | {"max": max(there)}
    return found


def of_cell(cell):
    """The figures of one cell."""
    runs = cell.runs
    count = len(runs)
    return {
        "kinds": list(cell.kinds), "guessed": cell.guessed, "possible": cell.possible, "blocked": cell.blocked,
        "runs": count, "errors": cell.errors, "reason": cell.reason,
        "first": spread([r["first_s"] for r in runs], count),
        "cold": spread([r["cold_s"] for r in runs], count),
        "direct": spread([r["direct_s"] for r in runs], count),
        "lost": max((max(len(r["lost"]), len(r["cold_lost"])) for r in runs), default=None),
        "lost_runs": sum(1 for r in runs if r["lost"] or r["cold_lost"]),
        "share_direct": sum(1 for r in runs if r["direct_s"] is not None) / count if count else None,
        "share_connected": sum(1 for r in runs if r["first_s"] is not None and r["cold_s"] is not None) / count
        if count else None,
        "raw": runs,
    }


class Bound:
    """`figure`: of one cell's figures the value, None when it has none; `cells`: which cells are meant."""

    def __init__(self, title, figure, limit, unit, cells=lambda cell: True, least=False):
        self.title, self.figure, self.limit, self.unit = title, figure, limit, unit
        self.cells, self.least = cells, least

    def judge(self, cells):
        values = {"×".join(c["kinds"]): self.figure(c) for c in cells if c["runs"] and self.cells(c)}
        values = {name: value for name, value in values.items() if value is not None}
        if not values:
            return judged(self.title, self, None, 0, None)
        where = (min if self.least else max)(values, key=values.get)
        return judged(self.title, self, values[where], min(c["runs"] for c in cells if self.cells(c)), where)


def judged(title, bound, reached, runs, where):
    met = None if reached is None else reached >= bound.limit if bound.least else reached <= bound.limit
    return {"title": title, "target": f"{'>=' if bound.least else '<='} {bound.limit:g} {bound.unit}".strip(),
            "reached": reached, "unit": bound.unit, "runs": runs, "where": where, "met": met}


def milliseconds(key, figure):
    return lambda cell: cell[key][figure] * 1000 if figure in cell[key] else None


def percent(key):
    return lambda cell: cell[key] * 100


def open_pair(cell):
    return not cell["blocked"]


def without_udp(cell):
    """Not behind a proxy, which takes a round trip and delays of its own."""
    return cell["blocked"] and "P" not in cell["kinds"]


def plain(cell):
    return cell["possible"] and not cell["guessed"]


BOUNDS = (
    Bound("connects", percent("share_connected"), 100, "%", least=True),
    Bound("first packet, relay session warm, p95", milliseconds("first", "p95"), 70, "ms", open_pair),
    Bound("first packet, cold (after up), p95", milliseconds("cold", "p95"), 250, "ms", open_pair),
    Bound("lost of the first 128 packets, most", lambda cell: cell["lost"], 0, ""),
    Bound("direct, where no port is guessed", percent("share_direct"), 100, "%", plain, True),
    Bound("direct after first packet, p50", milliseconds("direct", "p50"), 150, "ms", plain),
    Bound("direct after first packet, p95", milliseconds("direct", "p95"), 500, "ms", plain),
    Bound("hard × easy NAT: direct", percent("share_direct"), 99, "%", lambda c: c["guessed"], True),
    Bound("the same, a port for every flow: direct, p95", milliseconds("direct", "p95"), 1000, "ms",
          lambda c: c["guessed"] and "B" in c["kinds"]),
    Bound("UDP blocked, first packet over TLS, p95", milliseconds("cold", "p95"), 600, "ms", without_udp),
)


class EventBound:
    """On one figure of an event's runs; `figure`: "p95", "max", …"""

    def __init__(self, event, title, limit, unit, figure="p95", scale=1000, least=False):
        self.event, self.title, self.limit, self.unit = event, title, limit, unit
        self.figure, self.scale, self.least = figure, scale, least

    def judge(self, events):
        found = events.get(self.event, {}).get("spread", {})
        value = found[self.figure] * self.scale if self.figure in found else None
        if found.get("missed"):
            value = float("inf")  # what never came took too long
        return judged(self.title, self, value, found.get("runs", 0), None)


EVENT_BOUNDS = (
    EventBound("dead-path", "dead direct path to relay, p95", 400, "ms"),
    EventBound("switch", "network switch: data again, p95", 90, "ms"),
    EventBound("switch-direct", "network switch: direct again, p95", 500, "ms"),
    EventBound("relay-killed", "relay killed: other relay, p95", 500, "ms"),
    EventBound("loss", "direct at 5 % loss, p95", 1500, "ms"),
    EventBound("mapping", "port mapping made, p95", 400, "ms"),
    EventBound("idle", "first packet after five idle minutes, p95", 70, "ms"),
    EventBound("flaps", "path flaps at ±5 ms jitter and 2 % loss, an hour", 0, "", "max", 1),
)


def judge(cells, events):
    return [b.judge(cells) for b in BOUNDS] + [b.judge(events) for b in EVENT_BOUNDS]
