#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "kernel-iface/tun.h"
#include "kernel-iface/tun_steer.h"
#include "proto/flow_slot.h"
#include "proto/inner.h"
#include "tests/support/netns.h"
#include "tests/support/packet.h"

#define ETHERNET 14 /* the kernel's test wants one in front, and takes it off */

/* What the kernel's machine says about a packet. */
static unsigned int kernel_queue(int program, const uint8_t *packet, size_t len)
{
	uint8_t frame[ETHERNET + 2048] = { 0 };
	union bpf_attr attr;

	store_be16(frame + 12, packet[0] >> 4 == 4 ? 0x0800 : 0x86DD);
	memcpy(frame + ETHERNET, packet, len);
	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)program;
	attr.test.data_in = (uintptr_t)frame;
	attr.test.data_size_in = (uint32_t)(ETHERNET + len);
	assert_int_equal(syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)), 0);
	return attr.test.retval;
}

static void expect_same(int program, unsigned int queues, const uint8_t *packet, size_t len)
{
	struct inner inner;

	assert_int_equal(inner_parse(&inner, packet, len), 0);
	assert_int_equal(kernel_queue(program, packet, len), flow_slot(&inner, packet) % queues);
}

static void test_the_kernel_comes_to_the_same(void **state)
{
	static const unsigned int queues[] = { 1, 2, 3, 16, 64 };
	uint32_t seed = 1;
	uint8_t packet[2048];

	(void)state;
	for (size_t q = 0; q < sizeof(queues) / sizeof(*queues); q++) {
		int program = tun_steer_program(queues[q]);

		assert_true(program >= 0);
		for (unsigned int i = 0; i < 300; i++) {
			struct packet_spec spec = packet_spec_default();
			size_t len;

			spec.v6 = i & 1;
			spec.udp = i & 2;
			spec.host = (uint8_t)packet_random(&seed);
			spec.port = (uint16_t)packet_random(&seed);
			spec.seq = packet_random(&seed);
			spec.payload = packet_random(&seed) % 1200;
			len = packet_build(packet, &spec);
			expect_same(program, queues[q], packet, len);
			if (spec.v6)
				continue;
			packet[9] = 1; /* ICMP has no ports */
			expect_same(program, queues[q], packet, len);
			packet[9] = INNER_UDP;
			store_be16(packet + 6, i & 4 ? 0x2000 : 0x0010); /* nor have fragments */
			expect_same(program, queues[q], packet, len);
			store_be16(packet + 6, 0x4000);
			packet[0] = 0x46; /* nor what has options */
			expect_same(program, queues[q], packet, len);
		}
		close(program);
	}
}

static void test_a_device_takes_it(void **state)
{
	struct tun tun;

	(void)state;
	netns_enter();
	assert_int_equal(tun_open(&tun, "wsteer0", 4, true), 0);
	assert_int_equal(tun_steer(&tun), 0);
	tun_close(&tun);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_kernel_comes_to_the_same),
		cmocka_unit_test(test_a_device_takes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
