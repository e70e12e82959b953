#ifndef WARREN_COORD_LIMITS_H
#define WARREN_COORD_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/*
 * What nodes and strangers may ask of the coordinator. Each has a name, by which the configuration
 * (`limit-NAME = VALUE`) and the command line (`--limit NAME=VALUE`) set it, within bounds.
 */
enum limit {
	LIMIT_CONNECTIONS,        /* of nodes and relayed streams */
	LIMIT_STRANGERS,          /* of them those that have not said who they are */
	LIMIT_STRANGERS_SAME,     /* the same, of one address */
	LIMIT_GREETING_S,         /* from connection to enrol or login */
	LIMIT_SILENCE_S,          /* nodes ping four times as often as the default */
	LIMIT_MESSAGES_PER_S,     /* of one node */
	LIMIT_MESSAGES_BURST,     /* of one node at once */
	LIMIT_CHANGES_PER_MINUTE, /* messages that cost a signature or a write */
	LIMIT_CHANGES_BURST,
	LIMIT_SIGNAL_QUEUE, /* bytes waiting for a node; signals above it are dropped */
	LIMIT_EPHEMERAL_S,  /* away for so long, an ephemeral node is deleted */
	LIMIT_AUDIT_DAYS,
	LIMIT_AUDIT_ENTRIES,
	LIMIT_PENDING,   /* nodes that wait to be let in */
	LIMIT_PENDING_S, /* so long, then they are forgotten */
	LIMIT_COUNT,
};

struct limits {
	uint64_t values[LIMIT_COUNT];
};

struct limit_info {
	const char *name;
	const char *what; /* for people, with the unit */
	uint64_t normal;
	uint64_t min;
	uint64_t max;
};

extern const struct limit_info limit_infos[LIMIT_COUNT];

void limits_init(struct limits *limits);
/* Sets one by name. 0, -ENOENT: no such limit, -EINVAL: no number, -ERANGE: outside its bounds. */
int limits_set(struct limits *limits, const char *name, const char *value);
/* The place of a name, or LIMIT_COUNT. */
enum limit limits_find(const char *name);

#endif
