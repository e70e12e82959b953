/* Strict mode at the coordinator: what it can do without the admins, and what with them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* cmocka wants the headers above first */
#include <cmocka.h>

#include "base/log.h"
#include "coord/network_names.h"
#include "coord/strict.h"
#include "crypto/sign.h"
#include "tests/support/coordination.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define ADMINS 3

static struct coordination c;
static struct machine a, b;
static uint8_t admins[ADMINS][64];
static uint8_t authority[64];
static char key_path[80];

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	coordination_begin(&c);
	machine_init(&a, &c, 1);
	machine_init(&b, &c, 2);
	for (size_t i = 0; i < ADMINS; i++) {
		uint8_t seed[32];
		uint8_t key[32];

		memset(seed, (int)(i + 1), sizeof(seed));
		sign_key_from_seed(key, admins[i], seed);
	}
	memcpy(authority, c.network.authority_secret, sizeof(authority));
	snprintf(key_path, sizeof(key_path), "%s.authority", c.dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	machine_clear(&a);
	machine_clear(&b);
	coordination_end(&c);
	unlink(key_path);
	return 0;
}

/* Two of three. */
static void export(void)
{
	struct strict_export wanted = {
		.path = key_path, .signer_count = ADMINS, .threshold = 2, .life_s = STRICT_LIFE_S
	};

	for (size_t i = 0; i < ADMINS; i++)
		memcpy(wanted.signers[i], admins[i] + 32, 32);
	assert_int_equal(strict_export(&c.network, &wanted, c.now_s), 0);
	sessions_want_flush(&c.sessions);
	coordination_settle(&c);
}

static struct signing_bundle waiting(size_t count)
{
	struct signing_bundle bundle;

	assert_int_equal(strict_bundle(&c.network, &bundle), 0);
	assert_int_equal(bundle.count, count);
	return bundle;
}

static void assert_waiting(size_t count)
{
	struct signing_bundle bundle = waiting(count);

	signing_clear(&bundle);
}

/* What became of the only request that waits. */
static int sign_with(const uint8_t secret[64])
{
	struct signing_bundle bundle = waiting(1);
	const struct signing_request *request = &bundle.requests[0];
	uint8_t id[SIGNING_ID_SIZE];
	uint8_t signature[64];
	char text[128];
	int result;

	signing_id(id, request->kind, request->body, request->body_len);
	assert_int_equal(sign_make(signature, secret, signing_domain(request->kind), request->body,
				   request->body_len),
			 0);
	result = strict_sign(&c.sessions, id, secret + 32, signature, c.now_s, text, sizeof(text));
	signing_clear(&bundle);
	coordination_settle(&c);
	return result;
}

static bool got(struct machine *m, enum control_type type)
{
	struct control_message message;

	if (!machine_take(m, type, &message))
		return false;
	control_message_clear(&message);
	return true;
}

static void test_the_key_goes(void **state)
{
	static const uint8_t zeros[64];
	char path[100];

	(void)state;
	export();
	assert_true(c.network.strict.on);
	assert_memory_equal(c.network.authority_secret, zeros, sizeof(zeros));
	snprintf(path, sizeof(path), "%s/authority.key", c.dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(key_path, R_OK), 0);
	assert_int_equal(strict_export(&c.network, &(struct strict_export){ .path = "/x" }, 1),
			 -EALREADY);
	/* And it starts without. */
	coordination_restart(&c);
	assert_true(c.network.strict.on);
	assert_int_equal(c.network.strict.trust.threshold, 2);
	assert_memory_equal(c.network.authority_key, authority + 32, 32);
}

static void test_a_broken_export_changes_nothing(void **state)
{
	struct strict_export wanted = { .path = key_path, .threshold = 1, .life_s = STRICT_LIFE_S };

	(void)state;
	assert_int_equal(strict_export(&c.network, &wanted, c.now_s), -EINVAL);
	wanted.signer_count = 2; /* the same one twice */
	assert_int_equal(strict_export(&c.network, &wanted, c.now_s), -EINVAL);
	wanted.threshold = wanted.signer_count = 0;
	wanted.path = "/proc/nowhere";
	assert_true(strict_export(&c.network, &wanted, c.now_s) < 0);
	assert_false(c.network.strict.on);
	assert_memory_equal(c.network.authority_secret, authority, sizeof(authority));
	coordination_restart(&c);
	assert_false(c.network.strict.on);
}

