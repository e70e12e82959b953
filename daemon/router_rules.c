#include "daemon/router_rules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not out on the internet: an exit carries nothing there. */
#define PRIVATE4                                                                             \
	"0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, " \
	"192.168.0.0/16, 224.0.0.0/3"
/* Teredo's and 6to4's addresses may name a private one of v4 where tunnels are made for them. */
#define PUBLIC6 "ip6 daddr 2000::/3 ip6 daddr != { 2001::/32, 2002::/16 }"

const char *router_table_name(char out[static ROUTER_NAME_SIZE], const char *tun)
{
	size_t used = (size_t)snprintf(out, ROUTER_NAME_SIZE, "warren_");

	/* Names of devices may hold what an identifier of nft may not. */
	for (; *tun && used + 4 < ROUTER_NAME_SIZE; tun++)
		used += (size_t)snprintf(out + used, ROUTER_NAME_SIZE - used,
					 isalnum((unsigned char)*tun) ? "%c" : "_%02x",
					 (unsigned char)*tun);
	return out;
}

bool router_plan_is_empty(const struct router_plan *plan)
{
	return plan->route_count == 0 && !plan->exit4 && !plan->exit6;
}

/* Which of the routes a set or map is about. */
enum choice {
	CARRIED, /* all, as the LAN calls them */
	MASKED,  /* those with source translation */
	MAPPED,
};

static bool is_chosen(const struct router_route *route, int family, enum choice choice)
{
	if (route->seen.addr.family != family)
		return false;
	return choice == CARRIED || (choice == MASKED && route->snat) ||
	       (choice == MAPPED && !prefix_equal(&route->seen, &route->real));
}

static bool any(const struct router_plan *plan, int family, enum choice choice)
{
	size_t i;

	for (i = 0; i < plan->route_count; i++) {
		if (is_chosen(&plan->routes[i], family, choice))
			return true;
	}
	return false;
}

static const char *digit(int family)
{
	return family == AF_INET ? "4" : "6";
}

static const char *proto(int family)
{
	return family == AF_INET ? "ip" : "ip6";
}

static void put_set(FILE *out, const struct router_plan *plan, int family, enum choice choice,
		    const char *name)
{
	const char *between = "";
	char text[PREFIX_TEXT_SIZE];
	size_t i;

	if (!any(plan, family, choice))
		return;
	fprintf(out,
		"\tset %s%s {\n\t\ttype ipv%s_addr\n\t\tflags interval\n\t\tauto-merge\n"
		"\t\telements = { ",
		name, digit(family), digit(family));
	for (i = 0; i < plan->route_count; i++) {
		if (!is_chosen(&plan->routes[i], family, choice))
			continue;
		fprintf(out, "%s%s", between, prefix_format(text, &plan->routes[i].real));
		between = ", ";
	}
	fputs(" }\n\t}\n", out);
}

static void put_map(FILE *out, const struct router_plan *plan, int family, bool to_real)
{
	const char *between = "";
	char from[PREFIX_TEXT_SIZE], to[PREFIX_TEXT_SIZE];
	size_t i;

	fprintf(out, "%s %s prefix to %s %s map { ", to_real ? "dnat" : "snat", proto(family),
		proto(family), to_real ? "daddr" : "saddr");
	for (i = 0; i < plan->route_count; i++) {
		const struct router_route *route = &plan->routes[i];

		if (!is_chosen(route, family, MAPPED))
			continue;
		fprintf(out, "%s%s : %s", between,
			prefix_format(from, to_real ? &route->seen : &route->real),
			prefix_format(to, to_real ? &route->real : &route->seen));
		between = ", ";
	}
	fputs(" }\n", out);
}

/*
 * What the mesh sends is for our address in it and nothing else of this host, and what others send
 * is not for that one.
 */
static void put_input(FILE *out, const struct router_plan *plan)
{
	char text[ADDR_TEXT_SIZE];

	fputs("\tchain input {\n\t\ttype filter hook input priority filter - 5; policy accept;\n",
	      out);
	if (plan->address4.family) {
		addr_format(text, &plan->address4);
		fprintf(out, "\t\tiifname \"%s\" ip daddr %s accept\n", plan->tun, text);
		fprintf(out, "\t\tiifname != { \"%s\", \"lo\" } ip daddr %s drop\n", plan->tun,
			text);
	}
	if (plan->address6.family) {
		addr_format(text, &plan->address6);
		fprintf(out, "\t\tiifname \"%s\" ip6 daddr %s accept\n", plan->tun, text);
		fprintf(out, "\t\tiifname != { \"%s\", \"lo\" } ip6 daddr %s drop\n", plan->tun,
			text);
	}
	fprintf(out, "\t\tiifname \"%s\" drop\n\t}\n", plan->tun);
}

static const struct ip_addr *own_address(const struct router_plan *plan, int family)
{
	return family == AF_INET ? &plan->address4 : &plan->address6;
}

static void put_from_mesh(FILE *out, const struct router_plan *plan)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char text[ADDR_TEXT_SIZE];
	size_t i;

	fputs("\tchain from_mesh {\n", out);
	for (i = 0; i < 2; i++) {
		/* The kernel would not translate these, and the LAN see addresses of ours. */
		if (any(plan, families[i], MASKED))
			fprintf(out, "\t\t%s daddr @masked%s ct state invalid drop\n",
				proto(families[i]), digit(families[i]));
		if (any(plan, families[i], CARRIED))
			fprintf(out, "\t\t%s daddr @carried%s accept\n", proto(families[i]),
				digit(families[i]));
		/* What somebody here hands on from our own address: a container's port. */
		if (own_address(plan, families[i])->family)
			fprintf(out, "\t\tct status dnat ct original %s daddr %s accept\n",
				proto(families[i]),
				addr_format(text, own_address(plan, families[i])));
	}
	if (plan->exit4)
		fputs("\t\tct state != invalid ip daddr != { " PRIVATE4 " } accept\n", out);
	if (plan->exit6)
		fputs("\t\tct state != invalid " PUBLIC6 " accept\n", out);
	fputs("\t\tdrop\n\t}\n", out);
}

