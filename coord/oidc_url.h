#ifndef WARREN_COORD_OIDC_URL_H
#define WARREN_COORD_OIDC_URL_H

#include <stdbool.h>
#include <stddef.h>

#define OIDC_URL_MAX 511 /* bytes */

/*
 * Is this an address that secrets may be sent to: https, or http to this very machine? Without user
 * name or fragment, visible ASCII only.
 */
bool oidc_url_is_safe(const char *url);
/* Does it name https? */
bool oidc_url_is_https(const char *url);

/* Form-encoded text (application/x-www-form-urlencoded) that grows; errors stick. */
struct oidc_form {
	char *text; /* malloc'd, ends in NUL; NULL: nothing yet */
	size_t len;
	bool failed;
};

/* Begins with text as it is, for an address with a query. */
void oidc_form_begin(struct oidc_form *form, const char *url);
void oidc_form_add(struct oidc_form *form, const char *name, const char *value);
/* The text, the caller's to free (and wipe); NULL when out of memory. */
char *oidc_form_take(struct oidc_form *form);

/*
 * The value of a field in a form or query, decoded, into size bytes with NUL. 0; -ENOENT; -EINVAL:
 * malformed, too long, there twice, or not printable ASCII.
 */
int oidc_form_get(const char *text, size_t len, const char *name, char *out, size_t size);

#endif
