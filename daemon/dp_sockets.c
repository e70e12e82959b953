#include "daemon/dp_sockets.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io/udp.h"

/*
 * What arrives while a worker waits for a core: about ten milliseconds at 3 Gbit/s, as the kernel
 * counts. With less, eight streams on two cores lose packets; more only makes a flood stand longer.
 */
#define SOCKET_BUFFER (4 * 1024 * 1024)
#define PORT_TRIES    16 /* a free v4 port may be taken in v6 */

static const int families[2] = { AF_INET, AF_INET6 };

static bool lacks_family(int err)
{
	return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL;
}

/*
 * A socket without SO_REUSEPORT fails when anybody has the port; joining the group of another
 * process would share its packets.
 */
static int port_is_free(int family, uint16_t *port)
{
	struct udp_config config = { .family = family, .port = *port };
	int fd;
	int err = udp_open(&fd, &config);

	if (err)
		return err;
	*port = udp_port(fd);
	close(fd);
	return 0;
}

/* Finds a port that both families have free; *port 0 asks for any. */
static int choose_port(uint16_t *port)
{
	int err = -EADDRINUSE;

	for (int try = 0; try < (*port ? 1 : PORT_TRIES); try++) {
		uint16_t found = *port;
		int err6;

		err = port_is_free(AF_INET, &found);
		if (err && !lacks_family(err))
			return err;
		err6 = port_is_free(AF_INET6, &found);
		if (!err6 || (!err && lacks_family(err6))) {
			*port = found;
			return 0;
		}
		err = err6;
	}
	return err;
}

static struct udp_config socket_config(const struct dp_sockets *sockets, int which,
				       const struct dp_config *config)
{
	return (struct udp_config){
		.family = families[which],
		.port = sockets->port,
		.fwmark = config->fwmark,
		.reuseport = true,
		.gro = !config->no_udp_gro,
		.stamp = true,
		.buffer = SOCKET_BUFFER,
		.whole = config->path_mtu,
	};
}

/* All behind the first one, which decides whether the family is there. */
static int complete_family(struct dp_sockets *sockets, int which, const struct dp_config *config)
{
	struct udp_config udp = socket_config(sockets, which, config);
	int err = 0;

	for (unsigned int i = 1; !err && i < sockets->count; i++)
		err = udp_open(&sockets->fd[i][which], &udp);
	if (!err)
		err = udp_steer(sockets->fd[0][which], sockets->count - 1);
	if (err || !config->path_mtu)
		return err;
	udp.whole = false;
	udp.gro = false;
	return udp_open(&sockets->fragment_fd[which], &udp);
}

static int open_family(struct dp_sockets *sockets, int which, const struct dp_config *config)
{
	struct udp_config udp = socket_config(sockets, which, config);
	int err = udp_open(&sockets->fd[0][which], &udp);

	if (err)
		return lacks_family(err) ? 0 : err;
	return complete_family(sockets, which, config);
}

static void init(struct dp_sockets *sockets, unsigned int workers, uint16_t port)
{
	*sockets = (struct dp_sockets){ .count = workers + 1,
					.port = port,
					.fragment_fd = { -1, -1 } };
	for (unsigned int i = 0; i < sockets->count; i++)
		sockets->fd[i][0] = sockets->fd[i][1] = -1;
}

int dp_sockets_open(struct dp_sockets *out, unsigned int workers, const struct dp_config *config)
{
	struct dp_sockets sockets;
	int err;

	init(&sockets, workers, config->port);
	err = choose_port(&sockets.port);
	if (!err)
		err = open_family(&sockets, 0, config);
	if (!err)
		err = open_family(&sockets, 1, config);
	if (err) {
		dp_sockets_close(&sockets);
		return err;
	}
	*out = sockets;
	return 0;
}

static bool is_wildcard(const struct ip_addr *addr)
{
	static const uint8_t zero[sizeof(addr->bytes)];

	return !memcmp(addr->bytes, zero, sizeof(zero));
}

int dp_sockets_adopt(struct dp_sockets *out, int fd, unsigned int workers,
		     const struct dp_config *config)
{
	struct dp_sockets sockets;
	struct udp_config udp;
	struct endpoint bound;
	int which;
	int err = udp_bound(fd, &bound);

	if (err)
		return err;
	if (!bound.port || !is_wildcard(&bound.addr))
		return -EINVAL;
	which = bound.addr.family == AF_INET6;
	init(&sockets, workers, bound.port);
	udp = socket_config(&sockets, which, config);
	err = udp_configure(fd, &udp);
	if (err)
		return err;
	sockets.fd[0][which] = fd;
	err = complete_family(&sockets, which, config);
	if (err) {
		sockets.fd[0][which] = -1;
		dp_sockets_close(&sockets);
		return err;
	}
	*out = sockets;
	return 0;
}

void dp_sockets_close(struct dp_sockets *sockets)
{
	for (int which = 0; sockets->count && which < 2; which++)
		if (sockets->fragment_fd[which] >= 0)
			close(sockets->fragment_fd[which]);
	for (unsigned int i = 0; i < sockets->count; i++)
		for (int which = 0; which < 2; which++)
			if (sockets->fd[i][which] >= 0)
				close(sockets->fd[i][which]);
	sockets->count = 0;
}

int dp_sockets_set_fwmark(const struct dp_sockets *sockets, uint32_t fwmark)
{
	for (int which = 0; which < 2; which++) {
		int err = sockets->fragment_fd[which] < 0
				  ? 0
				  : udp_set_fwmark(sockets->fragment_fd[which], fwmark);

		if (err)
			return err;
	}
	for (unsigned int i = 0; i < sockets->count; i++)
		for (int which = 0; which < 2; which++) {
			int err = sockets->fd[i][which] < 0
					  ? 0
					  : udp_set_fwmark(sockets->fd[i][which], fwmark);

			if (err)
				return err;
		}
	return 0;
}
