#ifndef WARREN_DAEMON_STARTUP_H
#define WARREN_DAEMON_STARTUP_H

struct daemon_config;
struct dp_config;

/* What the packet engine is to be made with; strings stay the property of config. */
struct dp_config startup_dp_config(const struct daemon_config *config);
/* One line to standard error for what dataplane_new or device_new returned: what, why, what to do.
 */
void startup_explain(int err, const struct daemon_config *config);

#endif
