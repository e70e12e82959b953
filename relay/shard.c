#include "relay/shard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/queue.h"
#include "base/rcu.h"
#include "io/udp.h"
#include "relay/batch.h"

#define QUEUE_SIZE    (512U * 1024) /* bytes of packets that wait for the loop's thread */
#define RECEIVE_BATCH 32
#define NICE          (-10)
#define ROUNDS_MAX    4 /* receives that go out together */

/* What the thread counted, for any thread to read. */
struct published_counts {
	atomic_uint_least64_t packets;
	atomic_uint_least64_t bytes;
	atomic_uint_least64_t dropped_rate;
	atomic_uint_least64_t dropped_malformed;
	atomic_uint_least64_t dropped_stranger;
};

struct shard {
	struct shard_config config;
	pthread_t thread;
	struct udp_receiver *receiver;
	struct batch *batch[2]; /* v4, v6 */
	struct relay_counts counts;
	struct published_counts published;
	struct queue queue;
	atomic_bool ending;
};

static void hand_over(struct shard *shard, const struct udp_message *message,
		      const struct relay_run *run)
{
	struct shard_packet packet = {
		.from = message->from,
		.to = message->to,
		.tos = message->tos,
		.len = (uint16_t)run->len,
	};

	queue_push(&shard->queue, &packet, sizeof(packet), run->data, run->len);
}

static void forward_message(struct shard *shard, const struct udp_message *message, uint64_t now_ns)
{
	const struct relay_place *from = relay_forward_find(shard->config.forward, &message->from);
	uint8_t *data = message->data;
	size_t len = message->len;
	struct relay_run run;

	while (relay_forward_next(shard->config.forward, from, &data, &len, message->segment,
				  now_ns, &run, &shard->counts)) {
		struct batch_run out = {
			.data = run.data,
			.len = run.len,
			.segment = run.segment,
			.tos = message->tos & 3, /* only congestion is passed on (RFC 3168) */
		};

		if (!run.to) {
			hand_over(shard, message, &run);
			continue;
		}
		out.to = &run.to->address;
		out.gso_error = &run.to->gso_error;
		batch_add(shard->batch[out.to->remote.addr.family == AF_INET6], &out);
	}
}

static void flush(struct shard *shard)
{
	batch_flush(shard->batch[0]);
	batch_flush(shard->batch[1]);
}

static void publish(atomic_uint_least64_t *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_relaxed);
}

static void publish_counts(struct shard *shard)
{
	const struct relay_counts *counts = &shard->counts;
	struct published_counts *published = &shard->published;

	publish(&published->packets, counts->packets);
	publish(&published->bytes, counts->bytes);
	publish(&published->dropped_rate, counts->dropped_rate);
	publish(&published->dropped_malformed, counts->dropped_malformed);
	publish(&published->dropped_stranger, counts->dropped_stranger);
}

/* From the first messages of a batch to nothing left, or enough. */
static void forward_batch(struct shard *shard, size_t count)
{
	uint64_t now_ns = clock_now_ns();

	rcu_enter();
	for (int round = 1;; round++) {
		for (size_t i = 0; i < count; i++)
			forward_message(shard, udp_receiver_message(shard->receiver, i), now_ns);
		if (count < RECEIVE_BATCH || round == ROUNDS_MAX)
			break;
		/* The next ones come into the same buffers. */
		if (batch_borrows(shard->batch[0]) || batch_borrows(shard->batch[1]))
			break;
		count = udp_receive(shard->receiver, shard->config.fd);
	}
	/* Before anybody can have seen the packets. */
	publish_counts(shard);
	flush(shard);
	rcu_leave();
}

static void *run(void *arg)
{
	struct shard *shard = arg;
	size_t count;

	/* Packets need not wait for a turn of other programs, where that may be asked for. */
	(void)!setpriority(PRIO_PROCESS, 0, NICE);
	while (!atomic_load_explicit(&shard->ending, memory_order_relaxed)) {
		count = udp_receive_wait(shard->receiver, shard->config.fd);
		if (count)
			forward_batch(shard, count);
	}
	return NULL;
}

static int start_thread(struct shard *shard)
{
	sigset_t all;
	sigset_t before;
	int err;

	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&shard->thread, NULL, run, shard);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

static void release(struct shard *shard)
{
	queue_clear(&shard->queue);
	udp_receiver_free(shard->receiver);
	batch_free(shard->batch[0]);
	batch_free(shard->batch[1]);
	free(shard);
}

int shard_new(struct shard **out, const struct shard_config *config)
{
	struct shard *shard = aligned_alloc(64, sizeof(*shard));
	int err = -ENOMEM;

	if (!shard)
		return -ENOMEM;
	*shard = (struct shard){ .config = *config };
	shard->receiver = udp_receiver_new(RECEIVE_BATCH);
	shard->batch[0] = batch_new(config->send_fd[0]);
	shard->batch[1] = batch_new(config->send_fd[1]);
	if (shard->receiver && shard->batch[0] && shard->batch[1])
		err = queue_init(&shard->queue, QUEUE_SIZE, config->wake_fd);
	if (!err)
		err = start_thread(shard);
	if (err) {
		release(shard);
		return err;
	}
	*out = shard;
	return 0;
}

void shard_free(struct shard *shard)
{
	if (!shard)
		return;
	atomic_store_explicit(&shard->ending, true, memory_order_relaxed);
	udp_wake(shard->config.fd);
	pthread_join(shard->thread, NULL);
	close(shard->config.fd);
	release(shard);
}

struct queue *shard_queue(struct shard *shard)
{
	return &shard->queue;
}

static uint64_t counted(const atomic_uint_least64_t *from)
{
	return atomic_load_explicit(from, memory_order_relaxed);
}

void shard_add_stats(struct shard *shard, struct relay_stats *stats)
{
	struct published_counts *published = &shard->published;

	stats->forwarded_packets += counted(&published->packets);
	stats->forwarded_bytes += counted(&published->bytes);
	stats->dropped_rate += counted(&published->dropped_rate);
	stats->dropped_malformed += counted(&published->dropped_malformed);
	stats->dropped_stranger += counted(&published->dropped_stranger);
	stats->dropped_busy += counted(&shard->queue.dropped);
}
