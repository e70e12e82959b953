#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/descriptors.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "io/cert_watch.h"
#include "io/loop.h"
#include "io/metrics_server.h"
#include "io/ws.h"
#include "proto/turn_credential.h"
#include "relay/metrics.h"
#include "relay/server.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

#define NAME_MAX_LEN       31
#define SECRET_FILE_MAX    4096
#define DESCRIPTORS_WANTED 65536
#define DEFAULT_LISTEN     "[::]:3478"

struct options {
	const char *name;
	const char *listen;
	const char *alt_listen;
	const char *tls_listen;
	const char *metrics;
	const char *secret_file;
	const char *cert_file;
	const char *key_file;
	unsigned long rate_mbit;
	unsigned long threads; /* 0: one a core */
};

struct metrics_source {
	const struct options *options;
	const struct relay *relay;
};

static const char help[] =
	"usage: warren-relay serve --name NAME --secret-file FILE [options]\n"
	"\n"
	"A STUN server, and a forwarder of sealed packets between nodes that have no direct path.\n"
	"\n"
	"  --name NAME             what the coordinator calls this relay\n"
	"  --secret-file FILE      the secret shared with the coordinator, mode 0600\n"
	"  --listen ADDR:PORT      UDP; default " DEFAULT_LISTEN ";\n"
	"                          the next port is opened too, for learning about NATs\n"
	"  --tls-listen ADDR:PORT  also WebSocket over TLS, for nodes whose UDP is blocked\n"
	"  --alt-listen ADDR:PORT  a second address and port, for NAT behaviour discovery\n"
	"  --metrics ADDR:PORT     /metrics for Prometheus, plain HTTP; off by default\n"
	"  --cert FILE --key FILE  PEM, for TLS; without them a new self-signed one is made\n"
	"  --rate-mbit N           most that one node may send; default 5000\n"
	"  --threads N             threads that forward; default one a core\n"
	"\n"
	"Logs a `ready` line when it answers. SIGTERM ends it.\n"
	"Exit codes: 0 ok, 1 failure, 2 usage.\n";

static int fail(int code, const char *what, const char *why, const char *remedy)
{
	fprintf(stderr, "warren-relay: %s: %s; %s\n", what, why, remedy);
	return code;
}

static bool parse_number(unsigned long *number, const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)*text) || *end || !value || value > max)
		return false;
	*number = value;
	return true;
}

/* As many as this process may run on. */
static unsigned int core_count(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return count < RELAY_THREADS_MAX ? (unsigned int)count : RELAY_THREADS_MAX;
}

static int parse_options(struct options *options, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "listen", required_argument, NULL, 'l' },
		{ "alt-listen", required_argument, NULL, 'a' },
		{ "tls-listen", required_argument, NULL, 't' },
		{ "metrics", required_argument, NULL, 'm' },
		{ "secret-file", required_argument, NULL, 's' },
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "rate-mbit", required_argument, NULL, 'r' },
		{ "threads", required_argument, NULL, 'T' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			options->name = optarg;
			break;
		case 'l':
			options->listen = optarg;
			break;
		case 'a':
			options->alt_listen = optarg;
			break;
		case 't':
			options->tls_listen = optarg;
			break;
		case 'm':
			options->metrics = optarg;
			break;
		case 's':
			options->secret_file = optarg;
			break;
		case 'c':
			options->cert_file = optarg;
			break;
		case 'k':
			options->key_file = optarg;
			break;
		case 'r':
			if (!parse_number(&options->rate_mbit, optarg, 1000000))
				return fail(EXIT_USAGE, "--rate-mbit", "not a number of Mbit/s",
					    "give 1 to 1000000");
			break;
		case 'T':
			if (!parse_number(&options->threads, optarg, RELAY_THREADS_MAX))
				return fail(EXIT_USAGE, "--threads", "not a number of threads",
					    "give 1 to 256");
			break;
		default:
			return fail(EXIT_USAGE, argv[optind - 1],
				    c == ':' ? "needs a value" : "no such option",
				    "see warren-relay --help");
		}
	}
	if (optind < argc)
		return fail(EXIT_USAGE, argv[optind], "unexpected", "see warren-relay --help");
	return EXIT_OK;
}

