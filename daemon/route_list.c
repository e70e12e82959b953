#include "daemon/route_list.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(char why[static SETTING_WHY_SIZE], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(char why[static SETTING_WHY_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, SETTING_WHY_SIZE, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* What of a long word is worth quoting. */
#define QUOTE_MAX 60

/* "10.1.2.3/16": which of the two does it want to be? */
static int refuse_text(const char *text, char why[static SETTING_WHY_SIZE])
{
	const char *slash = strchr(text, '/');
	char address[ADDR_TEXT_SIZE], network[PREFIX_TEXT_SIZE];
	struct ip_addr addr;
	struct prefix whole;
	unsigned long len;
	char *end;

	if (slash && slash - text < (long)sizeof(address) && slash[1] >= '0' && slash[1] <= '9') {
		snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
		len = strtoul(slash + 1, &end, 10);
		if (!*end && addr_parse(&addr, address) == 0 && len < addr_len(&addr) * 8) {
			whole = prefix_from_addr(&addr, (unsigned int)len);
			return refuse(why, "%s has host bits; write %s", text,
				      prefix_format(network, &whole));
		}
	}
	return refuse(why, "%.*s is no prefix; write it like 10.20.0.0/16 or fd00:20::/64",
		      QUOTE_MAX, text);
}

static int parse_prefix(struct prefix *prefix, const char *text, char why[static SETTING_WHY_SIZE])
{
	const char *problem;

	if (prefix_parse(prefix, text) < 0)
		return refuse_text(text, why);
	if (route_is_exit(prefix))
		return refuse(why,
			      "%s is no route but the whole internet; for that write set "
			      "offer-exit yes",
			      text);
	problem = route_problem(prefix);
	return problem ? refuse(why, "%s cannot be offered: %s; leave it out", text, problem) : 0;
}

static size_t find(const struct route_list *list, const struct prefix *route)
{
	size_t i;

	for (i = 0; i < list->count && !prefix_equal(&list->routes[i], route); i++)
		;
	return i;
}

/* real NULL: not mapped. */
static int add(struct route_list *list, const struct prefix *route, const struct prefix *real,
	       char why[static SETTING_WHY_SIZE])
{
	char text[PREFIX_TEXT_SIZE], other[PREFIX_TEXT_SIZE];

	if (find(list, route) < list->count)
		return refuse(why, "%s is there twice; write it once", prefix_format(text, route));
	for (size_t i = 0; i < list->count; i++) {
		if (prefix_overlaps(&list->routes[i], route))
			return refuse(why, "%s and %s overlap; offer the wider one alone",
				      prefix_format(other, &list->routes[i]),
				      prefix_format(text, route));
	}
	if (list->count == CERT_ROUTES_MAX)
		return refuse(why, "a node offers up to %d prefixes; offer wider ones",
			      CERT_ROUTES_MAX);
	list->routes[list->count] = *route;
	list->facts[list->count] = (struct route_facts){ .weight = ROUTE_WEIGHT_DEFAULT };
	if (real)
		list->facts[list->count].real = real->addr;
	list->count++;
	return 0;
}

/* --- maps --- */

static int split_map(struct prefix *real, struct prefix *seen, const char *text,
		     char why[static SETTING_WHY_SIZE])
{
	char copy[2 * PREFIX_TEXT_SIZE];
	char *equals;
	int err;

	snprintf(copy, sizeof(copy), "%s", text);
	equals = strchr(copy, '=');
	if (!equals || strlen(text) >= sizeof(copy))
		return refuse(why,
			      "--map %.*s: write REAL=SEEN, such as 192.168.1.0/24=10.77.1.0/24",
			      QUOTE_MAX, text);
	*equals = '\0';
	err = parse_prefix(real, copy, why);
	if (err == 0)
		err = parse_prefix(seen, equals + 1, why);
	if (err < 0)
		return err;
	if (real->addr.family != seen->addr.family || real->len != seen->len)
		return refuse(why, "--map %s: both must be of one family and length", text);
	if (prefix_equal(real, seen))
		return refuse(why, "--map %s: both are the same; leave it out", text);
	return 0;
}

