#include "ctl/status_table.h"

#include <string.h>

#include "ctl/format.h"
#include "ctl/status_field.h"
#include "ctl/status_resources_text.h"
#include "ctl/table.h"

#define TEXT_MAX 256

static const char *const paths[] = { "direct", "relay", "connecting", "idle", "offline" };
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static enum table_colour path_colour(const char *path)
{
	if (strcmp(path, "direct") == 0)
		return TABLE_GREEN;
	if (strcmp(path, "offline") == 0)
		return TABLE_RED;
	return strcmp(path, "idle") == 0 ? TABLE_PLAIN : TABLE_YELLOW;
}

static void print_text(FILE *out, const char *text)
{
	char clean[TEXT_MAX];

	fputs(format_text(clean, sizeof(clean), text), out);
}

/* "coord ok (wss, 12ms)" */
static void print_coordinator(const json_t *coordinator, FILE *out)
{
	const char *transport = status_text(coordinator, "transport", NULL);
	const char *error = status_text(coordinator, "error", NULL);
	double ms = status_number(coordinator, "latency_ms");
	char latency[FORMAT_SIZE];

	fputs(" · coord ", out);
	print_text(out, status_text(coordinator, "state", "-"));
	if (transport && ms >= 0) {
		fputs(" (", out);
		print_text(out, transport);
		fprintf(out, ", %s)", format_latency(latency, ms));
	}
	if (error) {
		fputs(" (", out);
		print_text(out, error);
		fputs(")", out);
	}
}

static void print_relay(const json_t *relay, FILE *out)
{
	const char *transport = status_text(relay, "transport", "udp");
	double ms = status_number(relay, "latency_ms");
	char latency[FORMAT_SIZE];

	if (!json_is_object(relay)) {
		fputs(" · no relay", out);
		return;
	}
	fputs(" · relay ", out);
	print_text(out, status_text(relay, "name", "-"));
	if (ms >= 0)
		fprintf(out, " %s", format_latency(latency, ms));
	/* UDP is the rule and not worth a word. */
	if (strcmp(transport, "udp") != 0) {
		fputc(' ', out);
		print_text(out, transport);
	}
}

/* "direct 1 relay 1 offline 1" */
static void print_counts(const json_t *peers, FILE *out)
{
	const char *separator = " · ";
	size_t i;
	size_t j;

	for (i = 0; i < PATHS; i++) {
		size_t count = 0;

		for (j = 0; j < json_array_size(peers); j++)
			count += strcmp(status_text(json_array_get(peers, j), "path", ""),
					paths[i]) == 0;
		if (!count)
			continue;
		fprintf(out, "%s%s %zu", separator, paths[i], count);
		separator = " ";
	}
	if (json_array_size(peers) == 0)
		fputs(" · no peers", out);
}

static void print_headline(const json_t *status, FILE *out)
{
	const json_t *self = json_object_get(status, "self");
	const char *state = status_text(status, "state", "-");

	if (strcmp(state, "needs-login") == 0 && json_object_get(status, "pending") &&
	    !json_is_null(json_object_get(status, "pending"))) {
		fputs("not signed in\n", out);
		return;
	}
	if (strcmp(state, "needs-login") == 0) {
		fputs("not in a network: join one with sudo warren up TOKEN\n", out);
		return;
	}
	if (strcmp(state, "needs-approval") == 0) {
		fputs("not let in yet\n", out);
		return;
	}
	print_text(out, status_text(status, "network", "-"));
	fputs(" · ", out);
	print_text(out, status_text(self, "name", "-"));
	fputc(' ', out);
	print_text(out, status_address(self));
	if (strcmp(state, "connected") != 0) {
		fputs(" · ", out);
		print_text(out, state);
	}
	if (strcmp(state, "stopped") == 0) {
		fputs(": connect with sudo warren up\n", out);
		return;
	}
	print_coordinator(json_object_get(status, "coordinator"), out);
	print_relay(json_object_get(status, "home_relay"), out);
	print_counts(json_object_get(status, "peers"), out);
	status_resources_headline(status, out);
	fputc('\n', out);
}

/* Who stands behind the node: its first tag, or the user who signed it in. */
static const char *peer_owner(const json_t *peer)
{
	const char *tag = json_string_value(json_array_get(json_object_get(peer, "tags"), 0));

	return tag ? tag : status_text(peer, "owner", "-");
}

static const char *offline_via(char out[static TEXT_MAX], const json_t *peer)
{
	double seen_s = status_number(peer, "last_seen_s");
	char duration[FORMAT_SIZE];

	if (seen_s < 0)
		return "-";
	snprintf(out, TEXT_MAX, "last seen %s ago", format_duration(duration, (uint64_t)seen_s));
	return out;
}

/* The endpoint, or the relay with the reason in words, or since when the peer is gone. */
static const char *peer_via(char out[static TEXT_MAX], const json_t *peer, const char *path)
{
	const char *relay = status_text(peer, "relay", NULL);
	const char *reason = status_text(peer, "reason", NULL);
	size_t start;
	size_t i;

	if (strcmp(path, "offline") == 0)
		return offline_via(out, peer);
	if (strcmp(path, "direct") == 0)
		return status_text(peer, "endpoint", "-");
	if (!relay && !reason)
		return "-";
	snprintf(out, TEXT_MAX, "%s%s", relay ? relay : "", relay && reason ? ": " : "");
	start = strlen(out);
	snprintf(out + start, TEXT_MAX - start, "%s", reason ? reason : "");
	for (i = start; out[i]; i++) {
		if (out[i] == '-')
			out[i] = ' ';
	}
	return out;
}

