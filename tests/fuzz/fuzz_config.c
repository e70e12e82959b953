#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "daemon/config.h"

/* What parses must be a configuration the daemon could run with. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct daemon_config config;
	struct config_error error;

	daemon_config_init(&config);
	if (daemon_config_parse(&config, (const char *)data, size, &error) == 0 &&
	    (config.state[0] != '/' || config.socket[0] != '/' || !config.tun[0] ||
	     config.workers > 64))
		abort();
	return 0;
}
