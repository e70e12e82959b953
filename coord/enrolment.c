#include "coord/enrolment.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encoding.h"
#include "base/log.h"
#include "coord/approval.h"
#include "coord/audit.h"
#include "coord/certificate.h"
#include "coord/login_ticket.h"
#include "coord/sessions.h"
#include "crypto/hash.h"

#define NAME_SUFFIX_MAX 99999

static void hash_secret(uint8_t hash[static 32], const uint8_t secret[static TOKEN_SECRET_SIZE])
{
	static const char domain[] = "warren join key 1";

	/* 128 random bits: no password hashing is needed. */
	hash_blake2s(hash, domain, sizeof(domain), secret, TOKEN_SECRET_SIZE);
}

int enrolment_make_key(struct network *network, const struct enrolment_key *wanted, uint64_t now_s,
		       char *token_text, uint8_t id[static TOKEN_KEY_ID_SIZE])
{
	struct token token = { .address_count = network->address_count };
	struct store_key key = { .reusable = wanted->reusable,
				 .uses_max = wanted->reusable ? wanted->uses_max : 0,
				 .approval = wanted->approval,
				 .ephemeral = wanted->ephemeral,
				 .routes = wanted->routes,
				 .created_s = now_s,
				 .expires_s = now_s + wanted->life_s };
	int err;

	memcpy(token.addresses, network->addresses, sizeof(token.addresses));
	memcpy(token.coordinator_key, network->coordinator_key, 32);
	token_authority_hash(token.authority_hash, network->authority_key);
	rng_fill(&network->rng, token.key_id, sizeof(token.key_id));
	rng_fill(&network->rng, token.secret, sizeof(token.secret));
	memcpy(key.id, token.key_id, sizeof(key.id));
	hash_secret(key.secret_hash, token.secret);
	snprintf(key.name, sizeof(key.name), "%s", wanted->name ? wanted->name : "");
	snprintf(key.created_by, sizeof(key.created_by), "%s",
		 wanted->created_by ? wanted->created_by : "");
	if (wanted->for_node)
		encoding_hex(key.for_node, sizeof(key.for_node), wanted->for_node->device_key, 32);
	labels_copy(&key.groups, &wanted->groups);
	labels_copy(&key.tags, &wanted->tags);
	err = token_format(token_text, TOKEN_TEXT_SIZE, &token);
	if (err == 0)
		err = store_key_add(network->store, &key);
	if (err == 0)
		memcpy(id, token.key_id, TOKEN_KEY_ID_SIZE);
	token_clear(&token);
	return err;
}

int enrolment_refuse(struct control_error *error, enum control_error_code code, const char *text)
{
	*error = (struct control_error){ .code = code };
	snprintf(error->text, sizeof(error->text), "%s", text);
	return -EACCES;
}

/* Is this key good for a new node? */
static int check_key(struct network *network, const struct control_enrol *enrol, uint64_t now_s,
		     struct store_key *key, struct control_error *error)
{
	uint8_t hash[32];
	int err = store_key_find(network->store, enrol->key_id, key);

	if (err < 0 && err != -ENOENT) {
		enrolment_refuse(error, CONTROL_ERROR_INTERNAL,
				 "the coordinator cannot read its database; try again later");
		return err;
	}
	hash_secret(hash, enrol->secret);
	if (err == -ENOENT || sodium_memcmp(hash, key->secret_hash, sizeof(hash)) != 0)
		return enrolment_refuse(
			error, CONTROL_ERROR_MISTYPED,
			"the coordinator does not know this token; copy it again or "
			"ask for a new one");
	if (key->revoked)
		return enrolment_refuse(error, CONTROL_ERROR_KEY_REVOKED,
					"this token was revoked; ask for a new one");
	if (now_s > key->expires_s)
		return enrolment_refuse(error, CONTROL_ERROR_EXPIRED,
					"this token has expired; ask for a new one");
	if (!key->reusable && key->uses > 0)
		return enrolment_refuse(error, CONTROL_ERROR_USED,
					"this token was used already and is good for one machine; "
					"ask for a new one");
	if (key->uses_max > 0 && key->uses >= key->uses_max)
		return enrolment_refuse(error, CONTROL_ERROR_USED,
					"this token was used as often as it may be; ask for a new "
					"one");
	return 0;
}

