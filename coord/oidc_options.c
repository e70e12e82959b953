#include "coord/oidc_options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "coord/oidc_config.h"
#include "coord/options.h"

#define SECRET_FILE_MAX 4096

const char oidc_options_usage[] =
	"  oidc set --issuer URL --client-id ID [--client-secret-file F] [--scope \"openid ...\"]\n"
	"           [--flow auto|device|browser] [--login-life 30d|never] [--public-url URL]\n"
	"           [--ca-file F] [--user-claim email] [--group-claim NAME]\n"
	"           [--map-group THEIRS=OURS]... [--allow-domain D]... [--allow-user U]...\n"
	"           [--allow-any] [--admin U]... [--viewer U]...\n"
	"                              users sign in at this OpenID provider: on their machines\n"
	"                              (see key create --sign-in), admins on the web pages\n"
	"  oidc show [--json]          the provider, and the redirect address it has to know\n"
	"  oidc remove                 no sign-ins any more; machines stay until their login ends\n"
	"  user list [--json]          who has signed in\n"
	"  user revoke NAME...         refuse them, and cut all their machines off\n"
	"  user forget NAME...         as if they had never signed in\n";

enum kind { TEXT, LIST, FLAG, LIFE, SECRET };

static const struct {
	const char *option;
	const char *member;
	enum kind kind;
} table[] = {
	{ "--issuer", "issuer", TEXT },
	{ "--client-id", "client_id", TEXT },
	{ "--client-secret-file", "client_secret", SECRET },
	{ "--scope", "scope", TEXT },
	{ "--public-url", "public_url", TEXT },
	{ "--ca-file", "ca_file", TEXT },
	{ "--user-claim", "user_claim", TEXT },
	{ "--group-claim", "group_claim", TEXT },
	{ "--flow", "flow", TEXT },
	{ "--login-life", "login_life_s", LIFE },
	{ "--map-group", "groups", LIST },
	{ "--allow-domain", "domains", LIST },
	{ "--allow-user", "users", LIST },
	{ "--allow-any", "allow_any", FLAG },
	{ "--admin", "admins", LIST },
	{ "--viewer", "viewers", LIST },
};
#define OPTIONS (sizeof(table) / sizeof(table[0]))

static int complain(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "warren-coord: %s%s%s: %s; see warren-coord --help\n", option,
		value[0] ? " " : "", value, why);
	return -EINVAL;
}

static int set_secret(json_t *request, const char *path)
{
	uint8_t *text;
	size_t len;
	size_t used;
	int err = file_read_secret(path, SECRET_FILE_MAX, &text, &len);
	json_t *value;

	if (err == -EPERM)
		return complain("--client-secret-file", path,
				"others may read this secret; chmod 600 it");
	if (err < 0)
		return complain("--client-secret-file", path, strerror(-err));
	used = strcspn((char *)text, "\r\n");
	value = used > 0 && used <= OIDC_TEXT_MAX ? json_stringn((char *)text, used) : NULL;
	file_free_secret(text, len);
	if (!value)
		return complain("--client-secret-file", path, "want one line of 1 to 255 bytes");
	return json_object_set_new(request, "client_secret", value);
}

static int set_life(json_t *request, const char *value)
{
	uint64_t life_s = 0;

	if (strcmp(value, "never") != 0 && coord_options_duration(&life_s, value) < 0)
		return complain("--login-life", value, "want a duration like 30d, or never");
	return json_object_set_new(request, "login_life_s", json_integer((json_int_t)life_s));
}

static int append(json_t *request, const char *member, const char *value)
{
	json_t *list = json_object_get(request, member);

	if (!list) {
		list = json_array();
		json_object_set_new(request, member, list);
	}
	return json_array_append_new(list, json_string(value));
}

static int set(json_t *request, size_t place, const char *value)
{
	const char *member = table[place].member;
	int err = 0;

	switch (table[place].kind) {
	case TEXT:
		err = json_object_set_new(request, member, json_string(value));
		break;
	case LIST:
		err = append(request, member, value);
		break;
	case FLAG:
		return json_object_set_new(request, member, json_true());
	case LIFE:
		return set_life(request, value);
	case SECRET:
		return set_secret(request, value);
	}
	return err ? complain(table[place].option, value, "is not UTF-8 text") : 0;
}

/* The option that this is, with "=value" in it or not; OPTIONS: none of ours. */
static size_t find(const char *text, const char **value)
{
	size_t len = strcspn(text, "=");
	size_t i = 0;

	while (i < OPTIONS &&
	       (strlen(table[i].option) != len || memcmp(table[i].option, text, len) != 0))
		i++;
	*value = text[len] ? text + len + 1 : NULL;
	return i;
}

int oidc_options_take(json_t **out, int *argc, char **argv)
{
	json_t *request = json_object();
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		const char *value;
		size_t place = find(argv[i], &value);
		int err = 0;

		if (place == OPTIONS) {
			argv[kept++] = argv[i];
			continue;
		}
		if (table[place].kind == FLAG ? value != NULL : !value && i + 1 == *argc)
			err = complain(table[place].option, "", "wants a value, or must have none");
		else if (table[place].kind != FLAG && !value)
			value = argv[++i];
		if (err == 0)
			err = set(request, place, value);
		if (err != 0) {
			json_decref(request);
			return -EINVAL;
		}
	}
	*argc = kept;
	argv[kept] = NULL;
	*out = request;
	return 0;
}
