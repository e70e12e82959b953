#include "daemon/name_system.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/leftovers.h"
#include "io/loop.h"
#include "kernel-iface/resolved.h"
#include "kernel-iface/resolver_file.h"

/* Where systemd-resolved says whom it asks itself. */
#define RESOLVED_UPLINKS "/run/systemd/resolve/resolv.conf"

#define LOOK_MS     50   /* those who write a file do it in several steps */
#define PATIENCE_MS 1000 /* for the bus to say whether systemd-resolved runs */
#define BUS_RETRY_S 15
/* It may not know a new link yet, or be busy; only then is it believed. */
#define REFUSALS_MAX      3
#define REFUSED_MS        300
#define REFUSED_FOR_ALL_S 60
#define TROUBLE_SIZE      220

struct name_system {
	struct loop *loop;
	struct leftovers *leftovers;
	void (*changed)(void *arg);
	void *arg;

	struct name_system_wish wish;
	char *domains[NAME_SYSTEM_DOMAINS_MAX];
	struct forwarder_servers upstreams;

	struct resolved *resolved; /* NULL: no bus */
	struct loop_watch *bus_watch;
	struct loop_timer bus_timer;
	bool link_set;
	unsigned int link_starts; /* of resolved, when it was set */
	struct loop_timer retry;  /* of what it refused */
	unsigned int refusals;    /* one after the other */
	uint32_t link_ifindex;
	uint64_t patience_ns;

	struct resolver_watch *file;
	struct loop_watch *file_watch;
	struct loop_timer look;
	bool file_set;
	char *original;      /* what others wrote last */
	char *target;        /* what it links to, NULL: it is no link */
	unsigned int fights; /* in the minute that began then */
	uint64_t fight_ns;
	uint64_t peace_ns; /* theirs until then */
	char trouble[TROUBLE_SIZE];
};

static const char *const stubs[] = { "127.0.0.53", "127.0.0.54" };

/* --- what others wrote --- */

static bool is_ours(const struct name_system *system, const struct ip_addr *server)
{
	for (size_t i = 0; i < system->wish.server_count; i++) {
		if (addr_equal(server, &system->wish.servers[i]))
			return true;
	}
	return false;
}

static bool is_stub(const struct ip_addr *server)
{
	struct ip_addr stub;

	for (size_t i = 0; i < sizeof(stubs) / sizeof(*stubs); i++) {
		if (addr_parse(&stub, stubs[i]) == 0 && addr_equal(&stub, server))
			return true;
	}
	return false;
}

static bool leads_to_resolved(const struct resolver_text *text)
{
	for (size_t i = 0; i < text->server_count; i++) {
		if (is_stub(&text->servers[i].addr))
			return true;
	}
	return false;
}

static void set_upstreams(struct name_system *system, const struct resolver_text *text)
{
	struct forwarder_servers *upstreams = &system->upstreams;

	upstreams->count = 0;
	for (size_t i = 0; i < text->server_count; i++) {
		if (!is_ours(system, &text->servers[i].addr))
			upstreams->list[upstreams->count++] = text->servers[i];
	}
}

/* Through the stub every question would come back to us that we did not answer. */
static void learn_upstreams(struct name_system *system, const struct resolver_text *original)
{
	struct resolver_text text = *original;
	char *uplinks;

	if (leads_to_resolved(original) && resolver_file_read(RESOLVED_UPLINKS, &uplinks) == 0) {
		if (uplinks[0])
			resolver_text_parse(&text, uplinks);
		free(uplinks);
	}
	set_upstreams(system, &text);
}

/* Takes what is there now as the original, unless it is ours. 0 or -errno. */
static int read_original(struct name_system *system, bool *overwritten)
{
	char link[PATH_MAX];
	struct resolver_text parsed;
	char *text, *target;
	ssize_t len;
	int err = resolver_file_read(RESOLVER_FILE, &text);

	*overwritten = false;
	if (err < 0)
		return err;
	resolver_text_parse(&parsed, text);
	if (parsed.ours) {
		free(text);
		if (!system->target || resolver_file_read(system->target, &text) < 0)
			return 0;
		/* Ours is in place of a link; who keeps its target may have written that. */
		free(system->original);
		system->original = text;
		return 0;
	}
	len = readlink(RESOLVER_FILE, link, sizeof(link) - 1);
	link[len < 0 ? 0 : len] = '\0';
	target = len > 0 ? realpath(RESOLVER_FILE, NULL) : NULL;
	free(system->original);
	free(system->target);
	system->original = text;
	system->target = target;
	*overwritten = system->file_set;
	return 0;
}

/* --- resolv.conf --- */

