#include "daemon/foreign_rules.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/leftovers.h"
#include "kernel-iface/firewall.h"

static const char *const docker_chains[] = { "ip filter DOCKER-USER", "ip6 filter DOCKER-USER" };

#define DOCKER_CHAINS (sizeof(docker_chains) / sizeof(*docker_chains))

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* What a list command says, as an array; NULL: nothing. */
static json_t *list(struct firewall *firewall, const char *command, json_t **root)
{
	json_t *items = NULL;
	char *json;

	*root = NULL;
	if (firewall_list(firewall, command, &json) < 0)
		return NULL;
	*root = json_loads(json, 0, NULL);
	free(json);
	items = json_object_get(*root, "nftables");
	return json_is_array(items) ? items : NULL;
}

/* --- Docker --- */

/* Rules of ours in the chain; negative: there is no such chain. */
static int count_rules(struct firewall *firewall, const char *chain, const char *comment)
{
	char command[FOREIGN_CHAIN_SIZE];
	json_t *root, *items;
	int count = -1;
	size_t i;

	snprintf(command, sizeof(command), "list chain %s", chain);
	items = list(firewall, command, &root);
	if (items)
		count = 0;
	for (i = 0; i < json_array_size(items); i++) {
		const json_t *rule = json_object_get(json_array_get(items, i), "rule");

		if (strcmp(text_of(rule, "comment"), comment) == 0)
			count++;
	}
	json_decref(root);
	return count;
}

static int open_chain(struct firewall *firewall, struct leftovers *leftovers, const char *chain,
		      const char *tun, const char *comment)
{
	char why[FIREWALL_WHY_SIZE], text[512];
	int count = count_rules(firewall, chain, comment);
	int err;

	if (count < 0 || count == 2)
		return 0;
	err = leftovers_note_chain(leftovers, chain, comment);
	if (err == 0 && count)
		err = firewall_remove_rules(firewall, chain, comment);
	if (err < 0)
		return err;
	snprintf(text, sizeof(text),
		 "insert rule %s iifname \"%s\" counter accept comment \"%s\"\n"
		 "insert rule %s oifname \"%s\" counter accept comment \"%s\"\n",
		 chain, tun, comment, chain, tun, comment);
	return firewall_apply(firewall, text, why);
}

int foreign_open_docker(struct firewall *firewall, struct leftovers *leftovers, const char *tun,
			const char *comment)
{
	int err = 0;
	size_t i;

	for (i = 0; i < DOCKER_CHAINS && err == 0; i++)
		err = open_chain(firewall, leftovers, docker_chains[i], tun, comment);
	return err;
}

int foreign_close_docker(struct leftovers *leftovers)
{
	int err = 0;
	size_t i;

	for (i = 0; i < DOCKER_CHAINS; i++) {
		int one = leftovers_undo_chain(leftovers, docker_chains[i]);

		if (err == 0)
			err = one;
	}
	return err;
}

/* --- others --- */

static bool is_forward_chain(const json_t *chain)
{
	return strcmp(text_of(chain, "hook"), "forward") == 0 &&
	       strcmp(text_of(chain, "type"), "filter") == 0 &&
	       strncmp(text_of(chain, "table"), "warren_", 7) != 0 &&
	       (strcmp(text_of(chain, "family"), "ip") == 0 ||
		strcmp(text_of(chain, "family"), "ip6") == 0 ||
		strcmp(text_of(chain, "family"), "inet") == 0);
}

/* A rule without conditions that lets nothing go on. */
static bool drops_all(const json_t *rule)
{
	const json_t *expr = json_object_get(rule, "expr");
	bool drops = false;
	size_t i;

	for (i = 0; i < json_array_size(expr); i++) {
		const json_t *statement = json_array_get(expr, i);

		if (json_object_get(statement, "drop") || json_object_get(statement, "reject"))
			drops = true;
		else if (!json_object_get(statement, "counter") &&
			 !json_object_get(statement, "log"))
			return false;
	}
	return drops;
}

/* Strings of a listing, wherever they are: somebody who names the device has thought of it. */
static bool mentions(const json_t *value, const char *text)
{
	json_t *changeable = (json_t *)(uintptr_t)value;
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_string(value))
		return strcmp(json_string_value(value), text) == 0;
	json_array_foreach (changeable, i, member) {
		if (mentions(member, text))
			return true;
	}
	json_object_foreach (changeable, key, member) {
		if (mentions(member, text))
			return true;
	}
	return false;
}

static bool chain_drops(struct firewall *firewall, const json_t *chain, const char *name)
{
	char command[FOREIGN_CHAIN_SIZE + 16];
	json_t *root, *items;
	bool drops = strcmp(text_of(chain, "policy"), "drop") == 0;
	size_t i;

	if (drops)
		return true;
	snprintf(command, sizeof(command), "list chain %s", name);
	items = list(firewall, command, &root);
	for (i = 0; i < json_array_size(items) && !drops; i++)
		drops = drops_all(json_object_get(json_array_get(items, i), "rule"));
	json_decref(root);
	return drops;
}

static bool table_mentions(struct firewall *firewall, const json_t *chain, const char *tun)
{
	char command[FOREIGN_CHAIN_SIZE + 16];
	json_t *root, *items;
	bool found;

	snprintf(command, sizeof(command), "list table %s %s", text_of(chain, "family"),
		 text_of(chain, "table"));
	items = list(firewall, command, &root);
	found = !items || mentions(items, tun);
	json_decref(root);
	return found;
}

bool foreign_find_drop(struct firewall *firewall, const char *tun,
		       char out[static FOREIGN_CHAIN_SIZE])
{
	json_t *root, *items = list(firewall, "list chains", &root);
	char name[FOREIGN_CHAIN_SIZE];
	bool found = false;
	size_t i;

	for (i = 0; i < json_array_size(items) && !found; i++) {
		const json_t *chain = json_object_get(json_array_get(items, i), "chain");
		int len = snprintf(name, sizeof(name), "%s %s %s", text_of(chain, "family"),
				   text_of(chain, "table"), text_of(chain, "name"));

		found = len < (int)sizeof(name) && is_forward_chain(chain) &&
			chain_drops(firewall, chain, name) && !table_mentions(firewall, chain, tun);
	}
	if (found)
		snprintf(out, FOREIGN_CHAIN_SIZE, "%s", name);
	json_decref(root);
	return found;
}
