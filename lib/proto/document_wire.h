#ifndef WARREN_PROTO_DOCUMENT_WIRE_H
#define WARREN_PROTO_DOCUMENT_WIRE_H

#include "base/buf.h"

/* What document.c and document_body.c share. */

#define DOCUMENT_FIELD_HEAD       6 /* bytes before a field's own */
#define DOCUMENT_FIELD_SIGNATURES 0xffff

void document_put_field(struct writer *w, uint16_t number, const void *data, size_t len);

#endif
