#include "ctl/netcheck_text.h"

#include "ctl/format.h"
#include "ctl/status_field.h"
#include "ctl/table.h"

#define VALUE_MAX 128

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
	print_relays(json_object_get(netcheck, "relays"), out);
}
