#include "coord/authority_client.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/file.h"
#include "coord/admin_client.h"
#include "coord/options.h"
#include "coord/signer_memory.h"
#include "coord/signing_summary.h"
#include "crypto/rng.h"
#include "crypto/sign.h"
#include "proto/json_fields.h"
#include "proto/signing.h"

#define KEY_FILE_MAX 128
#define CHUNK        150 /* signatures handed in at once */
#define EXIT_USAGE   2

struct signer {
	uint8_t key[32];
	uint8_t secret[64];
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "warren-coord: %s: %s\n", what, why);
	return 1;
}

/* --- keys --- */

static int keygen(const struct options *options)
{
	const char *path = options->arguments[0];
	struct rng rng = rng_system();
	char text[BASE64_KEY_SIZE];
	char public[BASE64_KEY_SIZE];
	struct signer signer;
	int err;

	if (access(path, F_OK) == 0)
		return complain(path, "is there already; choose another name");
	sign_key_new(signer.key, signer.secret, &rng);
	encoding_base64_key(public, signer.key);
	encoding_base64_key(text, signer.secret);
	text[BASE64_KEY_SIZE - 1] = '\n';
	err = file_write_atomic(path, text, sizeof(text), 0600);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(&signer, sizeof(signer));
	if (err < 0)
		return complain(path, strerror(-err));
	fprintf(stderr, "the key is in %s: keep it to yourself; this is its public half\n", path);
	printf("%s\n", public);
	return 0;
}

static int load_key(struct signer *signer, const char *path)
{
	uint8_t seed[32];
	uint8_t *data;
	size_t len;
	int err = file_read_secret(path, KEY_FILE_MAX, &data, &len);

	if (err == -EPERM)
		return complain(path, "others may read it; chmod 600 it");
	if (err < 0)
		return complain(path, strerror(-err));
	if (len > 0 && data[len - 1] == '\n')
		data[len - 1] = '\0';
	err = encoding_base64_key_parse(seed, (char *)data);
	file_free_secret(data, len);
	if (err < 0)
		return complain(path, "is no key of authority keygen or authority export");
	sign_key_from_seed(signer->key, signer->secret, seed);
	sodium_memzero(seed, sizeof(seed));
	return 0;
}

/* --- requests: from a file, standard input, or the server --- */

static int read_all(FILE *in, char **text, size_t *len)
{
	FILE *out = open_memstream(text, len);
	char block[65536];
	size_t got;

	if (!out)
		return -ENOMEM;
	while ((got = fread(block, 1, sizeof(block), in)) > 0)
		if (fwrite(block, 1, got, out) != got || ftello(out) > (off_t)SIGNING_TEXT_MAX)
			break;
	fclose(out);
	return 0;
}

static int fetch(const struct options *options, char **text, size_t *len)
{
	json_t *request = json_pack("{s:s}", "verb", "authority-requests");
	int code = admin_client_call(options->data, request, text);

	if (code == 0)
		*len = strlen(*text);
	return code;
}

static int read_file(const char *path, char **text, size_t *len)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int err;

	if (!in)
		return complain(path, strerror(errno));
	err = read_all(in, text, len);
	if (in != stdin)
		fclose(in);
	return err < 0 ? complain(path, strerror(-err)) : 0;
}

/* 0 or an exit code. */
static int get_bundle(const struct options *options, bool online, struct signing_bundle *bundle)
{
	const char *path = options->arguments[0] ? options->arguments[0] : "-";
	char *text = NULL;
	size_t len = 0;
	int code = online ? fetch(options, &text, &len) : read_file(path, &text, &len);
	int err;

	if (code != 0)
		return code;
	err = signing_parse(bundle, text, len);
	free(text);
	if (err < 0)
		return complain("requests", "this is no output of authority requests, or a damaged "
					    "one, or its trust document does not hold");
	return 0;
}

static json_t *signature_json(const struct signing_request *request, const uint8_t *entry)
{
	uint8_t id[SIGNING_ID_SIZE];
	json_t *object = json_object();

	signing_id(id, request->kind, request->body, request->body_len);
	json_object_set_new(object, "id", json_fields_encode(id, sizeof(id)));
	json_object_set_new(object, "key", json_fields_encode(entry, 32));
	json_object_set_new(object, "signature", json_fields_encode(entry + 32, 64));
	return object;
}

/* Hands in some signatures, and a trust document if there is one. */
static int send_chunk(const struct options *options, json_t *signatures, const uint8_t *trust,
		      size_t trust_len)
{
	json_t *request =
		json_pack("{s:s,s:O}", "verb", "authority-submit", "signatures", signatures);
	char *text = NULL;
	int code;

	if (trust)
		json_object_set_new(request, "trust", json_fields_encode(trust, trust_len));
	code = admin_client_call(options->data, request, &text);
	if (code == 0)
		fputs(text, stdout);
	free(text);
	json_array_clear(signatures);
	return code;
}

