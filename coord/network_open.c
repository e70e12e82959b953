/* Loading a network from its folder. */
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "coord/data_dir.h"
#include "coord/network.h"
#include "coord/network_load.h"
#include "coord/network_names.h"
#include "coord/store_change.h"
#include "coord/store_postgres.h"
#include "crypto/dh.h"
#include "crypto/sign.h"

__attribute__((format(printf, 4, 5))) static int complain(char *error, size_t size, int err,
							  const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, size, fmt, args);
	va_end(args);
	return err;
}

static int open_postgres(struct network *network, const char *place, char *error, size_t size)
{
	char problem[256] = "";
	int err = store_postgres_open(&network->store, place, problem, sizeof(problem));

	switch (err) {
	case 0:
		return 0;
	case -ENOTCONN:
		return complain(error, size, err, "cannot reach the database: %s; check --database",
				problem);
	case -EPROTO:
		return complain(error, size, err,
				"the database was written by a newer version; update warren");
	case -EUCLEAN:
		return complain(error, size, err,
				"no network in this database; create one with: warren-coord init "
				"--database");
	default:
		return complain(error, size, err, "cannot use the database: %s", strerror(-err));
	}
}

static int open_store(struct network *network, const char *dir, char *error, size_t size)
{
	char path[PATH_MAX];
	int err = data_dir_path(path, dir, DATA_DIR_DATABASE);

	if (err == 0)
		err = store_open(&network->store, path);
	switch (err) {
	case 0:
		return 0;
	case -ENOENT:
		return complain(error, size, err,
				"%s: no network here; create one with: warren-coord init", dir);
	case -EPROTO:
		return complain(error, size, err, "%s: written by a newer version; update warren",
				path);
	case -EUCLEAN:
		return complain(error, size, err, "%s: the database is damaged; restore a backup",
				path);
	default:
		return complain(error, size, err, "%s: cannot open: %s", path, strerror(-err));
	}
}

static int read_secret(uint8_t secret[static 32], const char *dir, const char *name, char *error,
		       size_t size)
{
	int err = data_dir_read_secret(dir, name, secret);

	switch (err) {
	case 0:
		return 0;
	case -EPERM:
		return complain(error, size, err, "%s/%s: others may read it; chmod 600 it", dir,
				name);
	case -EBADMSG:
		return complain(error, size, err, "%s/%s: damaged; restore it from a backup", dir,
				name);
	default:
		return complain(error, size, err, "%s/%s: cannot read: %s", dir, name,
				strerror(-err));
	}
}

static int load_authority_public(struct network *network)
{
	uint8_t *key;
	size_t len;
	int err = store_get(network->store, STRICT_VALUE_AUTHORITY, &key, &len);

	if (err < 0)
		return err;
	if (len == sizeof(network->authority_key))
		memcpy(network->authority_key, key, len);
	else
		err = -EUCLEAN;
	free(key);
	return err;
}

static int load_keys(struct network *network, const char *dir, char *error, size_t size)
{
	uint8_t seed[32];
	int err = read_secret(network->coordinator_secret, dir, DATA_DIR_COORDINATOR, error, size);

	if (err < 0)
		return err;
	dh_public(network->coordinator_key, network->coordinator_secret);
	/* In strict mode it is with the admins, and not looked for. */
	if (load_authority_public(network) == 0)
		return 0;
	err = read_secret(seed, dir, DATA_DIR_AUTHORITY, error, size);
	if (err < 0)
		return err;
	sign_key_from_seed(network->authority_key, network->authority_secret, seed);
	sodium_memzero(seed, sizeof(seed));
	return 0;
}

/* A text value into size bytes. */
static int get_text(struct network *network, const char *name, char *out, size_t size)
{
	uint8_t *value;
	size_t len;
	int err = store_get(network->store, name, &value, &len);

	if (err < 0)
		return err;
	if (len >= size || strlen((char *)value) != len)
		err = -EUCLEAN;
	else
		memcpy(out, value, len + 1);
	free(value);
	return err;
}

static int load_addresses(struct network *network)
{
	char text[TOKEN_ADDRESSES_MAX * (TOKEN_HOST_MAX + 10)];
	char *at = text;
	char *one;
	int err = get_text(network, NETWORK_VALUE_ADDRESSES, text, sizeof(text));

	while (err == 0 && (one = strsep(&at, " "))) {
		if (network->address_count == TOKEN_ADDRESSES_MAX)
			return -EUCLEAN;
		err = token_address_parse(&network->addresses[network->address_count++], one, 443);
	}
	return err;
}

static int load_pool(struct network *network)
{
	char text4[PREFIX_TEXT_SIZE];
	char text6[PREFIX_TEXT_SIZE];
	struct prefix prefix4;
	struct prefix prefix6;
	int err = get_text(network, NETWORK_VALUE_POOL4, text4, sizeof(text4));

	if (err == 0)
		err = get_text(network, NETWORK_VALUE_POOL6, text6, sizeof(text6));
	if (err == 0)
		err = prefix_parse(&prefix4, text4);
	if (err == 0)
		err = prefix_parse(&prefix6, text6);
	return err < 0 ? err : pool_init(&network->pool, &prefix4, &prefix6);
}

static int load_report(struct network *network)
{
	char text[8] = "";
	int err = get_text(network, NETWORK_VALUE_REPORT, text, sizeof(text));

	network->report_paths = strcmp(text, "no") != 0;
	return err == -ENOENT ? 0 : err;
}

