#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "daemon/options.h"
#include "daemon/standalone.h"

int main(int argc, char **argv)
{
	struct options options;

	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_DONE:
		return 0;
	case OPTIONS_FAILED:
		return 1;
	case OPTIONS_USAGE:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	/* A client that hangs up is seen where its socket is written. */
	signal(SIGPIPE, SIG_IGN);
	log_set_level(options.config.log_level);
	if (options.standalone)
		return standalone_run(&options);
	fprintf(stderr, "warrend: only --standalone can be run\n");
	return 2;
}
