#include "relay/forwarders.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/queue.h"

/* A socket of the group, and the thread that reads it once it has been started. */
struct member {
	struct shard *shard;
	int fd;
	int family_slot; /* 0: v4, 1: v6 */
};

struct forwarders {
	int own[2];
	int wake_fd;
	size_t turn; /* whose packets are looked at first */
	size_t count;
	struct member members[];
};

static int open_group(struct forwarders *forwarders, int slot, const struct udp_config *own,
		      unsigned int threads)
{
	struct udp_config config = *own;
	int err = udp_share(forwarders->own[slot]);

	config.port = udp_port(forwarders->own[slot]);
	config.reuseport = true;
	config.sleeps = true;
	for (unsigned int i = 0; i < threads && !err; i++) {
		struct member *member = &forwarders->members[forwarders->count];

		err = udp_open(&member->fd, &config);
		if (err)
			break;
		member->family_slot = slot;
		forwarders->count++;
	}
	return err ? err : udp_steer_channels(forwarders->own[slot], threads);
}

int forwarders_new(struct forwarders **out, const int own[static 2],
		   const struct udp_config config[static 2], unsigned int threads)
{
	struct forwarders *forwarders;
	int err = 0;

	if (!threads || threads > RELAY_THREADS_MAX)
		return -EINVAL;
	forwarders = calloc(1, sizeof(*forwarders) + 2 * threads * sizeof(forwarders->members[0]));
	if (!forwarders)
		return -ENOMEM;
	forwarders->own[0] = own[0];
	forwarders->own[1] = own[1];
	forwarders->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (forwarders->wake_fd < 0)
		err = -errno;
	for (int slot = 0; slot < 2 && !err; slot++)
		if (own[slot] >= 0)
			err = open_group(forwarders, slot, &config[slot], threads);
	if (err) {
		forwarders_free(forwarders);
		return err;
	}
	*out = forwarders;
	return 0;
}

int forwarders_start(struct forwarders *forwarders, const struct relay_forward *forward)
{
	for (size_t i = 0; i < forwarders->count; i++) {
		struct member *member = &forwarders->members[i];
		struct shard_config config = {
			.forward = forward,
			.fd = member->fd,
			.send_fd = { forwarders->own[0], forwarders->own[1] },
			.wake_fd = forwarders->wake_fd,
		};
		int err;

		config.send_fd[member->family_slot] = member->fd;
		err = shard_new(&member->shard, &config);
		if (err < 0)
			return err;
	}
	return 0;
}

void forwarders_free(struct forwarders *forwarders)
{
	if (!forwarders)
		return;
	for (size_t i = 0; i < forwarders->count; i++) {
		if (forwarders->members[i].shard)
			shard_free(forwarders->members[i].shard);
		else
			close(forwarders->members[i].fd);
	}
	if (forwarders->wake_fd >= 0)
		close(forwarders->wake_fd);
	free(forwarders);
}

int forwarders_fd(const struct forwarders *forwarders)
{
	return forwarders->wake_fd;
}

/* Returns what is left of limit. */
static size_t read_queue(struct queue *queue, size_t limit,
			 void (*take)(void *arg, const struct shard_packet *packet, uint8_t *data),
			 void *arg)
{
	struct shard_packet *packet;

	queue_begin(queue);
	while (limit && (packet = queue_peek(queue))) {
		take(arg, packet, (uint8_t *)(packet + 1));
		queue_pop(queue);
		limit--;
	}
	return limit;
}

void forwarders_read(struct forwarders *forwarders, size_t limit,
		     void (*take)(void *arg, const struct shard_packet *packet, uint8_t *data),
		     void *arg)
{
	uint64_t count;

	if (read(forwarders->wake_fd, &count, sizeof(count)) < 0)
		return;
	for (size_t i = 0; i < forwarders->count && limit; i++) {
		struct member *member =
			&forwarders->members[(forwarders->turn + i) % forwarders->count];

		limit = read_queue(shard_queue(member->shard), limit, take, arg);
	}
	forwarders->turn++;
	count = 1;
	if (!limit && write(forwarders->wake_fd, &count, sizeof(count)) < 0)
		return; /* the counter is at its end, which wakes as well */
}

size_t forwarders_count(const struct forwarders *forwarders)
{
	return forwarders->count;
}

void forwarders_add_stats_of(struct forwarders *forwarders, size_t index, struct relay_stats *stats)
{
	shard_add_stats(forwarders->members[index].shard, stats);
}

void forwarders_add_stats(struct forwarders *forwarders, struct relay_stats *stats)
{
	for (size_t i = 0; i < forwarders->count; i++)
		forwarders_add_stats_of(forwarders, i, stats);
}