static int submit_bundle(const struct options *options, const struct signing_bundle *bundle)
{
	json_t *signatures = json_array();
	int code = 0;

	if (bundle->new_trust)
		code = send_chunk(options, signatures, bundle->new_trust, bundle->new_trust_len);
	for (size_t i = 0; i < bundle->count && code == 0; i++) {
		const struct signing_request *request = &bundle->requests[i];

		for (size_t at = 0; at < request->set_len; at += TRUST_ENTRY_SIZE)
			json_array_append_new(signatures,
					      signature_json(request, request->set + at));
		if (json_array_size(signatures) >= CHUNK)
			code = send_chunk(options, signatures, NULL, 0);
	}
	if (code == 0 && json_array_size(signatures) > 0)
		code = send_chunk(options, signatures, NULL, 0);
	json_decref(signatures);
	return code;
}

/* What was signed goes to the server, or to standard output. */
static int hand_over(const struct options *options, const struct signing_bundle *bundle)
{
	char *text;
	size_t len;
	int err;

	if (options->data_given)
		return submit_bundle(options, bundle);
	err = signing_encode(bundle, &text, &len);
	if (err < 0)
		return complain("output", strerror(-err));
	fwrite(text, 1, len, stdout);
	free(text);
	return fflush(stdout) == 0 ? 0 : complain("standard output", strerror(errno));
}

/* --- signing --- */

static bool confirm(const struct options *options, const char *question)
{
	char answer[8] = "";
	FILE *tty;

	if (options->yes)
		return true;
	tty = fopen("/dev/tty", "r+e");
	if (!tty) {
		complain("sign", "no terminal to ask on; read what it says above and give --yes");
		return false;
	}
	fprintf(tty, "%s [y/N] ", question);
	fflush(tty);
	if (!fgets(answer, sizeof(answer), tty))
		answer[0] = '\0';
	fclose(tty);
	if (answer[0] == 'y' || answer[0] == 'Y')
		return true;
	complain("sign", "nothing was signed");
	return false;
}

static const char *refusal_text(int err)
{
	switch (err) {
	case -EXDEV:
		return "it is another network's";
	case -ESTALE:
		return "it is not newer than what is in force";
	case -ERANGE:
		return "its number is so high that hardly any could come after it";
	default:
		return "it cannot be read; is this program older than the coordinator?";
	}
}

/* Shows all; what cannot be signed is left out of the count. */
static size_t show_all(const struct signing_bundle *bundle, bool *refused)
{
	char key[BASE64_KEY_SIZE];
	size_t good = 0;

	encoding_base64_key(key, bundle->trust.authority_key);
	fputs("network ", stderr);
	signing_summary_text(stderr, bundle->network_name);
	fprintf(stderr, " of authority %s\n", key);
	for (size_t i = 0; i < bundle->count; i++) {
		int err = signing_summary(stderr, bundle, &bundle->requests[i]);

		if (err < 0) {
			fprintf(stderr, "warren-coord: request %zu is not signed: %s\n", i + 1,
				refusal_text(err));
			*refused = true;
		} else {
			good++;
		}
	}
	return good;
}

static int sign_one(const struct signer *signer, const struct signing_bundle *bundle,
		    struct signing_request *request)
{
	uint8_t signature[SIGN_SIZE];
	FILE *nowhere = fopen("/dev/null", "we");
	int err;

	if (!nowhere)
		return -errno;
	err = signing_summary(nowhere, bundle, request);
	fclose(nowhere);
	if (err < 0)
		return 0; /* was refused above */
	err = sign_make(signature, signer->secret, signing_domain(request->kind), request->body,
			request->body_len);
	return err < 0 ? err
		       : trust_set_add(request->set, &request->set_len, signer->key, signature);
}

/* What the requests are compared with holds only under the authority that they name. */
static int check_authority(const char *key_path, const struct signer *signer,
			   const struct trust *trust)
{
	switch (signer_memory_check(key_path, trust)) {
	case 0:
		return 0;
	case -ENOENT:
		if (memcmp(signer->key, trust->authority_key, 32) != 0)
			fputs("this key has not signed for this network before: is that the "
			      "authority that whoever exported it named to you?\n",
			      stderr);
		return 0;
	case -EPERM:
		return complain("requests", "this network had another authority when this key "
					    "signed last, so somebody plays the coordinator; "
					    "nothing was signed");
	case -ESTALE:
		return complain("requests", "their trust document is older than the one that this "
					    "key has seen; nothing was signed");
	default:
		return complain(key_path, "what is in its .seen file cannot be read, so the "
					  "network's authority cannot be compared; restore the "
					  "file, or remove it and look at the authority yourself");
	}
}

