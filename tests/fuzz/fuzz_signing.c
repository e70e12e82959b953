#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coord/signing_summary.h"
#include "crypto/sign.h"
#include "proto/signing.h"

/*
 * What admins are asked to sign comes from a coordinator that may be hostile: the bundle, and the
 * bodies in it (here the input itself, as every kind).
 */
static void summarise(const uint8_t *data, size_t size, FILE *out)
{
	struct signing_bundle bundle = { .count = 0 };
	struct signing_request request = { .previous = (uint8_t *)data,
					   .previous_len = size,
					   .body = (uint8_t *)data,
					   .body_len = size };

	if (size >= 22)
		memcpy(bundle.trust.network_id, data + 6, TRUST_NETWORK_ID_SIZE);
	for (request.kind = 0; request.kind < DOCUMENT_KIND_END; request.kind++)
		(void)signing_summary(out, &bundle, &request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct signing_bundle bundle;
	struct signing_bundle again;
	FILE *out = fopen("/dev/null", "we");
	char *text;
	size_t len;

	if (!out)
		return 0;
	summarise(data, size, out);
	if (signing_parse(&bundle, (const char *)data, size) == 0) {
		if (signing_encode(&bundle, &text, &len) < 0 ||
		    signing_parse(&again, text, len) < 0 || again.count != bundle.count)
			abort();
		for (size_t i = 0; i < bundle.count; i++)
			(void)signing_summary(out, &bundle, &bundle.requests[i]);
		free(text);
		signing_clear(&bundle);
		signing_clear(&again);
	}
	fclose(out);
	return 0;
}
