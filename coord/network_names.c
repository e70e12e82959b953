#include "coord/network_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int network_obey_names(struct network *network, const char *text, size_t len)
{
	struct netmap_names *names = NULL;
	int err = len ? netmap_names_new(&names, text, len) : 0;

	if (err < 0)
		return err;
	netmap_names_unref(network->names);
	network->names = names;
	network->all_dirty = true;
	return 0;
}

/* The stored text; none is "". */
static int get_stored(const struct network *network, char **text, size_t *len)
{
	uint8_t *value = NULL;
	int err = store_get(network->store, NETWORK_VALUE_NAMES, &value, len);

	if (err == -ENOENT) {
		value = (uint8_t *)strdup("");
		*len = 0;
		err = value ? 0 : -ENOMEM;
	}
	if (err == 0)
		*text = (char *)value;
	return err;
}

int network_load_names(struct network *network, char *error, size_t error_size)
{
	struct names_document document;
	char why[NAMES_ERROR_SIZE];
	char *text;
	size_t len;
	int err = get_stored(network, &text, &len);

	if (err < 0)
		return err;
	err = names_document_parse(&document, text, len, network->name, why);
	if (err == 0) {
		names_document_clear(&document);
		err = network_obey_names(network, text, len);
	} else if (err == -EINVAL) {
		snprintf(error, error_size, "the stored names are damaged: %.200s", why);
	}
	free(text);
	return err;
}

int network_names_latest(const struct network *network, struct names_document *document,
			 char error[static NAMES_ERROR_SIZE])
{
	char *text;
	size_t len;
	int err = network->strict.on ? strict_latest_names(network, &text, &len)
				     : get_stored(network, &text, &len);

	if (err < 0)
		return err;
	err = names_document_parse(document, text, len, network->name, error);
	free(text);
	return err;
}

int network_set_names(struct network *network, const struct names_document *document,
		      const char *who, uint64_t now_s, char error[static NAMES_ERROR_SIZE])
{
	char *text;
	size_t len;
	int err = names_document_encode(document, &text, &len);

	if (err == -EMSGSIZE)
		snprintf(error, NAMES_ERROR_SIZE,
			 "together the names would be larger than %u bytes", NAMES_TEXT_MAX);
	if (err < 0)
		return err;
	if (network->strict.on)
		err = strict_request_names(network, text, len, who, now_s);
	else
		err = store_set(network->store, NETWORK_VALUE_NAMES, text, len);
	if (err == 0 && !network->strict.on)
		err = network_obey_names(network, text, len);
	free(text);
	return err;
}

const struct node *network_names_shadowed(const struct network *network,
					  const struct names_record *record)
{
	return network_find_name(network, record->name);
}
