#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "crypto/rng.h"
#include "crypto/sign.h"
#include "daemon/identity.h"
#include "daemon/membership.h"

/* A network with its authority, and a device that joins it. */
struct fixture {
	uint8_t authority_public[32];
	uint8_t authority_secret[64];
	uint8_t network_id[CERT_NETWORK_ID_SIZE];
	struct identity identity;
	struct cert cert;
	uint8_t cert_bytes[CERT_ENCODED_MAX];
	size_t cert_len;
	uint8_t *trust; /* a trust document, NULL: simple mode */
	size_t trust_len;
	struct membership membership;
};

static char dir[] = "/tmp/warren-membership-XXXXXX";
static char path[64];

static void sign_again(struct fixture *f)
{
	assert_int_equal(cert_sign(f->cert_bytes, &f->cert_len, &f->cert, f->authority_secret), 0);
}

static int enrol(struct fixture *f)
{
	struct control_welcome welcome = { .network_name = "acme",
					   .certificate = f->cert_bytes,
					   .certificate_len = f->cert_len,
					   .trust = f->trust,
					   .trust_len = f->trust_len };

	memcpy(welcome.authority_key, f->authority_public, 32);
	memcpy(welcome.network_id, f->network_id, sizeof(f->network_id));
	return membership_enrol(&f->membership, &welcome, f->identity.device_public,
				f->identity.box_public);
}

static void setup_fixture(struct fixture *f)
{
	struct rng rng = rng_system();
	struct token token = { .address_count = 1, .addresses = { { "coord.example", 443 } } };

	memset(f, 0, sizeof(*f));
	sign_key_new(f->authority_public, f->authority_secret, &rng);
	memset(f->network_id, 7, sizeof(f->network_id));
	identity_generate(&f->identity);
	memcpy(f->cert.network_id, f->network_id, sizeof(f->network_id));
	memcpy(f->cert.device_key, f->identity.device_public, 32);
	memcpy(f->cert.box_key, f->identity.box_public, 32);
	memcpy(f->cert.wireguard_key, f->identity.wg_public, 32);
	f->cert.serial = 1;
	f->cert.address4 = addr_from_v4(0x64400001);
	f->cert.not_before_s = 1;
	f->cert.not_after_s = 1000;
	snprintf(f->cert.name, sizeof(f->cert.name), "laptop");
	sign_again(f);
	token_authority_hash(token.authority_hash, f->authority_public);
	memset(token.coordinator_key, 9, 32);
	membership_from_token(&f->membership, &token);
}

static void a_good_welcome_enrols_and_is_kept(void **state)
{
	struct membership loaded;
	struct fixture f;

	(void)state;
	setup_fixture(&f);
	assert_false(f.membership.enrolled);
	assert_int_equal(enrol(&f), 0);
	assert_true(f.membership.enrolled);
	assert_int_equal(membership_save(&f.membership, path), 0);
	assert_int_equal(membership_load(&loaded, path), 0);
	assert_string_equal(loaded.network_name, "acme");
	assert_string_equal(loaded.cert.name, "laptop");
	assert_string_equal(loaded.addresses[0].host, "coord.example");
	assert_int_equal(loaded.addresses[0].port, 443);
	assert_memory_equal(loaded.cert_bytes, f.cert_bytes, f.cert_len);
}

static void another_authority_is_refused(void **state)
{
	struct rng rng = rng_system();
	struct fixture f;

	(void)state;
	setup_fixture(&f);
	sign_key_new(f.authority_public, f.authority_secret, &rng);
	sign_again(&f);
	assert_int_equal(enrol(&f), -EPERM);
	assert_false(f.membership.enrolled);
}

static void a_certificate_for_another_device_is_refused(void **state)
{
	struct fixture f;

	(void)state;
	setup_fixture(&f);
	f.cert.device_key[0] ^= 1;
	sign_again(&f);
	assert_int_equal(enrol(&f), -EBADMSG);
	f.cert.device_key[0] ^= 1;
	f.cert.box_key[0] ^= 1;
	sign_again(&f);
	assert_int_equal(enrol(&f), -EBADMSG);
}

static void a_member_does_not_change_network(void **state)
{
	struct fixture f;

	(void)state;
	setup_fixture(&f);
	assert_int_equal(enrol(&f), 0);
	memset(f.network_id, 8, sizeof(f.network_id));
	memcpy(f.cert.network_id, f.network_id, sizeof(f.network_id));
	sign_again(&f);
	assert_int_equal(enrol(&f), -EPERM);
}

static void damage_at_any_byte_is_refused(void **state)
{
	struct membership loaded;
	struct fixture f;
	uint8_t *file;
	size_t len, i;

	(void)state;
	setup_fixture(&f);
	assert_int_equal(enrol(&f), 0);
	assert_int_equal(membership_save(&f.membership, path), 0);
	assert_int_equal(file_read(path, 65536, &file, &len), 0);
	for (i = 0; i < len; i++) {
		file[i] ^= 1;
		assert_int_equal(file_write_atomic(path, file, len, 0600), 0);
		assert_int_equal(membership_load(&loaded, path), -EBADMSG);
		file[i] ^= 1;
	}
	free(file);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/membership", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_welcome_enrols_and_is_kept),
		cmocka_unit_test(another_authority_is_refused),
		cmocka_unit_test(a_certificate_for_another_device_is_refused),
		cmocka_unit_test(a_member_does_not_change_network),
		cmocka_unit_test(damage_at_any_byte_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