static bool name_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len && len <= NAME_MAX_LEN && !name[len];
}

static int check_options(const struct options *options)
{
	if (!options->name || !name_valid(options->name))
		return fail(EXIT_USAGE, "--name", "missing or not a relay's name",
			    "give up to 31 of a-z, 0-9 and -");
	if (!options->secret_file)
		return fail(EXIT_USAGE, "--secret-file", "missing",
			    "make one with: (umask 077; openssl rand -base64 32 > secret)");
	if (!options->cert_file != !options->key_file)
		return fail(EXIT_USAGE, "--cert and --key", "only one of them", "give both");
	return EXIT_OK;
}

static int parse_endpoint(struct endpoint *ep, const char *option, const char *text)
{
	if (endpoint_parse(ep, text) == 0)
		return EXIT_OK;
	return fail(EXIT_USAGE, option, "not ADDR:PORT",
		    "give a numeric address such as 0.0.0.0:3478 or [::]:3478");
}

static int read_secret(const char *path, uint8_t **file, size_t *file_len,
		       struct relay_config *config)
{
	int err = file_read_secret(path, SECRET_FILE_MAX, file, file_len);

	if (err == -EPERM)
		return fail(EXIT_FAILED, path, "others may read this secret",
			    "chmod 600 it, and make a new one if they did");
	if (err < 0)
		return fail(EXIT_FAILED, path, strerror(-err),
			    "--secret-file needs a readable file of its own");
	if (turn_secret_trim(&config->secrets[0].bytes, &config->secrets[0].len, *file, *file_len,
			     TURN_SECRET_MIN) < 0) {
		file_free_secret(*file, *file_len);
		return fail(EXIT_FAILED, path, "a secret has 16 to 128 characters",
			    "make one with: (umask 077; openssl rand -base64 32 > secret)");
	}
	config->secret_count = 1;
	return EXIT_OK;
}

static const char *listen_remedy(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return "another program has this port: stop it or choose another";
	case -EACCES:
		return "ports below 1024 need CAP_NET_BIND_SERVICE";
	case -EADDRNOTAVAIL:
		return "this machine has no such address";
	case -EINVAL:
		return "--alt-listen needs another address and another port than --listen, "
		       "both specific";
	default:
		return "check the address";
	}
}

/* A certificate is only camouflage here, so that a new one a start does. */
static int start_tls(struct ws_server **server, struct loop *loop, struct relay *relay,
		     const struct options *options, const struct endpoint *listen)
{
	char dir[] = "/tmp/warren-relay-XXXXXX";
	char cert[64];
	char key[64];
	struct ws_protocol protocol;
	struct ws_server_config config = {
		.listen = *listen,
		.cert_file = options->cert_file,
		.key_file = options->key_file,
		.protocols = &protocol,
		.protocol_count = 1,
	};
	int err = 0;

	relay_ws_protocol(relay, &protocol);
	if (!options->cert_file) {
		if (!mkdtemp(dir))
			return -errno;
		snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
		snprintf(key, sizeof(key), "%s/key.pem", dir);
		err = ws_make_certificate(cert, key, options->name);
		config.cert_file = cert;
		config.key_file = key;
	}
	if (!err)
		err = ws_server_new(server, loop, &config);
	if (!options->cert_file) {
		unlink(cert);
		unlink(key);
		rmdir(dir);
	}
	return err;
}

static void on_end(void *arg, int signum)
{
	(void)signum;
	loop_stop(arg);
}

static void on_certificate(void *arg, int err)
{
	const struct options *options = arg;

	if (err < 0)
		log_warn("tls-refused cert=\"%s\" error=\"%s\"", options->cert_file,
			 cert_watch_error(err));
	else
		log_info("tls-loaded cert=\"%s\"", options->cert_file);
}

static void on_hangup(void *arg, int signum)
{
	(void)signum;
	cert_watch_reload(*(struct cert_watch **)arg);
}

static void write_metrics(void *arg, FILE *out)
{
	const struct metrics_source *source = arg;

	metrics_begin(out, "warren_relay_info", "gauge", "Name and version.");
	metrics_add2(out, "warren_relay_info", "name", source->options->name, "version",
		     WARREN_VERSION, 1);
	relay_metrics_write(source->relay, out);
	metrics_process(out);
}

