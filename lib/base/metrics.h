#ifndef WARREN_BASE_METRICS_H
#define WARREN_BASE_METRICS_H

#include <stdint.h>
#include <stdio.h>

/*
 * Prometheus' text format. A family is begun once and all its samples follow it; names end as
 * Prometheus wants: _total for counters, base units (_seconds, _bytes).
 */

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* type is "counter" or "gauge". */
void metrics_begin(FILE *out, const char *name, const char *type, const char *help);
/* One sample of it; label NULL: without one. The value is escaped. */
void metrics_add(FILE *out, const char *name, const char *label, const char *label_value,
		 double value);
/* With two labels. */
void metrics_add2(FILE *out, const char *name, const char *label1, const char *value1,
		  const char *label2, const char *value2, double value);

/* A family with one sample. */
void metrics_counter(FILE *out, const char *name, const char *help, uint64_t value);
void metrics_gauge(FILE *out, const char *name, const char *help, double value);

/* What every program tells of itself: memory, processor, descriptors, start. */
void metrics_process(FILE *out);

#endif
