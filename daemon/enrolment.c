#include "daemon/enrolment.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/secret.h"
#include "daemon/control_client.h"
#include "daemon/coordination.h"
#include "daemon/device.h"
#include "daemon/local_server.h"
#include "daemon/mesh.h"
#include "daemon/mesh_map.h"
#include "daemon/relays.h"
#include "daemon/tunnel.h"
#include "proto/approval_code.h"

struct waiting {
	struct enrolment *enrolment;
	struct local_request *request;
	struct waiting *next;
};

struct enrolment {
	struct mesh *mesh;
	bool enrolling; /* token is set */
	bool refused;
	bool duplicate; /* refused because of another machine with our identity */
	bool waits;     /* pending is set: known to the coordinator, and not let in yet */
	struct control_pending pending;
	struct token token;
	char hostname[CERT_NAME_MAX + 1]; /* what the user asked for, or "" */
	struct waiting *waiting;
	size_t waiting_count;
	bool mapped; /* since the last up */
	struct loop_timer relay_grace;
};

static void succeed(struct enrolment *enrolment);

static void on_relay_grace(void *arg, uint64_t now_ns)
{
	struct enrolment *enrolment = arg;

	(void)now_ns;
	enrolment_progress(enrolment, "relay", "no relay answers; direct paths only");
	succeed(enrolment);
}

struct enrolment *enrolment_new(struct mesh *mesh)
{
	struct enrolment *enrolment = calloc(1, sizeof(*enrolment));

	if (!enrolment)
		return NULL;
	enrolment->mesh = mesh;
	loop_timer_init(&enrolment->relay_grace, mesh->loop, on_relay_grace, enrolment);
	return enrolment;
}

static void forget_token(struct enrolment *enrolment)
{
	enrolment->enrolling = false;
	token_clear(&enrolment->token);
}

void enrolment_free(struct enrolment *enrolment)
{
	if (!enrolment)
		return;
	loop_timer_clear(&enrolment->relay_grace);
	forget_token(enrolment);
	free(enrolment);
}

/* --- who waits --- */

static struct local_request *remove_waiting(struct waiting *waiting)
{
	struct waiting **link = &waiting->enrolment->waiting;
	struct local_request *request = waiting->request;

	while (*link != waiting)
		link = &(*link)->next;
	*link = waiting->next;
	waiting->enrolment->waiting_count--;
	free(waiting);
	return request;
}

static void on_cancel(void *arg)
{
	remove_waiting(arg);
}

static bool add_waiting(struct enrolment *enrolment, struct local_request *request)
{
	struct waiting *waiting = enrolment->waiting_count < ENROLMENT_WAITING_MAX
					  ? calloc(1, sizeof(*waiting))
					  : NULL;

	if (!waiting) {
		local_reply_error(request, LOCAL_FAILURE, "too many wait for `up`; try later");
		return false;
	}
	waiting->enrolment = enrolment;
	waiting->request = request;
	waiting->next = enrolment->waiting;
	enrolment->waiting = waiting;
	enrolment->waiting_count++;
	local_request_on_cancel(request, on_cancel, waiting);
	return true;
}

void enrolment_progress(struct enrolment *enrolment, const char *stage, const char *text)
{
	struct waiting *waiting;

	for (waiting = enrolment->waiting; waiting; waiting = waiting->next)
		local_reply_line(waiting->request,
				 json_pack("{s:s,s:s}", "stage", stage, "text", text));
}

/* What is to be done about it, for people; a fingerprint tells an admin which machine this is. */
static void describe_pending(const struct enrolment *enrolment, char *text, size_t size)
{
	const struct control_pending *pending = &enrolment->pending;
	struct mesh *mesh = enrolment->mesh;
	const char *code = pending->code[0] ? pending->code : "-";

	switch (pending->reason) {
	case CONTROL_PENDING_SIGN_IN:
		if (pending->url[0])
			snprintf(text, size, "waiting for sign-in: open %s (code %s)", pending->url,
				 code);
		else
			snprintf(text, size,
				 "waiting for sign-in: the coordinator has no address "
				 "for it yet");
		return;
	case CONTROL_PENDING_SIGNATURE:
		snprintf(text, size,
			 "waiting for an admin's signature: code %s, key %s; an admin signs with "
			 "warren-coord authority sign",
			 code, log_key(mesh->identity->device_public).text);
		return;
	default:
		snprintf(text, size,
			 "waiting for approval: code %s, key %s; an admin approves with "
			 "warren-coord node approve %s",
			 code, log_key(mesh->identity->device_public).text, code);
	}
}

