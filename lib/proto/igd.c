#include "proto/igd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SEARCHES_MAX   4
#define SEARCH_WAIT_NS (500 * NS_PER_MS)    /* doubled with each search */
#define REST_NS        (30 * 60 * NS_PER_S) /* before one that refused is asked again */
#define RETRY_NS       (60 * NS_PER_S)      /* while something is open */
#define PORT_TRIES     4
#define PORT_FROM      16384 /* of those we choose ourselves */
#define PORT_COUNT     32768

/* Error codes of UPnP Device Architecture and WANIPConnection. */
#define ERR_NOT_AUTHORIZED  606
#define ERR_ACTION_FAILED   501
#define ERR_CONFLICT        718
#define ERR_ONLY_PERMANENT  725
#define ERR_OTHER_MECHANISM 729

/* Searches. Over v6 a device answers from any of its addresses, so only the gateway is asked. */
#define TO_GATEWAY   1u
#define TO_EVERYBODY 2u

enum phase {
	PHASE_SEARCH,
	PHASE_DESCRIBE,
	PHASE_ADDRESS,
	PHASE_ADD,    /* a port, or a pinhole */
	PHASE_UPDATE, /* a pinhole */
	PHASE_DELETE, /* and then add */
	PHASE_REST,   /* until next_ns */
	PHASE_STOPPED,
};

struct igd {
	const struct rng *rng;
	struct ip_addr gateway;
	struct endpoint internal;
	uint16_t port; /* external, wanted or had */
	enum phase phase;
	bool busy; /* a request is under way */
	bool request_due;
	unsigned int searches;
	unsigned int search_due; /* TO_… */
	unsigned int tries;
	bool permanent; /* the device gives no other leases */
	bool fresh;     /* the last request succeeded: the next one may go to the same place */
	uint64_t next_ns;
	uint64_t expires_ns;
	struct upnp_url location;
	struct upnp_service services[UPNP_SERVICE_KINDS];
	enum upnp_service_kind kind;
	struct ip_addr address;        /* of the device outside */
	char pinhole[UPNP_VALUE_SIZE]; /* its number */
	struct port_mapping mapping;
};

static bool is_v6(const struct igd *igd)
{
	return igd->internal.addr.family == AF_INET6;
}

static void start_search(struct igd *igd)
{
	igd->phase = PHASE_SEARCH;
	igd->searches = 0;
	igd->search_due = is_v6(igd) ? TO_GATEWAY : TO_GATEWAY | TO_EVERYBODY;
	igd->request_due = false;
	igd->next_ns = CLOCK_NEVER;
}

static void start_request(struct igd *igd, enum phase phase)
{
	igd->phase = phase;
	igd->request_due = true;
	igd->next_ns = CLOCK_NEVER;
}

struct igd *igd_new(const struct igd_config *config, const struct rng *rng, uint64_t now_ns)
{
	struct igd *igd;

	if (!config->internal.port)
		return NULL;
	igd = calloc(1, sizeof(*igd));
	if (!igd)
		return NULL;
	igd->rng = rng;
	igd->gateway = config->gateway;
	igd->internal = config->internal;
	igd->port = config->suggested_port;
	igd->mapping.state = PORT_MAPPING_ASKING;
	start_search(igd);
	igd->next_ns = now_ns;
	return igd;
}

void igd_free(struct igd *igd)
{
	free(igd);
}

/* It is asked again later. What is open stays so until its time is over. */
static void give_up(struct igd *igd, const char *why, uint64_t now_ns)
{
	igd->phase = PHASE_REST;
	igd->fresh = false;
	igd->busy = false;
	igd->request_due = false;
	igd->search_due = 0;
	if (igd->mapping.state == PORT_MAPPING_OPEN) {
		igd->next_ns = now_ns + RETRY_NS;
		return;
	}
	igd->mapping = (struct port_mapping){
		.state = why ? PORT_MAPPING_REFUSED : PORT_MAPPING_SILENT,
		.why = why,
	};
	igd->next_ns = now_ns + REST_NS;
}

