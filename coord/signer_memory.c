#include "coord/signer_memory.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "proto/json_fields.h"

#define FILE_MAX 65536

static int seen_path(char path[static PATH_MAX], const char *key_path)
{
	int len = snprintf(path, PATH_MAX, "%s.seen", key_path);

	return len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* An object of networks by their number; an empty one when there is no file. */
static int load(const char *path, json_t **out)
{
	uint8_t *data;
	size_t len;
	int err = file_read_secret(path, FILE_MAX, &data, &len);

	if (err < 0 && err != -ENOENT)
		return err;
	*out = err < 0 ? json_object()
		       : json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
	if (err == 0)
		file_free_secret(data, len);
	if (json_is_object(*out))
		return 0;
	json_decref(*out);
	return -EBADMSG;
}

/* The key under which the network stands. */
static char *network_key(const struct trust *trust)
{
	json_t *encoded = json_fields_encode(trust->network_id, sizeof(trust->network_id));
	char *text = encoded ? strdup(json_string_value(encoded)) : NULL;

	json_decref(encoded);
	return text;
}

static int check(json_t *network, const struct trust *trust)
{
	uint8_t authority[32];
	struct json_fields f;
	uint64_t version = 0;

	json_fields_init(&f, network);
	json_fields_bytes(&f, "authority", authority, sizeof(authority));
	json_fields_u64(&f, "trust", INT64_MAX, &version);
	if (f.failed)
		return -EBADMSG;
	if (memcmp(authority, trust->authority_key, sizeof(authority)) != 0)
		return -EPERM;
	return trust->version < version ? -ESTALE : 0;
}

static int find(json_t *networks, const char *key, const struct trust *trust)
{
	json_t *network = json_object_get(networks, key);

	return network ? check(network, trust) : -ENOENT;
}

int signer_memory_check(const char *key_path, const struct trust *trust)
{
	char *key = network_key(trust);
	char path[PATH_MAX];
	json_t *networks = NULL;
	int err = key ? seen_path(path, key_path) : -ENOMEM;

	if (err == 0)
		err = load(path, &networks);
	if (err == 0) {
		err = find(networks, key, trust);
		json_decref(networks);
	}
	free(key);
	return err;
}

static int save(const char *path, const json_t *networks)
{
	char *text = json_dumps(networks, JSON_INDENT(1) | JSON_SORT_KEYS);
	int err = text ? file_write_atomic(path, text, strlen(text), 0600) : -ENOMEM;

	free(text);
	return err;
}

int signer_memory_note(const char *key_path, const struct trust *trust)
{
	char *key = network_key(trust);
	char path[PATH_MAX];
	json_t *networks = NULL;
	int err = key ? seen_path(path, key_path) : -ENOMEM;

	if (err == 0)
		err = load(path, &networks);
	if (err == 0) {
		if (!json_object_get(networks, key) &&
		    json_object_size(networks) >= SIGNER_MEMORY_NETWORKS_MAX)
			err = -ENOSPC;
		else if (json_object_set_new(networks, key,
					     json_pack("{s:o,s:I}", "authority",
						       json_fields_encode(trust->authority_key, 32),
						       "trust", (json_int_t)trust->version)) < 0)
			err = -ENOMEM;
		else
			err = save(path, networks);
		json_decref(networks);
	}
	free(key);
	return err;
}
