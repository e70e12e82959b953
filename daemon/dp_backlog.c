#include "daemon/dp_backlog.h"

#include <string.h>

void dp_backlog_init(struct dp_backlog *backlog)
{
	memset(backlog, 0, sizeof(*backlog));
	backlog->empty = true;
}

void dp_backlog_turn(struct dp_backlog *backlog, uint64_t now_ns)
{
	if (backlog->empty)
		backlog->since_ns = now_ns;
	backlog->empty = false;
}

bool dp_backlog_take(struct dp_backlog *backlog, size_t len, uint64_t waited_ns, uint64_t now_ns)
{
	uint64_t most_ns = now_ns - backlog->since_ns;

	if (codel_leave(&backlog->codel, waited_ns < most_ns ? waited_ns : most_ns, now_ns))
		backlog->owed = true;
	if (!backlog->owed || len < DP_BACKLOG_LARGE)
		return false;
	backlog->owed = false;
	return true;
}

void dp_backlog_emptied(struct dp_backlog *backlog)
{
	backlog->empty = true;
	backlog->owed = false;
}
