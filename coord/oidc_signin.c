/* The table of sign-ins. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "coord/oidc_core.h"
#include "coord/sessions.h"

void signin_random(struct oidc *oidc, char out[static OIDC_SECRET_TEXT])
{
	uint8_t bytes[OIDC_SECRET_SIZE];

	rng_fill(&oidc->sessions->network->rng, bytes, sizeof(bytes));
	encoding_base64url(out, OIDC_SECRET_TEXT, bytes, sizeof(bytes));
}

static void wipe(char *text)
{
	if (text)
		sodium_memzero(text, strlen(text));
	free(text);
}

void signin_free(struct oidc *oidc, struct signin *signin)
{
	struct signin **link = &oidc->signins;

	oidc_answer_page(signin, 503, "Not signed in", "Begin anew.");
	while (*link != signin)
		link = &(*link)->next;
	*link = signin->next;
	oidc->signin_count--;
	wipe(signin->id_token);
	wipe(signin->access_token);
	json_decref(signin->claims);
	sodium_memzero(signin, sizeof(*signin));
	free(signin);
}

/* Strangers may begin to sign in as admins: the oldest of too many gives way. */
static void make_room(struct oidc *oidc)
{
	struct signin *oldest = NULL;
	size_t count = 0;

	for (struct signin *s = oidc->signins; s; s = s->next) {
		if (!s->admin)
			continue;
		count++;
		oldest = s; /* newer ones stand first */
	}
	if (count < OIDC_ADMINS_MAX)
		return;
	oidc_answer_page(oldest, 503, "Too many sign-ins", "Too many sign in at once; try again.");
	signin_free(oidc, oldest);
}

struct signin *signin_new(struct oidc *oidc, bool admin, uint64_t now_ns)
{
	struct signin *signin;

	if (admin)
		make_room(oidc);
	if (oidc->signin_count >= OIDC_SIGNINS_MAX)
		return NULL;
	signin = calloc(1, sizeof(*signin));
	if (!signin)
		return NULL;
	signin->id = ++oidc->ids;
	signin->admin = admin;
	signin->deadline_ns = now_ns + OIDC_BROWSER_S * NS_PER_S;
	signin_random(oidc, signin->handle);
	signin->next = oidc->signins;
	oidc->signins = signin;
	oidc->signin_count++;
	return signin;
}

struct signin *signin_find(const struct oidc *oidc, uint64_t id)
{
	struct signin *s = oidc->signins;

	while (s && s->id != id)
		s = s->next;
	return s;
}

struct signin *signin_find_node(const struct oidc *oidc, const uint8_t node_key[static 32])
{
	struct signin *s = oidc->signins;

	while (s && (s->admin || memcmp(s->node_key, node_key, 32) != 0))
		s = s->next;
	return s;
}

static bool is_same(const char *a, const char *b)
{
	return strlen(a) == OIDC_SECRET_TEXT - 1 && strlen(b) == OIDC_SECRET_TEXT - 1 &&
	       sodium_memcmp(a, b, OIDC_SECRET_TEXT) == 0;
}

struct signin *signin_find_handle(const struct oidc *oidc, const char *handle)
{
	struct signin *s = oidc->signins;

	while (s && !is_same(s->handle, handle))
		s = s->next;
	return s;
}

struct signin *signin_find_state(const struct oidc *oidc, const char *state_text)
{
	struct signin *s = oidc->signins;

	while (s && !is_same(s->state_text, state_text))
		s = s->next;
	return s;
}
