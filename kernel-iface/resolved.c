#include "kernel-iface/resolved.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/clock.h"

#define NAME    "org.freedesktop.resolve1"
#define PATH    "/org/freedesktop/resolve1"
#define MANAGER "org.freedesktop.resolve1.Manager"

#define BUS      "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define OWNER_CHANGES                                                        \
	"type='signal',sender='" BUS "',path='" BUS_PATH "',interface='" BUS \
	"',member='NameOwnerChanged',arg0='" NAME "'"
#define ERROR_MAX 160
#define CALL_US   5000000

struct resolved {
	sd_bus *bus;
	enum resolved_presence presence;
	unsigned int starts;
	unsigned int unanswered;
	char refusal[ERROR_MAX]; /* of the settings that are not all answered yet */
	char error[ERROR_MAX];
};

/* --- is it there --- */

static void set_presence(struct resolved *resolved, bool present)
{
	if (present)
		resolved->starts++;
	resolved->presence = present ? RESOLVED_PRESENT : RESOLVED_ABSENT;
}

static int on_owner(sd_bus_message *message, void *arg, sd_bus_error *error)
{
	struct resolved *resolved = arg;
	int has = 0;

	(void)error;
	if (sd_bus_message_is_method_error(message, NULL) ||
	    sd_bus_message_read(message, "b", &has) < 0)
		has = 0;
	/* It may have come meanwhile, and have been told of. */
	if (resolved->presence == RESOLVED_UNKNOWN)
		set_presence(resolved, has);
	return 0;
}

static int on_owner_changed(sd_bus_message *message, void *arg, sd_bus_error *error)
{
	const char *name, *former, *now;

	(void)error;
	if (sd_bus_message_read(message, "sss", &name, &former, &now) >= 0)
		set_presence(arg, now[0] != '\0');
	return 0;
}

int resolved_new(struct resolved **out)
{
	struct resolved *resolved = calloc(1, sizeof(*resolved));
	int err;

	if (!resolved)
		return -ENOMEM;
	err = sd_bus_open_system(&resolved->bus);
	if (err >= 0)
		err = sd_bus_add_match_async(resolved->bus, NULL, OWNER_CHANGES, on_owner_changed,
					     NULL, resolved);
	if (err >= 0)
		err = sd_bus_call_method_async(resolved->bus, NULL, BUS, BUS_PATH, BUS,
					       "NameHasOwner", on_owner, resolved, "s", NAME);
	if (err < 0) {
		resolved_free(resolved);
		return err;
	}
	*out = resolved;
	return 0;
}

void resolved_free(struct resolved *resolved)
{
	if (!resolved)
		return;
	sd_bus_close_unref(resolved->bus);
	free(resolved);
}

/* --- the bus --- */

int resolved_fd(const struct resolved *resolved)
{
	return sd_bus_get_fd(resolved->bus);
}

int resolved_events(const struct resolved *resolved)
{
	int events = sd_bus_get_events(resolved->bus);

	return events < 0 ? POLLIN : events;
}

uint64_t resolved_next_ns(const struct resolved *resolved)
{
	uint64_t us;

	if (sd_bus_get_timeout(resolved->bus, &us) < 0 || us == UINT64_MAX)
		return CLOCK_NEVER;
	return us * NS_PER_US;
}

int resolved_process(struct resolved *resolved)
{
	int more;

	do
		more = sd_bus_process(resolved->bus, NULL);
	while (more > 0);
	return more;
}

enum resolved_presence resolved_presence(const struct resolved *resolved)
{
	return resolved->presence;
}

unsigned int resolved_starts(const struct resolved *resolved)
{
	return resolved->starts;
}

const char *resolved_error(const struct resolved *resolved)
{
	return resolved->error;
}

/* --- settings --- */

/* An older one does not know every setting: what it does not know it does not do either. */
static int on_answer(sd_bus_message *message, void *arg, sd_bus_error *unused)
{
	struct resolved *resolved = arg;
	const sd_bus_error *error = sd_bus_message_get_error(message);

	(void)unused;
	if (error && !sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD))
		snprintf(resolved->refusal, sizeof(resolved->refusal), "%s",
			 error->message ? error->message : error->name);
	if (--resolved->unanswered == 0)
		strcpy(resolved->error, resolved->refusal);
	return 0;
}