static void say(struct name_system *system, const char *what, const char *why)
{
	char text[TROUBLE_SIZE];

	snprintf(text, sizeof(text), "%s%s%s%s", what, why[0] ? " (" : "", why, why[0] ? ")" : "");
	if (strcmp(text, system->trouble) == 0)
		return;
	snprintf(system->trouble, sizeof(system->trouble), "%s", text);
	if (text[0])
		log_warn("names error=\"%s\"", text);
}

/* What to do about it is another matter when systemd-resolved is there. */
static void say_unwritable(struct name_system *system, int err)
{
	const char *refusal = system->resolved ? resolved_error(system->resolved) : "";
	char why[TROUBLE_SIZE];

	if (err == 0) {
		say(system, "", "");
	} else if (refusal[0]) {
		snprintf(why, sizeof(why),
			 "dns: systemd-resolved refuses (%.60s) and " RESOLVER_FILE
			 " cannot be written (%.40s), names are off; see NAMES in warrend(8)",
			 refusal, strerror(-err));
		say(system, why, "");
	} else {
		snprintf(why, sizeof(why),
			 "dns: " RESOLVER_FILE " cannot be written (%.40s), names are off; install "
			 "systemd-resolved, or see NAMES in warrend(8)",
			 strerror(-err));
		say(system, why, "");
	}
}

static void release_file(struct name_system *system)
{
	int err;

	if (!system->file_set)
		return;
	err = leftovers_undo_file(system->leftovers, RESOLVER_FILE);
	if (err < 0)
		log_error("resolver-not-restored file=" RESOLVER_FILE " error=\"%s\"",
			  strerror(-err));
	else
		log_info("resolver file=" RESOLVER_FILE " state=restored");
	system->file_set = false;
}

/* Ours, unless it is there already. 0 or -errno. */
static int put_file(struct name_system *system, const struct resolver_text *original)
{
	char *text = resolver_text_make(original, system->wish.servers, system->wish.server_count,
					system->domains[0]);
	char *there = NULL;
	int err = text ? resolver_file_read(RESOLVER_FILE, &there) : -ENOMEM;

	if (err == 0 && strcmp(text, there) != 0) {
		err = leftovers_note_file(system->leftovers, RESOLVER_FILE, RESOLVER_MARK);
		if (err == 0)
			err = resolver_file_write(RESOLVER_FILE, text);
		if (err == 0)
			log_info("resolver file=" RESOLVER_FILE " state=ours");
	}
	system->file_set = system->file_set || err == 0;
	free(text);
	free(there);
	return err;
}

/* Somebody put his own in place of ours: he is followed, but not for ever. */
static void count_fight(struct name_system *system, uint64_t now_ns)
{
	if (now_ns - system->fight_ns > 60 * NS_PER_S) {
		system->fight_ns = now_ns;
		system->fights = 0;
	}
	log_info("resolver file=" RESOLVER_FILE " state=\"written by others\"");
	if (++system->fights <= NAME_SYSTEM_FIGHTS_MAX)
		return;
	system->fights = 0;
	system->peace_ns = now_ns + NAME_SYSTEM_PEACE_S * NS_PER_S;
}

static bool resolved_serves(const struct name_system *system)
{
	return system->resolved && resolved_presence(system->resolved) == RESOLVED_PRESENT &&
	       (!resolved_error(system->resolved)[0] || system->refusals < REFUSALS_MAX);
}

/* Another daemon's of our kind: it gives it back one day, and we are told. */
static bool is_anothers(const struct name_system *system)
{
	struct resolver_text parsed;
	char *text;

	if (system->file_set || resolver_file_read(RESOLVER_FILE, &text) < 0)
		return false;
	resolver_text_parse(&parsed, text);
	free(text);
	return parsed.ours;
}

static void settle_file(struct name_system *system, uint64_t now_ns)
{
	bool overwritten = false;
	struct resolver_text original;
	int err;

	if (is_anothers(system)) {
		say(system,
		    "dns: " RESOLVER_FILE
		    " is kept by another warrend; names of this network are off here",
		    "");
		return;
	}
	err = read_original(system, &overwritten);
	if (overwritten)
		count_fight(system, now_ns);
	resolver_text_parse(&original, system->original ? system->original : "");
	learn_upstreams(system, &original);
	if (resolved_serves(system) && leads_to_resolved(&original)) {
		release_file(system);
		say(system, "", "");
	} else if (resolver_file_is_foreign(RESOLVER_FILE)) {
		say(system, "", "");
	} else if (now_ns < system->peace_ns) {
		release_file(system);
		loop_timer_set(&system->look, system->peace_ns);
		say(system,
		    "dns: something rewrites " RESOLVER_FILE
		    " again and again; names are off for some minutes",
		    "");
	} else {
		err = err < 0 ? err : put_file(system, &original);
		say_unwritable(system, err);
	}
	if (system->file)
		resolver_watch_renew(system->file, system->target);
}

