#include "coord/oidc_fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "coord/oidc_document.h"
#include "io/loop.h"

#define CONNECT_S   5
#define HEADERS_MAX (64u << 10)

struct transfer {
	struct oidc_fetcher *fetcher;
	CURL *easy;
	struct curl_slist *headers;
	char *form;
	char why[CURL_ERROR_SIZE];
	char *body;
	size_t len;
	size_t header_len;
	void (*done)(void *arg, uint64_t tag, unsigned int status, const char *text, size_t len);
	void *arg;
	uint64_t tag;
};

struct oidc_fetcher {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;
	struct transfer *transfers[OIDC_FETCHES_MAX];
};

/* A socket that curl waits for. */
struct waited {
	struct oidc_fetcher *fetcher;
	struct loop_watch *watch;
	curl_socket_t fd;
};

static void free_wiped(char *text)
{
	if (text)
		sodium_memzero(text, strlen(text));
	free(text);
}

static void transfer_free(struct transfer *transfer)
{
	if (!transfer)
		return;
	curl_easy_cleanup(transfer->easy);
	for (struct curl_slist *header = transfer->headers; header; header = header->next)
		sodium_memzero(header->data, strlen(header->data));
	curl_slist_free_all(transfer->headers);
	free_wiped(transfer->form);
	if (transfer->body)
		sodium_memzero(transfer->body, transfer->len);
	free(transfer->body);
	free(transfer);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *transfer = arg;
	size_t len = size * count;
	char *grown;

	if (len > OIDC_DOCUMENT_MAX - transfer->len)
		return 0; /* too long: ends the transfer */
	grown = realloc(transfer->body, transfer->len + len + 1);
	if (!grown)
		return 0;
	memcpy(grown + transfer->len, data, len);
	transfer->body = grown;
	transfer->len += len;
	grown[transfer->len] = '\0';
	return len;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *transfer = arg;

	(void)data;
	transfer->header_len += size * count;
	return transfer->header_len > HEADERS_MAX ? 0 : size * count;
}

static void finish(struct transfer *transfer, CURLcode result)
{
	long status = 0;
	const char *why = transfer->why[0] ? transfer->why : curl_easy_strerror(result);

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (result != CURLE_OK || status < 100)
		transfer->done(transfer->arg, transfer->tag, 0, why, strlen(why));
	else
		transfer->done(transfer->arg, transfer->tag, (unsigned int)status,
			       transfer->body ? transfer->body : "", transfer->len);
}

/* Tells those whose transfers ended; each is out of the table when it is told. */
static void reap(struct oidc_fetcher *fetcher)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetcher->multi, &left))) {
		CURLcode result = message->data.result;
		CURL *easy = message->easy_handle;
		struct transfer *transfer = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		for (size_t i = 0; i < OIDC_FETCHES_MAX; i++) {
			if (!fetcher->transfers[i] || fetcher->transfers[i]->easy != easy)
				continue;
			transfer = fetcher->transfers[i];
			fetcher->transfers[i] = NULL;
		}
		curl_multi_remove_handle(fetcher->multi, easy);
		if (transfer)
			finish(transfer, result);
		transfer_free(transfer);
	}
}

