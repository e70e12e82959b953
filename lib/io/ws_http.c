#include "io/ws_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/ws_conn.h"

/* One write of an answer's body; below what a TLS record holds. */
#define PIECE_SIZE 8192

static void forget_deferred(struct ws_http *http)
{
	struct ws_http **link = &http->service->deferred;

	if (!http->deferred_id)
		return;
	while (*link && *link != http)
		link = &(*link)->next;
	if (*link)
		*link = http->next;
	http->service->deferred_count--;
	http->deferred_id = 0;
}

/* Requests and answers carry tokens. */
static void wipe(void *data, size_t len)
{
	if (data)
		explicit_bzero(data, len);
	free(data);
}

void ws_http_clear(struct ws_http *http)
{
	if (http->service)
		forget_deferred(http);
	wipe(http->head, WS_HTTP_HEAD_MAX);
	wipe(http->body, http->request.body_len);
	wipe(http->response, sizeof(*http->response));
	wipe(http->answer, http->answer_len);
	memset(http, 0, sizeof(*http));
}

static int add_headers(const struct ws_http *http, uint8_t **at, uint8_t *end)
{
	const struct ws_http_response *response = http->response;
	const char *type = response->content_type ? response->content_type : "text/plain";
	lws_filepos_t len = response->status == 204 ? 0 : http->answer_len;

	if (lws_add_http_common_headers(http->wsi, (unsigned int)response->status, type, len, at,
					end))
		return -1;
	for (size_t i = 0; i < response->headers_len;) {
		const char *name = response->headers + i;
		const char *value = name + strlen(name) + 1;

		if (lws_add_http_header_by_name(http->wsi, (const uint8_t *)name,
						(const uint8_t *)value, (int)strlen(value), at,
						end))
			return -1;
		i += strlen(name) + 1 + strlen(value) + 1;
	}
	return 0;
}

/* The exchange is over; the connection may have more. */
static int complete(struct ws_http *http)
{
	struct lws *wsi = http->wsi;
	bool ends = http->ends;

	ws_http_clear(http);
	return lws_http_transaction_completed(wsi) || ends ? -1 : 0;
}

static int send_headers(struct ws_http *http)
{
	uint8_t buffer[LWS_PRE + sizeof(http->response->headers) + 2048];
	uint8_t *start = buffer + LWS_PRE;
	uint8_t *at = start;
	uint8_t *end = buffer + sizeof(buffer) - 1;

	if (add_headers(http, &at, end) < 0 ||
	    lws_finalize_write_http_header(http->wsi, start, &at, end))
		return -1;
	http->headers_sent = true;
	if (!http->answer_len || http->is_head)
		return complete(http);
	lws_callback_on_writable(http->wsi);
	return 0;
}

/* Takes the response's body. 0 or -ENOMEM. */
static int keep_response(struct ws_http *http, struct ws_http_response *response)
{
	http->response = malloc(sizeof(*http->response));
	if (http->response && response->body_len) {
		http->answer = malloc(LWS_PRE + response->body_len);
		if (http->answer) {
			memcpy(http->answer + LWS_PRE, response->body, response->body_len);
			http->answer_len = response->body_len;
		}
	}
	wipe(response->body, response->body_len);
	response->body = NULL;
	if (!http->response || http->answer_len != response->body_len)
		return -ENOMEM;
	memcpy(http->response, response, sizeof(*response));
	return 0;
}

static int defer(struct ws_http *http)
{
	struct ws_http_service *service = http->service;

	http->deferred_id = http->request.ticket.id;
	http->next = service->deferred;
	service->deferred = http;
	service->deferred_count++;
	lws_set_timeout(http->wsi, PENDING_TIMEOUT_USER_REASON_BASE, WS_HTTP_DEFERRED_S);
	return 0;
}