static int start_metrics(struct metrics_server **server, struct loop *loop,
			 struct metrics_source *source)
{
	const char *text = source->options->metrics;
	struct endpoint listen;
	int err;

	if (!text)
		return EXIT_OK;
	if (endpoint_parse(&listen, text) < 0)
		return fail(EXIT_USAGE, "--metrics", "not ADDR:PORT",
			    "give a numeric address such as 127.0.0.1:9101");
	err = metrics_server_new(server, loop, &listen, write_metrics, source);
	return err < 0 ? fail(EXIT_FAILED, text, strerror(-err), listen_remedy(err)) : EXIT_OK;
}

static int run(struct loop *loop, const struct options *options, const struct relay_config *config,
	       const struct endpoint *tls)
{
	struct metrics_source source = { .options = options };
	struct metrics_server *metrics = NULL;
	struct ws_server *server = NULL;
	struct cert_watch *watch = NULL;
	struct relay *relay = NULL;
	int err = relay_new(&relay, loop, config);
	int code = EXIT_OK;

	if (err < 0)
		return fail(EXIT_FAILED, options->listen, strerror(-err), listen_remedy(err));
	if (tls->addr.family) {
		err = start_tls(&server, loop, relay, options, tls);
		if (err < 0) {
			code = fail(EXIT_FAILED,
				    err == -ENOENT && options->cert_file ? options->cert_file
									 : options->tls_listen,
				    strerror(-err), listen_remedy(err));
			goto out;
		}
	}
	source.relay = relay;
	code = start_metrics(&metrics, loop, &source);
	if (code)
		goto out;
	loop_signal(loop, SIGTERM, on_end, loop);
	loop_signal(loop, SIGINT, on_end, loop);
	loop_signal(loop, SIGHUP, on_hangup, &watch);
	if (server && options->cert_file)
		watch = cert_watch_new(loop, server, options->cert_file, options->key_file,
				       on_certificate, (void *)options);
	log_info("ready name=%s udp_port=%u tls_port=%u", options->name, relay_port(relay),
		 server ? ws_server_port(server) : 0);
	loop_run(loop);
	log_info("stopped name=%s", options->name);
out:
	metrics_server_free(metrics);
	cert_watch_free(watch);
	ws_server_free(server);
	relay_free(relay);
	return code;
}

static int serve(int argc, char **argv)
{
	struct options options = { .listen = DEFAULT_LISTEN };
	struct relay_config config = { 0 };
	struct endpoint tls = { 0 };
	struct loop *loop;
	uint8_t *file = NULL;
	size_t file_len = 0;
	int code = parse_options(&options, argc, argv);

	if (!code)
		code = check_options(&options);
	if (!code)
		code = parse_endpoint(&config.listen, "--listen", options.listen);
	if (!code && options.alt_listen)
		code = parse_endpoint(&config.alt, "--alt-listen", options.alt_listen);
	if (!code && options.tls_listen)
		code = parse_endpoint(&tls, "--tls-listen", options.tls_listen);
	if (!code)
		code = read_secret(options.secret_file, &file, &file_len, &config);
	if (code)
		return code;
	config.rate_bytes_per_s = options.rate_mbit * 1000000 / 8;
	config.threads = options.threads ? (unsigned int)options.threads : core_count();
	descriptors_allow(DESCRIPTORS_WANTED);
	if (loop_new(&loop) < 0) {
		file_free_secret(file, file_len);
		return fail(EXIT_FAILED, "event loop", "out of memory or descriptors", "free some");
	}
	code = run(loop, &options, &config, &tls);
	loop_free(loop);
	file_free_secret(file, file_len);
	return code;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(help, stdout);
			return EXIT_OK;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("warren-relay %s\n", WARREN_VERSION);
			return EXIT_OK;
		}
	}
	if (argc < 2 || strcmp(argv[1], "serve") != 0)
		return fail(EXIT_USAGE, argc < 2 ? "no verb" : argv[1], "not understood",
			    "see warren-relay --help");
	return serve(argc - 1, argv + 1);
}
