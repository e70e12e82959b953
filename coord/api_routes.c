#include "coord/api_routes.h"

#include <stdio.h>
#include <string.h>

#include "coord/api_session.h"
#include "coord/node_query.h"
#include "coord/store.h"
#include "coord/store_login.h"
#include "proto/cert.h"
#include "proto/names_document.h"
#include "proto/policy.h"

#define ALLOW_SIZE     64
#define SIGNATURES_MAX 1024
#define SEGMENT_MAX    CERT_OWNER_MAX /* bytes of one part of a path: names and ids */

/* clang-format off */
#define OPTIONAL(name, type, max)         { name, type, max, false, NULL }
#define REQUIRED(name, type, max)         { name, type, max, true, NULL }
#define NORMALLY(name, type, max, normal) { name, type, max, false, normal }
#define END_OF_FIELDS                     { NULL, API_TEXT, 0, false, NULL }
/* clang-format on */

static const struct api_field node_list[] = {
	OPTIONAL("search", API_TEXT, NODE_QUERY_TEXT_MAX),
	OPTIONAL("state", API_TEXT, 15),
	OPTIONAL("sort", API_TEXT, 15),
	OPTIONAL("descending", API_BOOL, 0),
	OPTIONAL("offset", API_NUMBER, UINT32_MAX),
	NORMALLY("limit", API_NUMBER, 1000, "1000"),
	END_OF_FIELDS,
};
static const struct api_field group_list[] = {
	OPTIONAL("by", API_TEXT, 15),
	END_OF_FIELDS,
};
static const struct api_field node_rename[] = {
	REQUIRED("new_name", API_TEXT, CERT_NAME_MAX),
	END_OF_FIELDS,
};
static const struct api_field key_create[] = {
	NORMALLY("name", API_TEXT, 63, "\"\""),
	NORMALLY("reusable", API_BOOL, 0, "false"),
	NORMALLY("ephemeral", API_BOOL, 0, "false"),
	NORMALLY("expires_s", API_NUMBER, UINT32_MAX, "86400"),
	NORMALLY("groups", API_LABELS, 0, "[]"),
	NORMALLY("tags", API_LABELS, 0, "[]"),
	OPTIONAL("uses_max", API_NUMBER, UINT32_MAX),
	OPTIONAL("approval", API_TEXT, 15),
	OPTIONAL("for", API_TEXT, CERT_NAME_MAX),
	OPTIONAL("routes", API_PREFIXES, NODE_ROUTES_ADVANCE_MAX - 2),
	OPTIONAL("exit", API_BOOL, 0),
	END_OF_FIELDS,
};
static const struct api_field route_prefixes[] = {
	REQUIRED("prefixes", API_PREFIXES, CERT_ROUTES_MAX),
	END_OF_FIELDS,
};
static const struct api_field policy[] = {
	REQUIRED("policy", API_LONG, POLICY_TEXT_MAX),
	END_OF_FIELDS,
};
static const struct api_field policy_question[] = {
	OPTIONAL("policy", API_LONG, POLICY_TEXT_MAX),
	OPTIONAL("from", API_TEXT, 159),
	OPTIONAL("to", API_TEXT, 159),
	OPTIONAL("proto", API_TEXT, 15),
	OPTIONAL("port", API_NUMBER, UINT16_MAX),
	OPTIONAL("diff", API_BOOL, 0),
	END_OF_FIELDS,
};
static const struct api_field relay_add[] = {
	REQUIRED("name", API_TEXT, NETMAP_RELAY_NAME_MAX),
	REQUIRED("host", API_TEXT, NETMAP_HOST_MAX),
	NORMALLY("udp_port", API_NUMBER, UINT16_MAX, "3478"),
	NORMALLY("tls_port", API_NUMBER, UINT16_MAX, "0"),
	NORMALLY("turn", API_BOOL, 0, "false"),
	REQUIRED("secret", API_SECRET, STORE_RELAY_SECRET_MAX),
	END_OF_FIELDS,
};
static const struct api_field dns_add[] = {
	REQUIRED("name", API_TEXT, NAMES_TEXT_NAME_SIZE),
	REQUIRED("type", API_TEXT, 15),
	REQUIRED("value", API_TEXT, 2 * NAMES_VALUE_MAX),
	END_OF_FIELDS,
};
static const struct api_field dns_remove[] = {
	OPTIONAL("type", API_TEXT, 15),
	OPTIONAL("value", API_TEXT, 2 * NAMES_VALUE_MAX),
	END_OF_FIELDS,
};
static const struct api_field dns_split[] = {
	REQUIRED("servers", API_SERVERS, NAMES_SERVERS_MAX),
	END_OF_FIELDS,
};
static const struct api_field setting_set[] = {
	REQUIRED("value", API_TEXT, 7),
	END_OF_FIELDS,
};
static const struct api_field audit_list[] = {
	OPTIONAL("since_s", API_NUMBER, INT64_MAX),
	OPTIONAL("before", API_NUMBER, INT64_MAX),
	NORMALLY("limit", API_NUMBER, 1000, "200"),
	OPTIONAL("action", API_TEXT, 31),
	END_OF_FIELDS,
};
static const struct api_field api_token_create[] = {
	REQUIRED("name", API_TEXT, STORE_API_TOKEN_NAME_MAX),
	NORMALLY("role", API_TEXT, 15, "\"viewer\""),
	NORMALLY("expires_s", API_NUMBER, UINT32_MAX, "7776000"),
	END_OF_FIELDS,
};
static const struct api_field authority_submit[] = {
	NORMALLY("signatures", API_OBJECTS, SIGNATURES_MAX, "[]"),
	OPTIONAL("trust", API_TEXT, WS_HTTP_BODY_MAX),
	END_OF_FIELDS,
};
static const struct api_field login[] = {
	REQUIRED("token", API_TEXT, 255),
	END_OF_FIELDS,
};

