/*
 * The daemon's packet engine alone, between two fixed keys and without handshakes: what is lost
 * between bench/probe and warrend is lost either in here or outside.
 *
 * engine TUN PORT PEER:PORT a|b [CIPHER|-] [no-tun-offload] [no-udp-gso] [no-udp-gro] [lanes]
 *        [steer] [workers=N] [adopt=PORT: that port instead, as an adopted socket]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "daemon/dataplane.h"
#include "io/loop.h"
#include "io/udp.h"
#include "proto/wg_message.h"

static struct loop *loop;

static void on_signal(void *arg, int signum)
{
	(void)arg;
	(void)signum;
	loop_stop(loop);
}

/* One peer, whose index comes in something that looks like a handshake. */
static struct {
	struct dataplane *dp;
	struct dp_peer *peer;
	struct dp_path path;
	uint32_t index;
	bool first;
	bool paired;
} engine;

static void greet(uint8_t type, size_t len)
{
	uint8_t message[WG_INITIATION_SIZE] = { type };

	store_le32(message + 4, engine.index);
	dataplane_send(engine.dp, &engine.path, message, len, 0x88, 0);
}

static void need_session(void *arg, struct dp_peer *peer)
{
	(void)arg;
	(void)peer;
	greet(WG_INITIATION, WG_INITIATION_SIZE);
}

static void on_handshake(void *arg, const uint8_t *data, size_t len, const struct dp_path *from)
{
	struct dp_keypair_config config = { .created_ns = clock_now_ns(), .initiator = true };

	(void)arg;
	(void)len;
	(void)from;
	if (!engine.paired) {
		config.local_index = engine.index;
		config.remote_index = load_le32(data + 4);
		memset(config.send_key, engine.first ? 1 : 2, 32);
		memset(config.recv_key, engine.first ? 2 : 1, 32);
		dataplane_peer_set_current(engine.peer,
					   dataplane_keypair_new(engine.peer, &config));
		/* The other end is told the same. */
		dataplane_peer_set_lanes(engine.peer, dataplane_lanes(engine.dp));
		engine.paired = true;
	}
	if (data[0] == WG_INITIATION)
		greet(WG_RESPONSE, WG_RESPONSE_SIZE);
	dataplane_peer_flush(engine.peer);
}

static void on_message(void *arg, const uint8_t *data, size_t len, const struct dp_path *from)
{
	(void)arg;
	(void)data;
	(void)len;
	(void)from;
}

static void on_confirmed(void *arg, struct dp_peer *peer, struct dp_keypair *keypair)
{
	(void)arg;
	(void)peer;
	(void)keypair;
}

static void on_path(void *arg, struct dp_peer *peer, const struct dp_path *from)
{
	(void)arg;
	dataplane_peer_set_path(peer, from);
}

static void on_activity(void *arg, struct dp_peer *peer, unsigned int notices)
{
	(void)arg;
	(void)peer;
	(void)notices;
}

static void on_stream(void *arg, uint32_t stream, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)stream;
	(void)data;
	(void)len;
}

static const struct dp_ops ops = {
	.need_session = need_session,
	.handshake_message = on_handshake,
	.other_message = on_message,
	.keypair_confirmed = on_confirmed,
	.path_seen = on_path,
	.activity = on_activity,
	.stream_output = on_stream,
};

/* The path leaves from a port besides the shared one. */
static int adopt(uint16_t port)
{
	struct udp_config config = { .family = engine.path.remote.addr.family, .port = port };
	int fd;
	int err = udp_open(&fd, &config);

	return err ? err : dataplane_adopt_socket(engine.dp, fd, &engine.path.socket);
}

int main(int argc, char **argv)
{
	struct prefix any4 = { .addr = { .family = AF_INET } };
	struct prefix any6 = { .addr = { .family = AF_INET6 } };
	struct dp_config config = { 0 };
	unsigned int adopted = 0;
	int err;

	if (argc < 5 || endpoint_parse(&engine.path.remote, argv[3]) < 0)
		return 2;
	config.tun_name = argv[1];
	config.port = (uint16_t)atoi(argv[2]);
	config.cipher = argc > 5 && strcmp(argv[5], "-") != 0 ? argv[5] : NULL;
	for (int i = 6; i < argc; i++) {
		config.no_tun_offload |= !strcmp(argv[i], "no-tun-offload");
		config.no_udp_gso |= !strcmp(argv[i], "no-udp-gso");
		config.no_udp_gro |= !strcmp(argv[i], "no-udp-gro");
		config.lanes |= !strcmp(argv[i], "lanes");
		config.steer |= !strcmp(argv[i], "steer");
		sscanf(argv[i], "workers=%u", &config.workers);
		sscanf(argv[i], "adopt=%u", &adopted);
	}
	if (loop_new(&loop) < 0)
		return 1;
	err = dataplane_new(&engine.dp, loop, &config, &ops, NULL);
	if (!err && adopted)
		err = adopt((uint16_t)adopted);
	if (err) {
		fprintf(stderr, "engine: %s\n", strerror(-err));
		return 1;
	}
	engine.path.kind = DP_PATH_UDP;
	engine.first = argv[4][0] == 'a';
	engine.peer = dataplane_peer_new(engine.dp, NULL);
	if (!engine.peer || dataplane_index_new(engine.peer, &engine.index) < 0)
		return 1;
	dataplane_peer_set_path(engine.peer, &engine.path);
	dataplane_allowed_ip_set(engine.peer, &any4);
	dataplane_allowed_ip_set(engine.peer, &any6);
	dataplane_allowed_ips_commit(engine.dp);
	printf("ready cipher=%s workers=%u\n", dataplane_cipher(engine.dp),
	       dataplane_workers(engine.dp));
	fflush(stdout);
	loop_signal(loop, SIGTERM, on_signal, NULL);
	loop_signal(loop, SIGINT, on_signal, NULL);
	loop_run(loop);
	dataplane_peer_free(engine.peer);
	dataplane_free(engine.dp);
	loop_free(loop);
	return 0;
}
