#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "coord/signer_memory.h"
#include "coord/signing_summary.h"
#include "crypto/sign.h"
#include "tests/support/authority.h"

static struct authority authority;
static struct signing_bundle bundle;
static char text[8192];

static int setup(void **state)
{
	struct document document = { .kind = DOCUMENT_TRUST, .version = 3 };

	(void)state;
	authority_init(&authority, 1);
	trust_init(&bundle.trust, authority.network_id, authority.key);
	document_trust(&document, &bundle.trust);
	return 0;
}

static int summarise(const struct signing_request *request)
{
	FILE *out = fmemopen(text, sizeof(text), "w");
	int err;

	assert_non_null(out);
	text[0] = '\0';
	err = signing_summary(out, &bundle, request);
	fclose(out);
	return err;
}

/* What is asked for is `cert`, compared with `before`. */
static int summarise_cert(const struct cert *before, const struct cert *cert)
{
	uint8_t previous[CERT_ENCODED_MAX];
	uint8_t body[CERT_ENCODED_MAX];
	struct signing_request request = { .kind = SIGNING_CERTIFICATE,
					   .body = body,
					   .previous = previous };

	authority_sign(&authority, before, previous, &request.previous_len);
	assert_int_equal(cert_encode(body, &request.body_len, cert), 0);
	return summarise(&request);
}

