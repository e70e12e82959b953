#include "ctl/netcheck_text.h"

#include "ctl/format.h"
#include "ctl/status_field.h"
#include "ctl/table.h"

#define VALUE_MAX 256

static void print_row(FILE *out, const char *label, const char *value)
{
	char clean[VALUE_MAX];

	fprintf(out, "%-13s %s\n", label, format_text(clean, sizeof(clean), value));
}

static void print_relays(const json_t *relays, FILE *out)
{
	struct table *table = table_new(4);
	char latency[FORMAT_SIZE];
	size_t i;

	if (!table)
		return;
	for (i = 0; i < json_array_size(relays); i++) {
		const json_t *relay = json_array_get(relays, i);

		table_add(table, i ? "" : "relays      ", TABLE_PLAIN); /* as wide as the labels */
		table_add(table, status_text(relay, "name", "-"), TABLE_PLAIN);
		table_add(table, format_latency(latency, status_number(relay, "latency_ms")),
			  TABLE_PLAIN);
		table_add(table,
			  json_is_true(json_object_get(relay, "home"))
				  ? "home"
				  : status_text(relay, "transport", "no answer"),
			  TABLE_PLAIN);
	}
	if (json_array_size(relays) == 0)
		print_row(out, "relays", "none");
	table_print(table, out, 0);
	table_free(table);
}

static void print_names(const json_t *names, FILE *out)
{
	char text[VALUE_MAX];

	if (!json_is_object(names))
		return;
	snprintf(text, sizeof(text), "%s%s%s",
		 json_is_true(json_object_get(names, "on")) ? status_text(names, "domain", "on")
							    : "off",
		 status_text(names, "how", NULL) ? " by " : "", status_text(names, "how", ""));
	print_row(out, "names", text);
}

static void print_exit(const json_t *exit_node, FILE *out)
{
	const char *four = status_text(exit_node, "ipv4", NULL);
	const char *six = status_text(exit_node, "ipv6", NULL);
	char text[VALUE_MAX];

	if (!json_is_object(exit_node))
		return;
	snprintf(text, sizeof(text), "%s, for IPv4 %s, for IPv6 %s",
		 status_text(exit_node, "wanted", "-"), four ? four : "nobody",
		 six ? six : "nobody");
	print_row(out, "exit", text);
}

static void print_conflicts(const json_t *conflicts, FILE *out)
{
	for (size_t i = 0; i < json_array_size(conflicts); i++) {
		const char *text = json_string_value(json_array_get(conflicts, i));

		print_row(out, i ? "" : "conflicts", text ? text : "-");
	}
}

void netcheck_text_print(const json_t *netcheck, FILE *out)
{
	const json_t *udp = json_object_get(netcheck, "udp");
	/* Without a relay to ask, as before the first `up`, nothing can be told. */
	const char *otherwise =
		json_is_boolean(udp) ? "no answer" : "not tested: no relay is known";

	print_row(out, "udp",
		  json_is_true(udp)    ? "yes"
		  : json_is_false(udp) ? "blocked"
				       : otherwise);
	print_row(out, "ipv4", status_text(netcheck, "ipv4", otherwise));
	print_row(out, "ipv6", status_text(netcheck, "ipv6", otherwise));
	print_row(out, "mapping", status_text(netcheck, "mapping", "unknown"));
	print_row(out, "filtering", status_text(netcheck, "filtering", "unknown"));
	print_row(out, "port mapping", status_text(netcheck, "port_mapping", "unknown"));
	print_row(out, "proxy", status_text(netcheck, "proxy", "none"));
	print_names(json_object_get(netcheck, "names"), out);
	print_exit(json_object_get(netcheck, "exit_node"), out);
	print_conflicts(json_object_get(netcheck, "conflicts"), out);
	print_relays(json_object_get(netcheck, "relays"), out);
}
