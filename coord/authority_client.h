#ifndef WARREN_COORD_AUTHORITY_CLIENT_H
#define WARREN_COORD_AUTHORITY_CLIENT_H

struct options;

/*
 * The admins' side of strict mode: authority keygen, sign, submit and trust. They need no server
 * but where --data names one: then requests are fetched from it and signatures handed in. The exit
 * code.
 */
int authority_client_run(const struct options *options);

#endif