static void tell_pending(const struct enrolment *enrolment, struct local_request *request)
{
	const struct control_pending *pending = &enrolment->pending;
	char text[MESH_HEALTH_SIZE + CONTROL_URL_MAX];

	describe_pending(enrolment, text, sizeof(text));
	local_reply_line(request, json_pack("{s:s,s:s,s:s,s:s,s:s}", "stage", "pending", "text",
					    text, "reason", control_pending_name(pending->reason),
					    "code", pending->code, "url", pending->url));
}

static void forget_pending(struct enrolment *enrolment)
{
	enrolment->waits = false;
	mesh_set_health(enrolment->mesh, HEALTH_APPROVAL, NULL);
}

void enrolment_fail(struct enrolment *enrolment, enum local_code code, const char *text)
{
	while (enrolment->waiting)
		local_reply_error(remove_waiting(enrolment->waiting), code, "%s", text);
}

static json_t *success_fields(const struct mesh *mesh)
{
	const struct cert *cert = &mesh->membership.cert;
	json_t *addresses = json_array();
	char text[ADDR_TEXT_SIZE];

	if (addr_len(&cert->address4))
		json_array_append_new(addresses, json_string(addr_format(text, &cert->address4)));
	if (addr_len(&cert->address6))
		json_array_append_new(addresses, json_string(addr_format(text, &cert->address6)));
	return json_pack("{s:s,s:o,s:s}", "name", cert->name, "addresses", addresses, "network",
			 mesh->membership.network_name);
}

static void succeed(struct enrolment *enrolment)
{
	loop_timer_clear(&enrolment->relay_grace);
	enrolment_progress(enrolment, "connected", "connected");
	while (enrolment->waiting)
		local_reply_end(remove_waiting(enrolment->waiting),
				success_fields(enrolment->mesh));
}

/* --- up --- */

/* Makes a DNS label of a host name: its first part, lower case, other characters as hyphens. */
static void make_label(char *out, size_t size, const char *host)
{
	size_t len = 0;

	for (; *host && *host != '.' && len + 1 < size; host++) {
		char c = (char)tolower((unsigned char)*host);

		if (!isalnum((unsigned char)c) || (unsigned char)c >= 0x80)
			c = '-';
		if (c != '-' || len > 0)
			out[len++] = c;
	}
	while (len > 0 && out[len - 1] == '-')
		len--;
	out[len] = '\0';
	if (!len)
		snprintf(out, size, "node");
}

void enrolment_hostname(const struct enrolment *enrolment, char *out, size_t size)
{
	char host[256] = "";

	if (enrolment->hostname[0]) {
		snprintf(out, size, "%s", enrolment->hostname);
		return;
	}
	gethostname(host, sizeof(host) - 1);
	make_label(out, size, host);
}

const struct token *enrolment_token(const struct enrolment *enrolment)
{
	return enrolment->enrolling ? &enrolment->token : NULL;
}

static bool same_network(const struct membership *membership, const struct token *token)
{
	return memcmp(membership->coordinator_key, token->coordinator_key, 32) == 0 &&
	       memcmp(membership->authority_hash, token->authority_hash, 32) == 0;
}

/* Keys are made once, before the first enrolment, and stored before they are used. */
static int ensure_identity(struct mesh *mesh)
{
	struct identity *identity;
	int err;

	if (mesh->identity)
		return 0;
	identity = secret_new(sizeof(*identity));
	if (!identity)
		return -ENOMEM;
	identity_generate(identity);
	err = identity_save(identity, mesh_path(mesh, "identity").text);
	if (err < 0) {
		secret_free(identity);
		return err;
	}
	mesh->identity = identity;
	return 0;
}

/* The same coordinator by another address: the token says where it is now. */
static void take_addresses(struct mesh *mesh, const struct token *token)
{
	struct membership *membership = &mesh->membership;

	if (membership->address_count == token->address_count &&
	    memcmp(membership->addresses, token->addresses, sizeof(token->addresses)) == 0)
		return;
	memcpy(membership->addresses, token->addresses, sizeof(membership->addresses));
	membership->address_count = token->address_count;
	mesh_saved(mesh, "membership",
		   membership_save(membership, mesh_path(mesh, "membership").text));
	if (mesh->control && control_client_link(mesh->control) != CONTROL_LINK_OK)
		coordination_stop(mesh); /* the next connection goes there */
}

/* Why a token was not taken. */
struct refusal {
	enum local_code code;
	char text[256];
};

