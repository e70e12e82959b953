#include "daemon/name_lookup.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/mesh.h"
#include "daemon/name_service_core.h"

/* First the v4 addresses, then the v6 ones. */
struct name_lookup {
	struct mesh *mesh;
	char name[NAMES_TEXT_NAME_SIZE];
	ldns_rr_type type; /* that is asked for */
	struct query *query;
	struct ip_addr addresses[NAME_LOOKUP_MAX];
	size_t count;
	name_lookup_done *done;
	void *arg;
};

static void collect(struct name_lookup *lookup, const uint8_t *answer, size_t len)
{
	int family = lookup->type == LDNS_RR_TYPE_A ? AF_INET : AF_INET6;
	ldns_rr_list *list;
	ldns_pkt *packet;

	if (ldns_wire2pkt(&packet, answer, len) != LDNS_STATUS_OK)
		return;
	list = ldns_pkt_answer(packet);
	for (size_t i = 0; i < ldns_rr_list_rr_count(list) && lookup->count < NAME_LOOKUP_MAX;
	     i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		const ldns_rdf *rdf = ldns_rr_rdf(rr, 0);

		if (ldns_rr_get_type(rr) == lookup->type && rdf &&
		    ldns_rdf_size(rdf) == (family == AF_INET ? 4 : 16))
			lookup->addresses[lookup->count++] =
				addr_from_bytes(family, ldns_rdf_data(rdf));
	}
	ldns_pkt_free(packet);
}

static void on_answer(void *arg, const uint8_t *answer, size_t len);

/* As name_query_ask. */
static int ask(struct name_lookup *lookup)
{
	ldns_rdf *name = ldns_dname_new_frm_str(lookup->name);
	ldns_pkt *packet = NULL;
	uint8_t *wire = NULL;
	size_t len = 0;
	int err = -EINVAL;

	if (name)
		packet = ldns_pkt_query_new(name, lookup->type, LDNS_RR_CLASS_IN, LDNS_RD);
	if (packet && ldns_pkt2wire(&wire, packet, &len) == LDNS_STATUS_OK)
		err = name_query_ask(lookup->mesh->names, wire, len, on_answer, lookup,
				     &lookup->query);
	free(wire);
	if (packet)
		ldns_pkt_free(packet); /* and the name */
	else
		ldns_rdf_deep_free(name);
	return err;
}

/* Asks for what is left to ask for. 0 when all is known, -EINPROGRESS, or -errno. */
static int proceed(struct name_lookup *lookup)
{
	for (;;) {
		int n = ask(lookup);

		if (n == 0)
			return -EINPROGRESS;
		if (n < 0)
			return n;
		collect(lookup, lookup->mesh->names->answer, (size_t)n);
		if (lookup->type == LDNS_RR_TYPE_AAAA)
			return 0;
		lookup->type = LDNS_RR_TYPE_AAAA;
	}
}

static void on_answer(void *arg, const uint8_t *answer, size_t len)
{
	struct name_lookup *lookup = arg;
	int err = 0;

	lookup->query = NULL;
	collect(lookup, answer, len);
	if (lookup->type == LDNS_RR_TYPE_A) {
		lookup->type = LDNS_RR_TYPE_AAAA;
		err = proceed(lookup);
	}
	if (err == -EINPROGRESS)
		return;
	lookup->done(lookup->arg, lookup->addresses, lookup->count);
	free(lookup);
}

/* In full: a name of one label is the network's. */
static int complete(struct name_lookup *lookup, const struct names_zone *zone, const char *name)
{
	int n = snprintf(lookup->name, sizeof(lookup->name), "%s%s%s", name,
			 strchr(name, '.') ? "" : ".",
			 strchr(name, '.') ? "" : names_zone_origin(zone));

	return n > 0 && (size_t)n < sizeof(lookup->name) ? 0 : -EINVAL;
}

static int begin(struct name_lookup *lookup, const struct names_zone *zone, const char *name)
{
	int n = names_resolve(zone, name, lookup->addresses, NAME_LOOKUP_MAX);

	if (n >= 0) {
		lookup->count = (size_t)n;
		return 0;
	}
	if (n == -ENOENT)
		n = complete(lookup, zone, name);
	return n < 0 ? n : proceed(lookup);
}

int name_lookup_new(struct name_lookup **out, struct mesh *mesh, const char *name,
		    struct ip_addr addresses[static NAME_LOOKUP_MAX], name_lookup_done *done,
		    void *arg)
{
	const struct names_zone *zone = name_service_zone(mesh);
	struct name_lookup *lookup;
	int err;

	if (!zone)
		return -ENOENT;
	lookup = calloc(1, sizeof(*lookup));
	if (!lookup)
		return -ENOMEM;
	lookup->mesh = mesh;
	lookup->type = LDNS_RR_TYPE_A;
	lookup->done = done;
	lookup->arg = arg;
	err = begin(lookup, zone, name);
	if (err == -EINPROGRESS) {
		*out = lookup;
		return err;
	}
	memcpy(addresses, lookup->addresses, sizeof(lookup->addresses));
	if (err == 0)
		err = lookup->count ? (int)lookup->count : -ENODATA;
	free(lookup);
	return err;
}

void name_lookup_free(struct name_lookup *lookup)
{
	if (!lookup)
		return;
	if (lookup->query)
		name_query_cancel(lookup->query);
	free(lookup);
}
