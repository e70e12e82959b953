#ifndef WARREN_PROTO_NAMES_DOCUMENT_CORE_H
#define WARREN_PROTO_NAMES_DOCUMENT_CORE_H

#include "proto/names_document.h"

/* What names_document.c and names_text.c share. */

/* Fills error; -EINVAL. */
int names_refuse(char error[static NAMES_ERROR_SIZE], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A checked entry in its canonical form. 0, -EINVAL with a line in error, -ENOMEM. */
int names_record_make(struct names_record *record, const char *name, const char *type,
		      const char *value, const struct names_name *origin,
		      char error[static NAMES_ERROR_SIZE]);
void names_record_clear(struct names_record *record);
int names_record_compare(const void *a, const void *b);
int names_split_make(struct names_split *split, const char *domain, const char *const *servers,
		     size_t count, const struct names_name *origin,
		     char error[static NAMES_ERROR_SIZE]);

/* Sorts, and checks what no entry shows alone. 0, -EINVAL with a line in error, -ENOMEM. */
int names_document_check(struct names_document *document, const char *network,
			 char error[static NAMES_ERROR_SIZE]);

#endif
