/* Strict mode: authority show, export, requests, submit, trust. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encoding.h"
#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/sessions.h"
#include "coord/store_signing.h"
#include "coord/strict.h"

#define SUBMIT_MAX 1024 /* signatures in one call */

void admin_say_signatures(struct admin_request *request)
{
	const struct network *network = request->sessions->network;
	unsigned int threshold = network->strict.trust.threshold;

	if (!network->strict.on)
		return;
	if (request->json) {
		if (!request->answer)
			request->answer = json_object();
		json_object_set_new(request->answer, "waits_for_signatures", json_true());
	} else if (threshold)
		fprintf(request->out,
			"asked for; it counts when %u of %u admins have signed: warren-coord "
			"authority sign\n",
			threshold, network->strict.trust.signer_count);
	else
		fputs("asked for; it counts when the authority has signed: warren-coord authority "
		      "sign\n",
		      request->out);
}

static bool want_strict(struct admin_request *request)
{
	if (request->sessions->network->strict.on)
		return true;
	admin_fail(request, ADMIN_CONFLICT,
		   "this network is in simple mode: the coordinator signs by itself; see "
		   "authority export");
	return false;
}

/* --- show --- */

static json_t *key_json(const uint8_t key[static 32])
{
	char text[BASE64_KEY_SIZE];

	encoding_base64_key(text, key);
	return json_string(text);
}

static json_t *trust_json(const struct network *network)
{
	const struct trust *trust = &network->strict.trust;
	json_t *signers = json_array();
	json_t *documents = json_object();
	json_t *object = json_object();

	for (size_t i = 0; i < trust->signer_count; i++)
		json_array_append_new(signers, key_json(trust->signers[i]));
	for (int kind = DOCUMENT_TRUST; kind < DOCUMENT_KIND_END; kind++)
		json_object_set_new(documents, document_kind_name((enum document_kind)kind),
				    json_integer(
					    (json_int_t)network->strict.documents[kind].version));
	json_object_set_new(object, "mode", json_string(network->strict.on ? "strict" : "simple"));
	json_object_set_new(object, "authority", key_json(network->authority_key));
	json_object_set_new(object, "threshold", json_integer(trust->threshold));
	json_object_set_new(object, "signers", signers);
	json_object_set_new(object, "documents", documents);
	return object;
}

struct showing {
	struct admin_request *request;
	json_t *array;
	size_t count;
};

static int show_one(void *arg, struct store_request *waiting)
{
	struct showing *showing = arg;
	struct admin_request *request = showing->request;
	const struct network *network = request->sessions->network;
	size_t signatures = strict_signatures(network, &waiting->request);
	char what[128] = "?";
	char time[32];

	strict_describe(&waiting->request, what, sizeof(what));
	showing->count++;
	if (request->json)
		json_array_append_new(showing->array,
				      json_pack("{s:s,s:i,s:I,s:s}", "what", what, "signatures",
						(int)signatures, "time",
						(json_int_t)waiting->request.time_s, "who",
						waiting->request.who));
	else
		fprintf(request->out, "  %-40s  %zu of %u  since %s  %s\n", what, signatures,
			network->strict.trust.threshold ? network->strict.trust.threshold : 1,
			admin_time(time, waiting->request.time_s), waiting->request.who);
	return 0;
}

static void print_trust(struct admin_request *request)
{
	const struct network *network = request->sessions->network;
	const struct trust *trust = &network->strict.trust;
	char text[BASE64_KEY_SIZE];

	encoding_base64_key(text, network->authority_key);
	fprintf(request->out, "mode       %s\nauthority  %s%s\n",
		network->strict.on ? "strict" : "simple", text,
		network->strict.on ? ", its secret is not here" : "");
	if (!network->strict.on)
		return;
	if (trust->signer_count == 0)
		fputs("signers    the authority alone\n", request->out);
	for (size_t i = 0; i < trust->signer_count; i++) {
		encoding_base64_key(text, trust->signers[i]);
		fprintf(request->out, "signer     %s\n", text);
	}
	if (trust->signer_count > 0)
		fprintf(request->out, "threshold  %u of %u\n", trust->threshold,
			trust->signer_count);
	for (int kind = DOCUMENT_TRUST; kind < DOCUMENT_KIND_END; kind++)
		fprintf(request->out, "%-11s v%llu\n", document_kind_name((enum document_kind)kind),
			(unsigned long long)network->strict.documents[kind].version);
}