/* clang-format off */
#define VERB(method, path, verb, status, fields)   { method, path, verb, status, fields, NULL, false, false }
#define TAGGED(method, path, verb, status, fields) { method, path, verb, status, fields, NULL, false, true }
#define OWN(method, path, run, fields)             { method, path, NULL, 200, fields, run, false, false }
#define OPEN(method, path, run, fields)            { method, path, NULL, 200, fields, run, true, false }

const struct api_route api_routes[] = {
	OPEN("GET", "/openapi.json", api_session_document, NULL),
	OPEN("GET", "/login", api_session_ways, NULL),
	OPEN("POST", "/login", api_session_login, login),
	OWN("POST", "/logout", api_session_logout, NULL),
	OWN("GET", "/session", api_session_show, NULL),
	VERB("GET", "/overview", "overview", 200, NULL),
	VERB("GET", "/health", "health", 200, NULL),
	VERB("GET", "/limits", "limits", 200, NULL),
	VERB("GET", "/settings", "setting-list", 200, NULL),
	VERB("PUT", "/settings/{name}", "setting-set", 200, setting_set),
	VERB("GET", "/paths", "path-list", 200, NULL),
	VERB("GET", "/groups", "group-list", 200, group_list),
	VERB("GET", "/nodes", "node-list", 200, node_list),
	VERB("GET", "/nodes/{name}", "node-get", 200, NULL),
	VERB("DELETE", "/nodes/{name}", "node-delete", 200, NULL),
	VERB("GET", "/nodes/{name}/paths", "path-list", 200, NULL),
	VERB("POST", "/nodes/{name}/rename", "node-rename", 200, node_rename),
	VERB("POST", "/nodes/{name}/revoke", "node-revoke", 200, NULL),
	VERB("POST", "/nodes/{name}/approve", "node-approve", 200, NULL),
	VERB("POST", "/nodes/{name}/reject", "node-reject", 200, NULL),
	VERB("GET", "/nodes/{name}/routes", "route-list", 200, NULL),
	VERB("POST", "/nodes/{name}/routes/approve", "route-approve", 200, route_prefixes),
	VERB("POST", "/nodes/{name}/routes/revoke", "route-revoke", 200, route_prefixes),
	VERB("GET", "/routes", "route-list", 200, NULL),
	VERB("GET", "/keys", "key-list", 200, NULL),
	VERB("POST", "/keys", "key-create", 201, key_create),
	VERB("POST", "/keys/{id}/revoke", "key-revoke", 200, NULL),
	TAGGED("GET", "/policy", "policy-get", 200, NULL),
	TAGGED("PUT", "/policy", "policy-set", 200, policy),
	VERB("POST", "/policy/check", "policy-check", 200, policy_question),
	VERB("GET", "/relays", "relay-list", 200, NULL),
	VERB("POST", "/relays", "relay-add", 201, relay_add),
	VERB("DELETE", "/relays/{name}", "relay-remove", 200, NULL),
	VERB("GET", "/dns", "dns-list", 200, NULL),
	VERB("POST", "/dns/records", "dns-add", 201, dns_add),
	VERB("POST", "/dns/records/{name}/remove", "dns-remove", 200, dns_remove),
	VERB("PUT", "/dns/split/{name}", "dns-split", 200, dns_split),
	VERB("DELETE", "/dns/split/{name}", "dns-unsplit", 200, NULL),
	VERB("GET", "/users", "user-list", 200, NULL),
	VERB("POST", "/users/{name}/revoke", "user-revoke", 200, NULL),
	VERB("POST", "/users/{name}/forget", "user-forget", 200, NULL),
	VERB("GET", "/sign-in", "oidc-show", 200, NULL),
	VERB("GET", "/authority", "authority-show", 200, NULL),
	VERB("GET", "/authority/requests", "authority-requests", 200, NULL),
	VERB("POST", "/authority/signatures", "authority-submit", 200, authority_submit),
	VERB("GET", "/audit", "audit-list", 200, audit_list),
	VERB("GET", "/api-tokens", "api-token-list", 200, NULL),
	VERB("POST", "/api-tokens", "api-token-create", 201, api_token_create),
	VERB("POST", "/api-tokens/{id}/revoke", "api-token-revoke", 200, NULL),
};
/* clang-format on */
const size_t api_route_count = sizeof(api_routes) / sizeof(api_routes[0]);

