#ifndef WARREN_DAEMON_SELF_TEST_H
#define WARREN_DAEMON_SELF_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What the daemon makes of crypto/self_test.h. */

/*
 * Tests everything that keys and signatures are made with; logs what fails. False: nothing may be
 * computed here.
 */
bool self_test_start(void);

/*
 * Backends of bulk encryption that fail on this machine and are not used, as names separated by
 * blanks in out; logs each. How many there are.
 */
size_t self_test_broken_ciphers(char *out, size_t size);

/*
 * `warrend --self-test`: a line for each test, with the speed of each cipher and which would be
 * chosen. The exit code: 1 when anything failed.
 */
int self_test_print(FILE *out);

#endif
