#ifndef WARREN_PROTO_NAMES_DOCUMENT_H
#define WARREN_PROTO_NAMES_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/names_name.h"

/*
 * The names that admins add to those of the nodes: records below NETWORK.internal (and of private
 * addresses' reverse names), and domains whose questions go to servers inside sites. It travels as
 * one JSON text, signed with the map or as a document of its own:
 *
 *   {"records":[{"name":"wiki","type":"A","value":"10.20.0.5"}],
 *    "split":[{"domain":"corp.example","servers":["10.20.0.53"]}]}
 *
 * Names are relative to NETWORK.internal unless they end in a dot; "@" is NETWORK.internal itself.
 */

#define NAMES_RECORDS_MAX  4096
#define NAMES_SPLITS_MAX   256
#define NAMES_SERVERS_MAX  8
#define NAMES_TEXT_MAX     (256u << 10)
#define NAMES_VALUE_MAX    255 /* bytes of a value as text */
#define NAMES_ERROR_SIZE   512
#define NAMES_CHAIN_MAX    8 /* CNAMEs that follow each other */
#define NAMES_DEFAULT_PORT 53

/* As in messages (RFC 1035 3.2.2, RFC 3596, RFC 2782). */
enum names_type {
	NAMES_A = 1,
	NAMES_NS = 2, /* made by the zone itself, as are SOA and HINFO; never in a document */
	NAMES_CNAME = 5,
	NAMES_SOA = 6,
	NAMES_PTR = 12,
	NAMES_HINFO = 13,
	NAMES_TXT = 16,
	NAMES_AAAA = 28,
	NAMES_SRV = 33,
	NAMES_ANY = 255,
};

struct names_record {
	char *name; /* canonical: lower case, relative where that is possible */
	char *value;
	enum names_type type;
};

struct names_split {
	char domain[NAMES_TEXT_NAME_SIZE]; /* lower case, without a dot at its end */
	struct endpoint servers[NAMES_SERVERS_MAX];
	size_t server_count;
};

/* One of zeros is empty. */
struct names_document {
	struct names_record *records; /* by name, type and value */
	size_t record_count;
	struct names_split *splits; /* by domain */
	size_t split_count;
};

/*
 * Reads and checks a text for this network ("" is an empty document). 0; -EINVAL with a line that
 * names the entry in error; -ENOMEM. names_document_clear frees.
 */
int names_document_parse(struct names_document *document, const char *text, size_t len,
			 const char *network, char error[static NAMES_ERROR_SIZE]);
/* The canonical text, malloc'd with a NUL; of an empty document "". 0, -EMSGSIZE, -ENOMEM. */
int names_document_encode(const struct names_document *document, char **text, size_t *len);
void names_document_clear(struct names_document *document);

/* -EINVAL with a line in error, -EEXIST: is there already, -ENOSPC, -ENOMEM. */
int names_document_add(struct names_document *document, const char *name, const char *type,
		       const char *value, const char *network, char error[static NAMES_ERROR_SIZE]);
/* How many went; type and value may be NULL for all. -EINVAL with a line in error. */
int names_document_remove(struct names_document *document, const char *name, const char *type,
			  const char *value, const char *network,
			  char error[static NAMES_ERROR_SIZE]);
/* Sends a domain to these servers, or with none takes it back. 0, -EINVAL, -ENOENT, -ENOSPC. */
int names_document_split(struct names_document *document, const char *domain,
			 const char *const *servers, size_t count, const char *network,
			 char error[static NAMES_ERROR_SIZE]);

/* An address, with its port when that is not 53. */
const char *names_server_format(char out[static ENDPOINT_TEXT_SIZE], const struct endpoint *server);

/* "A", "CNAME" and so on; NULL for what a document cannot hold. */
const char *names_type_text(enum names_type type);
/* 0: none that a document can hold. Upper or lower case. */
enum names_type names_type_parse(const char *text);

#endif
