#ifndef WARREN_PROTO_APPROVAL_CODE_H
#define WARREN_PROTO_APPROVAL_CODE_H

#include <stdint.h>

/*
 * What a machine that waits shows on its screen and an admin compares or types: "ABCD-EFGH", 40
 * bits of a hash over the machine's own keys. Both ends compute it, so it stays the same over
 * restarts, and a coordinator that put other keys in place of the machine's shows another code.
 */

#define APPROVAL_CODE_SIZE 10 /* with NUL */

void approval_code(char out[static APPROVAL_CODE_SIZE], const uint8_t device_key[static 32],
		   const uint8_t box_key[static 32]);
/* Text that people typed: lower case and without the hyphen too. 0 or -EINVAL. */
int approval_code_parse(char out[static APPROVAL_CODE_SIZE], const char *text);

#endif
