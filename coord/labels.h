#ifndef WARREN_COORD_LABELS_H
#define WARREN_COORD_LABELS_H

#include <jansson.h>
#include <stddef.h>

#include "proto/cert.h"

#define LABELS_TEXT_SIZE (CERT_LABELS_MAX * (CERT_LABEL_MAX + 1) + 1)

/*
 * A few groups or tags, ascending. refs point into the struct itself, so it is copied with
 * labels_copy only.
 */
struct labels {
	char names[CERT_LABELS_MAX][CERT_LABEL_MAX + 1];
	const char *refs[CERT_LABELS_MAX];
	size_t count;
};

/* Adds one unless it is there. 0, -EINVAL: no label, -ENOSPC. */
int labels_add(struct labels *labels, const char *label);
void labels_copy(struct labels *to, const struct labels *from);
/* Separated by spaces. */
void labels_format(char out[static LABELS_TEXT_SIZE], const struct labels *labels);
/* 0, -EINVAL, -ENOSPC. */
int labels_parse(struct labels *labels, const char *text);
/* As an array of texts, for the caller to own; NULL when out of memory. */
json_t *labels_json(const struct labels *labels);

#endif
