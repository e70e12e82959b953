#ifndef WARREN_PROTO_NAMES_RECORD_H
#define WARREN_PROTO_NAMES_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "proto/names_document.h"

/* What a record of the names document says, as it is in messages and as text. */

#define NAMES_RDATA_MAX (6 + NAMES_WIRE_MAX + 1)
/* A value's text when its names are written out. */
#define NAMES_VALUE_SIZE (NAMES_TEXT_NAME_SIZE + 24)

struct names_rdata {
	uint16_t len;
	uint8_t bytes[NAMES_RDATA_MAX];
};

/* 0, or -EINVAL with *why: what a value of this type is. */
int names_rdata_parse(struct names_rdata *rdata, enum names_type type, const char *value,
		      const struct names_name *origin, const char **why);
/* The one spelling of a name: relative to origin, or with a dot at its end. */
void names_relative(char out[static NAMES_TEXT_NAME_SIZE + 1], const struct names_name *name,
		    const struct names_name *origin);
/* The one spelling of a value that names_rdata_parse read. */
void names_rdata_format(char out[static NAMES_VALUE_SIZE], const struct names_rdata *rdata,
			enum names_type type, const struct names_name *origin);
/* The name that a CNAME, PTR, NS or SRV leads to. 0 or -EINVAL. */
int names_rdata_target(struct names_name *name, enum names_type type, const uint8_t *rdata,
		       size_t len);

#endif
