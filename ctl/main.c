#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

static const struct {
	const char *name;
	int (*run)(const struct client *client, int argc, char **argv);
} verbs[] = {
	{ "up", verb_up },
	{ "down", verb_down },
	{ "logout", verb_logout },
	{ "status", verb_status },
	{ "ping", verb_ping },
	{ "netcheck", verb_netcheck },
	{ "routes", verb_routes },
	{ "nc", verb_nc },
	{ "speed", verb_speed },
	{ "ip", verb_ip },
	{ "whois", verb_whois },
	{ "set", verb_set },
	{ "get", verb_get },
	{ "wait", verb_wait },
	{ "rotate-key", verb_rotate_key },
	{ "metrics", verb_metrics },
	{ "bugreport", verb_bugreport },
	{ "version", verb_version },
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const char help[] =
	"usage: warren [--socket PATH] VERB ...\n"
	"\n"
	"  up [TOKEN | --token-file FILE | -] [--hostname NAME] [--timeout 60s]\n"
	"                          join the token's network, or connect again\n"
	"  down                    disconnect\n"
	"  logout                  disconnect and forget this machine's identity\n"
	"  status [-d] [--json] [--watch] [--check live|ready|connected]\n"
	"                          what is connected, how, and why\n"
	"  ping NAME [-c N] [--until-direct] [--timeout T]\n"
	"                          does a node answer, and by which path\n"
	"  netcheck [--json]       what this machine's network allows\n"
	"  routes [--json]         networks behind nodes: offered, approved, used and why not\n"
	"  ip [NAME]               addresses of this node, or of another\n"
	"  nc HOST PORT [-w T]     standard input and output to a port there, as ssh's ProxyCommand\n"
	"  speed NAME [--time 6s] [--json]\n"
	"                          latency and throughput to a node, in both directions\n"
	"  whois ADDRESS           who has an address\n"
	"  set path NAME auto|direct|relay\n"
	"                          force the path to a node\n"
	"  set routes PREFIX,...|none [--map REAL=SEEN]... [--snat yes|no] [--weight N]\n"
	"                          offer to carry networks behind this node\n"
	"  set exit-node NAME|auto|none [--keep-local yes|no] [--kill-switch yes|no]\n"
	"                          send what is for the internet through a node\n"
	"  set accept-routes|offer-exit|names|speed yes|no\n"
	"                          use networks of others; be an exit; names in the system's\n"
	"                          resolver; let others measure this node\n"
	"  rotate-key              a new WireGuard key, without a break\n"
	"  get [KEY]               settings\n"
	"  wait [live|ready|connected] [--timeout 60s]\n"
	"  metrics                 counters as Prometheus text\n"
	"  bugreport               what somebody who looks into a fault wants to see, as JSON\n"
	"  version                 of warren and of the daemon\n"
	"\n"
	"The daemon's socket is /run/warren/warren.sock, WARREN_SOCKET or --socket.\n"
	"Exit codes: 0 ok, 1 failure, 2 usage, 3 daemon or coordinator not reachable,\n"
	"4 login or approval needed, 5 timeout or not connected, 6 denied.\n";

static int run_verb(const struct client *client, int argc, char **argv)
{
	size_t i;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(help, stdout);
		return LOCAL_OK;
	}
	for (i = 0; i < VERBS; i++) {
		if (strcmp(verbs[i].name, argv[0]) == 0)
			return verbs[i].run(client, argc, argv);
	}
	return report(LOCAL_USAGE, "there is no verb %s: see warren --help", argv[0]);
}

static struct client client_here(void)
{
	const char *socket = getenv("WARREN_SOCKET");
	const char *no_colour = getenv("NO_COLOR");
	struct client client = {
		.socket = socket && socket[0] ? socket : LOCAL_API_PATH,
		.terminal = isatty(STDOUT_FILENO),
	};

	client.colour = client.terminal && !(no_colour && no_colour[0]);
	return client;
}

/* A full disk or a closed pipe must not pass for success. */
static int finish(int code)
{
	if (fflush(stdout) && code == LOCAL_OK)
		return report(LOCAL_FAILURE, "the output could not be written");
	return code;
}

int main(int argc, char **argv)
{
	struct client client = client_here();
	int at = 1;

	signal(SIGPIPE, SIG_IGN);
	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
			fputs(help, stdout);
			return finish(LOCAL_OK);
		}
		if (strcmp(argv[at], "--version") == 0) {
			puts("warren " WARREN_VERSION);
			return finish(LOCAL_OK);
		}
		if (strncmp(argv[at], "--socket=", 9) == 0)
			client.socket = argv[at] + 9;
		else if (strcmp(argv[at], "--socket") == 0 && at + 1 < argc)
			client.socket = argv[++at];
		else
			return report(LOCAL_USAGE,
				      "%s: unknown option or a value is missing: see "
				      "warren --help",
				      argv[at]);
	}
	if (at == argc)
		return report(LOCAL_USAGE, "no verb: see warren --help");
	return finish(run_verb(&client, argc - at, argv + at));
}
