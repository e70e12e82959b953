#include "coord/limits.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/config.h"

const struct limit_info limit_infos[LIMIT_COUNT] = {
	[LIMIT_CONNECTIONS] = { "connections", "connections at once", 20000, 10, 200000 },
	[LIMIT_STRANGERS] = { "strangers", "connections at once of whom nobody is known", 4096, 10,
			      200000 },
	[LIMIT_STRANGERS_SAME] = { "strangers-per-address", "the same, from one address", 1024, 5,
				   200000 },
	[LIMIT_GREETING_S] = { "greeting", "seconds from a connection to its login", 10, 1, 120 },
	[LIMIT_SILENCE_S] = { "silence", "seconds without a word before a node counts as away", 60,
			      20, 3600 },
	[LIMIT_MESSAGES_PER_S] = { "messages", "messages a second from one node", 50, 5, 10000 },
	[LIMIT_MESSAGES_BURST] = { "messages-burst", "messages at once from one node", 200, 20,
				   100000 },
	[LIMIT_CHANGES_PER_MINUTE] = { "changes", "changes of itself a minute by one node", 60, 6,
				       6000 },
	[LIMIT_CHANGES_BURST] = { "changes-burst", "changes of itself at once by one node", 10, 3,
				  1000 },
	[LIMIT_SIGNAL_QUEUE] = { "signal-queue", "bytes waiting for a node that reads slowly",
				 256 << 10, 32 << 10, 16 << 20 },
	[LIMIT_EPHEMERAL_S] = { "ephemeral", "seconds away until an ephemeral node is deleted", 300,
				30, 30 * 86400 },
	[LIMIT_AUDIT_DAYS] = { "audit-days", "days that the audit log is kept", 365, 1, 3650 },
	[LIMIT_AUDIT_ENTRIES] = { "audit-entries", "entries that the audit log keeps", 100000, 1000,
				  10000000 },
	[LIMIT_PENDING] = { "pending", "machines that wait to be let in", 500, 1, 10000 },
	[LIMIT_PENDING_S] = { "pending-life", "seconds until a machine that waits is forgotten",
			      7 * 86400, 60, 365 * 86400 },
};

void limits_init(struct limits *limits)
{
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		limits->values[i] = limit_infos[i].normal;
}

enum limit limits_find(const char *name)
{
	size_t i = 0;

	while (i < LIMIT_COUNT && strcmp(limit_infos[i].name, name) != 0)
		i++;
	return (enum limit)i;
}

int limits_set(struct limits *limits, const char *name, const char *value)
{
	enum limit limit = limits_find(name);
	unsigned long number;

	if (limit == LIMIT_COUNT)
		return -ENOENT;
	if (config_number(&number, value, 0, ULONG_MAX) < 0)
		return -EINVAL;
	if (number < limit_infos[limit].min || number > limit_infos[limit].max)
		return -ERANGE;
	limits->values[limit] = number;
	return 0;
}