static int new_call(struct resolved *resolved, sd_bus_message **call, const char *method,
		    uint32_t ifindex)
{
	int err = sd_bus_message_new_method_call(resolved->bus, call, NAME, PATH, MANAGER, method);

	if (err >= 0)
		err = sd_bus_message_set_auto_start(*call, 0);
	if (err >= 0)
		err = sd_bus_message_append(*call, "i", (int)ifindex);
	return err;
}

/* Takes the call over; err is what making it came to. */
static int send_call(struct resolved *resolved, sd_bus_message *call, int err)
{
	if (err >= 0)
		err = sd_bus_call_async(resolved->bus, NULL, call, on_answer, resolved, CALL_US);
	sd_bus_message_unref(call);
	resolved->unanswered += err < 0 ? 0 : 1;
	return err < 0 ? err : 0;
}

static int set_servers(struct resolved *resolved, const struct resolved_link *link)
{
	sd_bus_message *call = NULL;
	int err = new_call(resolved, &call, "SetLinkDNS", link->ifindex);

	if (err >= 0)
		err = sd_bus_message_open_container(call, 'a', "(iay)");
	for (size_t i = 0; err >= 0 && i < link->server_count; i++) {
		const struct ip_addr *server = &link->servers[i];

		err = sd_bus_message_open_container(call, 'r', "iay");
		if (err >= 0)
			err = sd_bus_message_append(call, "i", (int)server->family);
		if (err >= 0)
			err = sd_bus_message_append_array(call, 'y', server->bytes,
							  addr_len(server));
		if (err >= 0)
			err = sd_bus_message_close_container(call);
	}
	if (err >= 0)
		err = sd_bus_message_close_container(call);
	return send_call(resolved, call, err);
}

static int set_domains(struct resolved *resolved, const struct resolved_link *link)
{
	size_t max = RESOLVED_DOMAINS_MAX - (link->everything ? 1 : 0);
	sd_bus_message *call = NULL;
	int err = new_call(resolved, &call, "SetLinkDomains", link->ifindex);

	if (err >= 0)
		err = sd_bus_message_open_container(call, 'a', "(sb)");
	for (size_t i = 0; err >= 0 && i < link->domain_count && i < max; i++)
		err = sd_bus_message_append(call, "(sb)", link->domains[i], i > 0);
	if (err >= 0 && link->everything)
		err = sd_bus_message_append(call, "(sb)", ".", 1);
	if (err >= 0)
		err = sd_bus_message_close_container(call);
	return send_call(resolved, call, err);
}

static int set_switch(struct resolved *resolved, uint32_t ifindex, const char *method,
		      const char *value)
{
	sd_bus_message *call = NULL;
	int err = new_call(resolved, &call, method, ifindex);

	if (err >= 0)
		err = sd_bus_message_append(call, "s", value);
	return send_call(resolved, call, err);
}

static int set_default_route(struct resolved *resolved, const struct resolved_link *link)
{
	sd_bus_message *call = NULL;
	int err = new_call(resolved, &call, "SetLinkDefaultRoute", link->ifindex);

	if (err >= 0)
		err = sd_bus_message_append(call, "b", link->everything);
	return send_call(resolved, call, err);
}

/* The way to our server is this machine: neither encryption nor signatures have a place on it. */
int resolved_set(struct resolved *resolved, const struct resolved_link *link)
{
	static const char *const switches[] = { "SetLinkLLMNR", "SetLinkMulticastDNS",
						"SetLinkDNSSEC", "SetLinkDNSOverTLS" };
	int err;

	resolved->refusal[0] = '\0'; /* the former error stands until this is answered */
	err = set_servers(resolved, link);
	if (err == 0)
		err = set_domains(resolved, link);
	if (err == 0)
		err = set_default_route(resolved, link);
	for (size_t i = 0; err == 0 && i < sizeof(switches) / sizeof(*switches); i++)
		err = set_switch(resolved, link->ifindex, switches[i], "no");
	return err;
}

int resolved_revert(struct resolved *resolved, uint32_t ifindex)
{
	sd_bus_message *call = NULL;
	int err = new_call(resolved, &call, "RevertLink", ifindex);

	resolved->error[0] = resolved->refusal[0] = '\0';
	return send_call(resolved, call, err);
}