/* What was open is not to be had any more. */
static void refuse(struct igd *igd, const char *why, uint64_t now_ns)
{
	igd->mapping.state = PORT_MAPPING_ASKING;
	give_up(igd, why, now_ns);
}

/* ---- finding it ---- */

size_t igd_poll_search(struct igd *igd, struct ip_addr *to, char *buf, size_t cap)
{
	if (igd->phase != PHASE_SEARCH || !igd->search_due)
		return 0;
	if (igd->search_due & TO_GATEWAY) {
		igd->search_due &= ~TO_GATEWAY;
		*to = igd->gateway;
	} else {
		igd->search_due = 0;
		addr_parse(to, "239.255.255.250"); /* UPnP Device Architecture 1.1, section 1.3 */
	}
	return upnp_build_search(buf, cap, to);
}

/*
 * Does a host in a URL mean the gateway? Over v6 a device has several addresses, of which we know
 * one; requests go to that one all the same.
 */
static bool host_is_gateway(const struct igd *igd, const char *host)
{
	struct ip_addr addr;

	if (!upnp_host_addr(&addr, host))
		return false;
	return is_v6(igd) ? addr.family == AF_INET6 : addr_equal(&addr, &igd->gateway);
}

void igd_input_search(struct igd *igd, const struct ip_addr *from, const char *data, size_t len,
		      uint64_t now_ns)
{
	struct upnp_url location;
	int err;

	/* The network may have many devices; one that is not the gateway opens nothing for us. */
	if (igd->phase != PHASE_SEARCH || (!is_v6(igd) && !addr_equal(from, &igd->gateway)))
		return;
	err = upnp_parse_search(&location, data, len);
	if (err == -ENOENT)
		return;
	if (err < 0) {
		give_up(igd, "answers nonsense", now_ns);
		return;
	}
	if (!host_is_gateway(igd, location.host)) {
		give_up(igd, "points to another host", now_ns);
		return;
	}
	igd->location = location;
	start_request(igd, PHASE_DESCRIBE);
}

/* ---- requests ---- */

static struct upnp_url control_url(const struct igd *igd)
{
	struct upnp_url url = igd->location;

	if (igd->services[igd->kind].control.port)
		url.port = igd->services[igd->kind].control.port;
	memcpy(url.path, igd->services[igd->kind].control.path, sizeof(url.path));
	return url;
}

static size_t build(const struct igd *igd, struct igd_request *request, const char *action,
		    const char *const *args)
{
	struct upnp_url url = control_url(igd);

	request->port = url.port;
	return upnp_build_call(request->data, sizeof(request->data), &url,
			       igd->services[igd->kind].type, action, args);
}

static size_t build_add_port(const struct igd *igd, struct igd_request *request)
{
	char external[8], internal[8], lease[8], client[ADDR_TEXT_SIZE];
	const char *const args[] = {
		"NewRemoteHost",
		"",
		"NewExternalPort",
		external,
		"NewProtocol",
		"UDP",
		"NewInternalPort",
		internal,
		"NewInternalClient",
		client,
		"NewEnabled",
		"1",
		"NewPortMappingDescription",
		"warren",
		"NewLeaseDuration",
		lease,
		NULL,
	};

	snprintf(external, sizeof(external), "%u", igd->port);
	snprintf(internal, sizeof(internal), "%u", igd->internal.port);
	snprintf(lease, sizeof(lease), "%d", igd->permanent ? 0 : PORT_MAPPING_LIFETIME_S);
	addr_format(client, &igd->internal.addr);
	return build(igd, request, "AddPortMapping", args);
}

