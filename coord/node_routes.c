#include "coord/node_routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_SIZE 128

int route_list_add(struct route_list *list, const struct prefix *prefix)
{
	for (size_t i = 0; i < list->count; i++)
		if (prefix_equal(&list->prefixes[i], prefix))
			return 0;
	if (list->count == NODE_ROUTES_ADVANCE_MAX)
		return -ENOSPC;
	list->prefixes[list->count++] = *prefix;
	return 0;
}

bool route_list_covers(const struct route_list *list, const struct prefix *prefix)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct prefix *one = &list->prefixes[i];

		if (route_is_exit(one)
			    ? prefix_equal(one, prefix)
			    : one->len <= prefix->len && prefix_contains(one, &prefix->addr))
			return true;
	}
	return false;
}

json_t *route_list_json(const struct route_list *list)
{
	json_t *array = json_array();
	char text[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, json_string(prefix_format(text, &list->prefixes[i])));
	return array;
}

bool node_routes_offers(const struct node_routes *routes, const struct prefix *prefix)
{
	for (size_t i = 0; i < routes->offered_count; i++)
		if (prefix_equal(&routes->offered[i], prefix))
			return true;
	return false;
}

static size_t find_decision(const struct node_routes *routes, const struct prefix *prefix)
{
	size_t i = 0;

	while (i < routes->decided_count && !prefix_equal(&routes->decided[i].prefix, prefix))
		i++;
	return i;
}

const struct route_decision *node_routes_decision(const struct node_routes *routes,
						  const struct prefix *prefix)
{
	size_t place = find_decision(routes, prefix);

	return place < routes->decided_count ? &routes->decided[place] : NULL;
}

int node_routes_decide(struct node_routes *routes, const struct prefix *prefix, bool approved)
{
	size_t place = find_decision(routes, prefix);

	if (place == NODE_ROUTES_DECIDED_MAX)
		return -ENOSPC;
	routes->decided[place] = (struct route_decision){ *prefix, approved };
	if (place == routes->decided_count)
		routes->decided_count++;
	return 0;
}

void node_routes_forget_decision(struct node_routes *routes, const struct prefix *prefix)
{
	size_t place = find_decision(routes, prefix);

	if (place < routes->decided_count)
		routes->decided[place] = routes->decided[--routes->decided_count];
}

bool node_routes_equal(const struct node_routes *a, const struct node_routes *b)
{
	char texts[2][NODE_ROUTES_TEXT_SIZE];

	node_routes_format_offered(texts[0], a);
	node_routes_format_offered(texts[1], b);
	if (strcmp(texts[0], texts[1]) != 0)
		return false;
	node_routes_format_decided(texts[0], a);
	node_routes_format_decided(texts[1], b);
	if (strcmp(texts[0], texts[1]) != 0)
		return false;
	route_list_format(texts[0], &a->advance);
	route_list_format(texts[1], &b->advance);
	return strcmp(texts[0], texts[1]) == 0;
}

/* --- as texts --- */

/* Puts a word behind; the sizes leave room for all that there can be. */
static void append(char *out, const char *word)
{
	size_t len = strlen(out);

	snprintf(out + len, NODE_ROUTES_TEXT_SIZE - len, "%s%s", len ? " " : "", word);
}

void node_routes_format_offered(char out[static NODE_ROUTES_TEXT_SIZE],
				const struct node_routes *routes)
{
	out[0] = '\0';
	for (size_t i = 0; i < routes->offered_count; i++) {
		const struct route_facts *facts = &routes->facts[i];
		char prefix[PREFIX_TEXT_SIZE];
		char real[ADDR_TEXT_SIZE] = "";
		char word[WORD_SIZE];

		if (facts->real.family)
			addr_format(real, &facts->real);
		snprintf(word, sizeof(word), "%s%s%s@%u",
			 prefix_format(prefix, &routes->offered[i]), real[0] ? "=" : "", real,
			 facts->weight);
		append(out, word);
	}
}

