#include "coord/init.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "coord/data_dir.h"
#include "coord/database_place.h"
#include "coord/enrolment.h"
#include "coord/network.h"
#include "coord/options.h"
#include "coord/store_postgres.h"
#include "crypto/rng.h"
#include "io/ws.h"

#define DEFAULT_POOL4     "100.64.0.0/10"
#define RELAY_SECRET_SIZE 32
#define ADDRESSES_SIZE    (TOKEN_ADDRESSES_MAX * (TOKEN_HOST_MAX + 10))

static int complain(const char *what, int err, const char *todo)
{
	fprintf(stderr, "warren-coord: %s: %s%s%s\n", what, strerror(-err), todo[0] ? "; " : "",
		todo);
	return 1;
}

/* A fresh unique local /48 (RFC 4193, 3.2.1). */
static struct prefix random_pool6(const struct rng *rng)
{
	uint8_t bytes[16] = { 0xfd };
	struct ip_addr addr;

	rng_fill(rng, bytes + 1, 5);
	addr = addr_from_bytes(AF_INET6, bytes);
	return prefix_from_addr(&addr, 48);
}

static void format_addresses(char out[static ADDRESSES_SIZE], const struct options *options)
{
	size_t len = 0;

	for (size_t i = 0; i < options->public_count; i++) {
		char text[TOKEN_ADDRESS_TEXT_SIZE];

		len += (size_t)snprintf(out + len, ADDRESSES_SIZE - len, "%s%s", i ? " " : "",
					token_address_format(text, &options->public[i]));
	}
}

static int set_text(struct store *store, const char *name, const char *text)
{
	return store_set(store, name, text, strlen(text));
}

/* All values in one transaction. */
static int fill_store(struct store *store, const struct options *options, const struct rng *rng)
{
	struct prefix pool4 = options->pool4;
	struct prefix pool6 = options->pool6.addr.family ? options->pool6 : random_pool6(rng);
	uint8_t id[CERT_NETWORK_ID_SIZE];
	uint8_t relay_secret[RELAY_SECRET_SIZE];
	char addresses[ADDRESSES_SIZE];
	char text[PREFIX_TEXT_SIZE];
	int err = store_begin(store);

	if (!pool4.addr.family)
		prefix_parse(&pool4, DEFAULT_POOL4);
	rng_fill(rng, id, sizeof(id));
	rng_fill(rng, relay_secret, sizeof(relay_secret));
	format_addresses(addresses, options);
	if (err == 0)
		err = store_set(store, NETWORK_VALUE_ID, id, sizeof(id));
	if (err == 0)
		err = set_text(store, NETWORK_VALUE_NAME, options->name ? options->name : "warren");
	if (err == 0)
		err = set_text(store, NETWORK_VALUE_POOL4, prefix_format(text, &pool4));
	if (err == 0)
		err = set_text(store, NETWORK_VALUE_POOL6, prefix_format(text, &pool6));
	if (err == 0)
		err = set_text(store, NETWORK_VALUE_ADDRESSES, addresses);
	if (err == 0)
		err = set_text(store, NETWORK_VALUE_POLICY, policy_starter_text);
	if (err == 0)
		err = store_set_u64(store, NETWORK_VALUE_SERIAL, 1);
	if (err == 0)
		err = store_counter_seed(store, NETWORK_VALUE_SERIAL, 1);
	if (err == 0)
		err = store_set(store, NETWORK_VALUE_RELAY, relay_secret, sizeof(relay_secret));
	sodium_memzero(relay_secret, sizeof(relay_secret));
	return err < 0 ? err : store_commit(store);
}

static int make_secret(const char *dir, const char *name, const struct rng *rng)
{
	uint8_t secret[DATA_DIR_SECRET_SIZE];
	int err;

	rng_fill(rng, secret, sizeof(secret));
	err = data_dir_write_secret(dir, name, secret);
	sodium_memzero(secret, sizeof(secret));
	return err;
}

static int make_certificate(const char *dir, const char *host)
{
	char cert[PATH_MAX];
	char key[PATH_MAX];
	int err = data_dir_path(cert, dir, DATA_DIR_TLS_CERT);

	if (err == 0)
		err = data_dir_path(key, dir, DATA_DIR_TLS_KEY);
	return err < 0 ? err : ws_make_certificate(cert, key, host);
}

/* The database comes last and under another name first: a network is there whole or not at all. */
int init_create(const struct options *options, const struct rng *rng)
{
	char path[PATH_MAX];
	char making[PATH_MAX];
	struct store *store;
	int err = data_dir_path(path, options->data, DATA_DIR_DATABASE);

	if (err == 0)
		err = data_dir_path(making, options->data, DATA_DIR_DATABASE ".new");
	if (err == 0)
		err = make_secret(options->data, DATA_DIR_COORDINATOR, rng);
	if (err == 0)
		err = make_secret(options->data, DATA_DIR_AUTHORITY, rng);
	if (err == 0)
		err = make_certificate(options->data, options->public[0].host);
	if (err < 0)
		return err;
	unlink(making);
	err = store_create(&store, making);
	if (err < 0)
		return err;
	err = fill_store(store, options, rng);
	/* Closing folds the write-ahead log into the file. */
	store_close(store);
	if (err == 0 && rename(making, path) < 0)
		err = -errno;
	return err;
}

