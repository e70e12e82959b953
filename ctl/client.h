#ifndef WARREN_CTL_CLIENT_H
#define WARREN_CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/local_api.h"

/* What every verb of warren is told about where it runs. */
struct client {
	const char *socket; /* path of the daemon's */
	bool terminal;      /* standard output is one */
	bool colour;
};

#define CLIENT_PATIENCE_MS 10000 /* for verbs that the daemon answers from memory */
#define CLIENT_SILENCE     (-1) /* no exit code: no answer came in time, and nothing is said of it */

/*
 * Sends request (taken over) and waits for the final line; progress(arg, fields), which may be NULL
 * for verbs without progress, is called for every line before it and ends the wait by returning
 * false. *reply gets the object of success (new reference), NULL when progress ended it.
 * LOCAL_OK, or the exit code after one line on stderr, or CLIENT_SILENCE after timeout_ms: the verb
 * knows better what to say, and that its exit code is LOCAL_TIMEOUT.
 */
int client_call(const struct client *client, json_t *request, uint64_t timeout_ms,
		bool (*progress)(void *arg, const json_t *fields), void *arg, json_t **reply);

/* The object of status, new reference. Errors are reported. */
int client_status(const struct client *client, json_t **status);
/* The object of routes, likewise. */
int client_routes(const struct client *client, json_t **routes);
/*
 * What a name stands for: the answer to resolve of proto/local_api.h, new reference. Errors are
 * reported.
 */
int client_resolve(const struct client *client, const char *name, json_t **answer);
/* Is there a daemon that answers? Says nothing. */
bool client_probe(const struct client *client);

#endif
