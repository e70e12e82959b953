#include "coord/oidc_config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/json_fields.h"

#define DEFAULT_SCOPE  "openid email profile"
#define DEFAULT_LIFE_S (30 * 86400ull)

static const char *const flows[] = { "auto", "device", "browser" };

const char *oidc_flow_name(enum oidc_flow flow)
{
	return flows[flow];
}

static void get_list(struct json_fields *f, const char *name, struct oidc_list *list)
{
	json_t *array = json_fields_has(f, name) ? json_fields_array(f, name, OIDC_LIST_MAX) : NULL;

	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *text = json_string_value(json_array_get(array, i));

		if (!text || !text[0] || strlen(text) > OIDC_ENTRY_MAX) {
			f->failed = true;
			return;
		}
		strcpy(list->entries[list->count++], text);
	}
}

static void get_flow(struct json_fields *f, enum oidc_flow *flow)
{
	char text[16];

	json_fields_text_opt(f, "flow", text, sizeof(text));
	if (f->failed || !text[0])
		return;
	for (int i = 0; i < 3; i++) {
		if (strcmp(text, flows[i]) == 0) {
			*flow = (enum oidc_flow)i;
			return;
		}
	}
	f->failed = true;
}

static void get_text(struct json_fields *f, const char *name, char *out, size_t size,
		     const char *otherwise)
{
	json_fields_text_opt(f, name, out, size);
	if (!f->failed && !out[0])
		snprintf(out, size, "%s", otherwise);
}

static void get_fields(struct json_fields *f, struct oidc_config *c)
{
	json_fields_text(f, "issuer", c->issuer, sizeof(c->issuer));
	json_fields_text(f, "client_id", c->client_id, sizeof(c->client_id));
	json_fields_text_opt(f, "client_secret", c->client_secret, sizeof(c->client_secret));
	get_text(f, "scope", c->scope, sizeof(c->scope), DEFAULT_SCOPE);
	json_fields_text_opt(f, "public_url", c->public_url, sizeof(c->public_url));
	json_fields_text_opt(f, "ca_file", c->ca_file, sizeof(c->ca_file));
	get_text(f, "user_claim", c->user_claim, sizeof(c->user_claim), "email");
	json_fields_text_opt(f, "group_claim", c->group_claim, sizeof(c->group_claim));
	get_flow(f, &c->flow);
	c->login_life_s = DEFAULT_LIFE_S;
	if (json_fields_has(f, "login_life_s"))
		json_fields_u64(f, "login_life_s", OIDC_LIFE_MAX_S, &c->login_life_s);
	if (json_fields_has(f, "allow_any"))
		json_fields_bool(f, "allow_any", &c->allow_any);
	get_list(f, "domains", &c->domains);
	get_list(f, "users", &c->users);
	get_list(f, "groups", &c->groups);
	get_list(f, "admins", &c->admins);
	get_list(f, "viewers", &c->viewers);
}

__attribute__((format(printf, 3, 4))) static int refuse(char *error, size_t size, const char *fmt,
							...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, size, fmt, args);
	va_end(args);
	return -EINVAL;
}

static const char *bad_user(const struct oidc_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (cert_owner_check(list->entries[i]) < 0)
			return list->entries[i];
	return NULL;
}

