#include "coord/web.h"

#include <stdio.h>
#include <string.h>

#include "base/encoding.h"
#include "coord/http.h"
#include "coord/web_files.h"
#include "crypto/hash.h"

#define ETAG_BYTES 12

/*
 * Scripts and styles of our own only, no plugin, frame or form target, and no text that becomes
 * HTML: what nodes call themselves stays text.
 */
static const char content_policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
	"require-trusted-types-for 'script'; trusted-types 'none'";

struct etag {
	char text[HEX_SIZE(ETAG_BYTES) + 2];
};

static struct etag make_etag(const struct web_file *file)
{
	uint8_t hash[HASH_SIZE];
	char hex[HEX_SIZE(ETAG_BYTES)];
	struct etag etag;

	hash_blake2s(hash, file->start, (size_t)(file->end - file->start), NULL, 0);
	encoding_hex(hex, sizeof(hex), hash, ETAG_BYTES);
	snprintf(etag.text, sizeof(etag.text), "\"%s\"", hex);
	return etag;
}

static const struct web_file *find(const char *path)
{
	if (strcmp(path, "/") == 0)
		path = "/index.html";
	for (size_t i = 0; i < web_file_count; i++)
		if (strcmp(web_files[i].path, path) == 0)
			return &web_files[i];
	return NULL;
}

void web_handle(struct http *http, const struct ws_http_request *request,
		struct ws_http_response *response)
{
	const struct web_file *file = find(request->path);
	struct etag etag;

	(void)http;
	if (!file) {
		http_fail(response, 404, "not-found", "there is no such page");
		return;
	}
	if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
		http_fail(response, 405, "method", "this is a page: GET it");
		ws_http_set_header(response, "allow", "GET, HEAD");
		return;
	}
	etag = make_etag(file);
	ws_http_set_header(response, "etag", "%s", etag.text);
	/* To be asked for again each time, which costs little: an update is seen at once. */
	ws_http_set_header(response, "cache-control", "no-cache");
	ws_http_set_header(response, "content-security-policy", "%s", content_policy);
	ws_http_set_header(response, "cross-origin-opener-policy", "same-origin");
	ws_http_set_header(response, "cross-origin-resource-policy", "same-origin");
	if (strcmp(request->if_none_match, "*") == 0 || strstr(request->if_none_match, etag.text)) {
		response->status = 304;
		response->content_type = file->type;
		return;
	}
	http_answer_text(response, 200, file->type, file->start, (size_t)(file->end - file->start));
}
