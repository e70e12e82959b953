/* Relays in the store. Their secrets are kept whole: credentials are made from them. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "coord/store.h"
#include "coord/store_statement.h"

#define HOSTS_TEXT_SIZE (NETMAP_RELAY_HOSTS_MAX * (NETMAP_HOST_MAX + 1))

int store_relay_put(struct store *store, const struct store_relay *relay)
{
	char hosts[HOSTS_TEXT_SIZE] = "";
	struct statement s;
	size_t len = 0;

	for (size_t i = 0; i < relay->relay.host_count; i++)
		len += (size_t)snprintf(hosts + len, sizeof(hosts) - len, "%s%s", i ? " " : "",
					relay->relay.hosts[i]);
	statement_init(&s, store,
		       "INSERT INTO relay (name, hosts, udp_port, tls_port, secret, kind)"
		       " VALUES ($1, $2, $3, $4, $5, $6)"
		       " ON CONFLICT (name) DO UPDATE SET hosts = excluded.hosts,"
		       " udp_port = excluded.udp_port, tls_port = excluded.tls_port,"
		       " secret = excluded.secret, kind = excluded.kind");
	statement_text(&s, relay->relay.name);
	statement_text(&s, hosts);
	statement_u64(&s, relay->relay.udp_port);
	statement_u64(&s, relay->relay.tls_port);
	statement_blob(&s, relay->secret, relay->secret_len);
	statement_u64(&s, relay->relay.kind);
	return statement_run(&s);
}

int store_relay_delete(struct store *store, const char *name)
{
	struct statement s;

	statement_init(&s, store, "DELETE FROM relay WHERE name = $1");
	statement_text(&s, name);
	return statement_run_found(&s);
}

static void read_hosts(struct statement *s, struct netmap_relay *relay)
{
	char text[HOSTS_TEXT_SIZE] = "";
	char *at = text;
	char *host;

	statement_get_text(s, text, sizeof(text));
	while ((host = strsep(&at, " ")) && relay->host_count < NETMAP_RELAY_HOSTS_MAX)
		snprintf(relay->hosts[relay->host_count++], sizeof(relay->hosts[0]), "%s", host);
}

int store_relay_each(struct store *store, int (*each)(void *arg, const struct store_relay *relay),
		     void *arg)
{
	struct store_relay relay;
	struct statement s;
	int result = 0;
	int err;

	statement_init(&s, store,
		       "SELECT name, hosts, udp_port, tls_port, secret, kind FROM relay"
		       " ORDER BY name");
	while (result == 0 && statement_row(&s)) {
		memset(&relay, 0, sizeof(relay));
		statement_get_text(&s, relay.relay.name, sizeof(relay.relay.name));
		read_hosts(&s, &relay.relay);
		relay.relay.udp_port = (uint16_t)statement_get_u64(&s);
		relay.relay.tls_port = (uint16_t)statement_get_u64(&s);
		statement_get_blob(&s, relay.secret, sizeof(relay.secret), &relay.secret_len);
		relay.relay.kind = statement_get_u64(&s) ? NETMAP_RELAY_TURN : NETMAP_RELAY_WARREN;
		if (s.err == 0)
			result = each(arg, &relay);
	}
	err = statement_end(&s);
	sodium_memzero(&relay, sizeof(relay));
	return err < 0 ? err : result;
}