/* The asked-for name as a DNS label; "node" when nothing is left of it. */
static void clean_name(char out[static CERT_NAME_MAX + 1], const char *wanted)
{
	size_t len = 0;

	for (; *wanted && *wanted != '.' && len < CERT_NAME_MAX; wanted++) {
		char c = (char)tolower((unsigned char)*wanted);

		if (islower((unsigned char)c) || isdigit((unsigned char)c))
			out[len++] = c;
		else if (len > 0)
			out[len++] = '-';
	}
	while (len > 0 && out[len - 1] == '-')
		len--;
	out[len] = '\0';
	if (len == 0)
		strcpy(out, "node");
}

/* Which of name, name-2, name-3 … this is: 1, 2, 3 …; 0 for another name. */
static unsigned int name_number(const char *name, const char *base, size_t len)
{
	const char *digits = name + len + 1;
	unsigned int number = 0;

	if (strncmp(name, base, len) != 0 || name[len] != '-' || digits[0] < '1')
		return strcmp(name, base) == 0;
	for (; *digits >= '0' && *digits <= '9' && number <= NAME_SUFFIX_MAX; digits++)
		number = number * 10 + (unsigned int)(*digits - '0');
	return *digits || number < 2 || number > NAME_SUFFIX_MAX ? 0 : number;
}

/* name, or name-2, name-3 … In one walk: thousands of machines may say that they are "debian". */
static int choose_name(const struct network *network, char out[static CERT_NAME_MAX + 1],
		       const char *wanted)
{
	bool taken[NAME_SUFFIX_MAX + 1] = { false };
	char base[CERT_NAME_MAX + 1];
	const struct node *node;
	size_t cursor = 0;
	size_t len;
	unsigned int i = 2;

	clean_name(base, wanted);
	len = strnlen(base, CERT_NAME_MAX - 6);
	while ((node = network_next(network, &cursor))) {
		taken[name_number(node->name, base, len)] = true;
		/* A long one may end like one of ours with a number. */
		taken[1] |= strcmp(node->name, base) == 0;
	}
	strcpy(out, base);
	if (!taken[1])
		return 0;
	while (i <= NAME_SUFFIX_MAX && taken[i])
		i++;
	if (i > NAME_SUFFIX_MAX)
		return -EXFULL;
	snprintf(out, CERT_NAME_MAX + 1, "%.*s-%u", (int)len, base, i);
	return 0;
}

/* The node's row, and whose row it takes; NULL: it is nobody's successor. */
static int store_rows(struct network *network, const struct node *node, const struct node *old)
{
	char from[NODE_KEY_TEXT_SIZE];
	char to[NODE_KEY_TEXT_SIZE];
	int err = 0;

	if (!old)
		return store_node_put(network->store, node);
	encoding_hex(from, sizeof(from), old->device_key, 32);
	encoding_hex(to, sizeof(to), node->device_key, 32);
	if (old->cert_len > 0)
		err = store_revoked_add(network->store, old->serial, old->not_after_s);
	if (err == 0)
		err = store_node_delete(network->store, old->device_key);
	if (err == 0)
		err = store_node_put(network->store, node);
	return err < 0 ? err : store_key_follow(network->store, from, to);
}

/* The key's use, the nodes and the serial in one transaction: all of it or nothing. */
static int store_new(struct network *network, const struct node *node, const struct store_key *key,
		     const struct node *old, uint64_t now_s)
{
	int err;

	audit_note_join(network->store, node, key->id, node->created_s);
	err = store_begin(network->store);
	if (err < 0)
		return err;
	err = store_key_use(network->store, key->id, now_s);
	if (err == 0)
		err = store_rows(network, node, old);
	if (err == 0)
		err = network_store_serial(network);
	if (err == 0)
		err = store_commit(network->store);
	if (err < 0)
		store_rollback(network->store);
	return err;
}

static void take_facts(struct node *node, const struct control_facts *facts)
{
	if (facts->version[0])
		memcpy(node->version, facts->version, sizeof(node->version));
	if (facts->os[0])
		memcpy(node->os, facts->os, sizeof(node->os));
	node->knows_turn = facts->turn;
}

