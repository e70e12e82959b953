#ifndef WARREN_DAEMON_OPTIONS_H
#define WARREN_DAEMON_OPTIONS_H

#include <stdbool.h>

#include "daemon/config.h"

/* The command line of warrend, on top of its configuration file. */
struct options {
	struct daemon_config config;
	bool standalone;
	bool self_test;
	bool cleanup;
	bool open; /* with cleanup: the kill switch too */
	bool close;
	bool state_given; /* by file or command line, not the default */
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,   /* --help or --version was answered: exit 0 */
	OPTIONS_FAILED, /* the configuration file: exit 1; one line was printed */
	OPTIONS_USAGE,  /* exit 2; one line was printed */
};

enum options_result options_parse(struct options *options, int argc, char **argv);

#endif
