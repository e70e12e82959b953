#include "daemon/http_proxy.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "base/config.h"
#include "base/file.h"

#define DEFAULT_PORT     "80"
#define CREDENTIALS_SIZE 256 /* bytes of the file */
#define NAME_SIZE        (HTTP_PROXY_URL_MAX - HTTP_PROXY_USER_MAX - 2)

/* --- reading --- */

/* Decodes %XX (RFC 3986 section 2.1). False for what is no text or too long. */
static bool decode(char *out, size_t size, const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			const char hex[3] = { i + 1 < len ? text[i + 1] : 0,
					      i + 2 < len ? text[i + 2] : 0, 0 };

			if (!isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
				return false;
			c = (char)strtoul(hex, NULL, 16);
			i += 2;
		}
		if (iscntrl((unsigned char)c) || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/* The length of "host" or "[v6]" at the start of what is valid for len; 0: neither. */
static size_t host_length(const char *text, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	char inner[ADDR_TEXT_SIZE];
	struct ip_addr addr;
	size_t n;

	if (len == 0 || text[0] != '[') {
		n = strspn(text, allowed);
		return n < len ? n : len;
	}
	n = strcspn(text, "]");
	if (n >= len || n > sizeof(inner))
		return 0;
	snprintf(inner, sizeof(inner), "%.*s", (int)n - 1, text + 1);
	return addr_parse(&addr, inner) == 0 && addr.family == AF_INET6 ? n + 1 : 0;
}

/* "host", "host:port" or "[v6]:port" to the same with a port. */
static const char *parse_host(char *out, size_t size, const char *text, size_t len)
{
	size_t host_len = host_length(text, len);
	char port[6] = DEFAULT_PORT;
	unsigned long n;

	if (host_len == 0 || host_len + sizeof(port) + 1 > size)
		return "the host is no name and no address";
	if (host_len < len) {
		size_t port_len = len - host_len - 1;

		if (text[host_len] != ':' || port_len >= sizeof(port))
			return "the port is not a number from 1 to 65535";
		snprintf(port, sizeof(port), "%.*s", (int)port_len, text + host_len + 1);
	}
	if (config_number(&n, port, 1, UINT16_MAX))
		return "the port is not a number from 1 to 65535";
	snprintf(out, size, "%.*s:%lu", (int)host_len, text, n);
	return NULL;
}

static bool is_user(const char *text)
{
	return strchr(text, ':') && text[0] != ':' && strlen(text) <= HTTP_PROXY_USER_MAX;
}

const char *http_proxy_parse(struct http_proxy *proxy, const char *url)
{
	static const char scheme[] = "http://";
	char user[HTTP_PROXY_USER_MAX + 2] = "";
	char where[NAME_SIZE];
	const char *at, *error;
	size_t len;

	if (strcmp(url, "none") == 0) {
		proxy->via[0] = '\0';
		return NULL;
	}
	if (strncasecmp(url, scheme, strlen(scheme)) == 0)
		url += strlen(scheme);
	else if (strstr(url, "://"))
		return "only proxies of the kind http:// are known";
	len = strcspn(url, "/?#");
	if (url[len] && strcmp(url + len, "/") != 0)
		return "there is something after the port";
	at = memrchr(url, '@', len);
	if (at && (!decode(user, sizeof(user), url, (size_t)(at - url)) || !is_user(user)))
		return "the credentials are not user:password, or too long";
	if (at)
		len -= (size_t)(at + 1 - url);
	error = parse_host(where, sizeof(where), at ? at + 1 : url, len);
	if (!error)
		snprintf(proxy->via, sizeof(proxy->via), "%s%s%s", user, at ? "@" : "", where);
	sodium_memzero(user, sizeof(user));
	return error;
}

const char *http_proxy_read_credentials(struct http_proxy *proxy, const char *path)
{
	char via[HTTP_PROXY_URL_MAX];
	const char *name = http_proxy_name(proxy);
	const char *error = NULL;
	char user[HTTP_PROXY_USER_MAX + 2];
	uint8_t *text;
	size_t size, len;
	int err;

	if (!name)
		return "there are credentials, but no proxy";
	err = file_read_secret(path, CREDENTIALS_SIZE, &text, &size);
	if (err < 0)
		return err == -EPERM ? "others may read the file; chmod 600 it"
				     : "the file cannot be read";
	len = strcspn((char *)text, "\r\n");
	if (len >= sizeof(user)) {
		error = "the credentials are too long";
	} else {
		memcpy(user, text, len);
		user[len] = '\0';
		if (!is_user(user))
			error = "the file is not one line user:password";
	}
	file_free_secret(text, size);
	if (!error) {
		snprintf(via, sizeof(via), "%s@%.*s", user, NAME_SIZE, name);
		memcpy(proxy->via, via, sizeof(via));
		sodium_memzero(via, sizeof(via));
	}
	sodium_memzero(user, sizeof(user));
	return error;
}

static const char *first_set(const char *const *names)
{
	const char *value = NULL;

	for (; *names && !(value && *value); names++)
		value = getenv(*names);
	return value && *value ? value : NULL;
}

const char *http_proxy_from_environment(struct http_proxy *proxy)
{
	static const char *const via[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
					   NULL };
	static const char *const except[] = { "no_proxy", "NO_PROXY", NULL };
	const char *url = first_set(via);
	const char *list = first_set(except);

	if (list && strlen(list) >= sizeof(proxy->except))
		return "no_proxy is too long";
	snprintf(proxy->except, sizeof(proxy->except), "%s", list ? list : "");
	return url ? http_proxy_parse(proxy, url) : NULL;
}

/* --- asking --- */

/* One entry of NO_PROXY: "*", an address, a prefix, a name, or the end of one. */
static bool entry_matches(const char *entry, size_t len, const char *host,
			  const struct ip_addr *addr)
{
	char text[256];
	struct prefix prefix;
	size_t host_len = strlen(host);

	if (len == 0 || len >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)len, entry);
	if (strcmp(text, "*") == 0)
		return true;
	if (addr)
		return prefix_parse(&prefix, text) == 0 && prefix_contains(&prefix, addr);
	entry = text + (text[0] == '.');
	len = strlen(entry);
	return len && len <= host_len && strcasecmp(host + host_len - len, entry) == 0 &&
	       (len == host_len || host[host_len - len - 1] == '.');
}

const char *http_proxy_for(const struct http_proxy *proxy, const char *host)
{
	static const char separators[] = ", \t";
	struct ip_addr parsed;
	const struct ip_addr *addr = addr_parse(&parsed, host) == 0 ? &parsed : NULL;

	if (!proxy || !proxy->via[0] || strcasecmp(host, "localhost") == 0 ||
	    (addr && addr_is_loopback(addr)))
		return NULL;
	for (const char *entry = proxy->except; *entry;) {
		size_t len = strcspn(entry, separators);

		if (entry_matches(entry, len, host, addr))
			return NULL;
		entry += len;
		entry += strspn(entry, separators);
	}
	return proxy->via;
}

const char *http_proxy_name(const struct http_proxy *proxy)
{
	const char *at = strrchr(proxy->via, '@');

	if (!proxy->via[0])
		return NULL;
	return at ? at + 1 : proxy->via;
}
