#ifndef WARREN_PROTO_NAMES_ZONE_H
#define WARREN_PROTO_NAMES_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/names.h"
#include "proto/names_record.h"
#include "proto/names_translate.h"

/* What a zone is made of; for names_*.c only. */

#define NAMES_REVERSE_MAX  256 /* reverse zones */
#define NAMES_MAPPED_MAX   64  /* mapped prefixes with name servers */
#define NAMES_PER_NAME_MAX 64  /* records of one name, so that its answer always fits */

/* What a name has. */
struct names_item {
	struct names_item *next;
	enum names_type type;
	uint16_t len;
	uint8_t rdata[];
};

struct names_entry {
	struct names_entry *next; /* of all */
	struct names_item *items; /* none: only names below it have some */
	bool node;                /* a node's, or its address's: nothing else may add to it */
	uint8_t name_len;
	uint8_t name[]; /* as in names_name; mostly short, and there are tens of thousands */
};

/* A site that appears by other addresses, with name servers inside it. */
struct names_mapped {
	struct names_mapping mapping;
	struct names_name domain; /* of its reverse names; a bit more when it is not whole labels */
	struct names_split site;
};

struct names_zone {
	struct names_name origin;
	char origin_text[NAMES_TEXT_NAME_SIZE];
	struct names_name server; /* who answers: this node */
	uint32_t serial;
	struct map *by_name;               /* by a hash of the name */
	uint8_t secret[NAMES_SECRET_SIZE]; /* of that hash */
	struct names_entry *entries;
	struct names_name *reverse; /* apexes */
	size_t reverse_count;
	struct names_split *splits;
	struct names_name *split_names;
	size_t split_count;
	struct names_mapped *mapped;
	size_t mapped_count;
	char **domains;
	size_t domain_count;
};

/* The entry of exactly this name, which is lower case; or NULL. */
struct names_entry *names_zone_find(const struct names_zone *zone, const struct names_name *name);
/*
 * The entry that answers for a name within apex: its own, or the wildcard's that covers it (RFC
 * 4592 3.3.1); NULL: there is no such name.
 */
struct names_entry *names_zone_lookup(const struct names_zone *zone, const struct names_name *name,
				      const struct names_name *apex);
/* Whose a name is: ours with its apex, or a split's (-1: nobody's here). */
bool names_zone_owns(const struct names_zone *zone, const struct names_name *name,
		     struct names_name *apex, int *split);
/* Takes the sites behind a node that are mapped; after the splits. 0 or -ENOMEM. */
int names_mapped_add(struct names_zone *zone, const struct cert *cert);
/*
 * Whom to ask for a reverse name that is not ours, and by which name: those in the site whose
 * mapped address it is. NULL: it is no such name. split: whose it is otherwise, -1: nobody's.
 */
const struct names_split *names_mapped_find(const struct names_zone *zone,
					    const struct names_name *name, int split,
					    struct names_name *real);
/* Only the document's records, to check them. 0 or -ENOMEM. */
int names_zone_of_document(struct names_zone **zone, const struct names_document *document,
			   const char *network);

#endif