static void says(const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

static void test_renewals(void **state)
{
	struct cert before;
	struct cert cert;

	(void)state;
	authority_cert(&authority, &before, 7);
	before.not_before_s = 1767225600; /* 2026-01-01 */
	before.not_after_s = before.not_before_s + 90 * 86400;
	cert = before;
	cert.serial++;
	cert.not_before_s += 30 * 86400;
	cert.not_after_s += 30 * 86400;
	assert_int_equal(summarise_cert(&before, &cert), 0);
	says("renewed, nothing else changes");
	says("from 2026-01-01 00:00 UTC"); /* the one that it is compared with */
	says("2026-01-31 00:00 to 2026-05-01 00:00 UTC");
	/* Longer, or only from some day to come: both are there to be read. */
	cert.not_after_s += 3650 * UINT64_C(86400);
	assert_int_equal(summarise_cert(&before, &cert), 0);
	says("LONGER");
	cert = before;
	cert.serial++;
	strcpy(cert.tags[0], "admin");
	cert.tag_count = 1;
	assert_int_equal(summarise_cert(&before, &cert), 0);
	says("CHANGED");
	says("admin");
}

/* Who carries what is no detail: a signature for it lets a machine into the way of others. */
static void test_routes_are_shown(void **state)
{
	struct cert before;
	struct cert cert;

	(void)state;
	authority_cert(&authority, &before, 7);
	cert = before;
	cert.serial++;
	prefix_parse(&cert.routes[0], "10.77.1.0/24");
	addr_parse(&cert.route_facts[0].real, "192.168.1.0");
	prefix_parse(&cert.routes[1], "0.0.0.0/0");
	cert.route_facts[1].weight = 7;
	cert.route_count = 2;
	assert_int_equal(summarise_cert(&before, &cert), 0);
	says("CHANGED");
	says("route      10.77.1.0/24, in its LAN 192.168.1.0/24, weight 100");
	says("exit       0.0.0.0/0, all of IPv4, weight 7");
	/* Also when nothing but a fact changes. */
	before = cert;
	cert.serial++;
	cert.route_facts[0].weight = 200;
	assert_int_equal(summarise_cert(&before, &cert), 0);
	says("CHANGED");
	says("weight 200");
}

static void test_numbers_that_leave_no_room(void **state)
{
	struct cert before;
	struct cert cert;

	(void)state;
	authority_cert(&authority, &before, 7);
	cert = before;
	cert.serial = SIGNING_NUMBER_MAX;
	assert_int_equal(summarise_cert(&before, &cert), 0);
	cert.serial++;
	assert_int_equal(summarise_cert(&before, &cert), -ERANGE);
	cert.serial = before.serial;
	assert_int_equal(summarise_cert(&before, &cert), -ESTALE);
}

static void sign_document(const struct document *document, uint8_t **data, size_t *len)
{
	uint8_t signature[SIGN_SIZE];
	size_t body_len;
	uint8_t *body;

	assert_int_equal(document_encode(document, &body, &body_len), 0);
	assert_int_equal(sign_make(signature, authority.secret, document_domain(document->kind),
				   body, body_len),
			 0);
	assert_int_equal(document_join(body, body_len, signature, SIGN_SIZE, data, len), 0);
	free(body);
}

static int summarise_document(const struct document *before, const struct document *document)
{
	struct signing_request request = { .kind = (int)document->kind };
	int err;

	sign_document(before, &request.previous, &request.previous_len);
	assert_int_equal(document_encode(document, &request.body, &request.body_len), 0);
	err = summarise(&request);
	free(request.previous);
	free(request.body);
	return err;
}

static void test_revoked_serials(void **state)
{
	uint64_t old[] = { 5, 77 };
	uint64_t new[] = { 5, 91 };
	struct document before = {
		.kind = DOCUMENT_REVOCATIONS, .version = 2, .serials = old, .serial_count = 2
	};
	struct document document = {
		.kind = DOCUMENT_REVOCATIONS, .version = 3, .serials = new, .serial_count = 2
	};

	(void)state;
	memcpy(before.network_id, authority.network_id, sizeof(before.network_id));
	memcpy(document.network_id, authority.network_id, sizeof(document.network_id));
	assert_int_equal(summarise_document(&before, &document), 0);
	says("- certificate with serial 77 is out");
	says("+ certificate with serial 91 is out");
	assert_null(strstr(text, "serial 5 "));
}

static void test_the_base_of_a_comparison(void **state)
{
	static char policy[] = "{\"rules\":[]} // \033[2J\n";
	struct document before = { .kind = DOCUMENT_POLICY,
				   .version = 2,
				   .made_s = 1767225600,
				   .policy = policy,
				   .policy_len = strlen(policy) };
	struct document document = before;

	(void)state;
	memcpy(before.network_id, authority.network_id, sizeof(before.network_id));
	memcpy(document.network_id, authority.network_id, sizeof(document.network_id));
	document.version = 3;
	assert_int_equal(summarise_document(&before, &document), 0);
	says("policy v3, after v2 of 2026-01-01 00:00 UTC");
	assert_null(strstr(text, "never in force"));
	/* What was in force between is not shown: perhaps it is kept back. */
	document.version = 9;
	assert_int_equal(summarise_document(&before, &document), 0);
	says("v3 to v8 were never in force, if the coordinator is honest");
	assert_null(strchr(text, '\033'));
	document.version = SIGNING_NUMBER_MAX + 1;
	assert_int_equal(summarise_document(&before, &document), -ERANGE);
}

static void test_a_key_remembers_its_authority(void **state)
{
	char path[] = "/tmp/warren-signer-XXXXXX";
	char seen[sizeof(path) + 8];
	struct trust trust = bundle.trust;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(seen, sizeof(seen), "%s.seen", path);
	assert_int_equal(signer_memory_check(path, &trust), -ENOENT);
	assert_int_equal(signer_memory_note(path, &trust), 0);
	assert_int_equal(signer_memory_check(path, &trust), 0);
	trust.version = 2;
	assert_int_equal(signer_memory_check(path, &trust), -ESTALE);
	trust.version = 4;
	assert_int_equal(signer_memory_check(path, &trust), 0);
	trust.authority_key[4] ^= 1;
	assert_int_equal(signer_memory_check(path, &trust), -EPERM);
	/* Another network may have another one. */
	trust.network_id[0] ^= 1;
	assert_int_equal(signer_memory_check(path, &trust), -ENOENT);
	assert_int_equal(signer_memory_note(path, &trust), 0);
	assert_int_equal(signer_memory_check(path, &trust), 0);
	assert_int_equal(signer_memory_check(path, &bundle.trust), 0);
	file = fopen(seen, "w");
	assert_non_null(file);
	fputs("{", file);
	fclose(file);
	assert_int_equal(signer_memory_check(path, &trust), -EBADMSG);
	unlink(seen);
	rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renewals),
		cmocka_unit_test(test_routes_are_shown),
		cmocka_unit_test(test_numbers_that_leave_no_room),
		cmocka_unit_test(test_revoked_serials),
		cmocka_unit_test(test_the_base_of_a_comparison),
		cmocka_unit_test(test_a_key_remembers_its_authority),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
