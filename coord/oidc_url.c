#include "coord/oidc_url.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

static bool is_visible(const char *text)
{
	for (; *text; text++)
		if (!isgraph((unsigned char)*text))
			return false;
	return true;
}

static bool is_here(const char *host)
{
	struct ip_addr addr;
	char bare[64];
	size_t len = strlen(host);

	if (strcmp(host, "localhost") == 0)
		return true;
	if (len > 2 && len < sizeof(bare) && host[0] == '[') {
		memcpy(bare, host + 1, len - 2);
		bare[len - 2] = '\0';
		host = bare;
	}
	if (addr_parse(&addr, host) < 0)
		return false;
	if (addr.family == AF_INET)
		return addr.bytes[0] == 127;
	for (int i = 0; i < 15; i++)
		if (addr.bytes[i] != 0)
			return false;
	return addr.bytes[15] == 1;
}

/* One part of a parsed address, malloc'd by curl, or NULL. */
static char *part(CURLU *parsed, CURLUPart what)
{
	char *text = NULL;

	return curl_url_get(parsed, what, &text, 0) == CURLUE_OK ? text : NULL;
}

static bool parts_are_safe(CURLU *parsed)
{
	char *scheme = part(parsed, CURLUPART_SCHEME);
	char *host = part(parsed, CURLUPART_HOST);
	char *user = part(parsed, CURLUPART_USER);
	char *password = part(parsed, CURLUPART_PASSWORD);
	char *fragment = part(parsed, CURLUPART_FRAGMENT);
	bool safe =
		scheme && host && host[0] && !user && !password && !fragment &&
		(strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && is_here(host)));

	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_free(password);
	curl_free(fragment);
	return safe;
}

bool oidc_url_is_safe(const char *url)
{
	CURLU *parsed;
	bool safe;

	if (strlen(url) > OIDC_URL_MAX || !is_visible(url) || strchr(url, '#'))
		return false;
	parsed = curl_url();
	safe = parsed &&
	       curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	       parts_are_safe(parsed);
	curl_url_cleanup(parsed);
	return safe;
}

bool oidc_url_is_https(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0;
}

static void append(struct oidc_form *form, const char *text, size_t len)
{
	char *grown;

	if (form->failed)
		return;
	/* Not realloc: secrets may be in it. */
	grown = malloc(form->len + len + 1);
	if (!grown) {
		form->failed = true;
		return;
	}
	if (form->len)
		memcpy(grown, form->text, form->len);
	memcpy(grown + form->len, text, len);
	grown[form->len + len] = '\0';
	if (form->text)
		sodium_memzero(form->text, form->len);
	free(form->text);
	form->text = grown;
	form->len += len;
}

static void append_encoded(struct oidc_form *form, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		char escaped[3] = { '%', digits[c >> 4], digits[c & 15] };

		if (isalnum(c) || strchr("-._~", c))
			append(form, text, 1);
		else
			append(form, escaped, 3);
	}
}

void oidc_form_begin(struct oidc_form *form, const char *url)
{
	append(form, url, strlen(url));
	append(form, strchr(url, '?') ? "&" : "?", 1);
}

void oidc_form_add(struct oidc_form *form, const char *name, const char *value)
{
	if (form->len && !strchr("?&", form->text[form->len - 1]))
		append(form, "&", 1);
	append_encoded(form, name);
	append(form, "=", 1);
	append_encoded(form, value);
}

char *oidc_form_take(struct oidc_form *form)
{
	char *text = form->text;

	if (form->failed && text) {
		sodium_memzero(text, form->len);
		free(text);
		text = NULL;
	}
	*form = (struct oidc_form){ .text = NULL };
	return text;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(const char *text, size_t len, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '+')
			c = ' ';
		if (c == '%') {
			int high = len - i > 2 ? hex_value(text[i + 1]) : -1;
			int low = len - i > 2 ? hex_value(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (!isprint((unsigned char)c) || used + 1 >= size)
			return -EINVAL;
		out[used++] = c;
	}
	out[used] = '\0';
	return 0;
}

int oidc_form_get(const char *text, size_t len, const char *name, char *out, size_t size)
{
	const char *end = text + len;
	size_t name_len = strlen(name);
	const char *found = NULL;
	size_t found_len = 0;

	while (text < end) {
		const char *stop = memchr(text, '&', (size_t)(end - text));
		size_t field_len = (size_t)((stop ? stop : end) - text);

		if (field_len > name_len && text[name_len] == '=' &&
		    memcmp(text, name, name_len) == 0) {
			if (found)
				return -EINVAL;
			found = text + name_len + 1;
			found_len = field_len - name_len - 1;
		}
		text += field_len + 1;
	}
	return found ? decode(found, found_len, out, size) : -ENOENT;
}