static void note_authority(const char *key_path, const struct trust *trust)
{
	int err = signer_memory_note(key_path, trust);

	if (err < 0)
		fprintf(stderr,
			"warren-coord: %s.seen: %s; the next time the authority cannot be "
			"compared with this one\n",
			key_path, strerror(-err));
}

static int sign_all(const struct options *options, const struct signer *signer,
		    struct signing_bundle *bundle)
{
	char question[64];
	bool refused = false;
	size_t good;
	int err = 0;

	if (!trust_is_signer(&bundle->trust, signer->key))
		return complain(options->key, "this key signs nothing in this network");
	if (bundle->count == 0) {
		fputs("nothing waits for signatures\n", stderr);
		return options->data_given ? 0 : hand_over(options, bundle);
	}
	if (check_authority(options->key, signer, &bundle->trust) != 0)
		return 1;
	good = show_all(bundle, &refused);
	if (good == 0)
		return 1;
	snprintf(question, sizeof(question), "sign %zu request%s?", good, good == 1 ? "" : "s");
	if (!confirm(options, question))
		return 1;
	note_authority(options->key, &bundle->trust);
	for (size_t i = 0; i < bundle->count && err == 0; i++)
		err = sign_one(signer, bundle, &bundle->requests[i]);
	if (err < 0)
		return complain("sign", strerror(-err));
	err = hand_over(options, bundle);
	return err == 0 && refused ? 1 : err;
}

static int sign(const struct options *options)
{
	struct signing_bundle bundle;
	struct signer signer;
	int code = load_key(&signer, options->key);

	if (code == 0)
		code = get_bundle(options, options->data_given && !options->arguments[0], &bundle);
	if (code == 0) {
		code = sign_all(options, &signer, &bundle);
		signing_clear(&bundle);
	}
	sodium_memzero(&signer, sizeof(signer));
	return code;
}

static int submit(const struct options *options)
{
	struct signing_bundle bundle;
	int code = get_bundle(options, false, &bundle);

	if (code == 0) {
		code = submit_bundle(options, &bundle);
		signing_clear(&bundle);
	}
	return code;
}

/* --- other signers --- */

static int describe_trust(const struct options *options, const struct signing_bundle *bundle,
			  struct document *document)
{
	*document = (struct document){ .kind = DOCUMENT_TRUST,
				       .version = bundle->trust.version + 1,
				       .made_s = clock_wall_s() };
	memcpy(document->network_id, bundle->trust.network_id, TRUST_NETWORK_ID_SIZE);
	memcpy(document->map_key, bundle->trust.map_key, 32);
	for (size_t i = 0; i < options->signer_count; i++)
		if (encoding_base64_key_parse(document->signers[i], options->signers[i]) < 0) {
			complain(options->signers[i], "is no public key of authority keygen");
			return EXIT_USAGE;
		}
	document->signer_count = (uint8_t)options->signer_count;
	document->threshold =
		(uint8_t)(options->threshold || !options->signer_count ? options->threshold : 1);
	return 0;
}

static int make_trust(const struct signer *signer, const struct document *document,
		      struct signing_bundle *bundle)
{
	const char *domain = document_domain(DOCUMENT_TRUST);
	uint8_t signature[SIGN_SIZE];
	uint8_t *body = NULL;
	size_t len;
	int err = document_encode(document, &body, &len);

	if (err == 0)
		err = sign_make(signature, signer->secret, domain, body, len);
	if (err == 0)
		err = document_join(body, len, signature, sizeof(signature), &bundle->new_trust,
				    &bundle->new_trust_len);
	free(body);
	if (err == -EINVAL)
		return complain("trust", "the threshold is not 1 to the number of signers, or one "
					 "is named twice");
	return err < 0 ? complain("trust", strerror(-err)) : 0;
}

static int trust(const struct options *options)
{
	struct signing_bundle bundle;
	struct document document;
	struct signer signer;
	int code = load_key(&signer, options->key);

	if (code == 0)
		code = get_bundle(options, options->data_given, &bundle);
	if (code == 0) {
		if (memcmp(signer.key, bundle.trust.authority_key, 32) != 0)
			code = complain(options->key, "only the authority's key names signers");
		if (code == 0)
			code = describe_trust(options, &bundle, &document);
		if (code == 0)
			signing_summary_trust(stderr, &bundle.trust, &document);
		if (code == 0 && !confirm(options, "sign it?"))
			code = 1;
		if (code == 0)
			code = make_trust(&signer, &document, &bundle);
		if (code == 0)
			code = hand_over(options, &bundle);
		signing_clear(&bundle);
	}
	sodium_memzero(&signer, sizeof(signer));
	return code;
}

int authority_client_run(const struct options *options)
{
	switch (options->command) {
	case COMMAND_AUTHORITY_KEYGEN:
		return keygen(options);
	case COMMAND_AUTHORITY_SIGN:
		return sign(options);
	case COMMAND_AUTHORITY_SUBMIT:
		return submit(options);
	default:
		return trust(options);
	}
}
