/* Nodes and revoked serials in the store. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coord/store.h"
#include "coord/store_statement.h"

#define COLUMNS                                                                                   \
	"device_key, box_key, wireguard_key, name, address4, address6, groups, tags, ephemeral, " \
	"revoked, created_s, last_seen_s, version, os, serial, not_before_s, not_after_s, cert, " \
	"owner, login_until_s, state, logins, key_id, offered, decided, advance"

static void put_routes(struct statement *s, const struct node_routes *routes)
{
	char text[NODE_ROUTES_TEXT_SIZE];

	node_routes_format_offered(text, routes);
	statement_text(s, text);
	node_routes_format_decided(text, routes);
	statement_text(s, text);
	route_list_format(text, &routes->advance);
	statement_text(s, text);
}

int store_node_put(struct store *store, const struct node *node)
{
	struct statement s;

	/* An upsert by device key only: another node's name or address is an error, not replaced.
	 */
	statement_init(&s, store,
		       "INSERT INTO node (" COLUMNS
		       ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
		       " $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)"
		       " ON CONFLICT (device_key) DO UPDATE SET box_key = excluded.box_key,"
		       " wireguard_key = excluded.wireguard_key, name = excluded.name,"
		       " groups = excluded.groups, tags = excluded.tags,"
		       " ephemeral = excluded.ephemeral, revoked = excluded.revoked,"
		       " last_seen_s = excluded.last_seen_s, version = excluded.version,"
		       " os = excluded.os, serial = excluded.serial,"
		       " not_before_s = excluded.not_before_s, not_after_s = excluded.not_after_s,"
		       " cert = excluded.cert, owner = excluded.owner,"
		       " login_until_s = excluded.login_until_s, state = excluded.state,"
		       " logins = excluded.logins, offered = excluded.offered,"
		       " decided = excluded.decided, advance = excluded.advance");
	statement_blob(&s, node->device_key, 32);
	statement_blob(&s, node->box_key, 32);
	statement_blob(&s, node->wireguard_key, 32);
	statement_text(&s, node->name);
	statement_address(&s, &node->address4);
	statement_address(&s, &node->address6);
	statement_labels(&s, &node->groups);
	statement_labels(&s, &node->tags);
	statement_u64(&s, node->ephemeral);
	statement_u64(&s, node->revoked);
	statement_u64(&s, node->created_s);
	statement_u64(&s, node->last_seen_s);
	statement_text(&s, node->version);
	statement_text(&s, node->os);
	statement_u64(&s, node->serial);
	statement_u64(&s, node->not_before_s);
	statement_u64(&s, node->not_after_s);
	statement_blob(&s, node->cert, node->cert_len);
	statement_text(&s, node->owner);
	statement_u64(&s, node->login_until_s);
	statement_u64(&s, node->state);
	statement_u64(&s, node->logins);
	statement_text(&s, node->key_id);
	put_routes(&s, &node->routes);
	return statement_run(&s);
}

int store_node_seen(struct store *store, const struct node *node)
{
	struct statement s;

	statement_init(&s, store,
		       "UPDATE node SET last_seen_s = $1, version = $2, os = $3, logins = $4"
		       " WHERE device_key = $5");
	statement_u64(&s, node->last_seen_s);
	statement_text(&s, node->version);
	statement_text(&s, node->os);
	statement_u64(&s, node->logins);
	statement_blob(&s, node->device_key, 32);
	return statement_run(&s);
}

int store_node_delete(struct store *store, const uint8_t device_key[static 32])
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM node WHERE device_key = $1");
	statement_blob(&s, device_key, 32);
	return statement_run(&s);
}

static void read_routes(struct statement *s, struct node_routes *routes)
{
	char text[NODE_ROUTES_TEXT_SIZE] = "";
	int err;

	statement_get_text(s, text, sizeof(text));
	err = node_routes_parse_offered(routes, text);
	text[0] = '\0';
	statement_get_text(s, text, sizeof(text));
	if (err == 0)
		err = node_routes_parse_decided(routes, text);
	text[0] = '\0';
	statement_get_text(s, text, sizeof(text));
	if (err == 0)
		err = route_list_parse(&routes->advance, text);
	if (err < 0 && s->err == 0)
		s->err = -EUCLEAN;
}

