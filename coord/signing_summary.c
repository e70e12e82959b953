#include "coord/signing_summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/encoding.h"
#include "coord/signing_names.h"
#include "proto/approval_code.h"

#define LINES_MAX 2000 /* above it a policy is shown whole instead of compared */

/* Texts come from a coordinator that may be hostile: no escape sequences for the terminal. */
static void print_clean(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		fputc(c >= 0x20 && c < 0x7f ? c : c == '\t' ? ' ' : '?', out);
	}
}

void signing_summary_text(FILE *out, const char *text)
{
	print_clean(out, text, strlen(text));
}

/* A day of the calendar; times that no calendar has are numbers. */
static void print_day(FILE *out, uint64_t time_s)
{
	time_t at = (time_t)time_s;
	char text[32] = "";
	struct tm tm;

	if (time_s < UINT64_C(1) << 40 && gmtime_r(&at, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	if (text[0])
		fprintf(out, "%s", text);
	else
		fprintf(out, "second %llu", (unsigned long long)time_s);
}

static const char *key_text(char out[static BASE64_KEY_SIZE], const uint8_t key[static 32])
{
	encoding_base64_key(out, key);
	return out;
}

/* --- certificates --- */

static void print_labels(FILE *out, const char *what, const char (*labels)[CERT_LABEL_MAX + 1],
			 size_t count)
{
	if (count == 0)
		return;
	fprintf(out, "    %-10s", what);
	for (size_t i = 0; i < count; i++)
		fprintf(out, " %s", labels[i]);
	fputc('\n', out);
}

static void print_addresses(FILE *out, const struct cert *cert)
{
	char text[ADDR_TEXT_SIZE];

	fprintf(out, "    %-10s", "addresses");
	if (cert->address4.family)
		fprintf(out, " %s", addr_format(text, &cert->address4));
	if (cert->address6.family)
		fprintf(out, " %s", addr_format(text, &cert->address6));
	fputc('\n', out);
}

/* What the machine would carry, which is more than it itself is. */
static void print_route(FILE *out, const struct prefix *route, const struct route_facts *facts)
{
	struct prefix real = route_real(route, facts);
	char text[PREFIX_TEXT_SIZE];

	fprintf(out, "    %-10s %s", route_is_exit(route) ? "exit" : "route",
		prefix_format(text, route));
	if (route_is_exit(route))
		fprintf(out, ", all of %s", route->addr.family == AF_INET ? "IPv4" : "IPv6");
	if (facts->real.family)
		fprintf(out, ", in its LAN %s", prefix_format(text, &real));
	fprintf(out, ", weight %u\n", facts->weight);
}

static void print_cert(FILE *out, const struct cert *cert)
{
	char code[APPROVAL_CODE_SIZE];
	char key[BASE64_KEY_SIZE];

	approval_code(code, cert->device_key, cert->box_key);
	fprintf(out, "    %-10s %s\n", "name", cert->name);
	print_addresses(out, cert);
	fprintf(out, "    %-10s %s (the machine shows it)\n", "code", code);
	fprintf(out, "    %-10s %s\n", "device key", key_text(key, cert->device_key));
	fprintf(out, "    %-10s %s\n", "wireguard", key_text(key, cert->wireguard_key));
	print_labels(out, "groups", cert->groups, cert->group_count);
	print_labels(out, "tags", cert->tags, cert->tag_count);
	if (cert->owner[0])
		fprintf(out, "    %-10s %s\n", "owner", cert->owner);
	for (size_t i = 0; i < cert->route_count; i++)
		print_route(out, &cert->routes[i], &cert->route_facts[i]);
	fprintf(out, "    %-10s %llu days, ", "holds for",
		(unsigned long long)((cert->not_after_s - cert->not_before_s) / 86400));
	print_day(out, cert->not_before_s);
	fputs(" to ", out);
	print_day(out, cert->not_after_s);
	fprintf(out, " UTC, serial %llu\n", (unsigned long long)cert->serial);
}

static bool same_but_for_time(const struct cert *a, const struct cert *b)
{
	struct cert x = *a;

	x.serial = b->serial;
	x.not_before_s = b->not_before_s;
	x.not_after_s = b->not_after_s;
	return memcmp(&x, b, sizeof(x)) == 0;
}

static uint64_t life_of(const struct cert *cert)
{
	return cert->not_after_s - cert->not_before_s;
}

/* Which certificate it is compared with, since the coordinator chose that one. */
static void print_renewal(FILE *out, const struct cert *previous, const struct cert *cert)
{
	if (!same_but_for_time(cert, previous))
		fputs("CHANGED\n", out);
	else if (life_of(cert) > life_of(previous))
		fputs("renewed, for LONGER than the one before\n", out);
	else
		fputs("renewed, nothing else changes\n", out);
	fprintf(out, "    %-10s serial %llu, from ", "before",
		(unsigned long long)previous->serial);
	print_day(out, previous->not_before_s);
	fputs(" UTC\n", out);
}

static int summarise_cert(FILE *out, const struct signing_bundle *bundle,
			  const struct signing_request *request)
{
	struct cert previous;
	struct cert cert;
	bool known;
	int err = cert_parse_body(&cert, request->body, request->body_len);

	if (err < 0)
		return -EBADMSG;
	if (memcmp(cert.network_id, bundle->trust.network_id, CERT_NETWORK_ID_SIZE) != 0)
		return -EXDEV;
	known = request->previous &&
		cert_verify(&previous, request->previous, request->previous_len, &bundle->trust) ==
			0 &&
		memcmp(previous.device_key, cert.device_key, 32) == 0;
	if (known && previous.serial >= cert.serial)
		return -ESTALE;
	if (cert.serial > SIGNING_NUMBER_MAX)
		return -ERANGE;
	fprintf(out, "  certificate of %s: ", cert.name);
	if (known)
		print_renewal(out, &previous, &cert);
	else
		fputs("a NEW machine\n", out);
	if (known && !same_but_for_time(&cert, &previous)) {
		fputs("   before:\n", out);
		print_cert(out, &previous);
		fputs("   after:\n", out);
	}
	print_cert(out, &cert);
	return 0;
}

/* --- policies --- */

struct lines {
	const char *at[LINES_MAX];
	size_t len[LINES_MAX];
	size_t count;
	bool all; /* not more than LINES_MAX */
};

static void split(struct lines *lines, const char *text, size_t len)
{
	const char *end = text + len;

	lines->count = 0;
	while (text < end && lines->count < LINES_MAX) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		lines->at[lines->count] = text;
		lines->len[lines->count++] = (size_t)((stop ? stop : end) - text);
		text = stop ? stop + 1 : end;
	}
	lines->all = text == end;
}

static bool same_line(const struct lines *a, size_t i, const struct lines *b, size_t j)
{
	return a->len[i] == b->len[j] && memcmp(a->at[i], b->at[j], a->len[i]) == 0;
}

static void print_line(FILE *out, char sign, const struct lines *lines, size_t i)
{
	fprintf(out, "    %c ", sign);
	print_clean(out, lines->at[i], lines->len[i]);
	fputc('\n', out);
}

/* longest[i][j]: lines in common of what is left of both. */
static void print_diff(FILE *out, const struct lines *a, const struct lines *b,
		       const uint16_t *longest)
{
	size_t width = b->count + 1;
	size_t i = 0;
	size_t j = 0;

	while (i < a->count || j < b->count) {
		if (i < a->count && j < b->count && same_line(a, i, b, j)) {
			i++;
			j++;
		} else if (j == b->count || (i < a->count && longest[(i + 1) * width + j] >=
								     longest[i * width + j + 1])) {
			print_line(out, '-', a, i++);
		} else {
			print_line(out, '+', b, j++);
		}
	}
}

static bool diff(FILE *out, const struct lines *a, const struct lines *b)
{
	size_t width = b->count + 1;
	uint16_t *longest;

	if (!a->all || !b->all)
		return false;
	longest = calloc((a->count + 1) * width, sizeof(*longest));
	if (!longest)
		return false;
	for (size_t i = a->count; i-- > 0;)
		for (size_t j = b->count; j-- > 0;) {
			uint16_t down = longest[(i + 1) * width + j];
			uint16_t right = longest[i * width + j + 1];

			longest[i * width + j] =
				same_line(a, i, b, j)
					? (uint16_t)(longest[(i + 1) * width + j + 1] + 1)
				: down > right ? down
					       : right;
		}
	print_diff(out, a, b, longest);
	free(longest);
	return true;
}

static void summarise_policy(FILE *out, const struct document *previous,
			     const struct document *document)
{
	struct lines *lines = calloc(2, sizeof(*lines));

	if (!lines)
		return;
	split(&lines[1], document->policy, document->policy_len);
	if (previous->policy)
		split(&lines[0], previous->policy, previous->policy_len);
	if (!previous->policy || !diff(out, &lines[0], &lines[1])) {
		fputs("    ", out);
		for (size_t i = 0; i < document->policy_len; i++) {
			if (document->policy[i] == '\n')
				fputs("\n    ", out);
			else
				print_clean(out, document->policy + i, 1);
		}
		fputc('\n', out);
	}
	free(lines);
}

/* --- relays and revocations --- */

static const struct netmap_relay *find_relay(const struct document *document, const char *name)
{
	for (size_t i = 0; i < document->relay_count; i++)
		if (strcmp(document->relays[i].name, name) == 0)
			return &document->relays[i];
	return NULL;
}

static void print_relay(FILE *out, char sign, const struct netmap_relay *relay)
{
	fprintf(out, "    %c relay %s at", sign, relay->name);
	for (size_t i = 0; i < relay->host_count; i++)
		fprintf(out, " %s", relay->hosts[i]);
	fprintf(out, ", udp %u, tls %u%s\n", relay->udp_port, relay->tls_port,
		relay->kind == NETMAP_RELAY_TURN ? ", TURN" : "");
}

static bool same_relay(const struct netmap_relay *a, const struct netmap_relay *b)
{
	if (!a || !b || a->kind != b->kind || a->host_count != b->host_count ||
	    a->udp_port != b->udp_port || a->tls_port != b->tls_port)
		return false;
	for (size_t i = 0; i < a->host_count; i++)
		if (strcmp(a->hosts[i], b->hosts[i]) != 0)
			return false;
	return true;
}

static void summarise_relays(FILE *out, const struct document *previous,
			     const struct document *document)
{
	for (size_t i = 0; i < previous->relay_count; i++)
		if (!same_relay(&previous->relays[i],
				find_relay(document, previous->relays[i].name)))
			print_relay(out, '-', &previous->relays[i]);
	for (size_t i = 0; i < document->relay_count; i++) {
		const struct netmap_relay *before = find_relay(previous, document->relays[i].name);

		print_relay(out, same_relay(before, &document->relays[i]) ? ' ' : '+',
			    &document->relays[i]);
	}
}

static void print_devices(FILE *out, char sign, const struct document *has,
			  const struct document *lacks)
{
	struct cert cert = { .serial = 0 };
	char key[BASE64_KEY_SIZE];

	for (size_t i = 0; i < has->device_count; i++) {
		memcpy(cert.device_key, has->devices[i], 32);
		if (!document_revokes(lacks, &cert))
			fprintf(out, "    %c device %s is out for good\n", sign,
				key_text(key, has->devices[i]));
	}
}

/* Serials are ascending in both. */
static void print_serials(FILE *out, char sign, const struct document *has,
			  const struct document *lacks)
{
	size_t j = 0;

	for (size_t i = 0; i < has->serial_count; i++) {
		while (j < lacks->serial_count && lacks->serials[j] < has->serials[i])
			j++;
		if (j == lacks->serial_count || lacks->serials[j] != has->serials[i])
			fprintf(out, "    %c certificate with serial %llu is out\n", sign,
				(unsigned long long)has->serials[i]);
	}
}

static void summarise_revocations(FILE *out, const struct document *previous,
				  const struct document *document)
{
	print_devices(out, '-', previous, document);
	print_devices(out, '+', document, previous);
	print_serials(out, '-', previous, document);
	print_serials(out, '+', document, previous);
	fprintf(out, "    %zu devices and %zu certificates in all\n", document->device_count,
		document->serial_count);
}

void signing_summary_trust(FILE *out, const struct trust *old, const struct document *document)
{
	char key[BASE64_KEY_SIZE];

	fprintf(out, "  trust v%llu: %u of %u signers (before: %u of %u)\n",
		(unsigned long long)document->version, document->threshold, document->signer_count,
		old->threshold, old->signer_count);
	for (size_t i = 0; i < document->signer_count; i++)
		fprintf(out, "    %c signer %s\n",
			trust_is_signer(old, document->signers[i]) ? ' ' : '+',
			key_text(key, document->signers[i]));
	for (size_t i = 0; i < old->signer_count; i++) {
		bool stays = false;

		for (size_t j = 0; j < document->signer_count; j++)
			stays |= memcmp(old->signers[i], document->signers[j], 32) == 0;
		if (!stays)
			fprintf(out, "    - signer %s\n", key_text(key, old->signers[i]));
	}
}

/* What the coordinator chose to compare with is said, and that there may be newer ones. */
static void print_base(FILE *out, const struct document *previous, const struct document *document)
{
	fprintf(out, "  %s v%llu", document_kind_name(document->kind),
		(unsigned long long)document->version);
	if (!previous->version) {
		fputs(", whole, since what is in force is not known:\n", out);
		return;
	}
	fprintf(out, ", after v%llu of ", (unsigned long long)previous->version);
	print_day(out, previous->made_s);
	fputs(" UTC:\n", out);
	if (document->version - previous->version > 1)
		fprintf(out,
			"    (v%llu to v%llu were never in force, if the coordinator is honest: "
			"compare with `warren status` of a machine)\n",
			(unsigned long long)previous->version + 1,
			(unsigned long long)document->version - 1);
}

static int summarise_document(FILE *out, const struct signing_bundle *bundle,
			      const struct signing_request *request)
{
	struct document previous = { .version = 0 };
	struct document document;
	int err = document_parse_body(&document, request->body, request->body_len);

	if (err < 0)
		return -EBADMSG;
	if ((int)document.kind != request->kind || document.kind == DOCUMENT_TRUST)
		err = -EBADMSG;
	else if (memcmp(document.network_id, bundle->trust.network_id, TRUST_NETWORK_ID_SIZE) != 0)
		err = -EXDEV;
	if (err == 0 && request->previous &&
	    document_verify(&previous, request->previous, request->previous_len, &bundle->trust) ==
		    0 &&
	    previous.kind != document.kind)
		document_clear(&previous);
	if (err == 0 && document.version <= previous.version)
		err = -ESTALE;
	if (err == 0 && document.version > SIGNING_NUMBER_MAX)
		err = -ERANGE;
	if (err == 0) {
		print_base(out, &previous, &document);
		if (document.kind == DOCUMENT_POLICY)
			summarise_policy(out, &previous, &document);
		else if (document.kind == DOCUMENT_NAMES)
			signing_summary_names(out, &previous, &document);
		else if (document.kind == DOCUMENT_RELAYS)
			summarise_relays(out, &previous, &document);
		else
			summarise_revocations(out, &previous, &document);
	}
	document_clear(&previous);
	document_clear(&document);
	return err;
}

int signing_summary(FILE *out, const struct signing_bundle *bundle,
		    const struct signing_request *request)
{
	if (request->kind == SIGNING_CERTIFICATE)
		return summarise_cert(out, bundle, request);
	return summarise_document(out, bundle, request);
}
