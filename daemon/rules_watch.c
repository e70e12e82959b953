#include "daemon/rules_watch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/loop.h"
#include "kernel-iface/firewall.h"

#define SETTLE_NS (NS_PER_S / 2)

struct rules_watch {
	struct loop *loop;
	int fd; /* negative: the kernel tells nothing */
	struct loop_watch *readable;
	struct loop_timer settled;
	bool settling;
	void (*changed)(void *arg);
	void *arg;
};

static void on_settled(void *arg, uint64_t now_ns)
{
	struct rules_watch *watch = arg;

	(void)now_ns;
	watch->settling = false;
	watch->changed(watch->arg);
}

static void on_readable(void *arg, int revents)
{
	struct rules_watch *watch = arg;

	(void)revents;
	firewall_watch_drain(watch->fd);
	if (!watch->settling)
		loop_timer_set(&watch->settled, loop_now_ns(watch->loop) + SETTLE_NS);
	watch->settling = true;
}

struct rules_watch *rules_watch_new(struct loop *loop, void (*changed)(void *arg), void *arg)
{
	struct rules_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	*watch = (struct rules_watch){ .loop = loop, .fd = -1, .changed = changed, .arg = arg };
	loop_timer_init(&watch->settled, loop, on_settled, watch);
	if (firewall_watch_open(&watch->fd) < 0 ||
	    loop_watch_new(&watch->readable, loop, watch->fd, UV_READABLE, on_readable, watch) <
		    0) {
		rules_watch_free(watch);
		return NULL;
	}
	return watch;
}

void rules_watch_free(struct rules_watch *watch)
{
	if (!watch)
		return;
	loop_timer_clear(&watch->settled);
	loop_watch_free(watch->readable);
	if (watch->fd >= 0)
		close(watch->fd);
	free(watch);
}