/* The keys into the data folder, everything else into an empty database. */
int init_create_at(const struct options *options, const char *place, const struct rng *rng,
		   char *error, size_t size)
{
	char path[PATH_MAX];
	struct store *store;
	uint8_t *id;
	size_t len;
	int err = data_dir_path(path, options->data, DATA_DIR_COORDINATOR);

	if (err == 0 && access(path, F_OK) == 0)
		return -EEXIST;
	if (err == 0)
		err = store_postgres_create(&store, place, error, size);
	if (err < 0)
		return err;
	err = store_get(store, NETWORK_VALUE_ID, &id, &len);
	if (err == 0)
		free(id);
	err = err == -ENOENT ? 0 : err == 0 ? -EEXIST : err;
	if (err == 0)
		err = make_secret(options->data, DATA_DIR_COORDINATOR, rng);
	if (err == 0)
		err = make_secret(options->data, DATA_DIR_AUTHORITY, rng);
	if (err == 0)
		err = make_certificate(options->data, options->public[0].host);
	if (err == 0)
		err = fill_store(store, options, rng);
	store_close(store);
	return err;
}

static int print_token(const struct options *options, const char *place)
{
	struct enrolment_key wanted = { .name = "init", .life_s = ENROLMENT_KEY_LIFE_S };
	char token[TOKEN_TEXT_SIZE];
	uint8_t id[TOKEN_KEY_ID_SIZE];
	struct network network;
	char error[256];
	int err;

	if (network_open_at(&network, options->data, place, error, sizeof(error)) < 0) {
		fprintf(stderr, "warren-coord: %s\n", error);
		return 1;
	}
	/* The first token joins any number of machines for a day, as the starter policy's group. */
	wanted.reusable = true;
	labels_add(&wanted.groups, "trusted");
	err = enrolment_make_key(&network, &wanted, clock_wall_s(), token, id);
	network_close(&network);
	if (err < 0)
		return complain("cannot make the first join key", err, "");
	printf("network \"%s\" is in %s\n", options->name ? options->name : "warren",
	       options->data);
	printf("start it:   warren-coord serve --data %s%s%s\n", options->data,
	       options->database_file ? " --database-file "
	       : place                ? " --database ..."
				      : "",
	       options->database_file ? options->database_file : "");
	printf("join nodes (for 24 hours):   warren up TOKEN\n%s\n", token);
	sodium_memzero(token, sizeof(token));
	return 0;
}

static int check_name(const char *name)
{
	if (!name)
		return 0;
	if (strlen(name) > NETMAP_NETWORK_NAME_MAX || name[0] == '\0')
		return -EINVAL;
	for (; *name; name++)
		if (*name < 0x20 || *name > 0x7e)
			return -EINVAL;
	return 0;
}

static int check_pools(const struct options *options, const struct rng *rng)
{
	struct prefix pool4 = options->pool4;
	struct prefix pool6 = options->pool6.addr.family ? options->pool6 : random_pool6(rng);
	struct pool pool;
	int err;

	if (!pool4.addr.family)
		prefix_parse(&pool4, DEFAULT_POOL4);
	err = pool_init(&pool, &pool4, &pool6);
	if (err == 0)
		pool_clear(&pool);
	return err;
}

static int init_postgres(const struct options *options, const char *place, const struct rng *rng)
{
	char error[256] = "";
	int err = init_create_at(options, place, rng, error, sizeof(error));

	if (err == 0)
		return print_token(options, place);
	if (err == -EEXIST)
		fprintf(stderr,
			"warren-coord: there is a network already, in %s or in the database; "
			"nothing was changed; choose others\n",
			options->data);
	else
		fprintf(stderr, "warren-coord: cannot make the network: %s\n",
			error[0] ? error : strerror(-err));
	return 1;
}

int init_run(const struct options *options)
{
	struct rng rng = rng_system();
	char path[PATH_MAX];
	char *place;
	int err;

	if (check_name(options->name) < 0) {
		fprintf(stderr, "warren-coord: --name: a name is 1 to %d printable characters\n",
			NETMAP_NETWORK_NAME_MAX);
		return 2;
	}
	if (check_pools(options, &rng) < 0) {
		fprintf(stderr, "warren-coord: the pools are too small: --pool4 wants at most /30, "
				"--pool6 at most /96\n");
		return 2;
	}
	err = file_make_dir(options->data);
	if (err < 0)
		return complain(options->data, err, "choose another --data DIR");
	if (data_dir_path(path, options->data, DATA_DIR_DATABASE) == 0 && access(path, F_OK) == 0) {
		fprintf(stderr,
			"warren-coord: %s: there is a network already; nothing was changed; choose "
			"another --data DIR\n",
			options->data);
		return 1;
	}
	err = database_place(&place, options);
	if (err != 0)
		return err;
	if (place) {
		err = init_postgres(options, place, &rng);
		database_place_free(place);
		return err;
	}
	err = init_create(options, &rng);
	if (err < 0)
		return complain(options->data, err, "nothing was created");
	return print_token(options, NULL);
}
