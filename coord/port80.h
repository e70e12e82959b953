#ifndef WARREN_COORD_PORT80_H
#define WARREN_COORD_PORT80_H

struct loop;
struct network;
struct options;

/*
 * Plain HTTP for those who ask for a certificate or have typed no https: answers of ACME challenges
 * (RFC 8555 8.3) from files in a folder, and a redirect to the network's public address for all
 * else. The request's Host is not believed.
 */
struct port80;

/* *port80 is NULL without options->http_listen. 0 or an error of ws_server_new. */
int port80_new(struct port80 **port80, struct loop *loop, const struct network *network,
	       const struct options *options);
/* Accepts NULL. */
void port80_free(struct port80 *port80);

#endif