static size_t build_add_pinhole(const struct igd *igd, struct igd_request *request)
{
	char internal[8], lease[8], client[ADDR_TEXT_SIZE];
	const char *const args[] = {
		"RemoteHost",   "",       "RemotePort", "0",  "InternalClient", client,
		"InternalPort", internal, "Protocol",   "17", "LeaseTime",      lease,
		NULL,
	};

	snprintf(internal, sizeof(internal), "%u", igd->internal.port);
	snprintf(lease, sizeof(lease), "%d", PORT_MAPPING_LIFETIME_S);
	addr_format(client, &igd->internal.addr);
	return build(igd, request, "AddPinhole", args);
}

static size_t build_update(const struct igd *igd, struct igd_request *request)
{
	char lease[8];
	const char *const args[] = { "UniqueID", igd->pinhole, "NewLeaseTime", lease, NULL };

	snprintf(lease, sizeof(lease), "%d", PORT_MAPPING_LIFETIME_S);
	return build(igd, request, "UpdatePinhole", args);
}

static size_t build_delete(const struct igd *igd, struct igd_request *request)
{
	char external[8];
	const char *const port_args[] = {
		"NewRemoteHost", "", "NewExternalPort", external, "NewProtocol", "UDP", NULL,
	};
	const char *const pinhole_args[] = { "UniqueID", igd->pinhole, NULL };

	if (is_v6(igd))
		return build(igd, request, "DeletePinhole", pinhole_args);
	snprintf(external, sizeof(external), "%u", igd->mapping.external.port);
	return build(igd, request, "DeletePortMapping", port_args);
}

static size_t build_request(const struct igd *igd, struct igd_request *request)
{
	switch (igd->phase) {
	case PHASE_DESCRIBE:
		request->port = igd->location.port;
		return upnp_build_get(request->data, sizeof(request->data), &igd->location);
	case PHASE_ADDRESS:
		return build(igd, request, "GetExternalIPAddress", NULL);
	case PHASE_ADD:
		return is_v6(igd) ? build_add_pinhole(igd, request) : build_add_port(igd, request);
	case PHASE_UPDATE:
		return build_update(igd, request);
	case PHASE_DELETE:
		return build_delete(igd, request);
	default:
		return 0;
	}
}

bool igd_poll_request(struct igd *igd, struct igd_request *request)
{
	if (igd->busy || !igd->request_due)
		return false;
	igd->request_due = false;
	request->len = build_request(igd, request);
	igd->busy = request->len > 0;
	return igd->busy;
}

/* ---- answers ---- */

/* The first kind after `but` that the device has, of those that serve us. */
static bool choose_service(struct igd *igd, int but)
{
	int first = is_v6(igd) ? UPNP_FIREWALL : UPNP_WAN_IP;
	int last = is_v6(igd) ? UPNP_FIREWALL : UPNP_WAN_PPP;

	for (int kind = but < first ? first : but + 1; kind <= last; kind++) {
		if (!igd->services[kind].type[0])
			continue;
		igd->kind = (enum upnp_service_kind)kind;
		return true;
	}
	return false;
}

static void on_description(struct igd *igd, const struct upnp_answer *answer, uint64_t now_ns)
{
	if (answer->status >= 300 && answer->status < 400) {
		give_up(igd, "redirects", now_ns);
		return;
	}
	if (answer->status != 200 ||
	    upnp_parse_description(igd->services, answer->body, answer->body_len) < 0) {
		give_up(igd, "describes no gateway", now_ns);
		return;
	}
	if (!choose_service(igd, -1)) {
		give_up(igd, is_v6(igd) ? "opens no pinholes" : "maps no ports", now_ns);
		return;
	}
	if (igd->services[igd->kind].control.host[0] &&
	    !host_is_gateway(igd, igd->services[igd->kind].control.host)) {
		give_up(igd, "points to another host", now_ns);
		return;
	}
	igd->tries = 0;
	start_request(igd, is_v6(igd) ? PHASE_ADD : PHASE_ADDRESS);
}

