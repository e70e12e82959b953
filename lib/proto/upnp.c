#include "proto/upnp.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HTTP_PORT 80

/* ---- texts ---- */

/* A piece of somebody's text. */
struct span {
	const char *at;
	size_t len;
};

static struct span trimmed(struct span s)
{
	while (s.len && isspace((unsigned char)s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && isspace((unsigned char)s.at[s.len - 1]))
		s.len--;
	return s;
}

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

static bool span_begins(struct span s, const char *text)
{
	return s.len >= strlen(text) && strncasecmp(s.at, text, strlen(text)) == 0;
}

/* Printable ASCII without spaces: what may stand in a request line or a header of ours. */
static int copy_clean(char *out, size_t size, struct span s)
{
	if (s.len >= size)
		return -ENOSPC;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] <= ' ' || s.at[i] > '~')
			return -EBADMSG;
	}
	memcpy(out, s.at, s.len);
	out[s.len] = '\0';
	return 0;
}

static bool take_number(unsigned long *number, struct span s, int base, unsigned long max)
{
	char text[24];
	char *end;

	s = trimmed(s);
	if (!s.len || s.len >= sizeof(text) || !isxdigit((unsigned char)s.at[0]))
		return false;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	errno = 0;
	*number = strtoul(text, &end, base);
	return !errno && !*end && *number <= max;
}

/* ---- addresses ---- */

static int split_authority(struct upnp_url *url, struct span authority)
{
	const char *bracket = memchr(authority.at, ']', authority.len);
	const char *from = bracket ? bracket : authority.at;
	const char *colon = memchr(from, ':', authority.len - (size_t)(from - authority.at));
	unsigned long port = HTTP_PORT;
	struct span host = authority;

	if (colon) {
		struct span text = { colon + 1,
				     authority.len - (size_t)(colon + 1 - authority.at) };

		host.len = (size_t)(colon - authority.at);
		if (!take_number(&port, text, 10, UINT16_MAX) || !port)
			return -EBADMSG;
	}
	url->port = (uint16_t)port;
	return host.len ? copy_clean(url->host, sizeof(url->host), host) : -EBADMSG;
}

int upnp_parse_url(struct upnp_url *out, const char *text, size_t len)
{
	struct span rest = trimmed((struct span){ text, len });
	struct upnp_url url = { 0 };
	size_t slash = 0;
	int err;

	if (span_begins(rest, "http://")) {
		struct span authority = { rest.at + 7, rest.len - 7 };
		const char *end = memchr(authority.at, '/', authority.len);

		authority.len = end ? (size_t)(end - authority.at) : authority.len;
		rest.at = authority.at + authority.len;
		rest.len -= 7 + authority.len;
		err = split_authority(&url, authority);
		if (err < 0)
			return err;
	} else if (memchr(rest.at, ':', rest.len) || span_begins(rest, "//")) {
		return -EBADMSG; /* https and the like */
	}
	if (!rest.len || rest.at[0] != '/')
		url.path[slash++] = '/';
	err = copy_clean(url.path + slash, sizeof(url.path) - slash, rest);
	if (err < 0)
		return err;
	*out = url;
	return 0;
}

bool upnp_host_addr(struct ip_addr *addr, const char *host)
{
	char text[UPNP_HOST_SIZE];
	size_t len = strlen(host);

	if (host[0] != '[')
		return addr_parse(addr, host) == 0;
	if (len < 3 || host[len - 1] != ']')
		return false;
	memcpy(text, host + 1, len - 2);
	text[len - 2] = '\0';
	text[strcspn(text, "%")] = '\0'; /* a scope means something to the sender only */
	return addr_parse(addr, text) == 0;
}

/* ---- discovery ---- */

size_t upnp_build_search(char *buf, size_t cap, const struct ip_addr *to)
{
	char text[ADDR_TEXT_SIZE];
	bool v6 = to->family == AF_INET6;
	int len = snprintf(buf, cap,
			   "M-SEARCH * HTTP/1.1\r\nHOST: %s%s%s:%d\r\nMAN: \"ssdp:discover\"\r\n"
			   "MX: 1\r\n"
			   "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n",
			   v6 ? "[" : "", addr_format(text, to), v6 ? "]" : "", UPNP_SSDP_PORT);

	return len > 0 && (size_t)len < cap ? (size_t)len : 0;
}

