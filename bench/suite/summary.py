"""Rounds into results: medians, spread, ratios. Pure: no measuring, no printing.

A ratio is the median of the rounds' own ratios, because the machine's speed drifts from round to
round and both of one round saw the same machine.
"""
import statistics

from .figures import FIGURES
from .targets import judge

NEWEST, YARDSTICK = "wireguard-go-latest", "probe"
CABLE = "veth"
SCHEMA = 3


def add_derived(measured):
    """What a tunnel adds to the cable's round trip, within one round: {contender: figures}."""
    cable = measured.get(CABLE, {})
    for name, figures in measured.items():
        for p in ("p50", "p99"):
            key = f"rtt_{p}"
            if name != CABLE and key in figures and key in cable:
                figures[f"added_{p}"] = figures[key] - cable[key]


def ratio(own, base):
    """Median of the ratios of two lists of rounds. Where one round's base is nothing (the cable was
    slower than the tunnel, by chance), that of the medians; None where that says nothing either."""
    pairs = [(a, b) for a, b in zip(own, base) if a is not None and b is not None]
    if not pairs:
        return None
    if all(b > 0 for _, b in pairs):
        return statistics.median(a / b for a, b in pairs)
    middle = statistics.median(b for _, b in pairs)
    return statistics.median(a for a, _ in pairs) / middle if middle > 0 else None


def spread(values):
    there = [v for v in values if v is not None]
    if not there:
        return None
    return {"median": statistics.median(there), "min": min(there), "max": max(there), "rounds": values}


def collect(rounds, names):
    """{contender: {figure: {"median", "min", "max", "rounds", "to_newest", "to_probe"}}}"""
    results = {}
    for name in names:
        values = {key: [r.get(name, {}).get(key) for r in rounds] for key in FIGURES}
        results[name] = {key: s for key, v in values.items() if (s := spread(v))}
    for figures in results.values():
        for key, figure in figures.items():
            for base, word in ((NEWEST, "to_newest"), (YARDSTICK, "to_probe")):
                other = results.get(base, {}).get(key)
                figure[word] = ratio(figure["rounds"], other["rounds"]) if other else None
    return results


def summarise(rounds, names, errors):
    """The whole result without what describes the run. A figure that failed in a round is not reported
    from the others: it is in the errors."""
    for measured in rounds:
        add_derived(measured)
    results = collect(rounds, names)
    for error in errors:
        for key in error["figures"]:
            results.get(error["contender"], {}).pop(key, None)
    return {"schema": SCHEMA, "results": results, "targets": judge(results), "errors": errors,
            "rounds": rounds}
