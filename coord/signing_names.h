#ifndef WARREN_COORD_SIGNING_NAMES_H
#define WARREN_COORD_SIGNING_NAMES_H

#include <stdio.h>

#include "proto/document.h"

/* What a names document changes, one line for each record and split domain that comes or goes. */
void signing_summary_names(FILE *out, const struct document *previous,
			   const struct document *document);

#endif
