#ifndef WARREN_DAEMON_MESH_METRICS_H
#define WARREN_DAEMON_MESH_METRICS_H

#include <stdio.h>

struct mesh;

/* What `warren metrics` prints, and Prometheus fetches where the configuration allows it. */
void mesh_metrics_write(struct mesh *mesh, FILE *out);

#endif