static void test_a_newcomer_waits_for_two(void **state)
{
	struct token token = coordination_key(&c, true, false, "trusted");
	struct control_message message;
	struct cert cert;

	(void)state;
	export();
	machine_connect(&a);
	machine_enrol(&a, &token, "alpha");
	assert_true(machine_take(&a, CONTROL_PENDING, &message));
	assert_int_equal(message.pending.reason, CONTROL_PENDING_SIGNATURE);
	assert_int_equal(sign_with(admins[0]), 0);
	assert_int_equal(sign_with(admins[0]), 0); /* nobody counts twice */
	assert_int_equal(sign_with(a.device_secret), -EPERM);
	assert_false(got(&a, CONTROL_WELCOME));
	/* Signatures survive a restart. */
	machine_disconnect(&a);
	coordination_restart(&c);
	machine_connect(&a);
	machine_login(&a);
	assert_true(got(&a, CONTROL_PENDING));
	assert_int_equal(sign_with(admins[2]), 1);
	assert_true(machine_take(&a, CONTROL_WELCOME, &message));
	assert_int_equal(cert_verify(&cert, message.welcome.certificate,
				     message.welcome.certificate_len, &a.trust.trust),
			 0);
	assert_non_null(message.welcome.trust);
	control_message_clear(&message);
	assert_true(got(&a, CONTROL_DOCUMENT));
	assert_non_null(a.map);
}

static void test_without_admins_nothing_changes(void **state)
{
	struct token token = coordination_key(&c, true, false, "trusted");
	struct node *node;
	struct policy_error error;

	(void)state;
	machine_join(&a, &token, "alpha");
	export();
	node = network_find(&c.network, a.device_key);
	assert_int_equal(network_rename(&c.network, node, "other", c.now_s), 0);
	assert_string_equal(node->name, "alpha");
	memset(a.wireguard_key, 9, 32);
	assert_int_equal(network_rekey(&c.network, node, a.wireguard_key, c.now_s), 0);
	assert_memory_not_equal(node->wireguard_key, a.wireguard_key, 32);
	/* The later wish takes the place of the earlier one: the name is as it was. */
	assert_int_equal(sign_with(admins[0]), 0);
	assert_int_equal(sign_with(admins[1]), 1);
	assert_memory_equal(node->wireguard_key, a.wireguard_key, 32);
	assert_string_equal(node->name, "alpha");
	assert_int_equal(network_set_policy(&c.network, "{}", 2, "ann", c.now_s, &error), 0);
	assert_int_equal(c.network.strict.documents[DOCUMENT_POLICY].version, 1);
	assert_int_equal(network_set_policy(&c.network, "{ }", 3, "ann", c.now_s, &error), 0);
	/* Version 2 was asked for, so the next one is 3. */
	assert_int_equal(sign_with(authority), 1);
	assert_int_equal(c.network.strict.documents[DOCUMENT_POLICY].version, 3);
	machine_disconnect(&a);
	coordination_restart(&c);
	assert_int_equal(c.network.strict.documents[DOCUMENT_POLICY].version, 3);
}

static void change_names(const char *name, const char *value)
{
	struct names_document document;
	char error[NAMES_ERROR_SIZE];

	assert_int_equal(network_names_latest(&c.network, &document, error), 0);
	assert_int_equal(names_document_add(&document, name, "A", value, c.network.name, error), 0);
	assert_int_equal(network_set_names(&c.network, &document, "ann", c.now_s, error), 0);
	names_document_clear(&document);
}

/* In the map as long as the coordinator signs, then a document of their own. */
static void test_names_want_signatures(void **state)
{
	struct token token = coordination_key(&c, true, false, "trusted");

	(void)state;
	machine_join(&a, &token, "alpha");
	change_names("first", "192.0.2.1");
	sessions_want_flush(&c.sessions);
	coordination_settle(&c);
	assert_non_null(a.map->names);
	assert_non_null(strstr(a.map->names->text, "first"));
	export();
	assert_int_equal(c.network.strict.documents[DOCUMENT_NAMES].version, 1);
	assert_null(a.map->names);
	change_names("second", "192.0.2.2");
	assert_null(strstr(c.network.names->text, "second"));
	/* The next one builds on what waits, and takes its place. */
	change_names("third", "192.0.2.3");
	assert_int_equal(sign_with(admins[0]), 0);
	machine_forget_messages(&a);
	assert_int_equal(sign_with(admins[1]), 1);
	assert_true(got(&a, CONTROL_DOCUMENT));
	assert_int_equal(c.network.strict.documents[DOCUMENT_NAMES].version, 3);
	assert_non_null(strstr(c.network.names->text, "second"));
	assert_non_null(strstr(c.network.names->text, "third"));
	machine_disconnect(&a);
	coordination_restart(&c);
	assert_non_null(strstr(c.network.names->text, "third"));
	assert_int_equal(c.network.strict.documents[DOCUMENT_NAMES].version, 3);
}

