#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "daemon/cleanup.h"
#include "daemon/mesh.h"
#include "daemon/options.h"
#include "daemon/self_test.h"
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
	if (sodium_init() < 0) {
		fprintf(stderr, "warrend: this system gives no random numbers\n");
		return 1;
	}
	if (options.self_test)
		return self_test_print(stdout);
	if (options.close)
		return cleanup_close(&options.config);
	if (options.cleanup)
		return cleanup_run(&options.config, options.open);
	prctl(PR_SET_DUMPABLE, 0); /* keys stay out of core dumps and other users' debuggers */
	/* A client that hangs up is seen where its socket is written. */
	signal(SIGPIPE, SIG_IGN);
	log_set_level(options.config.log_level);
	if (!self_test_start())
		return 1;
	return options.standalone ? standalone_run(&options) : mesh_run(&options.config);
}