/* "theirs=ours", of which ours is a group. */
static const char *bad_group(const struct oidc_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *equals = strrchr(list->entries[i], '=');

		if (!equals || equals == list->entries[i] || cert_label_check(equals + 1) < 0)
			return list->entries[i];
	}
	return NULL;
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	const char *at = text;

	while ((at = strstr(at, word))) {
		if ((at == text || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
		at += len;
	}
	return false;
}

static int check_lists(const struct oidc_config *c, char *error, size_t size)
{
	const char *bad = bad_user(&c->users);

	bad = bad ? bad : bad_user(&c->domains);
	bad = bad ? bad : bad_user(&c->admins);
	bad = bad ? bad : bad_user(&c->viewers);
	if (bad)
		return refuse(error, size,
			      "\"%.100s\" is no user or domain: write it in lower case", bad);
	bad = bad_group(&c->groups);
	if (bad)
		return refuse(error, size,
			      "\"%.100s\" maps no group: want THEIRS=OURS, e.g. staff=trusted",
			      bad);
	if (c->groups.count && !c->group_claim[0])
		return refuse(error, size, "%s wants --group-claim, the claim that lists groups",
			      "--map-group");
	if (!c->allow_any && !c->domains.count && !c->users.count && !c->admins.count &&
	    !c->viewers.count)
		return refuse(error, size,
			      "nobody could sign in: add --allow-domain, --allow-user or "
			      "--allow-any");
	return 0;
}

static int check(const struct oidc_config *c, char *error, size_t size)
{
	if (!oidc_url_is_safe(c->issuer) || strchr(c->issuer, '?'))
		return refuse(error, size,
			      "\"%.100s\" is no issuer: want https://HOST[/PATH] (http to this "
			      "machine only), without a query",
			      c->issuer);
	if (c->public_url[0] && (!oidc_url_is_safe(c->public_url) || strchr(c->public_url, '?') ||
				 c->public_url[strlen(c->public_url) - 1] == '/'))
		return refuse(error, size,
			      "\"%.100s\" is no public address: want https://HOST[:PORT], without "
			      "a slash at the end",
			      c->public_url);
	if (!c->client_id[0])
		return refuse(error, size, "--client-id is empty");
	if (!has_word(c->scope, "openid"))
		return refuse(error, size, "the scope \"%.100s\" lacks the word openid", c->scope);
	if (c->ca_file[0] && c->ca_file[0] != '/')
		return refuse(error, size, "\"%.100s\" is no absolute path", c->ca_file);
	return check_lists(c, error, size);
}

int oidc_config_parse(struct oidc_config *config, json_t *object, char *error, size_t error_size)
{
	struct oidc_config c = { .flow = OIDC_FLOW_AUTO };
	struct json_fields f;

	json_fields_init(&f, object);
	get_fields(&f, &c);
	if (f.failed)
		return refuse(error, error_size,
			      "settings of the provider are missing, too long or of the wrong "
			      "type");
	if (check(&c, error, error_size) < 0)
		return -EINVAL;
	*config = c;
	return 0;
}

static json_t *list_json(const struct oidc_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, json_string(list->entries[i]));
	return array;
}

json_t *oidc_config_json(const struct oidc_config *c, bool secret)
{
	json_t *object =
		json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:b,s:o,s:o,s:o,s:o,s:o}", "issuer",
			  c->issuer, "client_id", c->client_id, "scope", c->scope, "public_url",
			  c->public_url, "ca_file", c->ca_file, "user_claim", c->user_claim,
			  "group_claim", c->group_claim, "flow", oidc_flow_name(c->flow),
			  "login_life_s", (json_int_t)c->login_life_s, "allow_any", c->allow_any,
			  "domains", list_json(&c->domains), "users", list_json(&c->users),
			  "groups", list_json(&c->groups), "admins", list_json(&c->admins),
			  "viewers", list_json(&c->viewers));

	if (object && secret)
		json_object_set_new(object, "client_secret", json_string(c->client_secret));
	return object;
}

static bool has(const struct oidc_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->entries[i], text) == 0)
			return true;
	return false;
}

bool oidc_config_allows(const struct oidc_config *config, const char *user)
{
	const char *at = strrchr(user, '@');

	return config->allow_any || has(&config->users, user) ||
	       (at && at != user && has(&config->domains, at + 1));
}

enum oidc_role oidc_config_role(const struct oidc_config *config, const char *user)
{
	return has(&config->admins, user)    ? OIDC_ROLE_ADMIN
	       : has(&config->viewers, user) ? OIDC_ROLE_VIEWER
					     : OIDC_ROLE_NONE;
}

const char *oidc_config_group(const struct oidc_config *config, const char *theirs)
{
	size_t len = strlen(theirs);

	for (size_t i = 0; i < config->groups.count; i++) {
		const char *entry = config->groups.entries[i];
		const char *equals = strrchr(entry, '=');

		if ((size_t)(equals - entry) == len && memcmp(entry, theirs, len) == 0)
			return equals + 1;
	}
	return NULL;
}