/* An address of the mesh must stand for one of the LAN, and the other way round. */
static int check_alone(const struct route_list *list, const struct prefix *real,
		       const struct prefix *seen, char why[static SETTING_WHY_SIZE])
{
	char one[PREFIX_TEXT_SIZE], two[PREFIX_TEXT_SIZE];
	size_t i;

	for (i = 0; i < list->count; i++) {
		struct prefix other = route_real(&list->routes[i], &list->facts[i]);

		if (prefix_overlaps(&list->routes[i], seen))
			return refuse(why, "%s and %s overlap, and one is mapped; choose another",
				      prefix_format(one, &list->routes[i]),
				      prefix_format(two, seen));
		if (list->facts[i].real.family && prefix_overlaps(&other, real))
			return refuse(why, "%s and %s overlap, and both are mapped; map them once",
				      prefix_format(one, &other), prefix_format(two, real));
	}
	return 0;
}

/* Maps come first, so that the list may name either of their prefixes. */
static int take_maps(struct route_list *list, const struct setting *setting,
		     char why[static SETTING_WHY_SIZE])
{
	struct prefix real, seen;
	size_t i;
	int err = 0;

	for (i = 0; i < setting->option_count && err == 0; i++) {
		if (strcmp(setting->options[i].name, "map") != 0)
			continue;
		err = split_map(&real, &seen, setting->options[i].value, why);
		if (err == 0 && find(list, &seen) == list->count)
			err = check_alone(list, &real, &seen, why);
		if (err == 0)
			err = add(list, &seen, &real, why);
	}
	return err;
}

/* The map whose REAL or SEEN this is, or the count. */
static size_t find_map(const struct route_list *list, size_t map_count, const struct prefix *route)
{
	size_t i;

	for (i = 0; i < map_count; i++) {
		struct prefix real = route_real(&list->routes[i], &list->facts[i]);

		if (prefix_equal(&real, route) || prefix_equal(&list->routes[i], route))
			break;
	}
	return i;
}

/* --- the list --- */

static int take_listed(struct route_list *list, size_t map_count, bool named[CERT_ROUTES_MAX],
		       const char *word, char why[static SETTING_WHY_SIZE])
{
	char one[PREFIX_TEXT_SIZE];
	struct prefix route;
	size_t i, map;
	int err = parse_prefix(&route, word, why);

	if (err < 0)
		return err;
	map = find_map(list, map_count, &route);
	if (map < map_count) {
		if (named[map])
			return refuse(why, "%s is there twice; write it once", word);
		named[map] = true;
		return 0;
	}
	for (i = 0; i < map_count; i++) {
		if (prefix_overlaps(&list->routes[i], &route))
			return refuse(why, "%s and %s overlap, and one is mapped; choose another",
				      word, prefix_format(one, &list->routes[i]));
	}
	return add(list, &route, NULL, why);
}

static int take_list(struct route_list *list, const char *value, char why[static SETTING_WHY_SIZE])
{
	bool named[CERT_ROUTES_MAX] = { false };
	size_t map_count = list->count;
	char word[SETTING_VALUE_MAX + 1];
	int err = 0;

	while (err == 0) {
		size_t len = strcspn(value, ",");

		snprintf(word, sizeof(word), "%.*s", (int)len, value);
		err = take_listed(list, map_count, named, word, why);
		if (!value[len])
			break;
		value += len + 1;
	}
	return err;
}

static int parse_weight(uint8_t *weight, const char *text, char why[static SETTING_WHY_SIZE])
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || n < 1 || n > UINT8_MAX)
		return refuse(why, "--weight %.*s: write a number from 1 to %d", QUOTE_MAX, text,
			      UINT8_MAX);
	*weight = (uint8_t)n;
	return 0;
}

int route_list_read(struct route_list *out, const struct setting *setting,
		    char why[static SETTING_WHY_SIZE])
{
	const char *snat = setting_option(setting, "snat", "yes");
	struct route_list list = { .snat = strcmp(snat, "no") != 0 };
	uint8_t weight = ROUTE_WEIGHT_DEFAULT;
	size_t i;
	int err = parse_weight(&weight, setting_option(setting, "weight", "100"), why);

	if (err == 0 && list.snat && strcmp(snat, "yes") != 0)
		err = refuse(why, "--snat %.*s: write yes or no", QUOTE_MAX, snat);
	if (err == 0 && strcmp(setting->value, "none") == 0 && setting->option_count)
		err = refuse(why, "none takes no options; write set routes none");
	if (err == 0)
		err = take_maps(&list, setting, why);
	if (err == 0 && strcmp(setting->value, "none") != 0)
		err = take_list(&list, setting->value, why);
	if (err < 0)
		return err;
	for (i = 0; i < list.count; i++)
		list.facts[i].weight = weight;
	*out = list;
	return 0;
}
