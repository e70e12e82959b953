#include "io/ws_http.h"

#include <stdlib.h>
#include <string.h>

/* One write of an answer's body; below what a TLS record holds. */
#define PIECE_SIZE 8192

static const char *const method_names[] = {
	[LWSHUMETH_GET] = "GET",   [LWSHUMETH_POST] = "POST",   [LWSHUMETH_OPTIONS] = "OPTIONS",
	[LWSHUMETH_PUT] = "PUT",   [LWSHUMETH_PATCH] = "PATCH", [LWSHUMETH_DELETE] = "DELETE",
	[LWSHUMETH_HEAD] = "HEAD",
};

void ws_http_clear(struct ws_http *http)
{
	free(http->body);
	free(http->answer);
	memset(http, 0, sizeof(*http));
}

static int send_headers(struct ws_http *http, struct lws *wsi, const char *content_type)
{
	uint8_t buffer[LWS_PRE + 2048];
	uint8_t *start = buffer + LWS_PRE;
	uint8_t *at = start;
	uint8_t *end = buffer + sizeof(buffer) - 1;

	if (lws_add_http_common_headers(wsi, (unsigned int)http->status, content_type,
					http->answer_len, &at, end))
		return -1;
	if (lws_finalize_write_http_header(wsi, start, &at, end))
		return -1;
	if (http->answer_len && strcmp(http->method, "HEAD") != 0) {
		lws_callback_on_writable(wsi);
		return 0;
	}
	ws_http_clear(http);
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int answer(struct ws_http *http, struct lws *wsi, const struct ws_server_config *config,
		  const struct endpoint *remote)
{
	struct ws_http_response response = { .status = 404, .content_type = "text/plain" };
	struct ws_http_request request = {
		.method = http->method,
		.path = http->path,
		.query = http->query,
		.authorization = http->authorization,
		.body = http->body,
		.body_len = http->body_len,
		.remote = *remote,
	};

	if (http->status)
		response.status = http->status;
	else if (config->http)
		config->http(config->http_arg, &request, &response);
	http->status = response.status;
	if (response.body && response.body_len) {
		http->answer = malloc(LWS_PRE + response.body_len);
		if (http->answer) {
			memcpy(http->answer + LWS_PRE, response.body, response.body_len);
			http->answer_len = response.body_len;
		} else {
			http->status = 503;
		}
	}
	free(response.body);
	return send_headers(http, wsi,
			    response.content_type ? response.content_type : "text/plain");
}

/* The arguments come apart and decoded; they are put together again with '&'. */
static bool copy_query(struct ws_http *http, struct lws *wsi)
{
	size_t len = 0;

	for (int i = 0;; i++) {
		int n;

		if (len + 2 >= sizeof(http->query))
			return false;
		n = lws_hdr_copy_fragment(wsi, http->query + len + (i ? 1 : 0),
					  (int)(sizeof(http->query) - len - 2),
					  WSI_TOKEN_HTTP_URI_ARGS, i);
		if (n < 0)
			break;
		if (i)
			http->query[len++] = '&';
		len += (size_t)n;
	}
	http->query[len] = 0;
	return true;
}

static void read_head(struct ws_http *http, struct lws *wsi)
{
	char *uri = NULL;
	int uri_len = 0;
	int method = lws_http_get_uri_and_method(wsi, &uri, &uri_len);

	http->method = "";
	if (method >= 0 && method < (int)(sizeof(method_names) / sizeof(method_names[0])) &&
	    method_names[method])
		http->method = method_names[method];
	if (!http->method[0])
		http->status = 405;
	if (!uri || uri_len <= 0 || (size_t)uri_len >= sizeof(http->path)) {
		http->status = 414;
	} else {
		memcpy(http->path, uri, (size_t)uri_len);
		http->path[uri_len] = 0;
	}
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) > 0 && !copy_query(http, wsi))
		http->status = 414;
	if (lws_hdr_copy(wsi, http->authorization, sizeof(http->authorization),
			 WSI_TOKEN_HTTP_AUTHORIZATION) < 0)
		http->authorization[0] = 0;
}

int ws_http_begin(struct ws_http *http, struct lws *wsi, const struct ws_server_config *config,
		  const struct endpoint *remote)
{
	char length_text[24];
	unsigned long long length = 0;

	ws_http_clear(http);
	read_head(http, wsi);
	if (lws_hdr_copy(wsi, length_text, sizeof(length_text), WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0)
		length = strtoull(length_text, NULL, 10);
	if (length > WS_HTTP_BODY_MAX) {
		/* The body is not worth reading: the connection ends with the answer. */
		http->status = 413;
		answer(http, wsi, config, remote);
		return -1;
	}
	if (length > 0)
		return 0;
	return answer(http, wsi, config, remote);
}

int ws_http_body(struct ws_http *http, const uint8_t *data, size_t len)
{
	uint8_t *body;

	if (!http->method || len > WS_HTTP_BODY_MAX - http->body_len)
		return -1;
	body = realloc(http->body, http->body_len + len + 1);
	if (!body)
		return -1;
	memcpy(body + http->body_len, data, len);
	http->body = body;
	http->body_len += len;
	body[http->body_len] = 0;
	return 0;
}

int ws_http_body_done(struct ws_http *http, struct lws *wsi, const struct ws_server_config *config,
		      const struct endpoint *remote)
{
	if (!http->method)
		return -1;
	return answer(http, wsi, config, remote);
}

int ws_http_writable(struct ws_http *http, struct lws *wsi)
{
	size_t left = http->answer_len - http->answer_sent;
	size_t piece = left < PIECE_SIZE ? left : PIECE_SIZE;
	bool last = piece == left;

	if (!http->answer)
		return 0;
	/* The bytes before each piece were sent already, so they serve as room for headers. */
	if (lws_write(wsi, http->answer + LWS_PRE + http->answer_sent, piece,
		      last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
		return -1;
	http->answer_sent += piece;
	if (!last) {
		lws_callback_on_writable(wsi);
		return 0;
	}
	ws_http_clear(http);
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}
