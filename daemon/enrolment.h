#ifndef WARREN_DAEMON_ENROLMENT_H
#define WARREN_DAEMON_ENROLMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/control.h"
#include "proto/local_api.h"
#include "proto/token.h"

struct local_request;
struct mesh;

/*
 * Joining and leaving: the verbs up, down and logout, and everybody who waits for up to succeed.
 */
struct enrolment;

#define ENROLMENT_WAITING_MAX   8
#define ENROLMENT_RELAY_GRACE_S 3 /* up succeeds without a relay after this long */

/* NULL when out of memory. */
struct enrolment *enrolment_new(struct mesh *mesh);
/* Nobody may wait any more (enrolment_fail). Accepts NULL. */
void enrolment_free(struct enrolment *enrolment);

/* The verbs' handlers. */
void enrolment_up(struct enrolment *enrolment, struct local_request *request);
void enrolment_down(struct enrolment *enrolment, struct local_request *request);
void enrolment_logout(struct enrolment *enrolment, struct local_request *request);

/*
 * As up with a token that nobody waits for: mesh_start follows. False, with a line in error.
 */
bool enrolment_begin(struct enrolment *enrolment, const char *token, char *error, size_t size);

/* The token of an enrolment that is under way, or NULL: then the node logs in. */
const struct token *enrolment_token(const struct enrolment *enrolment);
/* The name to ask for: the user's choice, or the host's made into one. */
void enrolment_hostname(const struct enrolment *enrolment, char *out, size_t size);

/* What became of it. */
void enrolment_progress(struct enrolment *enrolment, const char *stage, const char *text);
void enrolment_welcomed(struct enrolment *enrolment);
/* The coordinator knows this node and does not let it in yet. */
void enrolment_pending(struct enrolment *enrolment, const struct control_pending *pending);
/* What this node waits for, or NULL. */
const struct control_pending *enrolment_waits_for(const struct enrolment *enrolment);
void enrolment_mapped(struct enrolment *enrolment);
void enrolment_relay_up(struct enrolment *enrolment);
/* The coordinator will not have us: no retry until the next up. */
void enrolment_refused(struct enrolment *enrolment, const struct control_error *error);
/* Another machine has our identity, or had it after this disk was copied: quiet, and tried again.
 */
void enrolment_duplicate(struct enrolment *enrolment, const struct control_error *error);
bool enrolment_is_duplicate(const struct enrolment *enrolment);
bool enrolment_was_refused(const struct enrolment *enrolment);
/* Ends everybody's wait. */
void enrolment_fail(struct enrolment *enrolment, enum local_code code, const char *text);

#endif
