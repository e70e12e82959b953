#ifndef WARREN_COORD_POLICY_TAG_H
#define WARREN_COORD_POLICY_TAG_H

#include "base/encoding.h"

struct store;

#define POLICY_TAG_SIZE HEX_SIZE(16)

/*
 * Names the policy as it is stored, so that an admin who changes it says which one he saw. 0 or an
 * error of the store.
 */
int policy_tag(struct store *store, char tag[static POLICY_TAG_SIZE]);

#endif
