#include "daemon/coordination.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/control_client.h"
#include "daemon/credentials.h"
#include "daemon/device.h"
#include "daemon/enrolment.h"
#include "daemon/login_ticket.h"
#include "daemon/mesh.h"
#include "daemon/mesh_map.h"
#include "daemon/mesh_peer.h"
#include "daemon/name_service.h"
#include "daemon/relays.h"
#include "daemon/reporter.h"
#include "daemon/rotation.h"
#include "daemon/router.h"
#include "daemon/routing.h"
#include "daemon/signalling.h"
#include "daemon/tunnel.h"
#include "io/ws.h"

static void fill_facts(const struct mesh *mesh, struct control_facts *facts)
{
	struct utsname uts;

	enrolment_hostname(mesh->enrolment, facts->hostname, sizeof(facts->hostname));
	facts->turn = true;
	snprintf(facts->version, sizeof(facts->version), "%s", WARREN_VERSION);
	if (uname(&uts) == 0)
		snprintf(facts->os, sizeof(facts->os), "%.20s %.40s", uts.sysname, uts.release);
}

static void send_enrol(struct mesh *mesh, const struct token *token,
		       const uint8_t handshake_hash[static 32])
{
	struct control_message message = { .type = CONTROL_ENROL };
	struct control_enrol *enrol = &message.enrol;

	memcpy(enrol->key_id, token->key_id, sizeof(enrol->key_id));
	memcpy(enrol->secret, token->secret, sizeof(enrol->secret));
	memcpy(enrol->device_key, mesh->identity->device_public, 32);
	memcpy(enrol->wireguard_key, mesh->identity->wg_public, 32);
	control_proof_sign(enrol->proof, mesh->identity->device_secret, handshake_hash);
	enrol->time_s = clock_wall_s();
	fill_facts(mesh, &enrol->facts);
	control_client_send(mesh->control, &message);
	control_message_clear(&message);
}

static bool load_ticket(const struct mesh *mesh, struct control_ticket *ticket)
{
	const struct mesh_path path = mesh_path(mesh, "ticket");
	int err = login_ticket_load(path.text, ticket);

	if (err < 0 && err != -ENOENT)
		log_error(
			"ticket-unreadable file=%s error=\"%s\" action=\"restore it from a backup, or "
			"run `warren up` with a new token\"",
			path.text, strerror(-err));
	return err == 0;
}

static void send_login(struct mesh *mesh, const uint8_t handshake_hash[static 32])
{
	struct control_message message = { .type = CONTROL_LOGIN };
	struct control_login *login = &message.login;

	memcpy(login->device_key, mesh->identity->device_public, 32);
	memcpy(login->wireguard_key, mesh->identity->wg_public, 32);
	control_proof_sign(login->proof, mesh->identity->device_secret, handshake_hash);
	login->time_s = clock_wall_s();
	login->map_version = mesh->offered ? mesh->offered->version : 0;
	documents_versions(mesh, login->documents);
	login->has_ticket = load_ticket(mesh, &login->ticket);
	login->has_replaces = control_client_previous(mesh->control, login->replaces);
	fill_facts(mesh, &login->facts);
	control_client_send(mesh->control, &message);
	control_message_clear(&message);
}

static void on_greet(void *arg, const uint8_t handshake_hash[static 32])
{
	struct mesh *mesh = arg;
	const struct token *token = enrolment_token(mesh->enrolment);

	enrolment_progress(mesh->enrolment, "coordinator", "connected to the coordinator");
	if (token)
		send_enrol(mesh, token, handshake_hash);
	else
		send_login(mesh, handshake_hash);
}

/*
 * Proxies that open TLS put a key of their own in place of the coordinator's. What is inside is
 * sealed once more, so they learn nothing, but whoever looks for trouble wants to know.
 */
static void check_tls(struct mesh *mesh, const struct control_welcome *welcome)
{
	struct ws_certificate seen;

	if (!welcome->has_tls_key || control_client_certificate(mesh->control, &seen) < 0 ||
	    memcmp(seen.key_hash, welcome->tls_key_hash, WS_KEY_HASH_SIZE) == 0) {
		mesh_set_health(mesh, HEALTH_TLS, NULL);
		return;
	}
	log_warn("tls-intercepted issuer=\"%s\"", seen.issuer);
	mesh_set_health(mesh, HEALTH_TLS,
			"tls to the coordinator is opened on the way by \"%s\"; it cannot read "
			"what is inside",
			seen.issuer);
}

