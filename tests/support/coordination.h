#ifndef WARREN_TESTS_COORDINATION_H
#define WARREN_TESTS_COORDINATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coord/enrolment.h"
#include "coord/sessions.h"
#include "proto/control.h"
#include "proto/netmap.h"
#include "proto/token.h"

/*
 * A coordinator in a temporary folder, and machines that speak its protocol without a socket: what
 * one side sends the other has received when the call returns.
 */
struct coordination {
	char dir[64];
	struct network network;
	struct sessions sessions;
	uint64_t now_ns;
	uint64_t now_s;
	const char *place; /* of the database; NULL: SQLite */
};

#define MACHINE_MESSAGES_MAX 256

struct machine {
	struct coordination *coordination;
	struct control_channel *channel;
	struct session *session; /* NULL: not connected */
	bool closed;             /* the coordinator hung up */
	bool knows_turn;         /* says so at its next login */
	bool stalled;            /* does not read: its queue looks full */
	uint8_t device_key[32];
	uint8_t device_secret[64];
	uint8_t box_secret[32];
	uint8_t wireguard_key[32];
	bool has_ticket;
	struct control_ticket ticket; /* of the last welcome; stored when the test says so */
	uint64_t time_s;              /* what its clock says */
	struct netmap *map;           /* verified and applied */
	struct netmap_trust trust;
	struct control_message messages[MACHINE_MESSAGES_MAX]; /* received and not looked at */
	size_t message_count;
};

void coordination_begin(struct coordination *c);
/* With the tables in this database; a second one shares the first one's network (NULL: none). */
void coordination_begin_at(struct coordination *c, const char *place,
			   const struct coordination *first);
void coordination_end(struct coordination *c);
/* Closes the store and opens it again, as after a crash; machines must be disconnected. */
void coordination_restart(struct coordination *c);
/* The second half of that, by a test that has done something else in between. */
void coordination_reopen(struct coordination *c);
/* Maps and presence that are due go out. */
void coordination_flush(struct coordination *c);
/* The same; then a second passes. */
void coordination_settle(struct coordination *c);
void coordination_pass(struct coordination *c, uint64_t seconds);

struct token coordination_key(struct coordination *c, bool reusable, bool ephemeral,
			      const char *group);

/* seed makes the keys. */
void machine_init(struct machine *m, struct coordination *c, unsigned int seed);
void machine_clear(struct machine *m);
/* Connects and shakes hands. */
void machine_connect(struct machine *m);
void machine_disconnect(struct machine *m);
void machine_send(struct machine *m, const struct control_message *message);
void machine_enrol(struct machine *m, const struct token *token, const char *hostname);
void machine_login(struct machine *m);
/* Says that it has stored its ticket. */
void machine_confirm(struct machine *m);
/*
 * Takes the oldest message of the type out of those received; false when there is none. Maps and
 * deltas were applied already. The caller clears it.
 */
bool machine_take(struct machine *m, enum control_type type, struct control_message *message);
/* Takes an error and says its code, or -1. */
int machine_take_error(struct machine *m);
/* Connects and enrols, which must succeed, and forgets the messages but not the map. */
void machine_join(struct machine *m, const struct token *token, const char *hostname);
void machine_forget_messages(struct machine *m);

#endif
