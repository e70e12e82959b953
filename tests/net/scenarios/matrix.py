"""Every kind of network with every other: all pairs connect, directly where that is possible at all,
and where they stay relayed, both ends give the true reason.

    left-KIND ── home ── internet ── home ── right-KIND      KIND: those of lab/matrix.py
                            ├── coord (with relay)
                            └── proxy
"""

import collections
import concurrent.futures
import time

from lab.command import CheckFailed, check
from lab.matrix import CELLS, Matrix, must_guess, why_relayed

TIMEOUT_S = 240
ANSWER_MAX_S = 5   # of the first ping, by whatever path
DIRECT_MAX_S = 20
AT_ONCE = 4


def wanted(cell):
    """(path, reason) of this pair, as status must give them in the end."""
    reason = why_relayed(*cell)
    return ("relay", reason) if reason else ("direct", None)


def settled(node, other, want):
    """Waits for the path there must be, at one end; what is wrong with it, or None."""
    deadline = time.monotonic() + DIRECT_MAX_S
    while True:
        peer = node.peer(other)
        if (peer["path"], peer["reason"]) == want:
            return None
        if time.monotonic() > deadline:
            return f"{node.name} to {other.name}: {peer['path']} ({peer['reason']}), not {want[0]} ({want[1]})"
        time.sleep(0.1)


def connect(matrix, cell):
    """Seconds to the first answer and to the path that there must be."""
    left, right = matrix.pair(cell)
    start = time.monotonic()
    check(left.ping(right, timeout_s=ANSWER_MAX_S), "no answer")
    answered = time.monotonic()
    for node, other in ((left, right), (right, left)):
        trouble = settled(node, other, wanted(cell))
        check(not trouble, trouble)
    return answered - start, time.monotonic() - start


def scenario(lab):
    start = time.monotonic()
    matrix = Matrix(lab)
    matrix.wait_known()
    print(f"{len(matrix.nodes)} nodes after {time.monotonic() - start:.1f} s")
    failed, taken = [], collections.defaultdict(list)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = {cell: pool.submit(connect, matrix, cell) for cell in CELLS}
        for cell, done in waiting.items():
            try:
                seconds = done.result()
                taken[why_relayed(*cell) or ("guessed" if must_guess(*cell) else "direct")].append(seconds)
            except CheckFailed as error:
                failed.append(f"{cell[0]}×{cell[1]}: {error} (logs: left-{cell[0].lower()}, right-{cell[1].lower()})")
    for kind, times in sorted(taken.items()):
        print(f"{kind}: {len(times)} cells, answered within {max(a for a, _ in times):.2f} s, "
              f"there within {max(b for _, b in times):.2f} s")
    check(not failed, "\n".join(failed))