static void on_ready(void *arg, int revents)
{
	struct waited *waited = arg;
	struct oidc_fetcher *fetcher = waited->fetcher;
	int running;
	int what = (revents & UV_READABLE ? CURL_CSELECT_IN : 0) |
		   (revents & UV_WRITABLE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(fetcher->multi, waited->fd, what, &running);
	reap(fetcher);
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct oidc_fetcher *fetcher = arg;
	int running;

	(void)now_ns;
	curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(fetcher);
}

static void unwatch(struct oidc_fetcher *fetcher, curl_socket_t fd, struct waited *waited)
{
	if (!waited)
		return;
	curl_multi_assign(fetcher->multi, fd, NULL);
	loop_watch_free(waited->watch);
	free(waited);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct oidc_fetcher *fetcher = arg;
	struct waited *waited = known;
	int events =
		(what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		unwatch(fetcher, fd, waited);
		return 0;
	}
	if (waited)
		return loop_watch_events(waited->watch, events);
	waited = calloc(1, sizeof(*waited));
	if (!waited)
		return -1;
	*waited = (struct waited){ .fetcher = fetcher, .fd = fd };
	if (loop_watch_new(&waited->watch, fetcher->loop, fd, events, on_ready, waited) < 0) {
		free(waited);
		return -1;
	}
	curl_multi_assign(fetcher->multi, fd, waited);
	return 0;
}

static int on_timeout(CURLM *multi, long timeout_ms, void *arg)
{
	struct oidc_fetcher *fetcher = arg;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_clear(&fetcher->timer);
	else
		loop_timer_set(&fetcher->timer, clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS);
	return 0;
}

int oidc_fetcher_new(struct oidc_fetcher **out, struct loop *loop)
{
	struct oidc_fetcher *fetcher = calloc(1, sizeof(*fetcher));

	if (!fetcher)
		return -ENOMEM;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    !(fetcher->multi = curl_multi_init())) {
		free(fetcher);
		return -ENOMEM;
	}
	fetcher->loop = loop;
	loop_timer_init(&fetcher->timer, loop, on_timer, fetcher);
	curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
	curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
	*out = fetcher;
	return 0;
}

void oidc_fetcher_free(struct oidc_fetcher *fetcher)
{
	if (!fetcher)
		return;
	for (size_t i = 0; i < OIDC_FETCHES_MAX; i++) {
		if (!fetcher->transfers[i])
			continue;
		curl_multi_remove_handle(fetcher->multi, fetcher->transfers[i]->easy);
		transfer_free(fetcher->transfers[i]);
	}
	curl_multi_cleanup(fetcher->multi);
	loop_timer_clear(&fetcher->timer);
	free(fetcher);
}

static int add_header(struct transfer *transfer, const char *name, const char *value)
{
	struct curl_slist *list = NULL;
	char *line = NULL;

	if (asprintf(&line, "%s: %s", name, value) >= 0)
		list = curl_slist_append(transfer->headers, line);
	free_wiped(line);
	if (!list)
		return -ENOMEM;
	transfer->headers = list;
	return 0;
}

static void set_options(struct transfer *transfer, const struct oidc_fetch *fetch)
{
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_URL, fetch->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (fetch->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, fetch->ca_file);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)OIDC_FETCH_S);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A name that is being looked up does not hold up the end of the program. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "warren-coord/" WARREN_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->why);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	if (!transfer->form)
		return;
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->form);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(transfer->form));
}

static struct transfer *transfer_new(struct oidc_fetcher *fetcher, const struct oidc_fetch *fetch)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));
	int err;

	if (!transfer)
		return NULL;
	transfer->fetcher = fetcher;
	transfer->done = fetch->done;
	transfer->arg = fetch->arg;
	transfer->tag = fetch->tag;
	transfer->easy = curl_easy_init();
	transfer->form = fetch->form ? strdup(fetch->form) : NULL;
	err = add_header(transfer, "Accept", "application/json");
	if (err == 0 && fetch->authorization)
		err = add_header(transfer, "Authorization", fetch->authorization);
	if (err < 0 || !transfer->easy || (fetch->form && !transfer->form)) {
		transfer_free(transfer);
		return NULL;
	}
	set_options(transfer, fetch);
	return transfer;
}

int oidc_fetcher_start(struct oidc_fetcher *fetcher, const struct oidc_fetch *fetch)
{
	struct transfer *transfer;
	size_t place = 0;

	while (place < OIDC_FETCHES_MAX && fetcher->transfers[place])
		place++;
	if (place == OIDC_FETCHES_MAX)
		return -EBUSY;
	transfer = transfer_new(fetcher, fetch);
	if (!transfer)
		return -ENOMEM;
	if (curl_multi_add_handle(fetcher->multi, transfer->easy) != CURLM_OK) {
		transfer_free(transfer);
		return -ENOMEM;
	}
	fetcher->transfers[place] = transfer;
	return 0;
}
