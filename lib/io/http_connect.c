#include "io/http_connect.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/encoding.h"

#define CREDENTIALS_MAX 96

int http_connect_request(char *out, size_t size, const char *host, uint16_t port,
			 const char *credentials)
{
	const char *open = strchr(host, ':') ? "[" : "", *close = open[0] ? "]" : "";
	char basic[CREDENTIALS_MAX * 2] = "";
	int len;

	if (strlen(credentials) > CREDENTIALS_MAX)
		return -ENOSPC;
	if (credentials[0])
		encoding_base64(basic, sizeof(basic), (const uint8_t *)credentials,
				strlen(credentials));
	len = snprintf(out, size, "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n%s%s%s\r\n",
		       open, host, close, port, open, host, close, port,
		       basic[0] ? "Proxy-Authorization: Basic " : "", basic,
		       basic[0] ? "\r\n" : "");
	sodium_memzero(basic, sizeof(basic));
	return len > 0 && (size_t)len < size ? len : -ENOSPC;
}

/* "HTTP/1.1 200 Connection established" */
static int status_of(const char *line)
{
	if (strncmp(line, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)line[7]) ||
	    line[8] != ' ' || !isdigit((unsigned char)line[9]) ||
	    !isdigit((unsigned char)line[10]) || !isdigit((unsigned char)line[11]) ||
	    line[9] == '0')
		return -EBADMSG;
	return (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
}

int http_connect_input(struct http_connect *connect, const uint8_t **data, size_t *len)
{
	while (*len) {
		if (connect->len == sizeof(connect->reply))
			return -EBADMSG;
		connect->reply[connect->len++] = (char)*(*data)++;
		(*len)--;
		if (connect->len < 16 ||
		    memcmp(connect->reply + connect->len - 4, "\r\n\r\n", 4) != 0)
			continue;
		return status_of(connect->reply);
	}
	return 0;
}