/* What the machine and its key say. */
static void describe(struct node *node, const struct control_enrol *enrol,
		     const uint8_t box_key[static 32], const struct store_key *key, uint64_t now_s)
{
	memcpy(node->device_key, enrol->device_key, 32);
	memcpy(node->box_key, box_key, 32);
	memcpy(node->wireguard_key, enrol->wireguard_key, 32);
	labels_copy(&node->groups, &key->groups);
	labels_copy(&node->tags, &key->tags);
	node->routes.advance = key->routes;
	node->ephemeral = key->ephemeral;
	node->created_s = now_s;
	node->last_seen_s = now_s;
	encoding_hex(node->key_id, sizeof(node->key_id), key->id, sizeof(key->id));
	take_facts(node, &enrol->facts);
}

/* A name and addresses of its own. */
static int settle(struct network *network, struct node *node, const struct control_enrol *enrol,
		  const struct store_key *key)
{
	bool named = key->name[0] && !key->reusable;
	int err = choose_name(network, node->name, named ? key->name : enrol->facts.hostname);

	if (err == 0)
		err = pool_allocate(&network->pool, &node->address4, &node->address6);
	return err == -ENOSPC ? -EXFULL : err; /* that is what a full disk is called */
}

/* What admins decided, and what is approved in advance by both keys. What it offers it says. */
static void inherit_routes(struct node_routes *routes, const struct node_routes *old)
{
	for (size_t i = 0; i < old->advance.count; i++)
		route_list_add(&routes->advance, &old->advance.prefixes[i]);
	memcpy(routes->decided, old->decided, sizeof(routes->decided));
	routes->decided_count = old->decided_count;
}

/* The name, addresses and labels of the node that it replaces. */
static void inherit(struct node *node, const struct node *old)
{
	memcpy(node->name, old->name, sizeof(node->name));
	node->address4 = old->address4;
	node->address6 = old->address6;
	labels_copy(&node->groups, &old->groups);
	labels_copy(&node->tags, &old->tags);
	memcpy(node->owner, old->owner, sizeof(node->owner));
	node->login_until_s = old->login_until_s;
	inherit_routes(&node->routes, &old->routes);
	node->ephemeral = old->ephemeral;
}

static bool must_wait(const struct network *network, const struct store_key *key)
{
	return key->approval == KEY_APPROVAL_NEEDED || key->approval == KEY_APPROVAL_SIGN_IN ||
	       (key->approval == KEY_APPROVAL_NETWORK && network->needs_approval &&
		!key->for_node[0]);
}

/* A certificate, or the serial alone for one that waits, then the rows. */
static int bring_in(struct network *network, struct node *node, const struct store_key *key,
		    const struct node *old, uint64_t now_s)
{
	int err = 0;

	if (network->strict.on && !node_is_pending(node))
		node->state = NODE_WAITS_SIGNATURE;
	if (node_is_pending(node))
		err = network_take_serial(network, &node->serial);
	else
		err = certificate_issue(network, node, now_s);
	if (err == 0)
		err = store_new(network, node, key, old, now_s);
	if (err == 0)
		err = network_adopt(network, node);
	/* If that is not possible now, it will be when the database works again. */
	if (err == 0 && node->state == NODE_WAITS_SIGNATURE &&
	    strict_request_certificate(network, node, now_s) < 0)
		network->strict.looked_s = 0;
	return err;
}

static int make_node(struct sessions *sessions, struct node *node, const struct store_key *key,
		     const struct control_enrol *enrol, uint64_t now_s)
{
	struct network *network = sessions->network;
	int err;

	if (must_wait(network, key)) {
		if (approval_count(network) >= sessions->limits.values[LIMIT_PENDING])
			return -EUSERS;
		node->state = key->approval == KEY_APPROVAL_SIGN_IN ? NODE_WAITS_SIGN_IN
								    : NODE_WAITS_APPROVAL;
	}
	err = settle(network, node, enrol, key);
	if (err < 0)
		return err;
	err = bring_in(network, node, key, NULL, now_s);
	if (err < 0)
		pool_unallocate(&network->pool, &node->address4);
	return err;
}

static int replace_node(struct sessions *sessions, struct node *node, const struct store_key *key,
			struct node *old, uint64_t now_s)
{
	struct network *network = sessions->network;
	int err;

