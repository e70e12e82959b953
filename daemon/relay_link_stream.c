#include "daemon/relay_link_state.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/http_proxy.h"
#include "io/ws.h"

#define STREAM_QUEUE_MAX (256u * 1024) /* bytes; packets beyond it, and late ones, are dropped */
/* Between two attempts to open a stream. */
#define STREAM_RETRY_FIRST_MS 2000
#define STREAM_RETRY_MAX_MS   30000
/* Who accepts a connection and says nothing for so long is no relay. */
#define STREAM_ANSWER_MS 5000
/* A TURN server is dialled over TCP and TLS in turn, each for so long. */
#define TURN_ATTEMPT_MS   1500
#define TURN_UDP_AGAIN_NS (RELAY_LIFETIME_S * NS_PER_S)

void relay_link_drop_stream(struct relay_link *link)
{
	if (link->stream)
		link->stream->link = NULL;
	if (link->conn)
		ws_conn_close(link->conn);
	link->stream = NULL;
	link->conn = NULL;
}

bool relay_link_is_settled(const struct relay_link *link)
{
	return relay_client_registered(link->client) && !link->moving;
}

static void on_stream_opened(struct ws_conn *conn, void *arg)
{
	struct stream *stream = arg;
	struct relay_link *link = stream->link;

	(void)conn;
	if (!link)
		return;
	stream->open = true;
	link->stream_failures = 0;
	if (relay_link_is_settled(link)) {
		relay_link_drop_stream(link); /* UDP was only slow */
		return;
	}
	link->transport = RELAY_STREAM;
	/* It answers by UDP, but does not take us: an allocation of before may stand in the way. */
	if (relay_link_is_turn(link) && link->udp_rtt_ns)
		link->udp_again_ns = relay_link_now_ns(link) + TURN_UDP_AGAIN_NS;
	relay_link_start_headstart(link, STREAM_ANSWER_MS);
	relay_client_moved(link->client, RELAY_STREAM, relay_link_now_ns(link));
	relay_link_drain(link);
}

static void on_turn_bytes(struct stream *stream, struct ws_conn *conn, const uint8_t *data,
			  size_t len)
{
	struct relay_link *link;
	const uint8_t *message;
	size_t message_len;
	int err = 0;

	while ((link = stream->link) &&
	       (err = turn_stream_next(&stream->turn, &data, &len, &message, &message_len)) > 0) {
		relay_client_input(link->client, message, message_len, relay_link_now_ns(link));
		relay_link_drain(link);
	}
	if (link && err < 0)
		ws_conn_close(conn);
}

static void on_stream_message(struct ws_conn *conn, void *arg, const uint8_t *data, size_t len)
{
	struct stream *stream = arg;
	struct relay_link *link;
	const uint8_t *message;
	size_t message_len;

	stream->heard = true;
	if (stream->link && relay_link_is_turn(stream->link)) {
		on_turn_bytes(stream, conn, data, len);
		return;
	}
	/* Whatever a message leads to may part the two. */
	while ((link = stream->link) && (message_len = relay_stream_next(&data, &len, &message))) {
		relay_client_input(link->client, message, message_len, relay_link_now_ns(link));
		relay_link_drain(link);
	}
}

void relay_link_start_headstart(struct relay_link *link, uint64_t delay_ms)
{
	if (link->info.tls_port || relay_link_is_turn(link))
		loop_timer_set(&link->headstart, relay_link_now_ns(link) + delay_ms * NS_PER_MS);
}

/* Between a half and all of a bound that doubles: what failed for many nodes fails not at once. */
static uint64_t retry_ms(struct relay_link *link)
{
	uint64_t bound_ms = STREAM_RETRY_FIRST_MS;
	uint32_t random;
	unsigned int i;

	for (i = 0; i < link->stream_failures && bound_ms < STREAM_RETRY_MAX_MS; i++)
		bound_ms *= 2;
	if (bound_ms > STREAM_RETRY_MAX_MS)
		bound_ms = STREAM_RETRY_MAX_MS;
	link->stream_failures++;
	rng_fill(&link->rng, &random, sizeof(random));
	return bound_ms / 2 + random % (bound_ms / 2);
}

