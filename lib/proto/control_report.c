#include "proto/control_report.h"

#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

#define ADDRESS_CHARS "0123456789abcdefABCDEF:."
#define DIGITS        "0123456789"

static const char *const path_names[CONTROL_REPORT_PATHS] = {
	[CONTROL_REPORT_DIRECT] = "direct",         [CONTROL_REPORT_RELAY] = "relay",
	[CONTROL_REPORT_CONNECTING] = "connecting", [CONTROL_REPORT_IDLE] = "idle",
	[CONTROL_REPORT_OFFLINE] = "offline",
};

const char *control_report_path_name(enum control_report_path path)
{
	return path < CONTROL_REPORT_PATHS ? path_names[path] : "?";
}

static bool is_address(const char *at, size_t len)
{
	struct ip_addr addr;
	char text[ADDR_TEXT_SIZE];

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, at, len);
	text[len] = '\0';
	return addr_parse(&addr, text) == 0;
}

/* What follows an address and belongs to it: scope, bracket, port, prefix length. */
static size_t address_tail(const char *at)
{
	size_t len = 0;

	if (at[len] == '%')
		len += 1 + strcspn(at + 1, " ]:/,;)\"");
	if (at[len] == ']')
		len++;
	if ((at[len] == ':' || at[len] == '/') && strspn(at + len + 1, DIGITS) > 0)
		len += 1 + strspn(at + len + 1, DIGITS);
	return len;
}

/* The length of the address that begins here, with what belongs to it; 0: none does. */
static size_t address_at(const char *at)
{
	size_t len = strspn(at, ADDRESS_CHARS);
	size_t host;

	while (len > 0 && (at[len - 1] == '.' || (at[len - 1] == ':' && !is_address(at, len))))
		len--;
	if (is_address(at, len))
		return len + address_tail(at + len);
	host = strcspn(at, ":");
	return host < len && is_address(at, host) ? host + address_tail(at + host) : 0;
}

static bool is_word_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void control_report_clean(char out[static CONTROL_REPORT_TEXT_MAX + 1], const char *line)
{
	static const char mark[] = "(address)";
	size_t len = 0;
	bool in_word = false;

	while (*line) {
		size_t skip = in_word ? 0 : address_at(line);

		if (skip) {
			if (len && out[len - 1] == '[')
				len--;
			if (len + sizeof(mark) > CONTROL_REPORT_TEXT_MAX)
				break;
			memcpy(out + len, mark, sizeof(mark) - 1);
			len += sizeof(mark) - 1;
			line += skip;
			continue;
		}
		if (len == CONTROL_REPORT_TEXT_MAX)
			break;
		in_word = is_word_byte(*line);
		out[len++] = (unsigned char)*line < 0x20 || *line == 0x7f ? ' ' : *line;
		line++;
	}
	/* Not amid a character of UTF-8. */
	if (*line && ((unsigned char)*line & 0xc0) == 0x80) {
		while (len > 0 && ((unsigned char)out[len - 1] & 0xc0) == 0x80)
			len--;
		if (len > 0)
			len--;
	}
	out[len] = '\0';
}

static int put_peer(json_t *array, const struct control_report_peer *peer)
{
	json_t *entry = json_object();
	int err = 0;

	err |= json_object_set_new(entry, "node", json_fields_encode(peer->node_key, 32));
	err |= json_object_set_new(entry, "path",
				   json_string(control_report_path_name(peer->path)));
	if (peer->latency_us)
		err |= json_object_set_new(entry, "latency_us", json_integer(peer->latency_us));
	if (peer->relay[0])
		err |= json_object_set_new(entry, "relay", json_string(peer->relay));
	if (peer->reason[0])
		err |= json_object_set_new(entry, "reason", json_string(peer->reason));
	return err | json_array_append_new(array, entry);
}

int control_report_put(json_t *object, const struct control_report *report)
{
	json_t *peers = json_array();
	json_t *health = json_array();
	int err = 0;

	for (size_t i = 0; i < report->peer_count; i++)
		err |= put_peer(peers, &report->peers[i]);
	for (size_t i = 0; i < report->health_count; i++)
		err |= json_array_append_new(health, json_string(report->health[i]));
	err |= json_object_set_new(object, "peers", peers);
	return err | json_object_set_new(object, "health", health);
}

static void get_path(struct json_fields *fields, enum control_report_path *path)
{
	char name[16] = "";

	json_fields_text(fields, "path", name, sizeof(name));
	for (int i = 0; i < CONTROL_REPORT_PATHS; i++) {
		if (strcmp(name, path_names[i]) == 0) {
			*path = (enum control_report_path)i;
			return;
		}
	}
	fields->failed = true;
}

static void get_peer(struct json_fields *fields, struct control_report_peer *peer)
{
	uint64_t latency_us = 0;

	json_fields_bytes(fields, "node", peer->node_key, sizeof(peer->node_key));
	get_path(fields, &peer->path);
	json_fields_text_opt(fields, "relay", peer->relay, sizeof(peer->relay));
	json_fields_text_opt(fields, "reason", peer->reason, sizeof(peer->reason));
	if (json_fields_has(fields, "latency_us"))
		json_fields_u64(fields, "latency_us", CONTROL_REPORT_LATENCY_MAX_US, &latency_us);
	peer->latency_us = (uint32_t)latency_us;
}

static void get_peers(struct json_fields *fields, struct control_report *report)
{
	json_t *array = json_fields_array(fields, "peers", CONTROL_REPORT_PEERS_MAX);
	json_t *value;
	size_t i;

	if (json_array_size(array) == 0)
		return;
	report->peers = calloc(json_array_size(array), sizeof(*report->peers));
	fields->failed |= !report->peers;
	json_array_foreach (array, i, value) {
		struct json_fields entry;

		if (fields->failed)
			return;
		json_fields_init(&entry, value);
		get_peer(&entry, &report->peers[i]);
		fields->failed |= entry.failed;
		report->peer_count++;
	}
}

static void get_health(struct json_fields *fields, struct control_report *report)
{
	json_t *array = json_fields_array(fields, "health", CONTROL_REPORT_HEALTH_MAX);
	json_t *value;
	size_t i;

	if (json_array_size(array) == 0)
		return;
	report->health = calloc(json_array_size(array), sizeof(*report->health));
	fields->failed |= !report->health;
	json_array_foreach (array, i, value) {
		const char *text = json_string_value(value);

		if (fields->failed)
			return;
		if (!text || json_string_length(value) > CONTROL_REPORT_TEXT_MAX) {
			fields->failed = true;
			return;
		}
		/* A node that forgets to clean its lines is not to fill the page with addresses. */
		control_report_clean(report->health[i], text);
		report->health_count++;
	}
}

void control_report_get(struct json_fields *fields, struct control_report *report)
{
	get_peers(fields, report);
	get_health(fields, report);
}

void control_report_clear(struct control_report *report)
{
	free(report->peers);
	free(report->health);
	memset(report, 0, sizeof(*report));
}
