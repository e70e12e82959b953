#ifndef WARREN_DAEMON_CONFIG_H
#define WARREN_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/config.h"
#include "base/log.h"

#define DAEMON_PATH_MAX   256 /* with the NUL */
#define DAEMON_SOCKET_MAX 108 /* sun_path, with the NUL */
#define DAEMON_TUN_MAX    16  /* IFNAMSIZ, with the NUL */
#define DAEMON_CIPHER_MAX 32
#define DAEMON_PROXY_MAX  200 /* with the NUL */
#define DAEMON_FWMARK     0x5752

/*
 * What warrend was told, by file and by command line (which wins). Keys of the file, all optional:
 *   state = DIR            socket = PATH       tun = NAME           port = 0..65535
 *   workers = 0..64        tun-offload = yes   udp-gso = yes        udp-gro = yes
 *   cipher = NAME          log-level = error|warn|info|debug
 *   port-mapping = yes     punch-rate = 10..1000
 *   proxy = URL|none       proxy-credentials = FILE
 *   host-addresses = auto|show|hide
 *   idle = 5..3600         report = yes
 *   metrics = ADDR:PORT    fwmark = 1..0xffffffff
 */
/* Which peers are told this machine's private addresses; the others get mDNS names. */
enum host_addresses {
	HOST_ADDRESSES_AUTO, /* those behind the same public address as we, or all without a NAT */
	HOST_ADDRESSES_SHOW, /* all */
	HOST_ADDRESSES_HIDE, /* none */
};

struct daemon_config {
	char state[DAEMON_PATH_MAX];
	char socket[DAEMON_SOCKET_MAX];
	char tun[DAEMON_TUN_MAX];
	uint16_t port;           /* 0: any */
	unsigned int workers;    /* 0: one per core */
	unsigned int punch_rate; /* probes a second to guess ports; 0: PUNCH_RATE_MAX */
	uint32_t fwmark; /* of all our own sockets, so that they do not go into the tunnel */
	bool tun_offload;
	bool udp_gso;
	bool udp_gro;
	unsigned int idle_s; /* without data for so long, a pair lets go of its direct path */
	bool port_mapping;   /* routers are asked to open the port */
	bool report;         /* paths and health are told to a coordinator that asks */
	char cipher[DAEMON_CIPHER_MAX]; /* "": the fastest */
	enum host_addresses host_addresses;
	char proxy[DAEMON_PROXY_MAX]; /* "": what the environment says */
	char proxy_credentials[DAEMON_PATH_MAX];
	struct endpoint metrics; /* of /metrics; family 0: nowhere */
	enum log_level log_level;
};

/* The defaults of the contract. */
void daemon_config_init(struct daemon_config *config);

/*
 * Overlays the file's keys. 0; -EINVAL with *error filled (its line is what to name); -ENOENT,
 * -EFBIG, -ELOOP or another -errno of reading it. *config is untouched on failure.
 */
int daemon_config_load(struct daemon_config *config, const char *path, struct config_error *error);
/* The same from memory. */
int daemon_config_parse(struct daemon_config *config, const char *text, size_t len,
			struct config_error *error);
/* One key as the command line gives it ("--workers 4"). NULL, or why the value cannot be. */
const char *daemon_config_set(struct daemon_config *config, const char *key, const char *value);

#endif