static int answer(struct ws_http *http)
{
	struct ws_http_service *service = http->service;
	struct ws_http_response response = {
		.status = http->request.status ? http->request.status : 404,
	};

	http->request.body = http->body ? http->body : (const uint8_t *)"";
	http->request.ticket = (struct ws_http_ticket){ service->server, ++service->last_id };
	if (service->handle)
		service->handle(service->arg, &http->request, &response);
	if (http->request.status) {
		response.status = http->request.status;
		response.deferred = false;
	}
	if (response.deferred && service->deferred_count < WS_HTTP_DEFERRED_MAX)
		return defer(http);
	if (response.deferred)
		response = (struct ws_http_response){ .status = 503 };
	return keep_response(http, &response) < 0 ? -1 : send_headers(http);
}

int ws_http_deliver(struct ws_http_service *service, uint64_t id, struct ws_http_response *response)
{
	struct ws_http *http = service->deferred;

	while (http && http->deferred_id != id)
		http = http->next;
	if (!http) {
		wipe(response->body, response->body_len);
		response->body = NULL;
		return -ENOENT;
	}
	forget_deferred(http);
	lws_set_timeout(http->wsi, NO_PENDING_TIMEOUT, 0);
	if (keep_response(http, response) < 0)
		lws_set_timeout(http->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
	else
		lws_callback_on_writable(http->wsi);
	return 0;
}

/* The length of the body that is to come; status is set where it is no good. */
static unsigned long long read_length(struct ws_http *http)
{
	unsigned long long length = 0;
	char text[24] = "";
	char *end;

	if (lws_hdr_total_length(http->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
		http->request.status = 411;
		return 0;
	}
	if (lws_hdr_total_length(http->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
		return 0;
	if (lws_hdr_copy(http->wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0)
		length = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end)
		http->request.status = 400;
	else if (length > WS_HTTP_BODY_MAX)
		http->request.status = 413;
	return length;
}

int ws_http_begin(struct ws_http *http, struct lws *wsi, struct ws_http_service *service,
		  const struct endpoint *remote, const struct ws_conn *conn)
{
	unsigned long long length;

	ws_http_clear(http);
	http->service = service;
	http->wsi = wsi;
	http->request.remote = *remote;
	http->request.local = conn && conn->local;
	http->request.local_uid = conn ? conn->local_uid : 0;
	if (ws_http_read_head(http) < 0)
		return -1;
	length = read_length(http);
	if (http->request.status == 413 && length <= WS_HTTP_DISCARD_MAX)
		return 0; /* who still writes hears no answer: it is read, and forgotten */
	if (http->request.status) {
		/* What follows is not worth reading: the connection ends with the answer. */
		http->ends = true;
		return answer(http);
	}
	return length > 0 ? 0 : answer(http);
}

int ws_http_body(struct ws_http *http, const uint8_t *data, size_t len)
{
	size_t have = http->request.body_len;
	uint8_t *body;

	if (!http->service)
		return -1;
	if (http->request.status)
		return 0;
	if (len > WS_HTTP_BODY_MAX - have)
		return -1;
	body = realloc(http->body, have + len + 1);
	if (!body)
		return -1;
	memcpy(body + have, data, len);
	http->body = body;
	http->request.body_len = have + len;
	body[have + len] = 0;
	return 0;
}

int ws_http_body_done(struct ws_http *http)
{
	if (!http->service)
		return -1;
	/* An answer was given already, to the head. */
	return http->response || http->deferred_id ? 0 : answer(http);
}

int ws_http_writable(struct ws_http *http)
{
	size_t left = http->answer_len - http->answer_sent;
	size_t piece = left < PIECE_SIZE ? left : PIECE_SIZE;
	bool last = piece == left;

	if (!http->response)
		return 0;
	if (!http->headers_sent)
		return send_headers(http);
	/* The bytes before each piece were sent already, so they serve as room for headers. */
	if (lws_write(http->wsi, http->answer + LWS_PRE + http->answer_sent, piece,
		      last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
		return -1;
	http->answer_sent += piece;
	if (!last) {
		lws_callback_on_writable(http->wsi);
		return 0;
	}
	return complete(http);
}