/* --- systemd-resolved --- */

static void settle_link(struct name_system *system)
{
	const struct resolved_link link = {
		.ifindex = system->wish.ifindex,
		.servers = { system->wish.servers[0], system->wish.servers[1] },
		.server_count = system->wish.server_count,
		.domains = (const char *const *)system->domains,
		.domain_count = system->wish.domain_count,
		.everything = system->wish.everything,
	};
	int err;

	if (resolved_presence(system->resolved) != RESOLVED_PRESENT)
		return;
	if (system->link_set && system->link_ifindex == link.ifindex &&
	    system->link_starts == resolved_starts(system->resolved))
		return;
	err = resolved_set(system->resolved, &link);
	if (err < 0) {
		log_warn("resolved error=\"%s\"", strerror(-err));
		return;
	}
	log_info("resolver systemd-resolved=asked domains=%zu", link.domain_count);
	system->link_set = true;
	system->link_ifindex = link.ifindex;
	system->link_starts = resolved_starts(system->resolved);
}

static void release_link(struct name_system *system)
{
	loop_timer_clear(&system->retry);
	system->refusals = 0;
	if (system->link_set && system->resolved)
		resolved_revert(system->resolved, system->link_ifindex);
	system->link_set = false;
}

/* --- both --- */

static void watch_bus(struct name_system *system);

static void settle(struct name_system *system)
{
	uint64_t now_ns = loop_now_ns(system->loop);

	if (!system->wish.domain_count) {
		release_link(system);
		release_file(system);
		say(system, "", "");
	} else if (system->resolved && resolved_presence(system->resolved) == RESOLVED_UNKNOWN &&
		   now_ns < system->patience_ns) {
		loop_timer_set(&system->look, system->patience_ns);
	} else {
		if (system->resolved)
			settle_link(system);
		settle_file(system, now_ns);
	}
	watch_bus(system);
	system->changed(system->arg);
}

static void on_look(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	settle(arg);
}

static void on_file(void *arg, int revents)
{
	struct name_system *system = arg;

	(void)revents;
	if (resolver_watch_read(system->file) && system->wish.domain_count)
		loop_timer_set(&system->look, loop_now_ns(system->loop) + LOOK_MS * NS_PER_MS);
}

/* --- the bus --- */

static void close_bus(struct name_system *system)
{
	loop_watch_free(system->bus_watch);
	system->bus_watch = NULL;
	resolved_free(system->resolved);
	system->resolved = NULL;
	system->link_set = false;
	loop_timer_clear(&system->retry);
	system->refusals = 0;
}

static void retry_later(struct name_system *system)
{
	uint64_t wait_ns = system->refusals < REFUSALS_MAX ? REFUSED_MS * NS_PER_MS
							   : REFUSED_FOR_ALL_S * NS_PER_S;

	loop_timer_set(&system->retry, loop_now_ns(system->loop) + wait_ns);
}

static void on_retry(void *arg, uint64_t now_ns)
{
	struct name_system *system = arg;

	(void)now_ns;
	if (!system->resolved || !resolved_error(system->resolved)[0]) {
		system->refusals = 0;
		return;
	}
	system->refusals += system->refusals < REFUSALS_MAX ? 1 : 0;
	system->link_set = false;
	retry_later(system);
	settle(system);
}

static void process_bus(struct name_system *system)
{
	enum resolved_presence before = resolved_presence(system->resolved);
	unsigned int starts = resolved_starts(system->resolved);
	bool refused = resolved_error(system->resolved)[0];
	int err = resolved_process(system->resolved);

	if (err < 0) {
		log_info("resolved bus=lost error=\"%s\"", strerror(-err));
		close_bus(system);
		settle(system);
	} else if (before != resolved_presence(system->resolved) ||
		   starts != resolved_starts(system->resolved) ||
		   refused != (resolved_error(system->resolved)[0] != '\0')) {
		if (resolved_error(system->resolved)[0]) {
			log_warn("resolved error=\"%s\"", resolved_error(system->resolved));
			retry_later(system);
		}
		settle(system);
	} else {
		watch_bus(system);
	}
}

static void on_bus(void *arg, int revents)
{
	(void)revents;
	process_bus(arg);
}

static void open_bus(struct name_system *system)
{
	if (resolved_new(&system->resolved) < 0)
		return;
	if (loop_watch_new(&system->bus_watch, system->loop, resolved_fd(system->resolved),
			   UV_READABLE, on_bus, system) < 0) {
		close_bus(system);
		return;
	}
	system->patience_ns = loop_now_ns(system->loop) + PATIENCE_MS * NS_PER_MS;
}

