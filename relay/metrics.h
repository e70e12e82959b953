#ifndef WARREN_RELAY_METRICS_H
#define WARREN_RELAY_METRICS_H

#include <stdio.h>

struct relay;

/* What a relay counts, for Prometheus. */
void relay_metrics_write(const struct relay *relay, FILE *out);

#endif
