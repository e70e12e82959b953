#include <sys/stat.h>

#include "base/log.h"
#include "coord/admin_client.h"
#include "coord/authority_client.h"
#include "coord/backup.h"
#include "coord/init.h"
#include "coord/options.h"
#include "coord/server.h"

int main(int argc, char **argv)
{
	static struct options options;
	int result = coord_options_parse(&options, argc, argv);

	if (result != 0)
		return result > 0 ? 0 : 2;
	umask(0077);
	if (options.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	log_set_json(options.log_json);
	switch (options.command) {
	case COMMAND_INIT:
		return init_run(&options);
	case COMMAND_SERVE:
		return server_run(&options);
	case COMMAND_AUTHORITY_KEYGEN:
	case COMMAND_AUTHORITY_SIGN:
	case COMMAND_AUTHORITY_SUBMIT:
	case COMMAND_AUTHORITY_TRUST:
		return authority_client_run(&options);
	case COMMAND_RESTORE:
		return backup_restore(&options);
	default:
		return admin_client_run(&options);
	}
}
