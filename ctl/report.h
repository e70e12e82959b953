#ifndef WARREN_CTL_REPORT_H
#define WARREN_CTL_REPORT_H

#include "proto/local_api.h"

/* One line on stderr: what, why, what to do, made printable. Returns code (enum local_code), the
 * exit status. */
int report(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
