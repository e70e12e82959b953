#ifndef WARREN_COORD_NETWORK_NAMES_H
#define WARREN_COORD_NETWORK_NAMES_H

#include <stdint.h>

#include "coord/network.h"
#include "proto/names_document.h"

/*
 * The names that admins add to those of the nodes. What nodes are given is network->names; in
 * strict mode that follows when the document was signed.
 */

/* From the store, at the start or when another coordinator changed it. 0, or -EINVAL with a line:
 * the present ones stay. */
int network_load_names(struct network *network, char *error, size_t error_size);

/* What changes build on: in strict mode what was asked for last. names_document_clear frees. */
int network_names_latest(const struct network *network, struct names_document *document,
			 char error[static NAMES_ERROR_SIZE]);
/* Stores and obeys, in strict mode asks for it. 0, -EINVAL with a line, -EMSGSIZE, the store's. */
int network_set_names(struct network *network, const struct names_document *document,
		      const char *who, uint64_t now_s, char error[static NAMES_ERROR_SIZE]);
/* Makes a text that was checked the one in force, in memory only. 0 or -ENOMEM. */
int network_obey_names(struct network *network, const char *text, size_t len);
/* The node that a record would hide, if nodes did not come first; NULL: none. */
const struct node *network_names_shadowed(const struct network *network,
					  const struct names_record *record);

#endif
