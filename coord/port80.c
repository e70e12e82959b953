#include "coord/port80.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "coord/data_dir.h"
#include "coord/http.h"
#include "coord/network.h"
#include "coord/options.h"

#define CONNECTIONS_MAX 256
#define OF_ONE_ADDRESS  32 /* nobody keeps a challenge from being answered */
#define CHALLENGE_PATH  "/.well-known/acme-challenge/"
#define CHALLENGE_MAX   1024 /* bytes of a key authorization */
#define TOKEN_CHARS     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define TOKEN_LEN_MAX   128
#define HTTPS_PORT      443

struct port80 {
	struct ws_server *server;
	const struct network *network;
	char dir[PATH_MAX];
};

/* A token names a file, so it has letters, digits, '-' and '_' only (RFC 8555 8.3). */
static void answer_challenge(const struct port80 *port80, const char *token,
			     struct ws_http_response *response)
{
	size_t len = strlen(token);
	char path[PATH_MAX];
	uint8_t *text;
	size_t text_len;

	if (len == 0 || len > TOKEN_LEN_MAX || strspn(token, TOKEN_CHARS) != len ||
	    data_dir_path(path, port80->dir, token) < 0 ||
	    file_read(path, CHALLENGE_MAX, &text, &text_len) < 0) {
		http_answer_text(response, 404, "text/plain", "no such challenge\n", 18);
		return;
	}
	http_answer_text(response, 200, "application/octet-stream", text, text_len);
	free(text);
}

/* Only the path of the request goes along, and only what needs no escape. */
static void redirect(const struct port80 *port80, const struct ws_http_request *request,
		     struct ws_http_response *response)
{
	const struct token_address *address = &port80->network->addresses[0];
	bool v6 = strchr(address->host, ':');
	size_t len = strlen(request->path);
	const char *path =
		strspn(request->path, TOKEN_CHARS "/.") == len && len < 512 ? request->path : "/";
	char port[8] = "";

	if (address->port != HTTPS_PORT)
		snprintf(port, sizeof(port), ":%u", address->port);
	ws_http_set_header(response, "location", "https://%s%s%s%s%s", v6 ? "[" : "", address->host,
			   v6 ? "]" : "", port, path);
	http_answer_text(response, 308, "text/plain", "", 0);
}

static void handle(void *arg, const struct ws_http_request *request,
		   struct ws_http_response *response)
{
	const struct port80 *port80 = arg;
	bool reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
	size_t len = strlen(CHALLENGE_PATH);

	if (request->status)
		return;
	ws_http_set_header(response, "x-content-type-options", "nosniff");
	if (reads && strncmp(request->path, CHALLENGE_PATH, len) == 0)
		answer_challenge(port80, request->path + len, response);
	else
		redirect(port80, request, response);
}

int port80_new(struct port80 **out, struct loop *loop, const struct network *network,
	       const struct options *options)
{
	struct ws_server_config config = { .listen = options->http_listen,
					   .connections_max = 2 * CONNECTIONS_MAX,
					   .strangers_max = CONNECTIONS_MAX,
					   .strangers_per_address = OF_ONE_ADDRESS,
					   .http = handle };
	struct port80 *port80;
	int err;

	*out = NULL;
	if (!options->http_listen.addr.family)
		return 0;
	port80 = calloc(1, sizeof(*port80));
	if (!port80)
		return -ENOMEM;
	port80->network = network;
	config.http_arg = port80;
	err = options->acme_dir ? (strlen(options->acme_dir) < PATH_MAX ? 0 : -ENAMETOOLONG)
				: data_dir_path(port80->dir, options->data, DATA_DIR_ACME);
	if (err == 0 && options->acme_dir)
		strcpy(port80->dir, options->acme_dir);
	if (err == 0)
		err = ws_server_new(&port80->server, loop, &config);
	if (err < 0) {
		port80_free(port80);
		return err;
	}
	*out = port80;
	return 0;
}

void port80_free(struct port80 *port80)
{
	if (!port80)
		return;
	ws_server_free(port80->server);
	free(port80);
}