static void on_address(struct igd *igd, const struct upnp_answer *answer, uint64_t now_ns)
{
	char text[UPNP_VALUE_SIZE];
	struct endpoint external = { .port = igd->port };
	const char *why = "answers with an error";

	if (answer->status == 200 &&
	    upnp_find_value(text, "NewExternalIPAddress", answer->body, answer->body_len) == 0 &&
	    addr_parse(&external.addr, text) == 0)
		why = port_mapping_refuse(&external, &igd->internal.addr);
	if (!why) {
		igd->address = external.addr;
		start_request(igd, PHASE_ADD);
	} else if (choose_service(igd, (int)igd->kind)) {
		/* The line may be the other kind of connection. */
		start_request(igd, PHASE_ADDRESS);
	} else {
		refuse(igd, why, now_ns);
	}
}

static void opened(struct igd *igd, uint64_t now_ns)
{
	igd->mapping = (struct port_mapping){ .state = PORT_MAPPING_OPEN };
	igd->mapping.external = igd->internal;
	if (!is_v6(igd))
		igd->mapping.external =
			(struct endpoint){ .addr = igd->address, .port = igd->port };
	igd->tries = 0;
	igd->fresh = true;
	igd->phase = PHASE_REST;
	igd->next_ns = now_ns + PORT_MAPPING_LIFETIME_S * (NS_PER_S / 2);
	igd->expires_ns = now_ns + PORT_MAPPING_LIFETIME_S * NS_PER_S;
}

static void on_error(struct igd *igd, const struct upnp_answer *answer, uint64_t now_ns)
{
	char text[UPNP_VALUE_SIZE];
	int code = 0;

	if (upnp_find_value(text, "errorCode", answer->body, answer->body_len) == 0)
		code = atoi(text);
	if (code == ERR_ONLY_PERMANENT && !igd->permanent && !is_v6(igd)) {
		igd->permanent = true;
		start_request(igd, PHASE_ADD);
	} else if ((code == ERR_CONFLICT || code == ERR_OTHER_MECHANISM ||
		    code == ERR_ACTION_FAILED) &&
		   !is_v6(igd) && ++igd->tries < PORT_TRIES) {
		igd->port = (uint16_t)(PORT_FROM + rng_below(igd->rng, PORT_COUNT));
		start_request(igd, PHASE_ADD);
	} else {
		refuse(igd,
		       code == ERR_NOT_AUTHORIZED ? "does not allow it" : "answers with an error",
		       now_ns);
	}
}

static void on_added(struct igd *igd, const struct upnp_answer *answer, uint64_t now_ns)
{
	char pinhole[UPNP_VALUE_SIZE] = "";
	unsigned long number;
	char *end;

	if (answer->status != 200) {
		on_error(igd, answer, now_ns);
		return;
	}
	if (is_v6(igd)) {
		if (upnp_find_value(pinhole, "UniqueID", answer->body, answer->body_len) < 0 ||
		    (number = strtoul(pinhole, &end, 10)) > UINT16_MAX || *end || !*pinhole) {
			refuse(igd, "answers nonsense", now_ns);
			return;
		}
		snprintf(igd->pinhole, sizeof(igd->pinhole), "%lu", number);
	}
	opened(igd, now_ns);
}

static void on_answer(struct igd *igd, const struct upnp_answer *answer, uint64_t now_ns)
{
	switch (igd->phase) {
	case PHASE_DESCRIBE:
		on_description(igd, answer, now_ns);
		break;
	case PHASE_ADDRESS:
		on_address(igd, answer, now_ns);
		break;
	case PHASE_ADD:
		on_added(igd, answer, now_ns);
		break;
	case PHASE_UPDATE:
		if (answer->status == 200)
			opened(igd, now_ns);
		else
			start_request(igd, PHASE_ADD); /* it has forgotten */
		break;
	case PHASE_DELETE:
		start_request(igd, PHASE_ADD);
		break;
	default:
		break;
	}
}

