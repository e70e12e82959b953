/*
 * What a large policy costs the coordinator: 10,000 rules for 10,000 nodes.
 *
 *     build/release/bench/policy [NODES [RULES]]
 *
 * The network is one of a company: six in ten nodes are servers of 6 each with a tag (tag:s17), the
 * others machines of people, half of them signed in by a user, in teams of 20 that the file lists.
 * Of the rules 60 % let one service call another at its port, 25 % a team use a service, 5 % a
 * user, 5 % are about single nodes, 4 % about hosts, 1 % deny a team something; one lets the admins
 * reach everything by SSH. "compile" is from the parsed policy to the list of rules that each node
 * has for each of its peers. The rest is what the coordinator does with it: maps, signed, and after
 * a change the deltas of whom it concerns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/map.h"
#include "coord/mapmaker.h"
#include "coord/node.h"
#include "crypto/sign.h"
#include "proto/policy_index.h"

#define SERVICE_SIZE 6
#define TEAM_SIZE    20

static unsigned int node_count = 10000;
static unsigned int rule_count = 10000;
static struct network network;
static struct node **nodes;
static struct session *anywhere; /* never looked into */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void must(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "policy: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* --- the network --- */

static unsigned int servers(void)
{
	return node_count * 6 / 10;
}

static unsigned int services(void)
{
	return servers() / SERVICE_SIZE ? servers() / SERVICE_SIZE : 1;
}

static unsigned int teams(void)
{
	unsigned int count = (node_count - servers()) / TEAM_SIZE;

	return count ? count : 1;
}

static void describe(struct node *node, unsigned int i)
{
	char label[32];
	char text[40];

	for (size_t j = 0; j < 32; j += 4) {
		uint32_t word = (i + 1) * 2654435761u + (uint32_t)j * 40503u;

		word ^= word >> 15;
		word *= 2246822519u;
		memcpy(node->device_key + j, &word, 4);
	}
	memcpy(node->device_key + 28, &i, 4);
	memcpy(node->box_key, node->device_key, 32);
	memcpy(node->wireguard_key, node->device_key, 32);
	snprintf(node->name, sizeof(node->name), "n%u", i);
	node->address4 = addr_from_v4(0x64400001 + i);
	snprintf(text, sizeof(text), "fd57::%x", i + 1);
	must(addr_parse(&node->address6, text), "address");
	if (i < servers()) {
		snprintf(label, sizeof(label), "s%u", i % services());
		must(labels_add(&node->tags, label), "label");
	} else if (i % 2) {
		snprintf(node->owner, sizeof(node->owner), "user%u@example.com", i);
	}
	node->session = anywhere;
	node->dirty = true;
}

static void certify(struct node *node, uint64_t serial)
{
	struct cert cert = { .serial = serial, .not_before_s = 1, .not_after_s = 1u << 31 };

	memcpy(cert.network_id, network.id, sizeof(cert.network_id));
	strcpy(cert.name, node->name);
	strcpy(cert.owner, node->owner);
	memcpy(cert.device_key, node->device_key, 32);
	memcpy(cert.box_key, node->box_key, 32);
	memcpy(cert.wireguard_key, node->wireguard_key, 32);
	cert.address4 = node->address4;
	cert.address6 = node->address6;
	memcpy(cert.tags, node->tags.names, sizeof(cert.tags));
	cert.tag_count = node->tags.count;
	node->serial = serial;
	must(cert_sign(node->cert, &node->cert_len, &cert, network.authority_secret), "sign");
}

static void make_network(void)
{
	uint8_t seed[32] = { 1 };

	sign_key_from_seed(network.authority_key, network.authority_secret, seed);
	strcpy(network.name, "bench");
	network.nodes = map_new(32, node_count + 1);
	network.rule_lists = rule_lists_new();
	nodes = calloc(node_count, sizeof(*nodes));
	anywhere = malloc(1);
	for (unsigned int i = 0; i < node_count; i++) {
		nodes[i] = calloc(1, sizeof(**nodes));
		describe(nodes[i], i);
		certify(nodes[i], i + 1);
		must(map_insert(network.nodes, nodes[i]->device_key, nodes[i]), "node");
	}
}

/* --- the policy --- */

static void put_groups(FILE *out)
{
	fprintf(out, "// teams\n{\"groups\":{\n");
	for (unsigned int i = 0; i < teams(); i++) {
		fprintf(out, "%s\"team%u\":[", i ? "],\n" : "", i);
		for (unsigned int j = 0; j < TEAM_SIZE; j++) {
			unsigned int n = servers() + i * TEAM_SIZE + j;

			fprintf(out, n % 2 ? "%s\"user:user%u@example.com\"" : "%s\"n%u\"",
				j ? "," : "", n);
		}
	}
	fprintf(out, "]},\n\"hosts\":{");
	for (unsigned int i = 0; i < 50; i++)
		fprintf(out, "%s\"host%u\":\"100.64.%u.%u\"", i ? "," : "", i,
			(i * 97 % servers() + 1) >> 8, (i * 97 % servers() + 1) & 255);
	fprintf(out, "},\n\"rules\":[\n");
}

static void put_rule(FILE *out, unsigned int i, unsigned int port)
{
	unsigned int a = i * 7919u + 13;
	unsigned int b = i * 104729u + 7;
	unsigned int kind = i % 100;

	if (kind < 60)
		fprintf(out, "{\"allow\":[\"tag:s%u\"],\"to\":[\"tag:s%u:tcp/%u\"]},\n",
			a % services(), b % services(), port);
	else if (kind < 85)
		fprintf(out, "{\"allow\":[\"group:team%u\"],\"to\":[\"tag:s%u:tcp/443,%u-%u\"]},\n",
			a % teams(), b % services(), port, port + 5);
	else if (kind < 90)
		fprintf(out,
			"{\"allow\":[\"user:user%u@example.com\"],\"to\":[\"tag:s%u:udp/%u\"]},\n",
			(servers() + a % (node_count - servers())) | 1, b % services(), port);
	else if (kind < 95)
		fprintf(out, "{\"allow\":[\"n%u\"],\"to\":[\"n%u:%u\",\"n%u:icmp\"]},\n",
			a % node_count, b % node_count, port, b % node_count);
	else if (kind < 99)
		fprintf(out, "{\"allow\":[\"group:team%u\"],\"to\":[\"host%u:tcp/%u\"]},\n",
			a % teams(), b % 50, port);
	else
		fprintf(out, "{\"deny\":[\"group:team%u\"],\"to\":[\"tag:s%u:tcp/%u\"]},\n",
			a % teams(), b % services(), port);
}

/* With another port in the rule in the middle, or in the one for admins. */
static struct policy *make_policy(bool other_port, bool other_ssh, size_t *len)
{
	struct policy_error error;
	struct policy *policy;
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	put_groups(out);
	for (unsigned int i = 0; i + 1 < rule_count; i++)
		put_rule(out, i,
			 1000 + i * 31 % 2000 + (other_port && i == rule_count / 200 * 100));
	fprintf(out, "{\"allow\":[\"group:team0\"],\"to\":[\"*:tcp/%u\"]}]}\n",
		other_ssh ? 2222 : 22);
	fclose(out);
	if (policy_parse(&policy, text, *len, &error) < 0) {
		fprintf(stderr, "policy: line %d: %s\n", error.line, error.text);
		exit(1);
	}
	free(text);
	return policy;
}

/* --- compile --- */

/* All the rules that one node has for its peers. */
static void compile_node(struct policy_index *index, struct policy_member *member,
			 const struct node *node, size_t *pairs, size_t *rules)
{
	struct policy_node view = node_policy_view(node);
	struct policy_rules placed = { .count = 0 };
	const struct policy_grant *last = NULL;
	const struct policy_reach *row;
	size_t count;

	must(policy_index_row(index, member, &row, &count), "row");
	for (size_t i = 0; i < count; i++) {
		size_t members;

		policy_index_members(index, row[i].class, &members);
		*pairs += members;
		if (row[i].in && row[i].in != last) {
			must(policy_grant_rules(row[i].in, &view, &placed), "rules");
			last = row[i].in;
		}
		*rules += row[i].in ? placed.count * members : 0;
	}
	policy_rules_clear(&placed);
}

static void measure_compile(const struct policy *policy)
{
	struct policy_member *members = calloc(node_count, sizeof(*members));
	struct policy_index *index;
	size_t pairs = 0;
	size_t rules = 0;
	double start = now_ms();
	double indexed;

	must(policy_index_new(&index, policy), "index");
	for (unsigned int i = 0; i < node_count; i++) {
		struct policy_node view = node_policy_view(nodes[i]);

		must(policy_index_put(index, &members[i], &view), "put");
	}
	indexed = now_ms();
	for (unsigned int i = 0; i < node_count; i++)
		compile_node(index, &members[i], nodes[i], &pairs, &rules);
	printf("compile             %7.0f ms  (%.0f to sort %zu classes)\n", now_ms() - start,
	       indexed - start, policy_index_classes(index));
	printf("  result: %zu peers and %zu rules a node, %zu different grants\n",
	       pairs / node_count, rules / node_count, policy_index_grants(index));
	policy_index_free(index);
	free(members);
}

/* --- the coordinator's part --- */

static void measure_maps(void)
{
	double start = now_ms();
	size_t bytes = 0;

	must(mapmaker_prepare(&network), "prepare");
	for (unsigned int i = 0; i < node_count; i++)
		must(mapmaker_build(&network, nodes[i]), "build");
	mapmaker_settle(&network);
	printf("all maps, signed    %7.0f ms\n", now_ms() - start);
	for (unsigned int i = 0; i < node_count; i += 100) {
		uint8_t *data;
		size_t len;

		must(netmap_encode(nodes[i]->map, &data, &len), "encode");
		bytes += len;
		free(data);
	}
	printf("  %zu bytes each\n", bytes / ((node_count + 99) / 100));
}

static void measure_deltas(const char *what)
{
	double start = now_ms();
	unsigned int told = 0;
	size_t bytes = 0;
	double prepared;

	must(mapmaker_prepare(&network), "prepare");
	prepared = now_ms();
	for (unsigned int i = 0; i < node_count; i++) {
		uint8_t *delta;
		size_t len;

		must(mapmaker_update(&network, nodes[i], false, &delta, &len), "update");
		told += delta != NULL;
		bytes += delta ? len : 0;
		free(delta);
	}
	mapmaker_settle(&network);
	printf("%-19s %7.0f ms  (%.0f to prepare), %u nodes told, %zu bytes\n", what,
	       now_ms() - start, prepared - start, told, bytes);
}

static void measure_change(const char *what, bool other_port, bool other_ssh)
{
	double start = now_ms();
	size_t len;
	struct policy *policy = make_policy(other_port, other_ssh, &len);
	double parsed = now_ms();

	mapmaker_forget_policy(&network);
	policy_free(network.policy);
	network.policy = policy;
	printf("(parse again        %7.0f ms)\n", parsed - start);
	measure_deltas(what);
}

int main(int argc, char **argv)
{
	double start;
	size_t len;

	if (argc > 1)
		node_count = (unsigned int)atoi(argv[1]);
	if (argc > 2)
		rule_count = (unsigned int)atoi(argv[2]);
	if (node_count < 100 || rule_count < 1) {
		fputs("usage: policy [NODES [RULES]], at least 100 nodes\n", stderr);
		return 2;
	}
	make_network();
	start = now_ms();
	network.policy = make_policy(false, false, &len);
	printf("%u nodes, %u rules in %zu bytes\nparse               %7.0f ms\n", node_count,
	       rule_count, len, now_ms() - start);
	measure_compile(network.policy);
	measure_maps();
	measure_change("one rule changed", true, false);
	measure_change("admins' rule changed", true, true);
	certify(nodes[3], node_count + 1);
	nodes[3]->dirty = true;
	measure_deltas("one new certificate");
	nodes[5]->revoked = nodes[5]->dirty = true;
	measure_deltas("one node gone");
	return 0;
}