static void on_bus_timer(void *arg, uint64_t now_ns)
{
	struct name_system *system = arg;

	(void)now_ns;
	if (system->resolved) {
		process_bus(system);
		return;
	}
	open_bus(system);
	if (system->resolved)
		process_bus(system);
	else
		watch_bus(system);
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* What the bus wants to be woken for; without one, when to try again. */
static void watch_bus(struct name_system *system)
{
	uint64_t now_ns = loop_now_ns(system->loop), due_ns, clock_ns;
	int events;

	if (!system->resolved) {
		if (system->wish.domain_count)
			loop_timer_set(&system->bus_timer, now_ns + BUS_RETRY_S * NS_PER_S);
		return;
	}
	events = resolved_events(system->resolved);
	loop_watch_events(system->bus_watch, (events & POLLIN ? UV_READABLE : 0) |
						     (events & POLLOUT ? UV_WRITABLE : 0));
	due_ns = resolved_next_ns(system->resolved);
	clock_ns = monotonic_ns();
	if (due_ns == CLOCK_NEVER)
		loop_timer_clear(&system->bus_timer);
	else
		loop_timer_set(&system->bus_timer,
			       now_ns + (due_ns > clock_ns ? due_ns - clock_ns : 0));
}

/* --- the wish --- */

static bool same_wish(const struct name_system *system, const struct name_system_wish *wish)
{
	const struct name_system_wish *held = &system->wish;

	if (held->ifindex != wish->ifindex || held->everything != wish->everything ||
	    held->server_count != wish->server_count || held->domain_count != wish->domain_count)
		return false;
	for (size_t i = 0; i < wish->server_count; i++) {
		if (!addr_equal(&held->servers[i], &wish->servers[i]))
			return false;
	}
	for (size_t i = 0; i < wish->domain_count; i++) {
		if (strcmp(system->domains[i], wish->domains[i]) != 0)
			return false;
	}
	return true;
}

static void forget_domains(struct name_system *system)
{
	for (size_t i = 0; i < NAME_SYSTEM_DOMAINS_MAX; i++) {
		free(system->domains[i]);
		system->domains[i] = NULL;
	}
}

void name_system_set(struct name_system *system, const struct name_system_wish *wish)
{
	size_t kept = 0;

	if (same_wish(system, wish))
		return;
	forget_domains(system);
	system->wish = *wish;
	for (size_t i = 0; i < wish->domain_count && i < NAME_SYSTEM_DOMAINS_MAX; i++) {
		system->domains[kept] = strdup(wish->domains[i]);
		kept += system->domains[kept] ? 1 : 0;
	}
	system->wish.domain_count = kept;
	system->wish.domains = NULL;
	if (kept) {
		system->link_set = false; /* is to be set anew */
		if (!system->resolved)
			open_bus(system);
	}
	settle(system);
}

const struct forwarder_servers *name_system_upstreams(const struct name_system *system)
{
	return &system->upstreams;
}

const char *name_system_how(const struct name_system *system)
{
	if (system->file_set)
		return "resolv.conf";
	return system->link_set && resolved_serves(system) ? "systemd-resolved" : NULL;
}

const char *name_system_trouble(const struct name_system *system)
{
	return system->trouble;
}

/* --- life --- */

int name_system_new(struct name_system **out, struct loop *loop, struct leftovers *leftovers,
		    void (*changed)(void *arg), void *arg)
{
	struct name_system *system = calloc(1, sizeof(*system));

	if (!system)
		return -ENOMEM;
	system->loop = loop;
	system->leftovers = leftovers;
	system->changed = changed;
	system->arg = arg;
	loop_timer_init(&system->look, loop, on_look, system);
	loop_timer_init(&system->bus_timer, loop, on_bus_timer, system);
	loop_timer_init(&system->retry, loop, on_retry, system);
	if (resolver_watch_new(&system->file, RESOLVER_FILE) == 0 &&
	    loop_watch_new(&system->file_watch, loop, resolver_watch_fd(system->file), UV_READABLE,
			   on_file, system) < 0) {
		resolver_watch_free(system->file);
		system->file = NULL;
	}
	*out = system;
	return 0;
}

void name_system_free(struct name_system *system)
{
	if (!system)
		return;
	release_file(system);
	release_link(system);
	close_bus(system);
	loop_timer_clear(&system->look);
	loop_timer_clear(&system->bus_timer);
	loop_timer_clear(&system->retry);
	loop_watch_free(system->file_watch);
	resolver_watch_free(system->file);
	forget_domains(system);
	free(system->original);
	free(system->target);
	free(system);
}