void admin_authority_show(struct admin_request *request)
{
	struct network *network = request->sessions->network;
	struct showing showing = { .request = request, .array = json_array() };
	json_t *answer;
	int err;

	strict_reconcile(network, request->now_s);
	if (!request->json) {
		print_trust(request);
		fputs("waiting for signatures:\n", request->out);
	}
	err = store_request_each(network->store, show_one, &showing);
	if (err < 0)
		admin_fail_store(request, err);
	if (!request->json && showing.count == 0)
		fputs("  nothing\n", request->out);
	answer = trust_json(network);
	json_object_set(answer, "waiting", showing.array);
	json_decref(showing.array);
	admin_answer(request, answer);
}

/* --- export --- */

static void get_signers(struct admin_request *request, struct strict_export *wanted)
{
	json_t *array = json_object_get(request->fields.object, "signers");
	json_t *value;
	size_t i;

	json_array_foreach (array, i, value) {
		const char *text = json_string_value(value);

		if (i == TRUST_SIGNERS_MAX || !text ||
		    encoding_base64_key_parse(wanted->signers[i], text) < 0) {
			admin_fail(request, ADMIN_INVALID,
				   "--signer wants the public key that authority keygen printed, "
				   "at most %d times",
				   TRUST_SIGNERS_MAX);
			return;
		}
		wanted->signer_count++;
	}
}

static void explain_export(struct admin_request *request, int err, const char *path)
{
	switch (err) {
	case -EALREADY:
		admin_fail(request, ADMIN_CONFLICT, "the authority's key was taken away before");
		break;
	case -EEXIST:
		admin_fail(request, ADMIN_CONFLICT, "%.300s is there already; choose another name",
			   path);
		break;
	case -EINVAL:
		admin_fail(request, ADMIN_INVALID,
			   "the threshold is not 1 to the number of signers, or one is named "
			   "twice");
		break;
	default:
		admin_fail(request, ADMIN_FAILED, "%.300s: cannot export: %s; nothing was changed",
			   path, strerror(-err));
		break;
	}
}

void admin_authority_export(struct admin_request *request)
{
	struct strict_export wanted = { .life_s = STRICT_LIFE_S };
	uint64_t threshold = 0;
	char path[1024] = "";
	char shown[1024] = "";
	int err;

	/* Whoever may take the key may do everything: only who could read it anyway. */
	if (strncmp(request->caller->who, "local:", 6) != 0) {
		admin_fail(
			request, ADMIN_DENIED,
			"the authority's key leaves by the command line on the coordinator only");
		return;
	}
	json_fields_text(&request->fields, "path", path, sizeof(path));
	if (json_fields_has(&request->fields, "shown"))
		json_fields_text(&request->fields, "shown", shown, sizeof(shown));
	json_fields_u64(&request->fields, "threshold", UINT8_MAX, &threshold);
	if (json_fields_has(&request->fields, "life_s"))
		json_fields_u64(&request->fields, "life_s", INT32_MAX, &wanted.life_s);
	get_signers(request, &wanted);
	if (request->fields.failed || request->kind != ADMIN_OK)
		return;
	if (path[0] != '/' || wanted.life_s < STRICT_LIFE_MIN_S) {
		admin_fail(request, ADMIN_INVALID,
			   "want a whole path, and a life of at least 10 s");
		return;
	}
	wanted.path = path;
	/* One of them, unless said otherwise. */
	wanted.threshold = (uint8_t)(threshold || !wanted.signer_count ? threshold : 1);
	err = strict_export(request->sessions->network, &wanted, request->now_s);
	if (err < 0) {
		explain_export(request, err, path);
		return;
	}
	sessions_want_flush(request->sessions);
	if (!request->json)
		fprintf(request->out,
			"the authority's key is in %s: take it away from this machine, and keep "
			"it safe\nthis network is in strict mode: changes wait for signatures\n",
			shown[0] ? shown : path);
}