static void read_node(struct statement *s, struct node *node)
{
	uint64_t state;

	memset(node, 0, sizeof(*node));
	statement_get_bytes(s, node->device_key, 32);
	statement_get_bytes(s, node->box_key, 32);
	statement_get_bytes(s, node->wireguard_key, 32);
	statement_get_text(s, node->name, sizeof(node->name));
	statement_get_address(s, AF_INET, &node->address4);
	statement_get_address(s, AF_INET6, &node->address6);
	statement_get_labels(s, &node->groups);
	statement_get_labels(s, &node->tags);
	node->ephemeral = statement_get_u64(s);
	node->revoked = statement_get_u64(s);
	node->created_s = statement_get_u64(s);
	node->last_seen_s = statement_get_u64(s);
	statement_get_text(s, node->version, sizeof(node->version));
	statement_get_text(s, node->os, sizeof(node->os));
	node->serial = statement_get_u64(s);
	node->not_before_s = statement_get_u64(s);
	node->not_after_s = statement_get_u64(s);
	statement_get_blob(s, node->cert, sizeof(node->cert), &node->cert_len);
	statement_get_text(s, node->owner, sizeof(node->owner));
	node->login_until_s = statement_get_u64(s);
	state = statement_get_u64(s);
	node->logins = statement_get_u64(s);
	statement_get_text(s, node->key_id, sizeof(node->key_id));
	read_routes(s, &node->routes);
	if (state < NODE_STATE_COUNT)
		node->state = (enum node_state)state;
	else if (s->err == 0)
		s->err = -EUCLEAN;
}

int store_node_each(struct store *store, int (*each)(void *arg, const struct node *node), void *arg)
{
	struct node *node = malloc(sizeof(*node));
	struct statement s;
	int result = 0;
	int err;

	if (!node)
		return -ENOMEM;
	statement_init(&s, store, "SELECT " COLUMNS " FROM node ORDER BY created_s, name");
	while (result == 0 && statement_row(&s)) {
		read_node(&s, node);
		if (s.err == 0)
			result = each(arg, node);
	}
	err = statement_end(&s);
	free(node);
	return err < 0 ? err : result;
}

int store_node_find(struct store *store, const uint8_t device_key[static 32], struct node *node)
{
	struct statement s;
	bool found;
	int err;

	statement_init(&s, store, "SELECT " COLUMNS " FROM node WHERE device_key = $1");
	statement_blob(&s, device_key, 32);
	found = statement_row(&s);
	if (found)
		read_node(&s, node);
	err = statement_end(&s);
	return err < 0 ? err : found ? 0 : -ENOENT;
}

int store_revoked_add(struct store *store, uint64_t serial, uint64_t until_s)
{
	struct statement s;

	statement_init(&s, store,
		       "INSERT INTO revoked (serial, until_s) VALUES ($1, $2)"
		       " ON CONFLICT (serial) DO UPDATE SET until_s = excluded.until_s");
	statement_u64(&s, serial);
	statement_u64(&s, until_s);
	return statement_run(&s);
}

int store_revoked_find(struct store *store, uint64_t serial)
{
	struct statement s;
	bool found;
	int err;

	statement_init(&s, store, "SELECT serial FROM revoked WHERE serial = $1");
	statement_u64(&s, serial);
	found = statement_row(&s);
	err = statement_end(&s);
	return err < 0 ? err : found ? 0 : -ENOENT;
}

int store_revoked_purge(struct store *store, uint64_t now_s)
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM revoked WHERE until_s < $1");
	statement_u64(&s, now_s);
	return statement_run(&s);
}

int store_revoked_each(struct store *store, int (*each)(void *arg, uint64_t serial), void *arg)
{
	struct statement s;
	int result = 0;
	int err;

	statement_init(&s, store, "SELECT serial FROM revoked ORDER BY serial");
	while (result == 0 && statement_row(&s))
		result = each(arg, statement_get_u64(&s));
	err = statement_end(&s);
	return err < 0 ? err : result;
}