/* What a welcome is refused for; NULL: it is not. */
static const char *welcome_problem(int err)
{
	switch (err) {
	case 0:
	case -ESTALE:
		return NULL;
	case -EPERM:
		return "the coordinator speaks for another authority than the token names; get a "
		       "new token from your admin";
	case -EKEYREJECTED:
		return "the coordinator offered a trust document that the authority did not sign; "
		       "refused";
	default:
		return "the coordinator's certificate does not hold for this node";
	}
}

/* A member goes on with what it had, and says in status what it was offered. */
static void refuse_welcome(struct mesh *mesh, const char *problem)
{
	log_error("welcome-refused error=\"%s\"", problem);
	enrolment_fail(mesh->enrolment, LOCAL_DENIED, problem);
	control_client_fail(mesh->control, problem);
}

static void note_older(struct mesh *mesh, int err)
{
	mesh_set_health(mesh, HEALTH_OWN,
			err == -ESTALE ? "coordinator: offered an older certificate of this node, "
					 "or an older trust document, than we hold; refused"
				       : NULL);
}

/* Only what is on disk for certain is said to be ours: from then on the one before counts no more.
 */
static void keep_ticket(struct mesh *mesh, const struct control_welcome *welcome)
{
	struct control_message message = { .type = CONTROL_UPDATE };
	int err;

	if (!welcome->has_ticket)
		return;
	err = login_ticket_save(mesh_path(mesh, "ticket").text, &welcome->ticket);
	mesh_saved(mesh, "ticket", err);
	message.update.ticket_number = welcome->ticket.number;
	if (err == 0)
		control_client_send(mesh->control, &message);
}

/* Where coordinators are now; the one that we got through to stays, whatever it says. */
static void take_addresses(struct mesh *mesh, const struct control_welcome *welcome)
{
	struct membership *m = &mesh->membership;
	struct token_address present = control_client_address(mesh->control);
	bool named = false;

	if (welcome->address_count == 0)
		return;
	memcpy(m->addresses, welcome->addresses, sizeof(m->addresses));
	m->address_count = welcome->address_count;
	for (size_t i = 0; i < m->address_count; i++)
		named |= m->addresses[i].port == present.port &&
			 strcmp(m->addresses[i].host, present.host) == 0;
	if (!named) {
		if (m->address_count == TOKEN_ADDRESSES_MAX)
			m->address_count--;
		m->addresses[m->address_count++] = present;
	}
	control_client_set_addresses(mesh->control, m->addresses, m->address_count);
}

static void fill_home_relay(const struct mesh *mesh, struct control_update *update)
{
	uint32_t home = relays_home(mesh->relays);

	update->has_home_relay = true;
	snprintf(update->home_relay, sizeof(update->home_relay), "%s",
		 home ? relays_name(mesh->relays, home) : "");
}

/* In one message, as the coordinator counts them. */
static void tell_all(struct mesh *mesh)
{
	struct control_message message = { .type = CONTROL_UPDATE };

	fill_home_relay(mesh, &message.update);
	route_offer_fill(&mesh->route_offer, &message.update);
	control_client_send(mesh->control, &message);
}

static void take_welcome(struct mesh *mesh, const struct control_welcome *welcome)
{
	bool was_strict = trust_is_strict(&mesh->membership.trust);
	bool was_member = mesh->membership.enrolled;
	int err = membership_enrol(&mesh->membership, welcome, mesh->identity->device_public,
				   mesh->identity->box_public);

	if (welcome_problem(err)) {
		refuse_welcome(mesh, welcome_problem(err));
		return;
	}
	mesh_set_clock(mesh, welcome->time_s);
	take_addresses(mesh, welcome);
	note_older(mesh, err);
	/* Before the membership says that there is such a record. */
	if (!was_member || (!was_strict && trust_is_strict(&mesh->membership.trust)))
		documents_reset(mesh);
	mesh_saved(mesh, "membership",
		   membership_save(&mesh->membership, mesh_path(mesh, "membership").text));
	check_tls(mesh, welcome);
	documents_forgive(mesh);
	gossip_connected(mesh);
	control_client_accept(mesh->control);
	keep_ticket(mesh, welcome);
	enrolment_welcomed(mesh->enrolment);
	rotation_connected(mesh);
	router_update(mesh);
	tell_all(mesh);
}

