#ifndef WARREN_COORD_SIGNING_SUMMARY_H
#define WARREN_COORD_SIGNING_SUMMARY_H

#include <stdint.h>
#include <stdio.h>

#include "proto/signing.h"

/*
 * Says in words what a request would put into force: read from the body itself, compared with what
 * is in force as far as that is properly signed, control characters taken out. 0; -EBADMSG: the
 * body cannot be read, -EXDEV: it is another network's, -ESTALE: it is not newer than what is in
 * force, -ERANGE: version or serial above SIGNING_NUMBER_MAX, after which nothing newer could come.
 * Nothing of that kind is to be signed.
 */
#define SIGNING_NUMBER_MAX (UINT64_C(1) << 48)
int signing_summary(FILE *out, const struct signing_bundle *bundle,
		    const struct signing_request *request);
/* Of a trust document. */
void signing_summary_trust(FILE *out, const struct trust *old, const struct document *document);

/* A text from the coordinator, control characters taken out. */
void signing_summary_text(FILE *out, const char *text);

#endif