	inherit(node, old);
	err = bring_in(network, node, key, old, now_s);
	if (err < 0)
		return err;
	log_info("node-replaced name=%s key=%s by=%s", node->name, log_key(old->device_key).text,
		 log_key(node->device_key).text);
	sessions_cut_off(sessions, old,
			 "another machine has taken this one's place, with a token that an admin "
			 "made for it");
	return network_forget(network, old);
}

int enrolment_explain(struct control_error *error, int err)
{
	switch (err) {
	case -EXFULL:
		return enrolment_refuse(error, CONTROL_ERROR_FULL,
					"the network is full; delete nodes that are gone");
	case -ENOSPC:
	case -EIO:
		return enrolment_refuse(error, CONTROL_ERROR_INTERNAL,
					"the coordinator's disk is full or fails; an admin makes "
					"room, then try again");
	case -EBUSY:
		return enrolment_refuse(error, CONTROL_ERROR_USED,
					"this token was used already and is good for one machine; "
					"ask for a new one");
	case -EUSERS:
		return enrolment_refuse(
			error, CONTROL_ERROR_FULL,
			"too many machines wait to be let in; an admin lets some in or "
			"rejects them: warren-coord node list");
	case -EEXIST:
		return enrolment_refuse(error, CONTROL_ERROR_DUPLICATE,
					"another machine has the keys of this one; run warren "
					"logout and join again");
	case -ENOTCONN:
	case -ETIMEDOUT:
	case -EAGAIN:
		return enrolment_refuse(error, CONTROL_ERROR_INTERNAL,
					"the coordinator's database is away; try again later");
	default:
		return enrolment_refuse(
			error, CONTROL_ERROR_INTERNAL,
			"the coordinator cannot store this machine's keys; see its log");
	}
}

/* The node whose place the key's holder takes; NULL in *old: the key is for anybody. */
static int find_predecessor(const struct network *network, const struct store_key *key,
			    struct node **old, struct control_error *error)
{
	uint8_t device_key[32];

	*old = NULL;
	if (!key->for_node[0])
		return 0;
	if (encoding_hex_parse(device_key, sizeof(device_key), key->for_node) == 0)
		*old = network_find(network, device_key);
	return *old ? 0
		    : enrolment_refuse(error, CONTROL_ERROR_KEY_REVOKED,
				       "the node that this token was made for was deleted; ask for "
				       "a new one");
}

static int enrol_new(struct sessions *sessions, const struct control_enrol *enrol,
		     const uint8_t box_key[static 32], uint64_t now_s, struct node **out,
		     struct control_error *error)
{
	struct store_key key;
	struct node *node;
	struct node *old;
	int err = check_key(sessions->network, enrol, now_s, &key, error);

	if (err == 0)
		err = find_predecessor(sessions->network, &key, &old, error);
	if (err < 0)
		return err;
	node = calloc(1, sizeof(*node));
	if (!node)
		return enrolment_explain(error, -ENOMEM);
	describe(node, enrol, box_key, &key, now_s);
	err = old ? replace_node(sessions, node, &key, old, now_s)
		  : make_node(sessions, node, &key, enrol, now_s);
	if (err < 0) {
		free(node);
		enrolment_explain(error, err);
		return err;
	}
	*out = node;
	return 0;
}

/* The key of one that waits, who has no certificate to change. */
static int change_waiting_key(struct network *network, struct node *node,
			      const uint8_t wireguard_key[static 32])
{
	uint8_t before[32];
	int err;

	memcpy(before, node->wireguard_key, sizeof(before));
	memcpy(node->wireguard_key, wireguard_key, sizeof(before));
	err = network_store_node(network, node);
	if (err < 0)
		memcpy(node->wireguard_key, before, sizeof(before));
	else if (node->state == NODE_WAITS_SIGNATURE)
		network->strict.looked_s = 0; /* another request */
	return err;
}

/* A new certificate when something in it changed or it is old. */
static int refresh(struct network *network, struct node *node, const struct control_login *login,
		   uint64_t now_s)
{
	bool changed = memcmp(node->wireguard_key, login->wireguard_key, 32) != 0;
	int err;

	take_facts(node, &login->facts);
	if (node_is_pending(node))
		return changed ? change_waiting_key(network, node, login->wireguard_key) : 0;
	if (!changed && !certificate_is_due(node, now_s))
		return 0;
	err = network_rekey(network, node, login->wireguard_key, now_s);
	/* While the database is away the present certificate serves on. */
	return err < 0 && !changed && store_is_away(network->store) ? 0 : err;
}