static void take_certificate(struct mesh *mesh, const struct control_document *document)
{
	struct membership *m = &mesh->membership;
	int err = membership_set_certificate(m, document->data, document->len);

	note_older(mesh, err);
	if (err < 0) {
		log_warn("certificate-refused from=coordinator error=\"%s\"", strerror(-err));
		if (err != -ESTALE)
			mesh_set_health(mesh, HEALTH_OWN,
					"coordinator: offered a certificate of this node that does "
					"not hold; refused");
		return;
	}
	mesh_saved(mesh, "membership", membership_save(m, mesh_path(mesh, "membership").text));
	tunnel_configure(mesh);
	router_update(mesh);
	rotation_certified(mesh);
	name_service_refresh(mesh); /* of a new name, or as an exit */
	/* Rules depend on this node's own groups, tags and addresses. */
	if (trust_is_strict(&m->trust))
		mesh_map_govern(mesh);
	/* What this node carries now it does not send to others who do. */
	routing_map_changed(mesh);
}

static void ask_for_whole_map(struct mesh *mesh)
{
	const struct control_message message = { .type = CONTROL_RESYNC };

	control_client_send(mesh->control, &message);
}

static void take_map(struct mesh *mesh, const struct control_document *document, bool delta)
{
	int err = delta ? mesh_map_receive_delta(mesh, document->data, document->len)
			: mesh_map_receive(mesh, document->data, document->len);

	if (err < 0) {
		log_warn("map-refused kind=%s error=\"%s\"", delta ? "delta" : "whole",
			 strerror(-err));
		if (delta)
			ask_for_whole_map(mesh);
		return;
	}
	enrolment_mapped(mesh->enrolment);
}

static void take_credentials(struct mesh *mesh, const struct control_relays *relays)
{
	size_t i;

	for (i = 0; i < relays->count; i++)
		relays_set_credential(mesh->relays, &relays->credentials[i]);
	mesh_saved(mesh, "credentials",
		   credentials_save(mesh_path(mesh, "credentials").text, relays->credentials,
				    relays->count));
}

static void take_presence(struct mesh *mesh, const struct control_presence *presence)
{
	size_t i;

	for (i = 0; i < presence->count; i++) {
		struct mesh_peer *peer = mesh_find_peer(mesh, presence->entries[i].node_key);

		if (peer)
			mesh_peer_presence(peer, &presence->entries[i]);
	}
}

static void take_error(struct mesh *mesh, const struct control_error *error)
{
	switch (error->code) {
	case CONTROL_ERROR_PEER:
	case CONTROL_ERROR_RATE:
		return; /* about one signal; offers are repeated */
	case CONTROL_ERROR_DUPLICATE:
		log_error("refused code=%s text=\"%s\"", control_error_name(error->code),
			  error->text);
		enrolment_duplicate(mesh->enrolment, error);
		return;
	case CONTROL_ERROR_MISTYPED:
	case CONTROL_ERROR_EXPIRED:
	case CONTROL_ERROR_USED:
	case CONTROL_ERROR_KEY_REVOKED:
	case CONTROL_ERROR_REVOKED:
	case CONTROL_ERROR_UNKNOWN_NODE:
		log_error("refused code=%s text=\"%s\"", control_error_name(error->code),
			  error->text);
		enrolment_refused(mesh->enrolment, error);
		return;
	default:
		log_warn("coordinator-error code=%s text=\"%s\"", control_error_name(error->code),
			 error->text);
		/* It hangs up next; its own words say more than that. */
		if (control_client_link(mesh->control) != CONTROL_LINK_OK)
			control_client_fail(mesh->control, error->text);
		else
			mesh_set_health(mesh, HEALTH_COORDINATOR, "coordinator: %s", error->text);
	}
}

static void on_message(void *arg, const struct control_message *message)
{
	struct mesh *mesh = arg;

	switch (message->type) {
	case CONTROL_WELCOME:
		take_welcome(mesh, &message->welcome);
		break;
	case CONTROL_PENDING:
		enrolment_pending(mesh->enrolment, &message->pending);
		break;
	case CONTROL_CERTIFICATE:
		take_certificate(mesh, &message->document);
		break;
	case CONTROL_MAP:
	case CONTROL_DELTA:
		take_map(mesh, &message->document, message->type == CONTROL_DELTA);
		break;
	case CONTROL_DOCUMENT:
		documents_receive(mesh, NULL, message->document.data, message->document.len);
		break;
	case CONTROL_RELAYS:
		take_credentials(mesh, &message->relays);
		break;
	case CONTROL_PRESENCE:
		take_presence(mesh, &message->presence);
		break;
	case CONTROL_ROUTES:
		route_offer_answer(&mesh->route_offer, &message->routes);
		break;
	case CONTROL_SIGNAL:
		signalling_receive(mesh, message->signal.node_key, message->signal.data,
				   message->signal.len);
		break;
	case CONTROL_REVOKED:
	case CONTROL_ERROR:
		take_error(mesh, &message->error);
		break;
	default:
		break; /* what only a node sends */
	}
}