static void test_revoked_at_once_and_for_good(void **state)
{
	struct token token = coordination_key(&c, true, false, "trusted");
	struct document document;
	struct node *node;
	struct cert cert = { .serial = 0 };

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_join(&b, &token, "beta");
	coordination_settle(&c);
	export();
	machine_forget_messages(&a);
	node = network_find(&c.network, b.device_key);
	assert_int_equal(network_revoke(&c.network, node, c.now_s), 0);
	sessions_cut_off(&c.sessions, node, "out");
	coordination_settle(&c);
	assert_int_equal(a.map->peer_count, 0);
	assert_int_equal(sign_with(admins[0]), 0);
	assert_int_equal(sign_with(admins[1]), 1);
	assert_int_equal(document_verify(&document,
					 c.network.strict.documents[DOCUMENT_REVOCATIONS].data,
					 c.network.strict.documents[DOCUMENT_REVOCATIONS].len,
					 &a.trust.trust),
			 0);
	memcpy(cert.device_key, b.device_key, 32);
	assert_true(document_revokes(&document, &cert));
	document_clear(&document);
	/* It is asked for once. */
	coordination_pass(&c, 2 * STRICT_LOOK_S);
	assert_waiting(0);
}

static void test_certificates_are_asked_for_in_time(void **state)
{
	struct token token = coordination_key(&c, true, false, "trusted");
	struct signing_bundle bundle;
	struct node *node;
	struct cert cert;

	(void)state;
	machine_join(&a, &token, "alpha");
	export();
	machine_disconnect(&a);
	node = network_find(&c.network, a.device_key);
	assert_in_range(node->not_after_s - c.now_s, STRICT_LIFE_S - 60, STRICT_LIFE_S);
	coordination_pass(&c, STRICT_LIFE_S / 3 - 7200);
	assert_waiting(0);
	coordination_pass(&c, 3 * 3600);
	bundle = waiting(1);
	assert_int_equal(cert_parse_body(&cert, bundle.requests[0].body,
					 bundle.requests[0].body_len),
			 0);
	assert_true(cert.serial > node->serial);
	signing_clear(&bundle);
	assert_int_equal(c.sessions.health.count, 0);
	coordination_pass(&c, 2 * 86400);
	assert_waiting(1);
	assert_string_equal(c.sessions.health.problems[0].name, "signatures");
	assert_int_equal(sign_with(admins[1]), 0);
	assert_int_equal(sign_with(admins[2]), 1);
	assert_int_equal(node->serial, cert.serial);
	coordination_pass(&c, 2 * STRICT_LOOK_S);
	assert_int_equal(c.sessions.health.count, 0);
}

static void test_other_signers(void **state)
{
	struct token token = coordination_key(&c, true, false, "trusted");
	struct document d = { .kind = DOCUMENT_TRUST, .version = 2, .threshold = 1 };
	uint8_t signature[64];
	uint8_t *body;
	uint8_t *data;
	size_t body_len;
	size_t len;

	(void)state;
	export();
	machine_connect(&a);
	machine_enrol(&a, &token, "alpha");
	assert_int_equal(sign_with(admins[0]), 0);
	assert_int_equal(sign_with(admins[1]), 1);
	/* Only the third one stays: what the others signed is asked for again. */
	memcpy(d.network_id, c.network.id, sizeof(d.network_id));
	memcpy(d.map_key, c.network.strict.trust.map_key, 32);
	memcpy(d.signers[0], admins[2] + 32, 32);
	d.signer_count = 1;
	assert_int_equal(document_encode(&d, &body, &body_len), 0);
	sign_make(signature, admins[0], document_domain(d.kind), body, body_len);
	assert_int_equal(document_join(body, body_len, signature, 64, &data, &len), 0);
	assert_int_equal(strict_set_trust(&c.sessions, data, len, c.now_s), -EPERM);
	free(data);
	sign_make(signature, authority, document_domain(d.kind), body, body_len);
	assert_int_equal(document_join(body, body_len, signature, 64, &data, &len), 0);
	assert_int_equal(strict_set_trust(&c.sessions, data, len, c.now_s), 0);
	assert_int_equal(strict_set_trust(&c.sessions, data, len, c.now_s), -ESTALE);
	assert_int_equal(sign_with(admins[0]), -EPERM);
	assert_int_equal(sign_with(admins[2]), 1);
	machine_disconnect(&a);
	coordination_restart(&c);
	assert_int_equal(c.network.strict.trust.version, 2);
	free(data);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_key_goes),
		TEST(test_a_broken_export_changes_nothing),
		TEST(test_a_newcomer_waits_for_two),
		TEST(test_without_admins_nothing_changes),
		TEST(test_names_want_signatures),
		TEST(test_revoked_at_once_and_for_good),
		TEST(test_certificates_are_asked_for_in_time),
		TEST(test_other_signers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