__attribute__((format(printf, 3, 4))) static bool refuse(struct refusal *refusal,
							 enum local_code code, const char *fmt, ...)
{
	va_list args;

	refusal->code = code;
	va_start(args, fmt);
	vsnprintf(refusal->text, sizeof(refusal->text), fmt, args);
	va_end(args);
	return false;
}

/* For a first enrolment, or for one anew: that the next connection greets with it. */
static void adopt_token(struct enrolment *enrolment, const struct token *token)
{
	struct mesh *mesh = enrolment->mesh;
	bool fresh = !mesh->has_membership || !mesh->membership.enrolled;

	if (fresh) {
		membership_from_token(&mesh->membership, token);
		mesh->has_membership = true;
	} else {
		take_addresses(mesh, token);
	}
	if (!fresh && !enrolment->refused && !enrolment->duplicate)
		return;
	forget_pending(enrolment);
	enrolment->token = *token;
	enrolment->enrolling = true;
	coordination_stop(mesh);
}

static bool take_token(struct enrolment *enrolment, const char *text, struct refusal *refusal)
{
	struct mesh *mesh = enrolment->mesh;
	struct token token;
	int err = token_parse(&token, text);

	if (err < 0)
		return refuse(refusal, LOCAL_USAGE, "%s", token_error_text(err));
	if (mesh->has_membership && mesh->membership.enrolled &&
	    !same_network(&mesh->membership, &token)) {
		token_clear(&token);
		return refuse(refusal, LOCAL_FAILURE,
			      "this node belongs to network %s; `warren logout` leaves it",
			      mesh->membership.network_name);
	}
	err = ensure_identity(mesh);
	if (err == 0)
		adopt_token(enrolment, &token);
	token_clear(&token);
	return err == 0 || refuse(refusal, LOCAL_FAILURE, "keys cannot be stored in %s: %s",
				  mesh->config->state, strerror(-err));
}

static bool check_hostname(struct enrolment *enrolment, const char *hostname,
			   struct local_request *request)
{
	if (!hostname)
		return true;
	if (cert_name_check(hostname) < 0) {
		local_reply_error(request, LOCAL_USAGE,
				  "a name has 1 to 63 lower-case letters, digits and inner "
				  "hyphens");
		return false;
	}
	snprintf(enrolment->hostname, sizeof(enrolment->hostname), "%s", hostname);
	return true;
}

/* What of the request changes nothing, for who asked for it. */
static void tell_ignored(const struct enrolment *enrolment, const struct local_up *up,
			 struct local_request *request)
{
	const struct membership *membership = &enrolment->mesh->membership;
	char text[512];

	if (!membership->enrolled || enrolment->enrolling)
		return;
	if (up->token) {
		snprintf(text, sizeof(text),
			 "this node is in network %s already; the token was not used",
			 membership->network_name);
		local_reply_line(request, json_pack("{s:s,s:s}", "stage", "note", "text", text));
	}
	if (up->hostname && strcmp(up->hostname, membership->cert.name) != 0) {
		snprintf(text, sizeof(text),
			 "this node stays %s: only an admin renames it, with warren-coord node "
			 "rename %s %s",
			 membership->cert.name, membership->cert.name, up->hostname);
		local_reply_line(request, json_pack("{s:s,s:s}", "stage", "note", "text", text));
	}
}

/* From now on, and after every restart. */
static void want_up(struct enrolment *enrolment)
{
	struct mesh *mesh = enrolment->mesh;

	enrolment->refused = false;
	mesh->settings.up = true;
	mesh_saved(mesh, "settings",
		   settings_save(&mesh->settings, mesh_path(mesh, "settings").text));
}

/* Is there an identity or a token to go up with? */
static bool may_go_up(const struct enrolment *enrolment, struct refusal *refusal)
{
	if (!enrolment->mesh->has_membership)
		return refuse(refusal, LOCAL_LOGIN,
			      "this node is in no network yet; get a token from your admin and run "
			      "`warren up TOKEN`");
	if (enrolment->refused && !enrolment->enrolling)
		return refuse(refusal, LOCAL_LOGIN,
			      "the coordinator does not take this node any more; get a new token, "
			      "run `warren logout`, then `warren up TOKEN`");
	return true;
}

