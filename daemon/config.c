#include "daemon/config.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "daemon/http_proxy.h"
#include "proto/punch_budget.h"

void daemon_config_init(struct daemon_config *config)
{
	*config = (struct daemon_config){
		.state = "/var/lib/warren",
		.socket = "/run/warren/warren.sock",
		.tun = "warren0",
		.fwmark = DAEMON_FWMARK,
		.tun_offload = true,
		.udp_gso = true,
		.udp_gro = true,
		.port_mapping = true,
		.report = true,
		.idle_s = 90,
		.log_level = LOG_LEVEL_INFO,
	};
}

static const char *set_text(char *out, size_t size, const char *value)
{
	if (!value[0])
		return "a value is missing";
	if (strlen(value) >= size)
		return "the value is too long";
	snprintf(out, size, "%s", value);
	return NULL;
}

static const char *set_path(char *out, size_t size, const char *value)
{
	if (value[0] != '/')
		return "must be an absolute path";
	return set_text(out, size, value);
}

static const char *set_state(void *arg, const char *value)
{
	struct daemon_config *config = arg;

	return set_path(config->state, sizeof(config->state), value);
}

static const char *set_socket(void *arg, const char *value)
{
	struct daemon_config *config = arg;

	return set_path(config->socket, sizeof(config->socket), value);
}

/* What the kernel takes as a name (dev_valid_name), and nothing a shell or a log would trip over.
 */
static const char *set_tun(void *arg, const char *value)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	struct daemon_config *config = arg;

	if (strcmp(value, ".") == 0 || strcmp(value, "..") == 0 ||
	    value[strspn(value, allowed)] != '\0')
		return "not a name for a network interface";
	return set_text(config->tun, sizeof(config->tun), value);
}

static const char *set_port(void *arg, const char *value)
{
	struct daemon_config *config = arg;
	unsigned long n;

	if (config_number(&n, value, 0, 65535))
		return "must be a number from 0 to 65535";
	config->port = (uint16_t)n;
	return NULL;
}

static const char *set_workers(void *arg, const char *value)
{
	struct daemon_config *config = arg;
	unsigned long n;

	if (config_number(&n, value, 0, 64))
		return "must be a number from 0 to 64";
	config->workers = (unsigned int)n;
	return NULL;
}

static const char *set_punch_rate(void *arg, const char *value)
{
	struct daemon_config *config = arg;
	unsigned long n;

	if (config_number(&n, value, PUNCH_RATE_MIN, PUNCH_RATE_MAX))
		return "must be a number from 10 to 1000";
	config->punch_rate = (unsigned int)n;
	return NULL;
}

/* Decimal, or hexadecimal after 0x, as ip-rule(8) shows it. */
static const char *set_fwmark(void *arg, const char *value)
{
	struct daemon_config *config = arg;
	bool hex = strncmp(value, "0x", 2) == 0;
	const char *digits = hex ? value + 2 : value;
	size_t len = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
	unsigned long n =
		len && len <= 10 && !digits[len] ? strtoul(digits, NULL, hex ? 16 : 10) : 0;

	if (n == 0 || n > UINT32_MAX)
		return "must be a number from 1 to 0xffffffff";
	config->fwmark = (uint32_t)n;
	return NULL;
}

static const char *set_bool(bool *out, const char *value)
{
	return config_bool(out, value) ? "must be yes or no" : NULL;
}

static const char *set_tun_offload(void *arg, const char *value)
{
	return set_bool(&((struct daemon_config *)arg)->tun_offload, value);
}

static const char *set_udp_gso(void *arg, const char *value)
{
	return set_bool(&((struct daemon_config *)arg)->udp_gso, value);
}

static const char *set_udp_gro(void *arg, const char *value)
{
	return set_bool(&((struct daemon_config *)arg)->udp_gro, value);
}

static const char *set_port_mapping(void *arg, const char *value)
{
	return set_bool(&((struct daemon_config *)arg)->port_mapping, value);
}

static const char *set_report(void *arg, const char *value)
{
	return set_bool(&((struct daemon_config *)arg)->report, value);
}

static const char *set_metrics(void *arg, const char *value)
{
	return endpoint_parse(&((struct daemon_config *)arg)->metrics, value) < 0
		       ? "must be ADDR:PORT with a numeric address, such as 127.0.0.1:9586"
		       : NULL;
}

static const char *set_idle(void *arg, const char *value)
{
	struct daemon_config *config = arg;
	unsigned long n;

	if (config_number(&n, value, 5, 3600))
		return "must be a number of seconds from 5 to 3600";
	config->idle_s = (unsigned int)n;
	return NULL;
}

static const char *set_cipher(void *arg, const char *value)
{
	struct daemon_config *config = arg;

	return set_text(config->cipher, sizeof(config->cipher), value);
}

static const char *set_host_addresses(void *arg, const char *value)
{
	static const char *const names[] = { "auto", "show", "hide" };
	struct daemon_config *config = arg;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			config->host_addresses = (enum host_addresses)i;
			return NULL;
		}
	}
	return "must be auto, show or hide";
}

/* Only looked at here; what it says is taken when the daemon starts. */
static const char *set_proxy(void *arg, const char *value)
{
	struct daemon_config *config = arg;
	struct http_proxy proxy = { 0 };
	const char *error = http_proxy_parse(&proxy, value);

	sodium_memzero(&proxy, sizeof(proxy));
	return error ? error : set_text(config->proxy, sizeof(config->proxy), value);
}

static const char *set_proxy_credentials(void *arg, const char *value)
{
	struct daemon_config *config = arg;

	return set_path(config->proxy_credentials, sizeof(config->proxy_credentials), value);
}

static const char *set_log_level(void *arg, const char *value)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	struct daemon_config *config = arg;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			config->log_level = (enum log_level)i;
			return NULL;
		}
	}
	return "must be error, warn, info or debug";
}

static const struct config_key keys[] = {
	{ "state", set_state },
	{ "socket", set_socket },
	{ "tun", set_tun },
	{ "port", set_port },
	{ "workers", set_workers },
	{ "fwmark", set_fwmark },
	{ "punch-rate", set_punch_rate },
	{ "tun-offload", set_tun_offload },
	{ "udp-gso", set_udp_gso },
	{ "udp-gro", set_udp_gro },
	{ "cipher", set_cipher },
	{ "log-level", set_log_level },
	{ "port-mapping", set_port_mapping },
	{ "idle", set_idle },
	{ "report", set_report },
	{ "metrics", set_metrics },
	{ "host-addresses", set_host_addresses },
	{ "proxy", set_proxy },
	{ "proxy-credentials", set_proxy_credentials },
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

const char *daemon_config_set(struct daemon_config *config, const char *key, const char *value)
{
	size_t i;

	for (i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].name, key) == 0)
			return keys[i].set(config, value);
	}
	return "unknown key";
}

int daemon_config_parse(struct daemon_config *config, const char *text, size_t len,
			struct config_error *error)
{
	struct daemon_config copy = *config;
	int err = config_parse(text, len, keys, KEY_COUNT, &copy, error);

	if (!err)
		*config = copy;
	return err;
}

int daemon_config_load(struct daemon_config *config, const char *path, struct config_error *error)
{
	uint8_t *text;
	size_t len;
	int err = file_read(path, CONFIG_SIZE_MAX, &text, &len);

	if (err == -EINVAL)
		*error = (struct config_error){ 0, "not a regular file" };
	if (err)
		return err;
	err = daemon_config_parse(config, (const char *)text, len, error);
	file_free_secret(text, len);
	return err;
}
