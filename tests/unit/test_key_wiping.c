#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <urcu-bp.h>

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/aead.h"
#include "daemon/device.h"
#include "daemon/peer.h"
#include "io/loop.h"
#include "tests/support/engine.h"
#include "tests/support/netns.h"

/*
 * Looks through all of this program's own memory for keys that must be gone: a memset that the
 * compiler dropped would leave them there. The test itself only knows them masked.
 */
#define MASK 0x5A
/* A sanitizer maps terabytes for its shadow, which holds no data; nothing else is so large. */
#define SHADOW_MIN (1ul << 36)
#define WINDOW     (1U << 20)

struct secret {
	uint8_t masked[32];
};

static struct secret secret_new(void)
{
	struct secret secret;

	randombytes_buf(secret.masked, sizeof(secret.masked));
	return secret;
}

static void secret_show(const struct secret *secret, uint8_t key[static 32])
{
	for (size_t i = 0; i < 32; i++)
		key[i] = secret->masked[i] ^ MASK;
}

static size_t count_in(const uint8_t *data, size_t len, const struct secret *secret)
{
	uint8_t first = secret->masked[0] ^ MASK;
	const uint8_t *end = data + len;
	const uint8_t *p = data;
	size_t found = 0;

	while (p < end && (p = memchr(p, first, (size_t)(end - p)))) {
		size_t same = 0;

		while (same < 32 && p + same < end && p[same] == (secret->masked[same] ^ MASK))
			same++;
		found += same == 32;
		p++;
	}
	return found;
}

/* In every writable mapping but the window through which they are read. */
static size_t copies(const struct secret *secret)
{
	uint8_t *window =
		mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	FILE *maps = fopen("/proc/self/maps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	size_t found = 0;
	char line[512];

	assert_true(window != MAP_FAILED && maps && mem >= 0);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from;
		unsigned long to;
		char rights[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) != 3 || rights[1] != 'w' ||
		    to - from >= SHADOW_MIN ||
		    (from <= (uintptr_t)window && (uintptr_t)window < to))
			continue;
		/* One window overlaps the next, for a key across their border. */
		for (unsigned long at = from; at < to; at += WINDOW - 32) {
			size_t want = to - at < WINDOW ? to - at : WINDOW;
			ssize_t n = pread(mem, window, want, (off_t)at);

			if (n < 32)
				break;
			found += count_in(window, (size_t)n, secret);
		}
	}
	fclose(maps);
	close(mem);
	munmap(window, WINDOW);
	return found;
}

static void give_keys(struct engine *e, const struct secret *send, const struct secret *recv)
{
	struct dp_keypair_config config = { .remote_index = ENGINE_FAR_INDEX,
					    .initiator = true,
					    .created_ns = clock_now_ns() };

	assert_int_equal(dataplane_index_new(e->peer, &config.local_index), 0);
	secret_show(send, config.send_key);
	secret_show(recv, config.recv_key);
	e->index = config.local_index;
	e->keypair = dataplane_keypair_new(e->peer, &config);
	sodium_memzero(&config, sizeof(config));
	assert_non_null(e->keypair);
}

static void test_a_freed_keypair_leaves_nothing(void **state)
{
	struct engine *e = *state;
	struct secret send = secret_new();
	struct secret recv = secret_new();

	give_keys(e, &send, &recv);
	assert_true(copies(&send) > 0 && copies(&recv) > 0);
	dataplane_keypair_free(e->keypair);
	rcu_barrier();
	assert_int_equal(copies(&send), 0);
	assert_int_equal(copies(&recv), 0);
}

/* The same when packets were sealed and opened with it, whatever the cipher keeps meanwhile. */
static void test_a_used_keypair_leaves_nothing(void **state)
{
	struct engine *e = *state;
	struct secret send = secret_new();
	struct secret recv = secret_new();
	uint8_t message[2048] = { 4 };

	give_keys(e, &send, &recv);
	dataplane_peer_set_current(e->peer, e->keypair);
	store_le32(message + 4, e->index);
	for (uint64_t i = 0; i < 20; i++) {
		engine_inner_send(e, message, 64);
		store_le64(message + 8, i);
		engine_far_send(e, message, 160, 0); /* no forgery is cheaper to open */
		dataplane_input(e->dp, message, 160, &e->path);
		assert_int_equal(dataplane_peer_send_keepalive(e->peer), 0);
	}
	engine_idle(e);
	dataplane_keypair_free(e->keypair);
	rcu_barrier();
	assert_int_equal(copies(&send), 0);
	assert_int_equal(copies(&recv), 0);
}

/* Every cipher, since a device takes the fastest and tests take what is fast here. */
static void test_no_cipher_keeps_a_key(void **state)
{
	uint8_t data[256] = { 0 };
	uint8_t key[AEAD_KEY_SIZE];

	(void)state;
	for (size_t i = 0; aead_backend_name(i); i++) {
		struct aead_job job = { .in = data, .out = data, .len = 200, .counter = 7 };
		struct secret secret = secret_new();
		struct aead *aead;

		assert_int_equal(aead_new(&aead, aead_backend_name(i)), 0);
		secret_show(&secret, key);
		aead_seal(aead, key, &job, 1);
		aead_open(aead, key, &job, 1);
		assert_true(job.authentic);
		sodium_memzero(key, sizeof(key));
		assert_int_equal(copies(&secret), 0);
		aead_free(aead);
	}
}

static const struct device_ops ops = { 0 };

/* The private key, a preshared one, and what an initiation under way holds. */
static void test_a_freed_device_leaves_nothing(void **state)
{
	struct device_config config = { .dp = { .tun_name = "wkey0", .workers = 1 } };
	struct secret priv = secret_new();
	struct secret psk = secret_new();
	struct device *device;
	struct dp_path path = { .kind = DP_PATH_UDP };
	struct loop *loop;
	struct peer *peer;
	uint8_t key[32] = { 9 };

	(void)state;
	netns_enter();
	priv.masked[0] = (uint8_t)((priv.masked[0] & 0xF8) ^ (MASK & 7));
	priv.masked[31] = (uint8_t)(((priv.masked[31] & 0x3F) | 0x40) ^ (MASK & 0xC0));
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(device_new(&device, loop, &config, &ops, NULL), 0);
	assert_int_equal(device_peer_add(device, key, &peer), 0);
	secret_show(&priv, key);
	device_set_private_key(device, key);
	secret_show(&psk, key);
	peer_set_psk(peer, key);
	sodium_memzero(key, sizeof(key));
	path.remote.addr = addr_from_v4(0x7F000001);
	path.remote.port = 9;
	peer_set_path(peer, &path);
	peer_start_handshake(peer);
	assert_true(copies(&priv) > 0 && copies(&psk) > 0);
	device_free(device);
	loop_free(loop);
	rcu_barrier();
	assert_int_equal(copies(&priv), 0);
	assert_int_equal(copies(&psk), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_freed_keypair_leaves_nothing, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_a_used_keypair_leaves_nothing, engine_setup,
						engine_teardown),
		cmocka_unit_test(test_no_cipher_keeps_a_key),
		cmocka_unit_test(test_a_freed_device_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
