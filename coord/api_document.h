#ifndef WARREN_COORD_API_DOCUMENT_H
#define WARREN_COORD_API_DOCUMENT_H

#include <stddef.h>

/* coord/web/openapi.json as it was when this program was built. */
extern const char api_document[];
extern const char api_document_end[];

static inline size_t api_document_len(void)
{
	return (size_t)(api_document_end - api_document);
}

#endif
