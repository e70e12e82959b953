#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/uapi.h"

/* Requests whole and in two pieces: both must give the same items. */

#define ITEMS_MAX 64

struct seen {
	enum uapi_kind kind[ITEMS_MAX];
	size_t count;
	int ret;
};

static void feed(struct uapi_parser *parser, struct seen *seen, const uint8_t *bytes, size_t len)
{
	const char *data = (const char *)bytes;
	struct uapi_item item;

	while (len && seen->ret == 0) {
		seen->ret = uapi_parser_next(parser, &data, &len, &item);
		if (seen->ret == 0 && item.kind != UAPI_NONE && seen->count < ITEMS_MAX)
			seen->kind[seen->count++] = item.kind;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uapi_parser parser;
	struct seen whole = { .ret = 0 }, pieces = { .ret = 0 };
	size_t cut;

	if (size < 1)
		return 0;
	cut = 1 + data[0] % size;
	uapi_parser_init(&parser);
	feed(&parser, &whole, data + 1, size - 1);
	uapi_parser_init(&parser);
	feed(&parser, &pieces, data + 1, cut - 1);
	feed(&parser, &pieces, data + cut, size - cut);
	if (whole.count != pieces.count || (whole.ret == 0) != (pieces.ret == 0))
		abort();
	for (size_t i = 0; i < whole.count; i++)
		if (whole.kind[i] != pieces.kind[i])
			abort();
	uapi_parser_clear(&parser);
	return 0;
}