/* Who is known, is not revoked and has the keys it came with. */
static int find_known(const struct network *network, const struct control_login *login,
		      const uint8_t box_key[static 32], struct node **out,
		      struct control_error *error)
{
	struct node *node = network_find(network, login->device_key);

	if (!node)
		return enrolment_refuse(error, CONTROL_ERROR_UNKNOWN_NODE,
					"this machine is not (or no longer) in the network; join "
					"with a token: warren up TOKEN");
	if (node->revoked)
		return enrolment_refuse(error, CONTROL_ERROR_REVOKED,
					"this machine was removed from the network by its admin");
	if (memcmp(node->box_key, box_key, 32) != 0)
		return enrolment_refuse(
			error, CONTROL_ERROR_BAD_PROOF,
			"the keys of this machine do not belong together; run warren "
			"logout and join again");
	*out = node;
	return 0;
}

static int let_in(struct network *network, struct node *node, const struct control_login *login,
		  uint64_t now_s, struct node **out, struct control_error *error)
{
	int err = refresh(network, node, login, now_s);

	if (err < 0) {
		enrolment_explain(error, err);
		return err;
	}
	*out = node;
	return 0;
}

int enrolment_login(struct network *network, const struct control_login *login,
		    const uint8_t box_key[static 32], uint64_t now_s, struct node **out,
		    struct control_error *error)
{
	struct node *node;
	int err = find_known(network, login, box_key, &node, error);

	if (err < 0)
		return err;
	if (!login_ticket_is_good(network, node, login)) {
		node->copy_refused_s = now_s;
		log_warn("copy-refused name=%s key=%s", node->name, log_key(node->device_key).text);
		return enrolment_refuse(
			error, CONTROL_ERROR_DUPLICATE,
			"this disk is a copy, or older than what this machine was: its identity was "
			"used since; on the machine that is to stay run warren up with a new token, "
			"on others warren logout first");
	}
	if (login->has_ticket && login->ticket.number > node->logins) {
		node->logins = login->ticket.number; /* our database is older than that */
		node->unsaved = true;
	}
	return let_in(network, node, login, now_s, out, error);
}

/* A key that was made for one node is no other's. */
static int check_for(const struct node *node, const struct store_key *key,
		     struct control_error *error)
{
	char own[NODE_KEY_TEXT_SIZE];

	encoding_hex(own, sizeof(own), node->device_key, 32);
	return !key->for_node[0] || strcmp(key->for_node, own) == 0
		       ? 0
		       : enrolment_refuse(error, CONTROL_ERROR_DUPLICATE,
					  "this token was made for another node, and this machine "
					  "has an identity already; run warren logout first");
}

/*
 * A node that is known: its welcome was lost, so no key is spent twice; or it fell behind, and
 * shows with a good key that it is the one to stay.
 */
static int enrol_again(struct network *network, const struct control_enrol *enrol,
		       const uint8_t box_key[static 32], uint64_t now_s, struct node **out,
		       struct control_error *error)
{
	struct control_login login = { .facts = enrol->facts };
	struct store_key key;
	struct node *node;
	int err;

	memcpy(login.device_key, enrol->device_key, 32);
	memcpy(login.wireguard_key, enrol->wireguard_key, 32);
	err = find_known(network, &login, box_key, &node, error);
	if (err < 0)
		return err;
	if (node->logins > 0) {
		err = check_key(network, enrol, now_s, &key, error);
		if (err == 0)
			err = check_for(node, &key, error);
		if (err < 0)
			return err;
		err = store_key_use(network->store, key.id, now_s);
		if (err < 0)
			return enrolment_explain(error, err);
	}
	return let_in(network, node, &login, now_s, out, error);
}

int enrolment_enrol(struct sessions *sessions, const struct control_enrol *enrol,
		    const uint8_t box_key[static 32], uint64_t now_s, struct node **out,
		    struct control_error *error)
{
	return network_find(sessions->network, enrol->device_key)
		       ? enrol_again(sessions->network, enrol, box_key, now_s, out, error)
		       : enrol_new(sessions, enrol, box_key, now_s, out, error);
}
