#include "daemon/startup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/dataplane.h"

struct dp_config startup_dp_config(const struct daemon_config *config)
{
	return (struct dp_config){
		.tun_name = config->tun,
		.workers = config->workers,
		.steer = true,
		.port = config->port,
		.no_tun_offload = !config->tun_offload,
		.no_udp_gso = !config->udp_gso,
		.no_udp_gro = !config->udp_gro,
		.cipher = config->cipher[0] ? config->cipher : NULL,
	};
}

void startup_explain(int err, const struct daemon_config *config)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		fprintf(stderr, "warrend: not allowed to create network interfaces; "
				"run it as root or with CAP_NET_ADMIN\n");
		break;
	case -ENOENT:
	case -ENODEV:
		fprintf(stderr, "warrend: /dev/net/tun is missing; load the kernel's tun module "
				"or allow the device in this container\n");
		break;
	case -EBUSY:
	case -EEXIST:
		fprintf(stderr,
			"warrend: an interface %s exists already; "
			"choose another name with --tun\n",
			config->tun);
		break;
	case -ENOTSUP:
		fprintf(stderr,
			"warrend: the cipher %s fails its test on this machine; "
			"see warrend --self-test, or choose another with --cipher\n",
			config->cipher[0] ? config->cipher : "of every library");
		break;
	case -EADDRINUSE:
		fprintf(stderr, "warrend: UDP port %u is taken; choose another with --port\n",
			config->port);
		break;
	default:
		fprintf(stderr, "warrend: cannot start interface %s: %s\n", config->tun,
			strerror(-err));
	}
}