/* One line without its end; false at the end of the text. */
static bool next_line(struct span *rest, struct span *line)
{
	const char *end = rest->len ? memchr(rest->at, '\n', rest->len) : NULL;

	if (!end)
		return false;
	line->at = rest->at;
	line->len = (size_t)(end - rest->at);
	rest->at = end + 1;
	rest->len -= line->len + 1;
	if (line->len && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* "HTTP/1.x 200 …". 0 for anything else. */
static unsigned int status_of(struct span line)
{
	unsigned long status;

	if (line.len < 12 || !span_begins(line, "HTTP/1.") || line.at[8] != ' ' ||
	    !take_number(&status, (struct span){ line.at + 9, 3 }, 10, 599) || status < 100)
		return 0;
	return (unsigned int)status;
}

/* A header line's value when it has that name. */
static bool header_is(struct span line, const char *name, struct span *value)
{
	size_t len = strlen(name);

	if (line.len <= len || line.at[len] != ':' || !span_begins(line, name))
		return false;
	*value = trimmed((struct span){ line.at + len + 1, line.len - len - 1 });
	return true;
}

int upnp_parse_search(struct upnp_url *location, const char *data, size_t len)
{
	struct span rest = { data, len };
	struct span line;
	struct span value;

	if (!next_line(&rest, &line) || status_of(line) != 200)
		return -ENOENT;
	while (next_line(&rest, &line) && line.len) {
		if (!header_is(line, "LOCATION", &value))
			continue;
		if (upnp_parse_url(location, value.at, value.len) < 0 || !location->port)
			return -EBADMSG;
		return 0;
	}
	return -EBADMSG;
}

/* ---- HTTP ---- */

struct head {
	unsigned int status;
	bool chunked;
	bool has_length;
	size_t length;
	size_t size; /* of the head itself */
};

static int parse_head(struct head *head, const char *data, size_t len)
{
	struct span rest = { data, len };
	struct span line;
	struct span value;
	unsigned long number;

	memset(head, 0, sizeof(*head));
	if (!next_line(&rest, &line))
		return -EAGAIN;
	head->status = status_of(line);
	if (!head->status)
		return -EBADMSG;
	while (next_line(&rest, &line)) {
		if (!line.len) {
			head->size = len - rest.len;
			return 0;
		}
		if (header_is(line, "Transfer-Encoding", &value)) {
			head->chunked = span_is(value, "chunked");
		} else if (header_is(line, "Content-Length", &value)) {
			if (!take_number(&number, value, 10, UPNP_ANSWER_MAX))
				return -EBADMSG;
			head->has_length = true;
			head->length = number;
		}
	}
	return -EAGAIN;
}

/*
 * Walks the chunks of a body (RFC 9112 section 7.1) up to the last, and then, if move, brings them
 * together at its beginning. 0, -EAGAIN while the last is missing, -EBADMSG.
 */
static int walk_chunks(char *body, size_t len, bool move, size_t *joined)
{
	struct span rest = { body, len };
	struct span line;
	size_t to = 0;

	while (next_line(&rest, &line)) {
		const char *extension = memchr(line.at, ';', line.len);
		unsigned long size;

		if (extension)
			line.len = (size_t)(extension - line.at);
		if (!take_number(&size, line, 16, UPNP_ANSWER_MAX))
			return -EBADMSG;
		if (!size) {
			*joined = to;
			return 0;
		}
		if (size + 2 > rest.len)
			return -EAGAIN;
		/* Over what has been read; never over what is to come. */
		if (move)
			memmove(body + to, rest.at, size);
		to += size;
		rest.at += size + 2;
		rest.len -= size + 2;
	}
	return -EAGAIN;
}

int upnp_parse_answer(struct upnp_answer *answer, char *data, size_t len, bool ended)
{
	struct head head;
	size_t body_len;
	int err = parse_head(&head, data, len);

	if (err == -EAGAIN && ended)
		return -EBADMSG;
	if (err < 0)
		return err;
	body_len = len - head.size;
	if (head.chunked) {
		err = walk_chunks(data + head.size, body_len, false, &body_len);
		if (!err)
			err = walk_chunks(data + head.size, len - head.size, true, &body_len);
	} else if (head.has_length) {
		err = body_len < head.length ? -EAGAIN : 0;
		if (!err)
			body_len = head.length;
	} else {
		err = ended ? 0 : -EAGAIN;
	}
	if (err == -EAGAIN && ended)
		return -EBADMSG;
	if (err < 0)
		return err;
	*answer = (struct upnp_answer){ head.status, data + head.size, body_len };
	return 0;
}

/* ---- XML ---- */

/* The next tag and the text before it. False at the end. */
struct xml {
	struct span rest;
	struct span text; /* before the tag */
	struct span name; /* without prefix and attributes */
	bool closing;
};

static bool next_tag(struct xml *xml)
{
	const char *open = xml->rest.len ? memchr(xml->rest.at, '<', xml->rest.len) : NULL;
	const char *close;
	struct span tag;
	const char *colon;

	if (!open)
		return false;
	xml->text = (struct span){ xml->rest.at, (size_t)(open - xml->rest.at) };
	close = memchr(open, '>', xml->rest.len - xml->text.len);
	if (!close)
		return false;
	tag = (struct span){ open + 1, (size_t)(close - open - 1) };
	xml->rest.len -= (size_t)(close + 1 - xml->rest.at);
	xml->rest.at = close + 1;
	xml->closing = tag.len && tag.at[0] == '/';
	if (xml->closing) {
		tag.at++;
		tag.len--;
	}
	for (size_t i = 0; i < tag.len; i++) {
		if (isspace((unsigned char)tag.at[i]) || tag.at[i] == '/')
			tag.len = i;
	}
	colon = tag.len ? memchr(tag.at, ':', tag.len) : NULL;
	if (colon) {
		tag.len -= (size_t)(colon + 1 - tag.at);
		tag.at = colon + 1;
	}
	xml->name = tag;
	return true;
}

static int service_kind(struct span type)
{
	static const struct {
		const char *type;
		enum upnp_service_kind kind;
	} known[] = {
		{ "urn:schemas-upnp-org:service:WANIPConnection:1", UPNP_WAN_IP },
		{ "urn:schemas-upnp-org:service:WANIPConnection:2", UPNP_WAN_IP },
		{ "urn:schemas-upnp-org:service:WANPPPConnection:1", UPNP_WAN_PPP },
		{ "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1", UPNP_FIREWALL },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (span_is(type, known[i].type))
			return (int)known[i].kind;
	}
	return -1;
}

/* The end of a <service>: what was seen inside is kept when it is of use. */
static void note_service(struct upnp_service *services, struct span type, struct span control)
{
	int kind = service_kind(type);
	struct upnp_url url;

	if (kind < 0 || services[kind].type[0] || !control.len ||
	    upnp_parse_url(&url, control.at, control.len) < 0)
		return;
	services[kind].control = url;
	copy_clean(services[kind].type, sizeof(services[kind].type), type);
}

int upnp_parse_description(struct upnp_service services[static UPNP_SERVICE_KINDS],
			   const char *data, size_t len)
{
	struct xml xml = { .rest = { data, len } };
	struct upnp_service found[UPNP_SERVICE_KINDS] = { 0 };
	struct span type = { "", 0 };
	struct span control = { "", 0 };
	bool any = false;

	while (next_tag(&xml)) {
		if (!xml.closing && span_is(xml.name, "service")) {
			type.len = 0;
			control.len = 0;
		} else if (xml.closing && span_is(xml.name, "serviceType")) {
			type = trimmed(xml.text);
		} else if (xml.closing && span_is(xml.name, "controlURL")) {
			control = trimmed(xml.text);
		} else if (xml.closing && span_is(xml.name, "service")) {
			note_service(found, type, control);
		}
	}
	for (size_t i = 0; i < UPNP_SERVICE_KINDS; i++)
		any = any || found[i].type[0];
	if (!any)
		return -ENOENT;
	memcpy(services, found, sizeof(found));
	return 0;
}

int upnp_find_value(char value[static UPNP_VALUE_SIZE], const char *name, const char *data,
		    size_t len)
{
	struct xml xml = { .rest = { data, len } };

	while (next_tag(&xml)) {
		if (xml.closing && span_is(xml.name, name))
			return copy_clean(value, UPNP_VALUE_SIZE, trimmed(xml.text));
	}
	return -ENOENT;
}

/* ---- requests ---- */

size_t upnp_build_get(char *buf, size_t cap, const struct upnp_url *url)
{
	int len = snprintf(buf, cap,
			   "GET %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: Warren, UPnP/1.1\r\n"
			   "Connection: close\r\n\r\n",
			   url->path, url->host, url->port);

	return len > 0 && (size_t)len < cap ? (size_t)len : 0;
}

size_t upnp_build_call(char *buf, size_t cap, const struct upnp_url *url, const char *service,
		       const char *action, const char *const *args)
{
	char body[UPNP_REQUEST_MAX];
	int len = snprintf(body, sizeof(body),
			   "<?xml version=\"1.0\"?>\r\n"
			   "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
			   "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>"
			   "<u:%s xmlns:u=\"%s\">",
			   action, service);

	for (; args && args[0] && len > 0 && (size_t)len < sizeof(body); args += 2)
		len += snprintf(body + len, sizeof(body) - (size_t)len, "<%s>%s</%s>", args[0],
				args[1], args[0]);
	if (len > 0 && (size_t)len < sizeof(body))
		len += snprintf(body + len, sizeof(body) - (size_t)len,
				"</u:%s></s:Body></s:Envelope>\r\n", action);
	if (len <= 0 || (size_t)len >= sizeof(body))
		return 0;
	len = snprintf(buf, cap,
		       "POST %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: Warren, UPnP/1.1\r\n"
		       "Content-Type: text/xml; charset=\"utf-8\"\r\nSOAPAction: \"%s#%s\"\r\n"
		       "Content-Length: %d\r\nConnection: close\r\n\r\n%s",
		       url->path, url->host, url->port, service, action, len, body);
	return len > 0 && (size_t)len < cap ? (size_t)len : 0;
}