static void add_peer(struct table *table, const json_t *peer)
{
	const char *path = status_text(peer, "path", "-");
	bool offline = strcmp(path, "offline") == 0;
	double handshake_s = status_number(peer, "last_handshake_s");
	double rx = status_number(peer, "rx_bytes");
	double tx = status_number(peer, "tx_bytes");
	char number[FORMAT_SIZE];
	char via[TEXT_MAX];

	table_add(table, status_text(peer, "name", "-"), TABLE_PLAIN);
	table_add(table, status_address(peer), TABLE_PLAIN);
	table_add(table, peer_owner(peer), TABLE_PLAIN);
	table_add(table, path, path_colour(path));
	table_add(table, peer_via(via, peer, path), TABLE_PLAIN);
	table_add(table, format_latency(number, offline ? -1 : status_number(peer, "latency_ms")),
		  TABLE_PLAIN);
	table_add(table, handshake_s < 0 ? "-" : format_duration(number, (uint64_t)handshake_s),
		  TABLE_PLAIN);
	table_add(table, offline || rx < 0 ? "-" : format_bytes(number, (uint64_t)rx), TABLE_PLAIN);
	table_add(table, offline || tx < 0 ? "-" : format_bytes(number, (uint64_t)tx), TABLE_PLAIN);
}

static void print_peers(const json_t *peers, FILE *out, bool colour)
{
	static const char *const heads[] = { "NAME", "ADDRESS",   "OWNER", "PATH", "VIA",
					     "LAT",  "HANDSHAKE", "RX",    "TX" };
	struct table *table = table_new(sizeof(heads) / sizeof(heads[0]));
	size_t i;

	if (!table || json_array_size(peers) == 0) {
		table_free(table);
		return;
	}
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_add(table, heads[i], TABLE_PLAIN);
	for (i = 0; i < json_array_size(peers); i++)
		add_peer(table, json_array_get(peers, i));
	table_print(table, out, colour);
	table_free(table);
}

static void print_list(const char *label, const json_t *texts, FILE *out)
{
	size_t i;

	fprintf(out, "  %-10s", label);
	for (i = 0; i < json_array_size(texts); i++) {
		const char *text = json_string_value(json_array_get(texts, i));

		fputc(' ', out);
		print_text(out, text ? text : "-");
	}
	fputs(json_array_size(texts) ? "\n" : " -\n", out);
}

static void print_detail(const char *label, const char *text, FILE *out)
{
	fprintf(out, "  %-10s ", label);
	print_text(out, text);
	fputc('\n', out);
}

/* Of what was sent lately; only where there is some. */
static void print_loss(const json_t *node, FILE *out)
{
	double percent = json_number_value(json_object_get(node, "loss_percent"));
	char text[FORMAT_SIZE];

	if (percent <= 0)
		return;
	snprintf(text, sizeof(text), "%.1f%%", percent);
	print_detail("loss", text, out);
}

static void print_node(const json_t *status, const json_t *node, FILE *out)
{
	fputc('\n', out);
	print_text(out, status_text(node, "name", "-"));
	fputc('\n', out);
	print_list("addresses", json_object_get(node, "addresses"), out);
	print_detail("key", status_text(node, "public_key", "-"), out);
	status_resources_node(status, status_text(node, "name", ""), out);
	if (!json_object_get(node, "path"))
		return;
	print_list("tags", json_object_get(node, "tags"), out);
	print_detail("endpoint", status_text(node, "endpoint", "-"), out);
	print_detail("relay", status_text(node, "relay", "-"), out);
	print_detail("reason", status_text(node, "reason", "-"), out);
	print_loss(node, out);
}

static void print_offload(const json_t *offload, FILE *out)
{
	static const struct {
		const char *key;
		const char *text;
	} kinds[] = { { "tun_tcp", "tun tcp" },
		      { "tun_udp", "tun udp" },
		      { "udp_gso", "udp gso" },
		      { "udp_gro", "udp gro" } };
	const char *before = ", offload ";

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!json_is_true(json_object_get(offload, kinds[i].key)))
			continue;
		fprintf(out, "%s%s", before, kinds[i].text);
		before = " + ";
	}
	if (json_is_object(offload) && *before == ',')
		fputs(", no offload", out);
}

/* "data plane  ipsec-mb, 2 workers, offload tun tcp + udp gso" */
static void print_data_plane(const json_t *data_plane, FILE *out)
{
	double workers = status_number(data_plane, "workers");

	if (!json_is_object(data_plane))
		return;
	fputs("  data plane ", out);
	print_text(out, status_text(data_plane, "cipher", "-"));
	if (workers >= 1)
		fprintf(out, ", %.0f worker%s", workers, workers > 1 ? "s" : "");
	print_offload(json_object_get(data_plane, "offload"), out);
	fputc('\n', out);
}

static void print_details(const json_t *status, FILE *out)
{
	const json_t *peers = json_object_get(status, "peers");
	size_t i;

	print_node(status, json_object_get(status, "self"), out);
	status_resources_details(status, out);
	print_data_plane(json_object_get(status, "data_plane"), out);
	for (i = 0; i < json_array_size(peers); i++)
		print_node(status, json_array_get(peers, i), out);
}

void status_table_print(const json_t *status, FILE *out, bool details, bool colour)
{
	const json_t *health = json_object_get(status, "health");
	size_t i;

	print_headline(status, out);
	print_peers(json_object_get(status, "peers"), out, colour);
	for (i = 0; i < json_array_size(health); i++) {
		const char *line = json_string_value(json_array_get(health, i));

		fputs("! ", out);
		print_text(out, line ? line : "-");
		fputc('\n', out);
	}
	if (details)
		print_details(status, out);
}
