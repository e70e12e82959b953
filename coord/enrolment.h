#ifndef WARREN_COORD_ENROLMENT_H
#define WARREN_COORD_ENROLMENT_H

#include <stdint.h>

#include "coord/network.h"
#include "proto/control.h"

/* How nodes come into the network: with a join key, and again with their device key. */

#define ENROLMENT_KEY_LIFE_S (24 * 3600)

struct sessions;

/* What to make. */
struct enrolment_key {
	const char *name; /* for people, and of the node that joins with a one-use key; or NULL */
	bool reusable;
	uint64_t uses_max; /* of a reusable one; 0: any number */
	bool ephemeral;
	struct labels groups;
	struct labels tags;
	struct route_list routes; /* approved in advance */
	uint64_t life_s;
	enum key_approval approval;
	const struct node *for_node; /* to be replaced by the node that joins; or NULL */
	const char *created_by;      /* or NULL */
};

/* Makes and stores a join key, and the token text that carries it (at least TOKEN_TEXT_SIZE). */
int enrolment_make_key(struct network *network, const struct enrolment_key *wanted, uint64_t now_s,
		       char *token_text, uint8_t id[static TOKEN_KEY_ID_SIZE]);

/*
 * A node that shows a join key. box_key is what the channel proved, as the caller has proved the
 * device key. The node that it takes the place of is cut off and gone. On refusal -EACCES with
 * *error filled; other errors too fill it.
 */
int enrolment_enrol(struct sessions *sessions, const struct control_enrol *enrol,
		    const uint8_t box_key[static 32], uint64_t now_s, struct node **node,
		    struct control_error *error);
/* A node that was here before. */
int enrolment_login(struct network *network, const struct control_login *login,
		    const uint8_t box_key[static 32], uint64_t now_s, struct node **node,
		    struct control_error *error);

/* What to tell a node whose keys could not be stored. */
int enrolment_explain(struct control_error *error, int err);
/* Fills an error for a node; returns -EACCES. */
int enrolment_refuse(struct control_error *error, enum control_error_code code, const char *text);

#endif
