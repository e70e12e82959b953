/* Texts of plain HTTP: a query's arguments, an answer's headers. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "io/ws.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(char *out, size_t size, const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i] == '+' ? ' ' : text[i];

		if (text[i] == '%') {
			int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == 0 || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = 0;
	return true;
}

bool ws_http_argument(const struct ws_http_request *request, const char *name, char *out,
		      size_t size)
{
	size_t name_len = strlen(name);
	char decoded[1024];

	for (const char *at = request->query; *at;) {
		size_t len = strcspn(at, "&");

		if (len > name_len && at[name_len] == '=' && strncmp(at, name, name_len) == 0) {
			if (size > sizeof(decoded))
				size = sizeof(decoded);
			if (!decode(decoded, size, at + name_len + 1, len - name_len - 1))
				return false;
			strcpy(out, decoded);
			return true;
		}
		at += len + (at[len] == '&');
	}
	return false;
}

int ws_http_set_header(struct ws_http_response *response, const char *name, const char *fmt, ...)
{
	char *start = response->headers + response->headers_len;
	size_t room = sizeof(response->headers) - response->headers_len;
	size_t name_len = strlen(name);
	va_list args;
	int len;

	/* As libwebsockets wants it: "name:", NUL, value, NUL. */
	if (name_len + 3 > room)
		return -ENOSPC;
	va_start(args, fmt);
	len = vsnprintf(start + name_len + 2, room - name_len - 2, fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= room - name_len - 2)
		return -ENOSPC;
	for (int i = 0; i < len; i++)
		if ((unsigned char)start[name_len + 2 + (size_t)i] < 0x20)
			return -EINVAL;
	memcpy(start, name, name_len);
	memcpy(start + name_len, ":", 2);
	response->headers_len += name_len + 2 + (size_t)len + 1;
	return 0;
}

bool ws_http_has_header(const struct ws_http_response *response, const char *name)
{
	size_t name_len = strlen(name);

	for (size_t i = 0; i < response->headers_len;) {
		const char *at = response->headers + i;
		size_t len = strlen(at);

		if (len == name_len + 1 && strncasecmp(at, name, name_len) == 0)
			return true;
		i += len + 1;
		i += strlen(response->headers + i) + 1;
	}
	return false;
}
