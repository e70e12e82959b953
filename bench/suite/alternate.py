"""The run itself: in every round all tunnels stand, and for each measurement everybody has a turn
before the next one begins. So what is compared was measured within a minute or so. Who comes first
differs from round to round."""
import sys

from . import contenders
from .testbed import CheckFailed, one_line

FAILURES = (CheckFailed, OSError, ValueError, KeyError)


class Alternation:
    """`rounds` and `errors` grow as it goes, so that an interrupted run has something to show."""

    def __init__(self, bed, names, measurements, seconds):
        self.bed, self.names, self.measurements, self.seconds = bed, names, measurements, seconds
        self.standing = list(names)
        self.rounds, self.errors = [], []

    def round(self):
        measured = {name: {} for name in self.names}
        self.rounds.append(measured)
        pairs, tunnels = {}, {}
        try:
            for name in self._turns():
                pairs[name] = self.bed.pair(name)
                tunnels[name] = self._try(name, None, lambda n=name: contenders.lay(
                    contenders.ALL[n], pairs[n]))
            for measurement in [m for m in self.measurements if len(self.rounds) == 1 or not m.once]:
                for name in [n for n in self._turns() if measurement.suits(n)]:
                    say(f"round {len(self.rounds)}: {measurement.name}: {name}")
                    found = self._try(name, measurement, lambda n=name, m=measurement: m.measure(
                        pairs[n], tunnels[n], self.seconds))
                    measured[name] |= found or {}
                    # One that is dead would only spend everybody's time.
                    if found is None and not pairs[name].side["a"].ping(tunnels[name].target, timeout_s=3):
                        self._give_up(name)
        finally:
            for pair in pairs.values():
                pair.remove()

    def _turns(self):
        first = (len(self.rounds) - 1) % max(1, len(self.standing))
        return self.standing[first:] + self.standing[:first]

    def _try(self, name, measurement, action):
        try:
            return action()
        except FAILURES as error:
            figures = measurement.figures if measurement else [f for m in self.measurements for f in m.figures]
            what = measurement.name if measurement else "laying the tunnel"
            self.errors.append(failed(name, what, len(self.rounds), figures, error))
            if not measurement:
                self._give_up(name)
            return None

    def _give_up(self, name):
        say(f"{name} takes no further part")
        self.standing.remove(name)


def failed(name, what, number, figures, error):
    """An entry of the list of errors, said at once as well."""
    say(f"FAILED: {name}: {what}: {one_line(error)}")
    return {"contender": name, "measurement": what, "round": number, "figures": list(figures),
            "why": one_line(error)}


def say(text):
    print(text, file=sys.stderr, flush=True)
