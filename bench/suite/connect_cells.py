"""The cells of the matrix, measured: several at once, each with a left and a right node to itself."""
import os
import threading

from lab.matrix import NO_UDP, must_guess, why_relayed

from .connect_pair import FAILURES, Pair

DIRECT_S, GUESSED_S, RELAYED_S = 5, 10, 0  # waited for a direct path
TRIES = 3          # of a run whose preparation failed
NICE = 10          # of those who measure, so that they do not hold up what they measure


def title(cell):
    return "×".join(cell)


class Cell:
    """One pair of kinds; `runs` has {"first_s", "lost", "direct_s", "cold_s", "cold_lost"} of each."""

    def __init__(self, kinds):
        self.kinds, self.runs, self.errors, self.reason = kinds, [], [], None
        self.guessed, self.possible = must_guess(*kinds), why_relayed(*kinds) is None
        self.blocked = any(kind in NO_UDP for kind in kinds)

    def limit_s(self):
        return RELAYED_S if not self.possible else GUESSED_S if self.guessed else DIRECT_S

    def run(self, pair):
        """One run: never met but at the relay, then one end that comes up."""
        found = pair.warm(self.limit_s())
        if not found["direct_s"]:
            self.reason = pair.left.peer(pair.right)["reason"]
        cold = pair.cold()
        self.runs.append({**found, "cold_s": cold["first_s"], "cold_lost": cold["lost"]})

    def measure(self, pairs, count, progress):
        """Both directions in turn."""
        for number in range(count):
            for again in range(TRIES):
                try:
                    self.run(pairs[number % len(pairs)])
                    break
                except FAILURES as error:
                    self.errors.append(f"run {number + 1}, try {again + 1}: {error}")
            progress()


class Schedule:
    """Cells to measure, and the nodes that are free. A cell of two kinds may have either on the left."""

    def __init__(self, matrix, cells, count, progress):
        self.matrix, self.count, self.progress = matrix, count, progress
        # Those that take long first, so that none is left to run by itself at the end.
        self.waiting = sorted(cells, key=lambda cell: -cell.limit_s())
        self.busy, self.changed = set(), threading.Condition()

    def _take(self):
        """A cell and its (left, right), or None when no cell is left."""
        with self.changed:
            while self.waiting:
                for cell in self.waiting:
                    for kinds in (cell.kinds, cell.kinds[::-1]):
                        ends = ("left", kinds[0]), ("right", kinds[1])
                        if not self.busy & set(ends):
                            self.waiting.remove(cell)
                            self.busy |= set(ends)
                            return cell, ends
                self.changed.wait()
        return None

    def _work(self):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while taken := self._take():
            cell, ends = taken
            try:
                pairs = [Pair(title(cell.kinds), *(self.matrix.nodes[end] for end in order),
                              [self.matrix.homes[end] for end in order]) for order in (ends, ends[::-1])]
                cell.measure(pairs, self.count, self.progress)
                for pair in pairs:
                    pair.close()
            except FAILURES as error:
                cell.errors.append(str(error))
            with self.changed:
                self.busy -= set(ends)
                self.changed.notify_all()

    def run(self, jobs):
        threads = [threading.Thread(target=self._work) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