/*
 * Nobody else sends from our own address, whatever flow of ours it would fit in; v6 asks nobody
 * else. FTP is followed in what goes this way alone: the LAN's other traffic may be others' matter.
 */
static void put_to_mesh(FILE *out, const struct router_plan *plan)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char text[ADDR_TEXT_SIZE];
	size_t i;

	fputs("\tchain to_mesh {\n", out);
	for (i = 0; i < 2; i++) {
		if (own_address(plan, families[i])->family)
			fprintf(out, "\t\t%s saddr %s drop\n", proto(families[i]),
				addr_format(text, own_address(plan, families[i])));
	}
	fputs("\t\tct state established,related accept\n", out);
	if (plan->ftp)
		fputs("\t\ttcp dport 21 ct helper set \"ftp\"\n", out);
	for (i = 0; i < 2; i++) {
		if (any(plan, families[i], CARRIED))
			fprintf(out, "\t\t%s saddr @carried%s accept\n", proto(families[i]),
				digit(families[i]));
	}
	fputs("\t\tdrop\n\t}\n", out);
}

static void put_forward(FILE *out, const struct router_plan *plan)
{
	put_from_mesh(out, plan);
	put_to_mesh(out, plan);
	fprintf(out,
		"\tchain forward {\n"
		"\t\ttype filter hook forward priority filter - 5; policy accept;\n"
		"\t\tiifname \"%s\" oifname \"%s\" drop\n"
		"\t\tiifname \"%s\" jump from_mesh\n"
		"\t\toifname \"%s\" jump to_mesh\n"
		"\t}\n",
		plan->tun, plan->tun, plan->tun, plan->tun);
}

/*
 * Whose address stays as it is, is translated to itself: otherwise others' rules that come later,
 * made for the way out to the internet, would hide hosts of the LAN behind our own address, for
 * which more is allowed.
 */
static void put_source(FILE *out, const struct router_plan *plan, int family)
{
	const char *version = proto(family), *n = digit(family);

	if (any(plan, family, MAPPED)) {
		fprintf(out, "\t\toifname \"%s\" ", plan->tun);
		put_map(out, plan, family, false);
	}
	if (any(plan, family, MASKED))
		fprintf(out, "\t\tiifname \"%s\" %s daddr @masked%s masquerade\n", plan->tun,
			version, n);
	if (!any(plan, family, CARRIED))
		return;
	fprintf(out, "\t\toifname \"%s\" %s saddr @carried%s snat %s to %s saddr\n", plan->tun,
		version, n, version, version);
	fprintf(out, "\t\tiifname \"%s\" %s daddr @carried%s snat %s to %s saddr\n", plan->tun,
		version, n, version, version);
}

static void put_translation(FILE *out, const struct router_plan *plan)
{
	static const int families[] = { AF_INET, AF_INET6 };
	size_t i;

	fputs("\tchain prerouting {\n\t\ttype nat hook prerouting priority dstnat - 5; "
	      "policy accept;\n",
	      out);
	for (i = 0; i < 2; i++) {
		if (!any(plan, families[i], MAPPED))
			continue;
		fprintf(out, "\t\tiifname \"%s\" ", plan->tun);
		put_map(out, plan, families[i], true);
	}
	fputs("\t}\n\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat - 5; "
	      "policy accept;\n",
	      out);
	for (i = 0; i < 2; i++)
		put_source(out, plan, families[i]);
	if (plan->exit4)
		fprintf(out,
			"\t\tiifname \"%s\" oifname != \"%s\" ip daddr != { " PRIVATE4
			" } masquerade\n",
			plan->tun, plan->tun);
	if (plan->exit6)
		fprintf(out, "\t\tiifname \"%s\" oifname != \"%s\" " PUBLIC6 " masquerade\n",
			plan->tun, plan->tun);
	fputs("\t}\n", out);
}

/*
 * Active FTP opens a second connection, back, to an address that is told inside the first. Before
 * any translation, which has to be told; where to the LAN's own goes is not known here yet.
 */
static void put_helpers(FILE *out, const struct router_plan *plan)
{
	if (!plan->ftp)
		return;
	fputs("\tct helper ftp {\n\t\ttype \"ftp\" protocol tcp\n\t}\n"
	      "\tchain helpers {\n\t\ttype filter hook prerouting priority mangle; "
	      "policy accept;\n",
	      out);
	fprintf(out, "\t\tiifname \"%s\" tcp dport 21 ct helper set \"ftp\"\n\t}\n", plan->tun);
}

char *router_rules(const struct router_plan *plan)
{
	char name[ROUTER_NAME_SIZE];
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	router_table_name(name, plan->tun);
	/* Deleting needs that it is there. */
	fprintf(out, "add table inet %s { flags owner; }\ndelete table inet %s\n", name, name);
	if (!router_plan_is_empty(plan)) {
		fprintf(out, "table inet %s {\n\tflags owner\n", name);
		put_set(out, plan, AF_INET, CARRIED, "carried");
		put_set(out, plan, AF_INET6, CARRIED, "carried");
		put_set(out, plan, AF_INET, MASKED, "masked");
		put_set(out, plan, AF_INET6, MASKED, "masked");
		put_helpers(out, plan);
		put_input(out, plan);
		put_forward(out, plan);
		put_translation(out, plan);
		fputs("}\n", out);
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
