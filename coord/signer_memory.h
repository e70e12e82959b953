#ifndef WARREN_COORD_SIGNER_MEMORY_H
#define WARREN_COORD_SIGNER_MEMORY_H

#include "proto/trust.h"

/*
 * What a signer's key file knows of the networks that it signed for, in KEY.seen beside it. A
 * signature counts for a network's number alone, so whoever hands out requests could name an
 * authority of his own, and show as the state in force whatever that one signed. The first time
 * the admin looks; from then on another authority, or an older trust document, is refused.
 */

#define SIGNER_MEMORY_NETWORKS_MAX 64

/*
 * 0: as before, or newer; -ENOENT: this network is new to the key; -EPERM: it had another
 * authority; -ESTALE: an older trust document than before; -EBADMSG: the file is damaged; another
 * -errno of it.
 */
int signer_memory_check(const char *key_path, const struct trust *trust);
/* Remembers it. 0, -ENOSPC: too many networks, or -errno of the file. */
int signer_memory_note(const char *key_path, const struct trust *trust);

#endif