bool igd_input_answer(struct igd *igd, char *data, size_t len, bool ended, uint64_t now_ns)
{
	struct upnp_answer answer;
	int err;

	if (!igd->busy)
		return true;
	err = upnp_parse_answer(&answer, data, len, ended || len >= UPNP_ANSWER_MAX);
	if (err == -EAGAIN)
		return false;
	igd->busy = false;
	if (err < 0)
		give_up(igd, "answers nonsense", now_ns);
	else
		on_answer(igd, &answer, now_ns);
	return true;
}

void igd_request_failed(struct igd *igd, uint64_t now_ns)
{
	if (!igd->busy)
		return;
	if (igd->phase == PHASE_DELETE) {
		igd->busy = false;
		start_search(igd);
		igd->next_ns = now_ns;
		return;
	}
	give_up(igd, "announces a service that does not answer", now_ns);
}

/* ---- time ---- */

uint64_t igd_next_timeout(const struct igd *igd)
{
	if (igd->mapping.state == PORT_MAPPING_OPEN && !igd->permanent &&
	    igd->expires_ns < igd->next_ns)
		return igd->expires_ns;
	return igd->next_ns;
}

static void search_again(struct igd *igd, uint64_t now_ns)
{
	if (igd->searches == SEARCHES_MAX) {
		give_up(igd, NULL, now_ns);
		return;
	}
	/* The first search is due from the beginning. */
	if (igd->searches)
		igd->search_due = is_v6(igd) ? TO_GATEWAY : TO_GATEWAY | TO_EVERYBODY;
	igd->next_ns = now_ns + (SEARCH_WAIT_NS << igd->searches);
	igd->searches++;
}

void igd_expire(struct igd *igd, uint64_t now_ns)
{
	if (igd->mapping.state == PORT_MAPPING_OPEN && !igd->permanent && igd->expires_ns <= now_ns)
		igd->mapping = (struct port_mapping){ .state = PORT_MAPPING_ASKING };
	if (igd->next_ns > now_ns)
		return;
	if (igd->phase == PHASE_SEARCH) {
		search_again(igd, now_ns);
	} else if (igd->phase == PHASE_REST) {
		/* Renewal goes on where it is known to answer, everything else from the start. */
		if (igd->mapping.state != PORT_MAPPING_OPEN || !igd->fresh) {
			start_search(igd);
			search_again(igd, now_ns);
		} else {
			start_request(igd, is_v6(igd) ? PHASE_UPDATE : PHASE_ADDRESS);
		}
	}
}

struct port_mapping igd_mapping(const struct igd *igd)
{
	return igd->mapping;
}

void igd_stop(struct igd *igd)
{
	igd->phase = PHASE_STOPPED;
	igd->busy = false;
	igd->request_due = false;
	igd->search_due = 0;
	igd->next_ns = CLOCK_NEVER;
	igd->mapping = (struct port_mapping){ .state = PORT_MAPPING_OFF };
}

bool igd_delete(struct igd *igd, struct igd_request *request)
{
	bool was_open = igd->mapping.state == PORT_MAPPING_OPEN;

	request->len = was_open ? build_delete(igd, request) : 0;
	igd_stop(igd);
	return request->len > 0;
}

void igd_anew(struct igd *igd, uint16_t suggested_port, uint64_t now_ns)
{
	bool was_open = igd->mapping.state == PORT_MAPPING_OPEN;

	igd->busy = false;
	igd->port = suggested_port;
	if (was_open) {
		start_request(igd, PHASE_DELETE);
		/* The request still needs to know what. */
		igd->mapping.state = PORT_MAPPING_ASKING;
		return;
	}
	igd->mapping = (struct port_mapping){ .state = PORT_MAPPING_ASKING };
	start_search(igd);
	igd->next_ns = now_ns;
}