void enrolment_up(struct enrolment *enrolment, struct local_request *request)
{
	struct mesh *mesh = enrolment->mesh;
	struct refusal refusal;
	struct local_up up;

	if (local_up_decode(&up, local_request_body(request)) < 0) {
		local_reply_error(request, LOCAL_USAGE, "malformed up request");
		return;
	}
	if (!check_hostname(enrolment, up.hostname, request))
		return;
	if ((up.token && !take_token(enrolment, up.token, &refusal)) ||
	    !may_go_up(enrolment, &refusal)) {
		local_reply_error(request, refusal.code, "%s", refusal.text);
		return;
	}
	if (!add_waiting(enrolment, request))
		return;
	tell_ignored(enrolment, &up, request);
	want_up(enrolment);
	if (mesh->control && control_client_link(mesh->control) == CONTROL_LINK_OK && mesh->map) {
		succeed(enrolment);
		return;
	}
	if (enrolment->waits)
		tell_pending(enrolment, request);
	enrolment->mapped = false;
	loop_timer_clear(&enrolment->relay_grace); /* of an earlier up that was broken off */
	mesh_start(mesh);
}

bool enrolment_begin(struct enrolment *enrolment, const char *token, char *error, size_t size)
{
	struct refusal refusal;

	if (!take_token(enrolment, token, &refusal)) {
		snprintf(error, size, "%s", refusal.text);
		return false;
	}
	want_up(enrolment);
	return true;
}

/* --- what became of it --- */

void enrolment_pending(struct enrolment *enrolment, const struct control_pending *pending)
{
	struct mesh *mesh = enrolment->mesh;
	char text[MESH_HEALTH_SIZE + CONTROL_URL_MAX];
	char code[APPROVAL_CODE_SIZE];
	struct waiting *waiting;

	approval_code(code, mesh->identity->device_public, mesh->identity->box_public);
	if (pending->reason != CONTROL_PENDING_SIGN_IN && strcmp(pending->code, code) != 0) {
		enrolment_fail(enrolment, LOCAL_DENIED,
			       "the coordinator shows another machine's code for this one; do not "
			       "approve it, and ask who runs the coordinator");
		control_client_fail(mesh->control, "refused by this node: not its own code");
		return;
	}
	if (!enrolment->waits) /* the code is for the screen only */
		log_info("pending reason=%s", control_pending_name(pending->reason));
	enrolment->waits = true;
	enrolment->pending = *pending;
	/* After a restart this node logs in: over there the token is used up. */
	mesh_saved(mesh, "membership",
		   membership_save(&mesh->membership, mesh_path(mesh, "membership").text));
	forget_token(enrolment);
	control_client_wait(mesh->control);
	describe_pending(enrolment, text, sizeof(text));
	mesh_set_health(mesh, HEALTH_APPROVAL, "%.*s", MESH_HEALTH_SIZE - 1, text);
	for (waiting = enrolment->waiting; waiting; waiting = waiting->next)
		tell_pending(enrolment, waiting->request);
}

const struct control_pending *enrolment_waits_for(const struct enrolment *enrolment)
{
	return enrolment->waits ? &enrolment->pending : NULL;
}

void enrolment_welcomed(struct enrolment *enrolment)
{
	struct mesh *mesh = enrolment->mesh;
	char text[128];
	int err;

	if (enrolment->enrolling || enrolment->waits) {
		snprintf(text, sizeof(text), "enrolled as %s", mesh->membership.cert.name);
		enrolment_progress(enrolment, "enrol", text);
		log_info("enrolled name=%s network=%s", mesh->membership.cert.name,
			 mesh->membership.network_name);
		forget_token(enrolment);
	}
	forget_pending(enrolment);
	if (enrolment->duplicate) {
		enrolment->duplicate = false;
		mesh_set_health(mesh, HEALTH_IDENTITY, NULL);
		mesh_start(mesh); /* what was quiet */
	}
	err = tunnel_configure(mesh);
	if (err < 0) {
		mesh_set_health(mesh, HEALTH_DEVICE, "device %s cannot be configured: %s",
				mesh->config->tun, strerror(-err));
		enrolment_fail(enrolment, LOCAL_FAILURE, mesh->health[HEALTH_DEVICE]);
		return;
	}
	snprintf(text, sizeof(text), "device %s is up", mesh->config->tun);
	enrolment_progress(enrolment, "device", text);
	if (mesh->map)
		enrolment_mapped(enrolment); /* what we hold may be the latest already */
}

void enrolment_mapped(struct enrolment *enrolment)
{
	struct mesh *mesh = enrolment->mesh;
	uint32_t home = relays_home(mesh->relays);

	if (!enrolment->waiting || control_client_link(mesh->control) != CONTROL_LINK_OK)
		return;
	enrolment->mapped = true;
	if (mesh->map->relay_count == 0 || (home && relays_is_up(mesh->relays, home)))
		succeed(enrolment);
	else
		loop_timer_set(&enrolment->relay_grace,
			       loop_now_ns(mesh->loop) + ENROLMENT_RELAY_GRACE_S * NS_PER_S);
}

