#include "proto/filter.h"

#include <netinet/in.h>
#include <string.h>

#include "proto/filter_flows.h"

#define ICMP4_ECHO_REPLY 0 /* RFC 792 */
#define ICMP4_ECHO       8
#define ICMP6_ECHO       128 /* RFC 4443, 4 */
#define ICMP6_ECHO_REPLY 129

/* Values of flow_key.detail that are no ICMP type. */
#define DETAIL_WE_ASK       250
#define DETAIL_THEY_ASK     251
#define DETAIL_FRAGMENT     252
#define DETAIL_FRAGMENT_OUT 253

static bool is_icmp(const struct filter_tuple *tuple)
{
	return tuple->proto == (tuple->dst.family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static bool is_echo_request(const struct filter_tuple *tuple)
{
	return is_icmp(tuple) &&
	       tuple->icmp_type == (tuple->dst.family == AF_INET6 ? ICMP6_ECHO : ICMP4_ECHO);
}

static bool is_echo_reply(const struct filter_tuple *tuple)
{
	return is_icmp(tuple) &&
	       tuple->icmp_type ==
		       (tuple->dst.family == AF_INET6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY);
}

/* Two pings with one id, one from each side, are two flows. */
static uint8_t key_detail(const struct filter_tuple *tuple, bool outbound)
{
	if (!is_icmp(tuple))
		return 0;
	if (is_echo_request(tuple))
		return outbound ? DETAIL_WE_ASK : DETAIL_THEY_ASK;
	if (is_echo_reply(tuple))
		return outbound ? DETAIL_THEY_ASK : DETAIL_WE_ASK;
	return tuple->icmp_type;
}

static void make_key(struct flow_key *key, const struct filter_tuple *tuple, bool outbound)
{
	memset(key, 0, sizeof(*key));
	key->local = outbound ? tuple->src : tuple->dst;
	key->remote = outbound ? tuple->dst : tuple->src;
	key->proto = tuple->proto;
	key->detail = key_detail(tuple, outbound);
	key->local_port = outbound ? tuple->src_port : tuple->dst_port;
	key->remote_port = outbound ? tuple->dst_port : tuple->src_port;
}

/*
 * What fragments of one packet have in common: RFC 791 names the protocol too, RFC 8200, 4.5 does
 * not, and later v6 fragments need not show the one of the first.
 */
static void make_fragment_key(struct flow_key *key, const struct filter_tuple *tuple, bool outbound)
{
	memset(key, 0, sizeof(*key));
	key->local = outbound ? tuple->src : tuple->dst;
	key->remote = outbound ? tuple->dst : tuple->src;
	key->proto = tuple->dst.family == AF_INET6 ? 0 : tuple->proto;
	key->detail = outbound ? DETAIL_FRAGMENT_OUT : DETAIL_FRAGMENT;
	key->fragment_id = tuple->fragment_id;
}

static enum flow_kind first_kind(const struct filter_tuple *tuple)
{
	if (tuple->proto == IPPROTO_TCP)
		return tuple->tcp_close ? FLOW_TCP_CLOSING : FLOW_TCP_OPENING;
	return is_icmp(tuple) ? FLOW_ICMP : FLOW_UDP;
}

/* A TCP flow is open once its opener has spoken after an answer; FIN and RST are not forgotten. */
static enum flow_kind next_kind(struct flow *flow, const struct filter_tuple *tuple, bool outbound)
{
	bool by_opener = flow->outbound == outbound;

	if (tuple->proto != IPPROTO_TCP)
		return (enum flow_kind)flow->kind;
	if (tuple->tcp_open && by_opener) {
		flow->answered = false;
		return FLOW_TCP_OPENING;
	}
	if (tuple->tcp_close || flow->kind == FLOW_TCP_CLOSING)
		return FLOW_TCP_CLOSING;
	if (flow->kind == FLOW_TCP_OPENING && by_opener && flow->answered)
		return FLOW_TCP_OPEN;
	return (enum flow_kind)flow->kind;
}

static void use_flow(struct flow_lookup *at, struct flow *flow, const struct filter_tuple *tuple,
		     bool outbound, uint64_t now_ns)
{
	enum flow_kind kind = next_kind(flow, tuple, outbound);

	if (flow->outbound != outbound)
		flow->answered = true;
	/* Answers go the way that the other side chose. */
	if (!outbound)
		flow->carrier = tuple->carrier;
	flow_touch(at, flow, kind, now_ns);
}

/* Makes the flow belong to the side that opens it now. */
static void open_flow(struct flow *flow, bool outbound)
{
	flow->outbound = outbound;
	flow->answered = false;
	flow->revoked = false;
	flow->rules_id = 0;
	flow->carrier = 0;
}

/* In whose hands the flow is: if in nobody's, then from now on in those of who takes this run. */
static uint64_t take_carrier(struct flow *flow, const struct filter_tuple *tuple)
{
	if (flow && !flow->carrier)
		flow->carrier = tuple->carrier;
	return flow ? flow->carrier : 0;
}

uint64_t filter_note_outbound(struct filter_flows *flows, const struct filter_tuple *tuple,
			      uint64_t now_ns)
{
	struct flow_lookup at;
	uint64_t carrier;
	struct flow *flow;

	/* What we answer or complain about opens nothing, and only the first fragment has ports. */
	if (tuple->fragment || tuple->quoted)
		return 0;
	make_key(&at.key, tuple, true);
	flow_lock(flows, &at);
	flow = flow_find(&at, now_ns);
	if (!flow && !is_echo_reply(tuple) && !tuple->tcp_close) {
		flow = flow_insert(&at, first_kind(tuple), now_ns);
		flow->outbound = true;
	} else if (flow) {
		/* Only a SYN says for sure that it is us who begin anew. */
		if (tuple->tcp_open && !flow->outbound)
			open_flow(flow, true);
		use_flow(&at, flow, tuple, true, now_ns);
	}
	carrier = take_carrier(flow, tuple);
	flow_unlock(&at);
	return carrier;
}

void filter_move_flow(struct filter_flows *flows, const struct filter_tuple *tuple, uint64_t now_ns)
{
	struct flow_lookup at;
	struct flow *flow;

	make_key(&at.key, tuple, true);
	flow_lock(flows, &at);
	flow = flow_find(&at, now_ns);
	if (flow)
		flow->carrier = tuple->carrier;
	flow_unlock(&at);
}

/*
 * Is this what the flow lets through, without asking the rules? A SYN from the side that did not
 * begin is a flow of its own, whatever the other began with those ports.
 */
static bool flow_admits(const struct flow *flow, const struct filter_rules *rules,
			const struct filter_tuple *tuple, bool outbound)
{
	if (flow->revoked)
		return false;
	if (flow->outbound != outbound)
		return !tuple->tcp_open;
	/* What this node itself began has no rules. */
	return flow->rules_id && flow->rules_id == filter_rules_id(rules);
}

/* The verdict on a packet that its flow, if there is one, does not let through by itself. */
static bool consult_rules(struct flow_lookup *at, struct flow *flow,
			  const struct filter_rules *rules, const struct filter_tuple *tuple,
			  bool outbound, uint64_t now_ns)
{
	if (!filter_rules_match(rules, tuple)) {
		/* The other side's flow is not harmed by a SYN that nothing allows. */
		if (flow && flow->outbound == outbound)
			flow->revoked = true;
		return false;
	}
	if (!flow && is_echo_reply(tuple))
		return true; /* nobody asked, so nothing begins */
	if (!flow) {
		flow = flow_insert(at, first_kind(tuple), now_ns);
		flow->outbound = outbound;
	} else if (flow->outbound != outbound || flow->revoked) {
		open_flow(flow, outbound);
	}
	flow->rules_id = filter_rules_id(rules);
	use_flow(at, flow, tuple, outbound, now_ns);
	return true;
}

/* An ICMP error passes with the flow it is about, and keeps nothing alive. */
static bool related_passes(const struct flow *flow, const struct filter_rules *rules,
			   const struct filter_tuple *tuple, bool outbound)
{
	return flow && (flow_admits(flow, rules, tuple, outbound) ||
			(!flow->revoked && filter_rules_match(rules, tuple)));
}

/* Remembers that the rest of this packet may pass. */
static void note_first_fragment(struct filter_flows *flows, const struct filter_tuple *tuple,
				bool outbound, uint64_t now_ns)
{
	struct flow_lookup at;
	struct flow *flow;

	make_fragment_key(&at.key, tuple, outbound);
	flow_lock(flows, &at);
	flow = flow_find(&at, now_ns);
	if (flow)
		flow_touch(&at, flow, FLOW_FRAGMENT, now_ns);
	else
		flow_insert(&at, FLOW_FRAGMENT, now_ns);
	flow_unlock(&at);
}

/* A later fragment follows its first one, or needs a rule that does not ask for ports. */
static bool pass_fragment(struct filter_flows *flows, const struct filter_rules *rules,
			  const struct filter_tuple *tuple, bool outbound, uint64_t now_ns)
{
	struct flow_lookup at;
	bool known;

	make_fragment_key(&at.key, tuple, outbound);
	flow_lock(flows, &at);
	known = flow_find(&at, now_ns) != NULL;
	flow_unlock(&at);
	return known || filter_rules_match(rules, tuple);
}

/* outbound: from our side of the flow, which somebody behind this node is, too. */
static bool pass_run(struct filter_flows *flows, const struct filter_rules *rules,
		     const struct filter_tuple *tuple, bool related, bool outbound, uint64_t now_ns,
		     uint64_t *carrier)
{
	struct flow_lookup at;
	struct flow *flow;
	bool pass;

	if (tuple->fragment)
		return !related && pass_fragment(flows, rules, tuple, outbound, now_ns);
	make_key(&at.key, tuple, outbound);
	flow_lock(flows, &at);
	flow = flow_find(&at, now_ns);
	if (related) {
		pass = related_passes(flow, rules, tuple, outbound);
	} else if (flow && flow_admits(flow, rules, tuple, outbound)) {
		use_flow(&at, flow, tuple, outbound, now_ns);
		pass = true;
	} else {
		pass = consult_rules(&at, flow, rules, tuple, outbound, now_ns);
	}
	if (pass && carrier)
		*carrier = take_carrier(flow_find(&at, now_ns), tuple);
	flow_unlock(&at);
	if (pass && !related && tuple->more_fragments)
		note_first_fragment(flows, tuple, outbound, now_ns);
	return pass;
}

bool filter_pass_inbound(struct filter_flows *flows, const struct filter_rules *rules,
			 const struct filter_tuple *tuple, bool related, uint64_t now_ns)
{
	return pass_run(flows, rules, tuple, related, false, now_ns, NULL);
}

bool filter_pass_outbound(struct filter_flows *flows, const struct filter_rules *lan,
			  const struct filter_tuple *tuple, bool related, uint64_t now_ns,
			  uint64_t *carrier)
{
	*carrier = 0;
	return pass_run(flows, lan, tuple, related, true, now_ns, related ? NULL : carrier);
}
