#include "coord/http_cookie.h"

#include <string.h>

bool http_cookie_get(const char *header, const char *name, char *out, size_t size)
{
	size_t name_len = strlen(name);
	const char *found = NULL;
	size_t found_len = 0;

	while (*header) {
		size_t len;

		/* libwebsockets joins several headers with commas. */
		header += strspn(header, "; ,\t");
		len = strcspn(header, ";,");
		if (len > name_len && header[name_len] == '=' &&
		    strncmp(header, name, name_len) == 0) {
			if (found)
				return false;
			found = header + name_len + 1;
			found_len = len - name_len - 1;
		}
		header += len;
	}
	while (found_len > 0 && (found[found_len - 1] == ' ' || found[found_len - 1] == '\t'))
		found_len--;
	if (!found || found_len >= size)
		return false;
	memcpy(out, found, found_len);
	out[found_len] = '\0';
	return true;
}
