#ifndef WARREN_CTL_REPORT_H
#define WARREN_CTL_REPORT_H

#include "proto/local_api.h"

/* One line on stderr: what, why, what to do, made printable. Returns code, the exit status. */
int report(enum local_code code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