/* --- requests and submit --- */

void admin_authority_requests(struct admin_request *request)
{
	struct network *network = request->sessions->network;
	struct signing_bundle bundle;
	char *text;
	size_t len;
	int err;

	if (!want_strict(request))
		return;
	strict_reconcile(network, request->now_s);
	err = strict_bundle(network, &bundle);
	if (err == 0) {
		err = signing_encode(&bundle, &text, &len);
		signing_clear(&bundle);
	}
	if (err < 0) {
		admin_fail_store(request, err);
		return;
	}
	if (request->json)
		admin_answer(request, json_loadb(text, len, 0, NULL));
	else
		fwrite(text, 1, len, request->out);
	free(text);
}

static const char *sign_problem(int err)
{
	switch (err) {
	case -ENOENT:
		return "is not asked for any more, or is in force";
	case -EPERM:
		return "was signed by nobody who may, or wrongly";
	case -EEXIST:
		return "has a name or key that another node has by now";
	default:
		return strerror(-err);
	}
}

struct submitted {
	uint8_t id[SIGNING_ID_SIZE];
	uint8_t key[32];
	uint8_t signature[64];
};

static bool read_submitted(struct submitted *out, json_t *value)
{
	struct json_fields f;

	json_fields_init(&f, value);
	json_fields_bytes(&f, "id", out->id, sizeof(out->id));
	json_fields_bytes(&f, "key", out->key, sizeof(out->key));
	json_fields_bytes(&f, "signature", out->signature, sizeof(out->signature));
	return !f.failed;
}

static void submit_one(struct admin_request *request, const struct submitted *given,
		       json_t *results)
{
	char what[128];
	int result = strict_sign(request->sessions, given->id, given->key, given->signature,
				 request->now_s, what, sizeof(what));

	if (result < 0)
		log_warn("signature-refused what=\"%s\" error=\"%s\"", what, strerror(-result));
	json_array_append_new(results,
			      json_pack("{s:s,s:s,s:s*}", "what", what, "result",
					result == 1   ? "in-force"
					: result == 0 ? "noted"
						      : "refused",
					"reason", result < 0 ? sign_problem(result) : NULL));
	if (!request->json)
		fprintf(request->out, "%s: %s\n", what,
			result == 1   ? "in force"
			: result == 0 ? "signature noted, more are wanted"
				      : sign_problem(result));
}

static void submit_trust(struct admin_request *request)
{
	uint8_t *data = NULL;
	size_t len = 0;
	int err;

	json_fields_blob(&request->fields, "trust", DOCUMENT_ENCODED_MAX, &data, &len);
	if (!data)
		return;
	err = strict_set_trust(request->sessions, data, len, request->now_s);
	free(data);
	if (err == -ESTALE)
		admin_fail(request, ADMIN_CONFLICT,
			   "this trust document, or a newer one, is in force already");
	else if (err == -EPERM || err == -EXDEV || err == -EBADMSG)
		admin_fail(request, ADMIN_REFUSED,
			   "this trust document was not signed by this network's authority");
	else if (err < 0)
		admin_fail_store(request, err);
	else if (!request->json)
		fputs("trust: in force\n", request->out);
}

void admin_authority_submit(struct admin_request *request)
{
	json_t *array = json_fields_array(&request->fields, "signatures", SUBMIT_MAX);
	struct submitted given;
	json_t *results;
	json_t *value;
	size_t i;

	/* All are looked at before one counts. */
	json_array_foreach (array, i, value)
		request->fields.failed |= !read_submitted(&given, value);
	if (request->fields.failed || !want_strict(request))
		return;
	results = json_array();
	if (json_fields_has(&request->fields, "trust"))
		submit_trust(request);
	if (request->kind == ADMIN_OK)
		json_array_foreach (array, i, value)
			if (read_submitted(&given, value))
				submit_one(request, &given, results);
	admin_answer(request, json_pack("{s:o}", "results", results));
}