void node_routes_format_decided(char out[static NODE_ROUTES_TEXT_SIZE],
				const struct node_routes *routes)
{
	out[0] = '\0';
	for (size_t i = 0; i < routes->decided_count; i++) {
		char prefix[PREFIX_TEXT_SIZE];
		char word[WORD_SIZE];

		snprintf(word, sizeof(word), "%c%s", routes->decided[i].approved ? '+' : '-',
			 prefix_format(prefix, &routes->decided[i].prefix));
		append(out, word);
	}
}

void route_list_format(char out[static NODE_ROUTES_TEXT_SIZE], const struct route_list *list)
{
	out[0] = '\0';
	for (size_t i = 0; i < list->count; i++) {
		char prefix[PREFIX_TEXT_SIZE];

		append(out, prefix_format(prefix, &list->prefixes[i]));
	}
}

/* The next word of the text into word. False: there is none, or one too long (*err). */
static bool next_word(const char **text, char word[static WORD_SIZE], int *err)
{
	size_t len = strcspn(*text, " ");

	if (*err < 0 || !**text)
		return false;
	if (len >= WORD_SIZE) {
		*err = -EINVAL;
		return false;
	}
	memcpy(word, *text, len);
	word[len] = '\0';
	*text += len;
	*text += **text == ' ';
	return true;
}

static int parse_weight(uint8_t *weight, const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '1' || text[0] > '9' || *end || value > UINT8_MAX)
		return -EINVAL;
	*weight = (uint8_t)value;
	return 0;
}

static int parse_offer(struct node_routes *routes, char *word)
{
	struct route_facts *facts = &routes->facts[routes->offered_count];
	struct prefix *prefix = &routes->offered[routes->offered_count];
	char *at = strchr(word, '@');
	char *equals = strchr(word, '=');
	int err = 0;

	if (!at || routes->offered_count == CERT_ROUTES_MAX)
		return -EINVAL;
	*facts = (struct route_facts){ .weight = 0 };
	*at = '\0';
	if (equals) {
		*equals = '\0';
		err = addr_parse(&facts->real, equals + 1);
	}
	if (err == 0)
		err = parse_weight(&facts->weight, at + 1);
	if (err == 0)
		err = prefix_parse(prefix, word);
	if (err == 0)
		err = route_facts_problem(prefix, facts) ? -EINVAL : 0;
	routes->offered_count += err == 0;
	return err;
}

int node_routes_parse_offered(struct node_routes *routes, const char *text)
{
	struct node_routes parsed = { .offered_count = 0 };
	char word[WORD_SIZE];
	int err = 0;

	while (next_word(&text, word, &err))
		err = parse_offer(&parsed, word);
	if (err < 0)
		return err;
	memcpy(routes->offered, parsed.offered, sizeof(routes->offered));
	memcpy(routes->facts, parsed.facts, sizeof(routes->facts));
	routes->offered_count = parsed.offered_count;
	return 0;
}

int node_routes_parse_decided(struct node_routes *routes, const char *text)
{
	struct node_routes parsed = { .decided_count = 0 };
	char word[WORD_SIZE];
	int err = 0;

	while (next_word(&text, word, &err)) {
		struct prefix prefix;

		err = word[0] == '+' || word[0] == '-' ? prefix_parse(&prefix, word + 1) : -EINVAL;
		if (err == 0)
			err = node_routes_decide(&parsed, &prefix, word[0] == '+');
	}
	if (err < 0)
		return -EINVAL;
	memcpy(routes->decided, parsed.decided, sizeof(routes->decided));
	routes->decided_count = parsed.decided_count;
	return 0;
}

int route_list_parse(struct route_list *list, const char *text)
{
	struct route_list parsed = { .count = 0 };
	char word[WORD_SIZE];
	int err = 0;

	while (next_word(&text, word, &err)) {
		struct prefix prefix;

		err = prefix_parse(&prefix, word);
		if (err == 0)
			err = route_list_add(&parsed, &prefix);
	}
	if (err < 0)
		return -EINVAL;
	*list = parsed;
	return 0;
}