static void on_changed(void *arg, enum control_link link, const char *error)
{
	struct mesh *mesh = arg;

	if (link == CONTROL_LINK_OK) {
		log_info("coordinator state=ok");
		reporter_forget(mesh->reporter);
		mesh_set_health(mesh, HEALTH_COORDINATOR, NULL);
	} else if (link == CONTROL_LINK_WAITING) {
		mesh_set_health(mesh, HEALTH_COORDINATOR, NULL);
	} else if (error) {
		log_warn("coordinator state=unreachable error=\"%s\"", error);
		enrolment_progress(mesh->enrolment, "retry", error);
		mesh_set_health(mesh, HEALTH_COORDINATOR,
				"coordinator: %s; tunnels go on, changes wait", error);
	}
}

static const struct control_client_ops client_ops = { on_greet, on_message, on_changed };

int coordination_start(struct mesh *mesh)
{
	struct control_client_config config = {
		.addresses = mesh->membership.addresses,
		.address_count = mesh->membership.address_count,
		.http_proxy = &mesh->http_proxy,
	};
	int err = 0;

	if (!mesh->control) {
		memcpy(config.coordinator_key, mesh->membership.coordinator_key, 32);
		memcpy(config.box_secret, mesh->identity->box_secret, 32);
		err = control_client_new(&mesh->control, mesh->loop, mesh->ws, &config, &client_ops,
					 mesh);
		sodium_memzero(config.box_secret, sizeof(config.box_secret));
	}
	if (err == 0)
		control_client_start(mesh->control);
	return err;
}

void coordination_network_changed(struct mesh *mesh)
{
	if (mesh->control)
		control_client_network_changed(mesh->control);
}

void coordination_redial(struct mesh *mesh)
{
	if (mesh->control)
		control_client_redial(mesh->control);
}

void coordination_stop(struct mesh *mesh)
{
	control_client_free(mesh->control);
	mesh->control = NULL;
	mesh_set_health(mesh, HEALTH_COORDINATOR, NULL);
}

static bool is_welcome(const struct mesh *mesh)
{
	return mesh->control && control_client_link(mesh->control) == CONTROL_LINK_OK;
}

void coordination_tell_home_relay(struct mesh *mesh)
{
	struct control_message message = { .type = CONTROL_UPDATE };

	if (!is_welcome(mesh))
		return;
	fill_home_relay(mesh, &message.update);
	control_client_send(mesh->control, &message);
}

static void tell_routes(struct mesh *mesh)
{
	struct control_message message = { .type = CONTROL_UPDATE };

	if (!is_welcome(mesh))
		return;
	route_offer_fill(&mesh->route_offer, &message.update);
	control_client_send(mesh->control, &message);
}

int coordination_offer_routes(struct mesh *mesh, const struct prefix *routes,
			      const struct route_facts *facts, size_t count)
{
	int err = route_offer_set_networks(&mesh->route_offer, routes, facts, count);

	if (err == 0)
		tell_routes(mesh);
	return err;
}

void coordination_offer_again(struct mesh *mesh)
{
	if (mesh->route_offer.unanswered)
		tell_routes(mesh);
}

int coordination_offer_exit(struct mesh *mesh, bool exit4, bool exit6)
{
	int err = route_offer_set_exit(&mesh->route_offer, exit4, exit6);

	if (err == 0)
		tell_routes(mesh);
	return err;
}

const char *coordination_state(const struct mesh *mesh)
{
	if (!mesh->control)
		return enrolment_was_refused(mesh->enrolment) ? "refused" : "none";
	if (control_client_link(mesh->control) >= CONTROL_LINK_WAITING)
		return "ok";
	return mesh->health[HEALTH_COORDINATOR][0] ? "unreachable" : "connecting";
}