/* A number for this run, greater than that of any before. */
static int count_start(struct network *network, uint64_t *epoch)
{
	int err;

	if (store_is_shared(network->store)) {
		err = store_counter_seed(network->store, NETWORK_VALUE_SERIAL,
					 network->next_serial);
		return err < 0 ? err
			       : store_counter_take(network->store, NETWORK_VALUE_EPOCH, epoch);
	}
	err = store_get_u64(network->store, NETWORK_VALUE_EPOCH, epoch);
	if (err == 0)
		err = store_set_u64(network->store, NETWORK_VALUE_EPOCH, ++*epoch);
	return err;
}

static int load_approval(struct network *network)
{
	char text[16] = "";
	int err = get_text(network, NETWORK_VALUE_APPROVAL, text, sizeof(text));

	network->needs_approval = strcmp(text, "required") == 0;
	return err == -ENOENT ? 0 : err;
}

int network_load_settings(struct network *network)
{
	int err = load_report(network);

	return err < 0 ? err : load_approval(network);
}

static int load_values(struct network *network)
{
	uint64_t epoch = 0;
	uint8_t *id;
	size_t len;
	int err = store_get(network->store, NETWORK_VALUE_ID, &id, &len);

	if (err < 0)
		return err;
	if (len == sizeof(network->id))
		memcpy(network->id, id, len);
	free(id);
	if (len != sizeof(network->id))
		return -EUCLEAN;
	err = get_text(network, NETWORK_VALUE_NAME, network->name, sizeof(network->name));
	if (err == 0)
		err = load_addresses(network);
	if (err == 0)
		err = load_pool(network);
	if (err == 0)
		err = network_load_settings(network);
	if (err == 0)
		err = store_get_u64(network->store, NETWORK_VALUE_SERIAL, &network->next_serial);
	if (err == 0)
		err = count_start(network, &epoch);
	network->version = epoch << 32;
	return err;
}

int network_load_node(void *arg, const struct node *stored)
{
	struct network *network = arg;
	struct node *node = malloc(sizeof(*node));
	int err;

	if (!node)
		return -ENOMEM;
	*node = *stored;
	labels_copy(&node->groups, &stored->groups);
	labels_copy(&node->tags, &stored->tags);
	err = pool_take(&network->pool, &node->address4);
	if (err == 0)
		err = network_adopt(network, node);
	if (err < 0)
		free(node);
	return err;
}

int network_load_revoked(void *arg, uint64_t serial)
{
	struct network *network = arg;
	uint64_t *serials =
		realloc(network->revoked, (network->revoked_count + 1) * sizeof(*network->revoked));

	if (!serials)
		return -ENOMEM;
	serials[network->revoked_count++] = serial;
	network->revoked = serials;
	return 0;
}

int network_load_relay(void *arg, const struct store_relay *relay)
{
	struct network *network = arg;

	if (network->relay_count == NETMAP_RELAYS_MAX)
		return -EUCLEAN;
	network->relays[network->relay_count++] = *relay;
	return 0;
}

int network_load_policy(struct network *network, char *error, size_t size)
{
	struct policy_error problem;
	struct policy *policy;
	uint8_t *text;
	size_t len;
	int err = store_get(network->store, NETWORK_VALUE_POLICY, &text, &len);

	if (err < 0)
		return err;
	err = policy_parse(&policy, (char *)text, len, &problem);
	free(text);
	if (err < 0)
		return complain(error, size, err, "the stored policy is damaged: line %d: %s",
				problem.line, problem.text);
	network_obey(network, policy);
	return 0;
}

int network_open(struct network *network, const char *dir, char *error, size_t size)
{
	return network_open_at(network, dir, NULL, error, size);
}

int network_open_at(struct network *network, const char *dir, const char *place, char *error,
		    size_t size)
{
	int err;

	*network = (struct network){ .rng = rng_system(), .next_serial = 1 };
	error[0] = '\0';
	snprintf(network->dir, sizeof(network->dir), "%s", dir);
	/* The pool bounds how many there are; one that replaces another is there beside it. */
	network->nodes = map_new(32, NETMAP_PEERS_MAX + 1);
	network->rule_lists = rule_lists_new();
	err = network->nodes && network->rule_lists ? 0 : -ENOMEM;
	if (err == 0)
		err = place ? open_postgres(network, place, error, size)
			    : open_store(network, dir, error, size);
	if (err == 0)
		err = load_keys(network, dir, error, size);
	/* What is changed from here on is read again. */
	if (err == 0 && store_is_shared(network->store))
		err = store_change_newest(network->store, &network->followed);
	if (err == 0)
		err = load_values(network);
	if (err == 0)
		err = strict_load(network);
	if (err == 0)
		err = network_load_policy(network, error, size);
	if (err == 0)
		err = network_load_names(network, error, size);
	if (err == 0)
		err = store_node_each(network->store, network_load_node, network);
	if (err == 0)
		err = store_revoked_purge(network->store, clock_wall_s());
	if (err == 0)
		err = store_revoked_each(network->store, network_load_revoked, network);
	if (err == 0)
		err = store_relay_each(network->store, network_load_relay, network);
	if (err == 0)
		return 0;
	if (!error[0])
		complain(error, size, err, "%s: cannot load the network: %s; restore a backup", dir,
			 strerror(-err));
	network_close(network);
	return err;
}

void network_close(struct network *network)
{
	struct node *node;
	size_t cursor = 0;

	while (network->nodes && (node = network_next(network, &cursor)))
		node_free(node);
	map_free(network->nodes);
	policy_index_free(network->index);
	rule_lists_free(network->rule_lists);
	pool_clear(&network->pool);
	policy_free(network->policy);
	netmap_names_unref(network->names);
	free(network->revoked);
	strict_clear(&network->strict);
	store_close(network->store);
	sodium_memzero(network, sizeof(*network));
}
