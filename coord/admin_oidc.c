/* Single sign-on: oidc set, show, remove. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/oidc.h"
#include "coord/sessions.h"

/* What everybody who may look may see: no secret, but whether there is one. */
static json_t *shown(const struct oidc *oidc, const struct oidc_config *config)
{
	json_t *object = oidc_config_json(config, false);
	char redirect[OIDC_URL_MAX + 1];

	oidc_redirect_url(oidc, redirect);
	json_object_set_new(object, "has_secret", json_boolean(config->client_secret[0]));
	json_object_set_new(object, "redirect_url", json_string(redirect));
	return object;
}

static void print_list(FILE *out, const char *label, const struct oidc_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		fprintf(out, "%-14s %s\n", i ? "" : label, list->entries[i]);
}

static void print_config(FILE *out, const struct oidc *oidc, const struct oidc_config *config)
{
	char redirect[OIDC_URL_MAX + 1];

	oidc_redirect_url(oidc, redirect);
	fprintf(out, "%-14s %s\n", "issuer", config->issuer);
	fprintf(out, "%-14s %s%s\n", "client", config->client_id,
		config->client_secret[0] ? " (with a secret)" : "");
	fprintf(out, "%-14s %s\n", "redirect", redirect);
	fprintf(out, "%-14s %s\n", "scope", config->scope);
	fprintf(out, "%-14s %s\n", "flow", oidc_flow_name(config->flow));
	fprintf(out, "%-14s %s\n", "user-claim", config->user_claim);
	if (config->group_claim[0])
		fprintf(out, "%-14s %s\n", "group-claim", config->group_claim);
	if (config->login_life_s)
		fprintf(out, "%-14s %llus\n", "login-life",
			(unsigned long long)config->login_life_s);
	else
		fprintf(out, "%-14s %s\n", "login-life", "for ever");
	if (config->allow_any)
		fprintf(out, "%-14s %s\n", "allow", "everybody whom the provider knows");
	print_list(out, "allow-domain", &config->domains);
	print_list(out, "allow-user", &config->users);
	print_list(out, "map-group", &config->groups);
	print_list(out, "admin", &config->admins);
	print_list(out, "viewer", &config->viewers);
}

void admin_oidc_show(struct admin_request *request)
{
	const struct oidc *oidc = request->sessions->oidc;
	const struct oidc_config *config = oidc_settings(oidc);

	if (!config)
		admin_fail(request, ADMIN_NOT_FOUND,
			   "there is no sign-in provider; set one with oidc set");
	else if (request->json)
		admin_answer(request, shown(oidc, config));
	else
		print_config(request->out, oidc, config);
}

void admin_oidc_set(struct admin_request *request)
{
	struct oidc *oidc = request->sessions->oidc;
	const struct oidc_config *before = oidc_settings(oidc);
	struct oidc_config config = { .issuer = "" };
	char error[256] = "";
	json_t *after;
	int err;

	if (!oidc) {
		admin_fail(request, ADMIN_UNAVAILABLE, "this server has no single sign-on");
		return;
	}
	if (oidc_config_parse(&config, request->fields.object, error, sizeof(error)) < 0) {
		admin_fail(request, ADMIN_INVALID, "%s", error);
		return;
	}
	after = oidc_config_json(&config, false);
	admin_note(request, config.issuer, before ? oidc_config_json(before, false) : NULL, after);
	err = oidc_configure(oidc, &config);
	sodium_memzero(&config, sizeof(config));
	if (err < 0) {
		admin_fail_store(request, err);
		return;
	}
	log_info("oidc-set issuer=\"%s\"", oidc_settings(oidc)->issuer);
	if (request->json)
		admin_answer(request, shown(oidc, oidc_settings(oidc)));
	else
		print_config(request->out, oidc, oidc_settings(oidc));
}

void admin_oidc_remove(struct admin_request *request)
{
	struct oidc *oidc = request->sessions->oidc;
	const struct oidc_config *before = oidc_settings(oidc);
	int err;

	if (!before) {
		admin_fail(request, ADMIN_NOT_FOUND, "there is no sign-in provider");
		return;
	}
	admin_note(request, before->issuer, oidc_config_json(before, false), NULL);
	err = oidc_configure(oidc, NULL);
	if (err < 0)
		admin_fail_store(request, err);
	else
		log_info("oidc-removed");
}
