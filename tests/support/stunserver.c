#include "tests/support/stunserver.h"

#include "proto/stun.h"

void stunserver_answer(struct simnet *net, int host, bool second_address,
		       const struct sim_event *event, uint64_t now_ns)
{
	struct endpoint from = event->local, other = event->local;
	struct stun_message msg;
	struct stun_builder b;
	uint8_t buf[256];
	uint32_t change = 0;
	size_t len;

	if (stun_parse(&msg, event->data, event->len) < 0 || msg.class != STUN_REQUEST)
		return;
	other.port = from.port == STUNSERVER_PORT ? STUNSERVER_PORT + 1 : STUNSERVER_PORT;
	if (second_address) {
		struct ip_addr first = simnet_addr(net, host, 0);

		other.addr = simnet_addr(net, host, addr_equal(&from.addr, &first) ? 1 : 0);
	}
	stun_get_u32(&msg, STUN_ATTR_CHANGE_REQUEST, &change);
	if (change & STUN_CHANGE_IP)
		from.addr = other.addr;
	if (change & STUN_CHANGE_PORT)
		from.port = other.port;
	stun_begin_response(&b, buf, sizeof(buf), STUN_SUCCESS, &msg);
	stun_add_endpoint(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &event->remote);
	if (second_address)
		stun_add_endpoint(&b, STUN_ATTR_OTHER_ADDRESS, &other);
	stun_add_fingerprint(&b);
	if (stun_end(&b, &len) == 0)
		simnet_send(net, host, &from, &event->remote, buf, len, now_ns);
}
