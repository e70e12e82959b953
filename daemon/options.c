#include "daemon/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
	"usage: warrend [--state DIR] [--socket PATH] [--tun NAME] [--port N] [--workers N]\n"
	"               [--config FILE] [--KEY VALUE]...\n"
	"       warrend --standalone [--tun NAME] [--port N] [--workers N]\n"
	"       warrend --self-test\n"
	"       warrend --cleanup [--open] [--state DIR] [--tun NAME]\n"
	"       warrend --close [--state DIR] [--tun NAME]\n"
	"\n"
	"Runs a node of a Warren mesh; `warren up` joins it to a network.\n"
	"\n"
	"  --standalone     a plain WireGuard device, configured by wg(8)\n"
	"  --state DIR      keys and the last network map (/var/lib/warren)\n"
	"  --socket PATH    where warren(1) reaches this daemon (/run/warren/warren.sock)\n"
	"  --tun NAME       name of the network interface (warren0)\n"
	"  --port N         UDP port (0: any free one)\n"
	"  --workers N      packet threads (0: one for each core)\n"
	"  --config FILE    key = value lines; every key also is an option\n"
	"  --log-level L    error, warn, info or debug\n"
	"  --cleanup        puts back what a daemon that is gone left changed, and ends\n"
	"  --open           with --cleanup: ends what the kill switch blocks, too\n"
	"  --close          blocks what the kill switch blocks, before there is a network, and ends\n"
	"  --self-test      tests and times the machine's ciphers, and ends\n"
	"  --help, --version\n";

static enum options_result usage(const char *what, const char *why)
{
	fprintf(stderr, "warrend: %s: %s; see warrend --help\n", what, why);
	return OPTIONS_USAGE;
}

/* Options without a value. */
static bool is_flag(const char *key)
{
	return strcmp(key, "standalone") == 0 || strcmp(key, "self-test") == 0 ||
	       strcmp(key, "cleanup") == 0 || strcmp(key, "open") == 0 || strcmp(key, "close") == 0;
}

/* Splits --KEY VALUE or --KEY=VALUE at argv[*i]. False when it is neither. */
static bool next_option(int argc, char **argv, int *i, char key[static 32], const char **value)
{
	const char *arg = argv[*i], *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);

	if (strncmp(arg, "--", 2) != 0 || len < 3 || len - 2 >= 32)
		return false;
	memcpy(key, arg + 2, len - 2);
	key[len - 2] = '\0';
	*value = equals ? equals + 1 : NULL;
	if (!equals && !is_flag(key) && *i + 1 < argc)
		*value = argv[++*i];
	return true;
}

static enum options_result load_file(struct options *options, const char *path)
{
	struct config_error error = { 0 };
	char before[DAEMON_PATH_MAX];
	int ret;

	snprintf(before, sizeof(before), "%s", options->config.state);
	ret = daemon_config_load(&options->config, path, &error);
	if (ret == -EINVAL) {
		fprintf(stderr, "warrend: %s line %u: %s; correct the file\n", path, error.line,
			error.text);
		return OPTIONS_FAILED;
	}
	if (ret < 0) {
		fprintf(stderr, "warrend: cannot read %s: %s; give a file with --config\n", path,
			strerror(-ret));
		return OPTIONS_FAILED;
	}
	options->state_given = strcmp(before, options->config.state) != 0;
	return OPTIONS_RUN;
}

static enum options_result apply(struct options *options, const char *key, const char *value)
{
	const char *why;

	if (strcmp(key, "standalone") == 0 && !value) {
		options->standalone = true;
		return OPTIONS_RUN;
	}
	if (strcmp(key, "self-test") == 0 && !value) {
		options->self_test = true;
		return OPTIONS_RUN;
	}
	if (strcmp(key, "cleanup") == 0 && !value) {
		options->cleanup = true;
		return OPTIONS_RUN;
	}
	if (strcmp(key, "open") == 0 && !value) {
		options->open = true;
		return OPTIONS_RUN;
	}
	if (strcmp(key, "close") == 0 && !value) {
		options->close = true;
		return OPTIONS_RUN;
	}
	if (strcmp(key, "config") == 0)
		return OPTIONS_RUN;
	why = daemon_config_set(&options->config, key, value ? value : "");
	if (why) {
		char option[40];

		snprintf(option, sizeof(option), "--%s", key);
		return usage(option, why);
	}
	if (strcmp(key, "state") == 0)
		options->state_given = true;
	if (strcmp(key, "proxy") == 0 && strchr(value, '@'))
		fprintf(stderr, "warrend: --proxy: others on this machine can see the credentials; "
				"give them with --proxy-credentials\n");
	return OPTIONS_RUN;
}

/* The file comes before every other option, wherever it stands, so that options win. */
static enum options_result apply_file(struct options *options, int argc, char **argv)
{
	enum options_result result = OPTIONS_RUN;
	const char *value;
	char key[32];

	for (int i = 1; i < argc && result == OPTIONS_RUN; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(help, stdout);
			return OPTIONS_DONE;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("warrend " WARREN_VERSION);
			return OPTIONS_DONE;
		}
		if (!next_option(argc, argv, &i, key, &value))
			return usage(argv[i], "not an option");
		if (strcmp(key, "config") != 0)
			continue;
		result =
			value ? load_file(options, value) : usage("--config", "a value is missing");
	}
	return result;
}

enum options_result options_parse(struct options *options, int argc, char **argv)
{
	enum options_result result;
	const char *value;
	char key[32];

	memset(options, 0, sizeof(*options));
	daemon_config_init(&options->config);
	result = apply_file(options, argc, argv);
	for (int i = 1; i < argc && result == OPTIONS_RUN; i++) {
		next_option(argc, argv, &i, key, &value);
		result = apply(options, key, value);
	}
	if (result == OPTIONS_RUN && options->open && !options->cleanup)
		return usage("--open", "goes with --cleanup");
	if (result == OPTIONS_RUN && options->close && options->cleanup)
		return usage("--close", "does not go with --cleanup");
	return result;
}
