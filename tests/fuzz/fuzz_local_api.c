#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/local_api.h"

static void try_request(const uint8_t *data, size_t size)
{
	struct local_set_path set;
	struct local_ping ping;
	struct local_up up;
	json_t *request;

	if (local_api_request_parse(&request, (const char *)data, size))
		return;
	if (!local_api_request_verb(request))
		abort();
	(void)local_up_decode(&up, request);
	(void)local_set_path_decode(&set, request);
	(void)local_plain_decode(request);
	if (local_ping_decode(&ping, request) == 0 && !ping.count)
		abort();
	json_decref(request);
}

static void try_reply(const uint8_t *data, size_t size)
{
	struct local_reply reply;

	if (local_reply_parse(&reply, (const char *)data, size))
		return;
	if (reply.kind == LOCAL_REPLY_FAILURE && !reply.error)
		abort();
	local_reply_clear(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_request(data, size);
	try_reply(data, size);
	return 0;
}
