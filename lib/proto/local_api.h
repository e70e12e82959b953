#ifndef WARREN_PROTO_LOCAL_API_H
#define WARREN_PROTO_LOCAL_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The messages between warren and warrend on the local socket: JSON objects, one a line. A
 * connection carries one request line; the answer is any number of progress lines and one final
 * line, after which the daemon closes.
 *
 *   request    {"verb":"ping","name":"db1","count":3}
 *   progress   {"progress":{"seq":1,...}}
 *   success    {"ok":true,...}
 *   failure    {"ok":false,"code":N,"error":"what, why, what to do"}
 *
 * code is the exit code that warren ends with, see enum local_code. Strict: no unknown or missing
 * field in a request, no duplicate key, nothing after the object.
 *
 * Verbs, the fields of their requests (beside verb; ? optional), progress and success lines:
 *
 *   status       none
 *                {"ok":true,"status":{...}}  the object of daemon/status.h
 *   up           token? hostname?
 *                progress {"stage":"enrol"|"coordinator"|"relay"|"device"|"connected"|any word,
 *                          "text":"enrolled as laptop"}
 *                progress {"stage":"note","text":…}  what of the request changed nothing
 *                progress {"stage":"pending","text":…,"reason":"approval"|"signature"|"sign-in",
 *                          "code":"ABCD-EFGH","url":""}  not let in yet; repeated when it changes
 *                {"ok":true,"name":"laptop","addresses":["100.64.0.1","fd.."],"network":"acme"}
 *   down         none; {"ok":true}
 *   logout       none; {"ok":true}
 *   ping         name (a peer's name or one of its addresses) count? (default 1, 1..1000000)
 *                until_direct? (false; ends with the first direct reply) timeout_ms? (for each
 *                reply, default 5000). The daemon sends one a second, until_direct five a second.
 *                progress {"seq":1,"from":"db1","address":"100.64.0.2","via":"direct"|"relay",
 *                          "endpoint":"203.0.113.5:41641"|null,"relay":"fra"|null,
 *                          "latency_ms":9.1}
 *                progress {"seq":2,"lost":true}  no reply within timeout_ms
 *                {"ok":true,"sent":3,"received":2,"direct":true}  direct: the last reply was
 *   netcheck     none
 *                {"ok":true,"netcheck":{
 *                   "udp":true,"ipv4":"203.0.113.7:41641"|null,"ipv6":"[2001:db8::1]:41641"|null,
 *                   "mapping":"endpoint-independent"|"address-dependent"|
 *                             "address-and-port-dependent"|"none"|"unknown",
 *                   "filtering": the same words,
 *                   "port_mapping":"pcp"|"nat-pmp"|"upnp"|"none"|"unknown","proxy":"host:port"|null,
 *                   "relays":[{"name":"fra","latency_ms":8.2|null,"transport":"udp"|"tls"|null,
 *                              "home":true}],
 *                   "exit_node","names","conflicts": as in status}}
 *   resolve      name: a node, a record, a name in a split domain, or an address
 *                {"ok":true,"addresses":["100.64.0.2","fd.."],"node":"db1"|null,
 *                 "name":"db1.acme.internal"|null,"self":false,"allowed":true}
 *                no addresses: a name that is not the network's, for the system to resolve;
 *                allowed: false when policy lets this node start nothing towards it at all
 *   routes       none
 *                {"ok":true,"routes":{...}}  the object of daemon/route_report.h
 *   set-path     name, path: "auto"|"direct"|"relay"
 *                {"ok":true}
 *   set          key, value, options?: [["map","192.168.1.0/24=10.77.1.0/24"],…]
 *                {"ok":true}
 *   get          none
 *                {"ok":true,"settings":{"hostname":"laptop","path.db1":"direct"}}  all strings
 *   metrics      none
 *                {"ok":true,"text":"# TYPE ...\n"}  Prometheus text
 *   version      none
 *                {"ok":true,"version":"0.1.0"}
 */

#define LOCAL_API_REQUEST_MAX 65536              /* bytes of a request line, with its newline */
#define LOCAL_API_REPLY_MAX   (16 * 1024 * 1024) /* of an answer's line: status of 10,000 peers */
#define LOCAL_API_VERB_MAX    32
#define LOCAL_API_ERROR_MAX   512
#define LOCAL_API_PATH        "/run/warren/warren.sock"

/* Exit codes of every program, and "code" of a failure. */
enum local_code {
	LOCAL_OK = 0,
	LOCAL_FAILURE = 1,
	LOCAL_USAGE = 2,
	LOCAL_UNREACHABLE = 3, /* daemon or coordinator */
	LOCAL_LOGIN = 4,       /* login or approval needed */
	LOCAL_TIMEOUT = 5,     /* or not connected */
	LOCAL_DENIED = 6,
};

/* Requests with fields. Strings are borrowed from the JSON they were decoded from; NULL: absent. */
struct local_up {
	const char *token;
	const char *hostname;
};

struct local_ping {
	const char *name;
	unsigned int count;
	bool until_direct;
	unsigned int timeout_ms;
};

#define LOCAL_NAME_MAX         254 /* of resolve: RFC 1035 3.1 as text, with its last dot */
#define LOCAL_PING_COUNT_MAX   1000000
#define LOCAL_PING_TIMEOUT_MAX 3600000 /* ms */

struct local_set_path {
	const char *name;
	const char *path; /* "auto", "direct" or "relay" */
};

/*
 * One line without its newline: a JSON object with a string "verb". *request is a new reference.
 * 0; -EMSGSIZE above LOCAL_API_REQUEST_MAX; -EBADMSG when it is not such an object; -ENOMEM.
 */
int local_api_request_parse(json_t **request, const char *line, size_t len);
/* The verb of a request that local_api_request_parse gave. */
const char *local_api_request_verb(const json_t *request);

/* 0, or -EBADMSG for unknown, missing or impossible fields. */
int local_up_decode(struct local_up *up, const json_t *request);
int local_ping_decode(struct local_ping *ping, const json_t *request);
int local_set_path_decode(struct local_set_path *set, const json_t *request);
/* What is asked for: 1 to LOCAL_NAME_MAX visible ASCII bytes. */
int local_resolve_decode(const char **name, const json_t *request);
/* For verbs without fields. */
int local_plain_decode(const json_t *request);

/* New references, NULL when out of memory or a string is not UTF-8. */
json_t *local_up_encode(const struct local_up *up);
json_t *local_ping_encode(const struct local_ping *ping);
json_t *local_set_path_encode(const struct local_set_path *set);
json_t *local_resolve_encode(const char *name);
json_t *local_plain_encode(const char *verb);

/* Answers. Each takes over the reference it is given (also on failure); NULL when out of memory. */
json_t *local_progress_encode(json_t *fields);
/* fields may be NULL; "ok" is added to it. */
json_t *local_success_encode(json_t *fields);
/* Text that is not UTF-8 is replaced. */
json_t *local_failure_encode(enum local_code code, const char *error);

enum local_reply_kind {
	LOCAL_REPLY_PROGRESS,
	LOCAL_REPLY_SUCCESS,
	LOCAL_REPLY_FAILURE,
};

struct local_reply {
	enum local_reply_kind kind;
	json_t *body; /* owned: the progress fields, or the whole success object */
	enum local_code code;
	const char *error; /* inside body */
};

/* One line of an answer. 0, -EMSGSIZE, -EBADMSG or -ENOMEM; *reply is then untouched. */
int local_reply_parse(struct local_reply *reply, const char *line, size_t len);
void local_reply_clear(struct local_reply *reply);

/* Compact text with a newline, malloc'd; *len without the NUL. NULL when out of memory. */
char *local_api_line(const json_t *object, size_t *len);

#endif
