/* The head of a plain HTTP request: its line, and the headers that anybody asks for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/ws_http.h"

static const char *const method_names[] = {
	[LWSHUMETH_GET] = "GET",   [LWSHUMETH_POST] = "POST",   [LWSHUMETH_OPTIONS] = "OPTIONS",
	[LWSHUMETH_PUT] = "PUT",   [LWSHUMETH_PATCH] = "PATCH", [LWSHUMETH_DELETE] = "DELETE",
	[LWSHUMETH_HEAD] = "HEAD",
};

#define FIELD(member) offsetof(struct ws_http_request, member)

static const struct {
	size_t field;
	enum lws_token_indexes token;
} headers[] = {
	{ FIELD(host), WSI_TOKEN_HOST },
	{ FIELD(origin), WSI_TOKEN_ORIGIN },
	{ FIELD(cookie), WSI_TOKEN_HTTP_COOKIE },
	{ FIELD(authorization), WSI_TOKEN_HTTP_AUTHORIZATION },
	{ FIELD(content_type), WSI_TOKEN_HTTP_CONTENT_TYPE },
	{ FIELD(accept), WSI_TOKEN_HTTP_ACCEPT },
	{ FIELD(accept_encoding), WSI_TOKEN_HTTP_ACCEPT_ENCODING },
	{ FIELD(accept_language), WSI_TOKEN_HTTP_ACCEPT_LANGUAGE },
	{ FIELD(if_match), WSI_TOKEN_HTTP_IF_MATCH },
	{ FIELD(if_none_match), WSI_TOKEN_HTTP_IF_NONE_MATCH },
	{ FIELD(user_agent), WSI_TOKEN_HTTP_USER_AGENT },
	{ FIELD(forwarded_for), WSI_TOKEN_X_FORWARDED_FOR },
};

/* Those that libwebsockets has no token for: small letters and a colon. */
static const struct {
	size_t field;
	const char *name;
} custom_headers[] = {
	{ FIELD(csrf), "x-warren-csrf:" },
	{ FIELD(fetch_site), "sec-fetch-site:" },
	{ FIELD(forwarded_proto), "x-forwarded-proto:" },
	{ FIELD(forwarded_host), "x-forwarded-host:" },
};

/* The texts are written one behind the other. */
struct text {
	char *at;
	char *end;
};

static void set(struct ws_http *http, size_t field, const char *value)
{
	*(const char **)((char *)&http->request + field) = value;
}

/* Control characters never belong there; texts end at a NUL wherever it came from. */
static bool is_clean(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

/* What libwebsockets copied to text->at is the field's value. */
static void take(struct ws_http *http, struct text *text, size_t field, int len)
{
	if (len < 0 || text->at + len >= text->end) {
		http->request.status = 431;
		return;
	}
	text->at[len] = 0;
	if (!is_clean(text->at, (size_t)len)) {
		http->request.status = 400;
		return;
	}
	set(http, field, text->at);
	text->at += len + 1;
}

static void put_encoded(struct text *text, const char *value, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];
		bool plain = c > 0x20 && c < 0x7f && c != '%' && c != '&' && c != '+' && c != '#';

		if (text->at + 4 >= text->end)
			return;
		if (plain) {
			*text->at++ = (char)c;
			continue;
		}
		*text->at++ = '%';
		*text->at++ = hex[c >> 4];
		*text->at++ = hex[c & 15];
	}
}

/*
 * libwebsockets hands the arguments out apart and decoded. They are encoded and put together again,
 * so that an '&' inside of one stays there.
 */
static void read_query(struct ws_http *http, struct text *text)
{
	char argument[2048];
	const char *start = text->at;
	int left = lws_hdr_total_length(http->wsi, WSI_TOKEN_HTTP_URI_ARGS);

	if (left <= 0)
		return;
	for (int i = 0;; i++) {
		int len = lws_hdr_copy_fragment(http->wsi, argument, sizeof(argument),
						WSI_TOKEN_HTTP_URI_ARGS, i);

		if (len < 0)
			break;
		/* A '?' with nothing behind it comes as this. */
		if (len == 1 && argument[0] == '/' && i == 0)
			continue;
		if (text->at > start && text->at < text->end)
			*text->at++ = '&';
		put_encoded(text, argument, (size_t)len);
		left -= len;
	}
	/* What is longer than the buffer is not handed out. */
	if (left > (int)sizeof(argument) - 1)
		http->request.status = 414;
	if (text->at + 4 >= text->end) {
		http->request.status = 414;
		text->at = text->end - 1;
	}
	*text->at++ = 0;
	http->request.query = start;
}

static void read_line(struct ws_http *http, struct text *text)
{
	char *uri = NULL;
	int len = 0;
	int method = lws_http_get_uri_and_method(http->wsi, &uri, &len);

	if (method >= 0 && method < (int)(sizeof(method_names) / sizeof(method_names[0])) &&
	    method_names[method])
		http->request.method = method_names[method];
	else
		http->request.status = 405;
	http->is_head = method == LWSHUMETH_HEAD;
	/*
	 * libwebsockets takes an encoded end of line in the path for a real one: what follows would
	 * be headers then, and the protocol's version is not where it belongs.
	 */
	if (lws_hdr_total_length(http->wsi, WSI_TOKEN_HTTP) <= 0)
		http->request.status = 400;
	if (!uri || len <= 0) {
		http->request.status = 400;
	} else if (len >= text->end - text->at) {
		http->request.status = 414;
	} else {
		memcpy(text->at, uri, (size_t)len);
		take(http, text, FIELD(path), len);
	}
}

int ws_http_read_head(struct ws_http *http)
{
	struct text text;

	http->head = malloc(WS_HTTP_HEAD_MAX);
	if (!http->head)
		return -ENOMEM;
	text = (struct text){ http->head, http->head + WS_HTTP_HEAD_MAX };
	http->request.method = http->request.path = http->request.query = "";
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		set(http, headers[i].field, "");
	for (size_t i = 0; i < sizeof(custom_headers) / sizeof(custom_headers[0]); i++)
		set(http, custom_headers[i].field, "");
	read_line(http, &text);
	read_query(http, &text);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (lws_hdr_total_length(http->wsi, headers[i].token) > 0)
			take(http, &text, headers[i].field,
			     lws_hdr_copy(http->wsi, text.at, (int)(text.end - text.at),
					  headers[i].token));
	for (size_t i = 0; i < sizeof(custom_headers) / sizeof(custom_headers[0]); i++) {
		const char *name = custom_headers[i].name;

		if (lws_hdr_custom_length(http->wsi, name, (int)strlen(name)) > 0)
			take(http, &text, custom_headers[i].field,
			     lws_hdr_custom_copy(http->wsi, text.at, (int)(text.end - text.at),
						 name, (int)strlen(name)));
	}
	return 0;
}
