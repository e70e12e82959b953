#ifndef WARREN_COORD_CLUSTER_LINE_H
#define WARREN_COORD_CLUSTER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/control.h"

/* What coordinators say to each other, a line each: a letter, then words between spaces. */

enum cluster_verb {
	CLUSTER_ALIVE = 'a',
	CLUSTER_HELLO = 'h', /* wants to know everything */
	CLUSTER_LIST = '[',  /* the answer begins: NODE lines, then END */
	CLUSTER_NODE = '=',  /* is with us as before: node, hash, relay */
	CLUSTER_END = ']',
	CLUSTER_ONLINE = '+',  /* came to us: node, hash, relay */
	CLUSTER_OFFLINE = '-', /* left us: node, number (when it was last seen) */
	CLUSTER_ASK = '?',     /* does it answer: node */
	CLUSTER_LIVES = '!',   /* it does */
	CLUSTER_GONE = '~',    /* it is not with us */
	CLUSTER_SIGNAL =
		's',        /* node (to whom), hash (from whom), number (of the part), more, data */
	CLUSTER_LOST = 'x', /* the signal found nobody: node (to whom), hash (from whom) */
};

#define CLUSTER_PART_MAX     5400 /* bytes of a signal in a line: 7200 characters */
#define CLUSTER_LINE_SIZE    7600
#define CLUSTER_SIGNAL_PARTS ((CONTROL_SIGNAL_MAX + CLUSTER_PART_MAX - 1) / CLUSTER_PART_MAX)

struct cluster_line {
	enum cluster_verb verb;
	uint8_t node[32];
	uint8_t hash[32];
	char relay[NETMAP_RELAY_NAME_MAX + 1];
	uint64_t number;
	bool more; /* parts follow */
	uint8_t data[CLUSTER_PART_MAX];
	size_t len;
};

void cluster_line_format(char out[static CLUSTER_LINE_SIZE], const struct cluster_line *line);
/* 0 or -EBADMSG. */
int cluster_line_parse(struct cluster_line *line, const char *text);

#endif
