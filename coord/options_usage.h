#ifndef WARREN_COORD_OPTIONS_USAGE_H
#define WARREN_COORD_OPTIONS_USAGE_H

#define DEFAULT_DATA   "/var/lib/warren-coord"
#define DEFAULT_CONFIG "/etc/warren/coord.conf"

/* What --help says, before what policy_options.h and oidc_options.h add. */
extern const char options_usage[];

#endif