/* One part of a path against one of a pattern; a "{name}" takes any that is not empty. */
static bool match_part(const char *pattern, size_t pattern_len, const char *part, size_t part_len,
		       json_t *arguments)
{
	char name[32];

	if (pattern_len < 2 || pattern[0] != '{')
		return pattern_len == part_len && memcmp(pattern, part, part_len) == 0;
	for (size_t i = 0; i < part_len; i++)
		if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f)
			return false;
	if (part_len == 0 || part_len > SEGMENT_MAX || pattern_len - 2 >= sizeof(name))
		return false;
	memcpy(name, pattern + 1, pattern_len - 2);
	name[pattern_len - 2] = '\0';
	/* Not UTF-8: nothing has such a name. */
	return json_object_set_new(arguments, name, json_stringn(part, part_len)) == 0;
}

static bool match(const char *pattern, const char *path, json_t *arguments)
{
	for (;;) {
		size_t pattern_len;
		size_t part_len;

		if (!*pattern || !*path)
			return !*pattern && !*path;
		pattern++;
		if (*path++ != '/')
			return false;
		pattern_len = strcspn(pattern, "/");
		part_len = strcspn(path, "/");
		if (!match_part(pattern, pattern_len, path, part_len, arguments))
			return false;
		pattern += pattern_len;
		path += part_len;
	}
}

const struct api_route *api_route_find(const char *method, const char *path, json_t *arguments,
				       char allow[static ALLOW_SIZE])
{
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
	size_t len = 0; /* the few methods of one path fit */

	allow[0] = '\0';
	for (size_t i = 0; i < api_route_count; i++) {
		json_object_clear(arguments);
		if (!match(api_routes[i].path, path, arguments))
			continue;
		if (strcmp(api_routes[i].method, wanted) == 0)
			return &api_routes[i];
		len += (size_t)snprintf(allow + len, ALLOW_SIZE - len, "%s, %s",
					api_routes[i].method,
					strcmp(api_routes[i].method, "GET") == 0 ? "HEAD, " : "");
	}
	json_object_clear(arguments);
	if (len)
		snprintf(allow + len, ALLOW_SIZE - len, "OPTIONS");
	return NULL;
}