/* Of a TURN server the other of TCP and TLS is tried at once. */
static uint64_t redial_ms(struct relay_link *link)
{
	if (relay_link_is_turn(link) && link->info.tls_port) {
		link->stream_plain = !link->stream_plain;
		if (link->stream_failures++ % 2 == 0)
			return 0;
	}
	return retry_ms(link);
}

static void on_stream_closed(struct ws_conn *conn, void *arg, enum ws_close why, const char *detail)
{
	struct stream *stream = arg;
	struct relay_link *link = stream->link;
	bool was_open = stream->open;

	(void)conn;
	(void)why;
	free(stream);
	if (!link)
		return;
	log_debug("relay-stream relay=%s error=\"%s\"", link->info.name, detail ? detail : "");
	link->stream = NULL;
	link->conn = NULL;
	link->stream_host = (link->stream_host + 1) % link->info.host_count;
	if (was_open) {
		relay_client_disconnected(link->client, relay_link_now_ns(link));
		link->transport = RELAY_UDP;
		relay_client_moved(link->client, RELAY_UDP, relay_link_now_ns(link));
	}
	relay_link_start_headstart(link, was_open ? RELAY_TLS_HEADSTART_MS : redial_ms(link));
	relay_link_drain(link);
}

static void dial_stream(struct relay_link *link)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	const char *host = link->info.hosts[link->stream_host];
	struct ws_connect connect = {
		.host = host,
		.port = link->info.tls_port,
		.path = RELAY_WS_PATH,
		.protocol = RELAY_WS_PROTOCOL,
		.http_proxy = http_proxy_for(link->owner->config->http_proxy, host),
		.message_max = RELAY_JOINED_MAX,
		.queue = { STREAM_QUEUE_MAX, RELAY_JOINED_MAX, RELAY_LATE_NS },
		.handler = { on_stream_opened, on_stream_message, on_stream_closed },
		.arg = stream,
	};

	if (!stream)
		return;
	stream->link = link;
	if (relay_link_is_turn(link)) {
		connect.protocol = NULL;
		connect.no_tls = link->stream_plain || !link->info.tls_port;
		if (connect.no_tls)
			connect.port = link->info.udp_port;
		turn_stream_init(&stream->turn);
		relay_link_start_headstart(link, TURN_ATTEMPT_MS);
	}
	link->conn = ws_client_connect(link->owner->config->ws, &connect);
	if (link->conn)
		link->stream = stream;
	else
		free(stream);
}

/* Something on the way answers in the relay's place, or it hangs. */
static void leave_mute_stream(struct relay_link *link)
{
	log_debug("relay-stream relay=%s error=\"silent\"", link->info.name);
	relay_link_drop_stream(link);
	link->stream_host = (link->stream_host + 1) % link->info.host_count;
	link->transport = RELAY_UDP;
	relay_client_moved(link->client, RELAY_UDP, relay_link_now_ns(link));
	relay_link_start_headstart(link, redial_ms(link));
	relay_link_drain(link);
}

void relay_link_on_headstart(void *arg, uint64_t at_ns)
{
	struct relay_link *link = arg;

	(void)at_ns;
	if (!link->client || relay_link_is_settled(link))
		return;
	if (link->stream && link->stream->open && !link->stream->heard) {
		leave_mute_stream(link);
		return;
	}
	if (link->conn && relay_link_is_turn(link) && !link->stream->open) {
		relay_link_drop_stream(link); /* perhaps the other port is not blocked */
		link->stream_plain = !link->stream_plain;
	}
	if (!link->conn)
		dial_stream(link);
}