void enrolment_relay_up(struct enrolment *enrolment)
{
	uint32_t home = relays_home(enrolment->mesh->relays);
	char text[128];

	if (!enrolment->waiting || !enrolment->mapped ||
	    !relays_is_up(enrolment->mesh->relays, home))
		return;
	snprintf(text, sizeof(text), "relay %s by %s", relays_name(enrolment->mesh->relays, home),
		 relays_transport(enrolment->mesh->relays, home));
	enrolment_progress(enrolment, "relay", text);
	succeed(enrolment);
}

bool enrolment_was_refused(const struct enrolment *enrolment)
{
	return enrolment->refused;
}

void enrolment_refused(struct enrolment *enrolment, const struct control_error *error)
{
	struct mesh *mesh = enrolment->mesh;
	bool was_member = mesh->membership.enrolled;

	enrolment_fail(enrolment, LOCAL_DENIED, error->text);
	coordination_stop(mesh);
	forget_token(enrolment);
	forget_pending(enrolment);
	if (!was_member) {
		mesh->has_membership = false;
		unlink(mesh_path(mesh, "membership").text); /* stored while it waited */
		mesh_set_health(mesh, HEALTH_COORDINATOR, "not let in: %s", error->text);
		return;
	}
	enrolment->refused = true;
	mesh_map_clear(mesh);
	relays_set_list(mesh->relays, NULL, 0);
	unlink(mesh_path(mesh, "map").text);
	mesh_set_health(mesh, HEALTH_COORDINATOR,
			"refused by the coordinator: %s; to come back, run `warren logout`, then "
			"`warren up TOKEN` with a new token",
			error->text);
}

void enrolment_duplicate(struct enrolment *enrolment, const struct control_error *error)
{
	struct mesh *mesh = enrolment->mesh;

	enrolment_fail(enrolment, LOCAL_DENIED, error->text);
	forget_token(enrolment);
	enrolment->duplicate = true;
	/*
	 * The other one is not to be disturbed, nor at a relay by what this one does after a
	 * restart. The map stays, since older ones are refused by it.
	 */
	mesh_quiet(mesh);
	unlink(mesh_path(mesh, "credentials").text);
	mesh_set_health(mesh, HEALTH_IDENTITY, "identity: %s", error->text);
	control_client_fail(mesh->control, NULL);
}

bool enrolment_is_duplicate(const struct enrolment *enrolment)
{
	return enrolment->duplicate;
}

/* --- down and logout --- */

void enrolment_down(struct enrolment *enrolment, struct local_request *request)
{
	struct mesh *mesh = enrolment->mesh;

	enrolment_fail(enrolment, LOCAL_FAILURE, "`warren down` was given meanwhile");
	mesh->settings.up = false;
	mesh_saved(mesh, "settings",
		   settings_save(&mesh->settings, mesh_path(mesh, "settings").text));
	mesh_stop(mesh);
	local_reply_end(request, NULL);
}

void enrolment_logout(struct enrolment *enrolment, struct local_request *request)
{
	static const char *const files[] = { "map",         "membership", "identity", "timestamp",
					     "credentials", "documents",  "ticket" };
	struct mesh *mesh = enrolment->mesh;
	static const uint8_t no_key[32];
	size_t i;

	enrolment_fail(enrolment, LOCAL_FAILURE, "`warren logout` was given meanwhile");
	mesh->settings.up = false;
	mesh_saved(mesh, "settings",
		   settings_save(&mesh->settings, mesh_path(mesh, "settings").text));
	mesh_stop(mesh);
	mesh_map_clear(mesh);
	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(mesh_path(mesh, files[i]).text);
	forget_token(enrolment);
	forget_pending(enrolment);
	enrolment->refused = false;
	enrolment->duplicate = false;
	mesh_set_health(mesh, HEALTH_IDENTITY, NULL);
	device_set_private_key(mesh->device, no_key);
	secret_free(mesh->identity);
	mesh->identity = NULL;
	mesh->has_membership = false;
	memset(&mesh->membership, 0, sizeof(mesh->membership));
	documents_reset(mesh);
	mesh->clock_known = false;
	enrolment->hostname[0] = '\0';
	log_info("logout");
	local_reply_end(request, NULL);
}
