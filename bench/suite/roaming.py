"""A machine with two networks that changes between them, over and over: what each change costs."""

from lab.roaming import Fast, Roamer

# What happens, in an order that comes back to where it began: (name, about, what is done).
CHANGES = (
    ("prefer", "the other network becomes the better way, both up", lambda w: w.route(0, 900)),
    ("back", "and back", lambda w: w.route(0, 300)),
    ("down", "the network in use is switched off", lambda w: w.down(0)),
    ("up", "it comes back", lambda w: w.up(0, 300)),
)


def measure(lab, rounds, progress=lambda done: None):
    """{name: [result of Roamer.measure, …]} of `rounds` rounds through all changes."""
    world = Roamer(lab, delay_ms=10)
    world.up(1, 700)
    world.meet()
    found = {name: [] for name, _, _ in CHANGES}
    for done in range(rounds):
        stream = Fast(world.alice, world.bob)
        for name, _, act in CHANGES:
            found[name].append(world.measure(lambda a=act: a(world), stream))
        stream.stop()
        progress(done + 1)
    return found


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round((len(ordered) - 1) * percent / 100))] if ordered else None


def row(results):
    """The figures of one change, in milliseconds."""
    found = {"runs": len(results), "lost": sum(r["lost"] for r in results)}
    for key in ("gap_ms", "answers_ms", "direct_ms"):
        values = [r[key] for r in results if r[key] is not None]
        found[key] = {"missed": len(results) - len(values)} | {
            f"p{p}": percentile(values, p) for p in (50, 95, 100)}
    return found
