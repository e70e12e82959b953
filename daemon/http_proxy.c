#include "daemon/http_proxy.h"

#include <stdlib.h>
#include <string.h>

char *http_proxy_from_environment(void)
{
	const char *url = getenv("https_proxy");
	char *proxy;

	if (!url)
		url = getenv("HTTPS_PROXY");
	if (!url || !*url)
		return NULL;
	if (strncmp(url, "http://", 7) == 0)
		url += 7;
	proxy = strdup(url);
	if (proxy)
		proxy[strcspn(proxy, "/")] = '\0';
	return proxy;
}
