/* What the router's table does to packets: a LAN and the tunnel are devices of this test. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/buf.h"
#include "daemon/router_rules.h"
#include "kernel-iface/firewall.h"
#include "tests/support/netns.h"
#include "tests/support/packet.h"

#define OWN  "100.64.0.7"
#define OWN6 "fd57::7"

#define TCP 6
#define UDP 17

#define WAIT_MS    2000
#define NOTHING_MS 150

static struct firewall *firewall;
static int mesh, lan, dock; /* the tunnel, the LAN, a container's network */

static int open_device(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	strcpy(request.ifr_name, name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	netns_run("ip link set %s up", name);
	return fd;
}

static void put_address(uint8_t *at, const char *text)
{
	struct ip_addr addr;

	assert_int_equal(addr_parse(&addr, text), 0);
	memcpy(at, addr.bytes, addr_len(&addr));
}

/* A TCP SYN or a datagram, both of them small. */
static size_t make(uint8_t *packet, uint8_t proto, const char *src, uint16_t src_port,
		   const char *dst, uint16_t dst_port)
{
	bool v6 = strchr(src, ':');
	size_t header = v6 ? 40 : 20, len = header + (proto == TCP ? 20 : 12);

	memset(packet, 0, len);
	if (v6) {
		packet[0] = 0x60;
		packet[6] = proto;
		packet[7] = 60; /* hops */
		put_address(packet + 8, src);
		put_address(packet + 24, dst);
	} else {
		packet[0] = 0x45;
		packet[8] = 60;
		packet[9] = proto;
		put_address(packet + 12, src);
		put_address(packet + 16, dst);
	}
	store_be16(packet + header, src_port);
	store_be16(packet + header + 2, dst_port);
	if (proto == TCP) {
		packet[header + 12] = 5 << 4;
		packet[header + 13] = 2; /* SYN */
		store_be16(packet + header + 14, 1024);
	}
	packet_seal(packet, len);
	return len;
}

static void send_packet(int device, uint8_t proto, const char *src, uint16_t src_port,
			const char *dst, uint16_t dst_port)
{
	uint8_t packet[128];
	size_t len = make(packet, proto, src, src_port, dst, dst_port);

	assert_int_equal(write(device, packet, len), len);
}

/* The source of the next packet to that port that comes out of the device; NULL: none does. */
static const char *arrives(int device, uint16_t dst_port, int wait_ms)
{
	static char text[ADDR_TEXT_SIZE];
	struct pollfd ready = { .fd = device, .events = POLLIN };
	uint8_t packet[2048];

	while (poll(&ready, 1, wait_ms) == 1) {
		ssize_t len = read(device, packet, sizeof(packet));
		bool v6 = packet[0] >> 4 == 6;
		struct ip_addr src;

		/* Neighbours are looked for, too. */
		if (len < (v6 ? 44 : 24) || load_be16(packet + (v6 ? 42 : 22)) != dst_port)
			continue;
		src = addr_from_bytes(v6 ? AF_INET6 : AF_INET, packet + (v6 ? 8 : 12));
		return addr_format(text, &src);
	}
	return NULL;
}

#define ARRIVES(device, port, from)                                   \
	do {                                                          \
		const char *source_ = arrives(device, port, WAIT_MS); \
                                                                      \
		assert_non_null(source_);                             \
		assert_string_equal(source_, from);                   \
	} while (0)
#define NOTHING(device, port) assert_null(arrives(device, port, NOTHING_MS))

static void apply(const char *text)
{
	char why[FIREWALL_WHY_SIZE] = "";

	if (firewall_apply(firewall, text, why) != 0)
		fail_msg("%s:\n%s", why, text);
}

static void add(struct router_plan *plan, const char *seen, const char *real, bool snat)
{
	struct router_route *route = &plan->routes[plan->route_count++];

	assert_int_equal(prefix_parse(&route->seen, seen), 0);
	assert_int_equal(prefix_parse(&route->real, real), 0);
	route->snat = snat;
}

static void carry(bool snat)
{
	struct router_plan plan = { .tun = "mesh0", .ftp = true };
	char *text;

	addr_parse(&plan.address4, OWN);
	addr_parse(&plan.address6, OWN6);
	add(&plan, "10.20.0.0/16", "10.20.0.0/16", snat);
	add(&plan, "10.20.5.0/24", "10.20.5.0/24", snat);
	add(&plan, "10.77.1.0/24", "192.168.1.0/24", snat);
	add(&plan, "fd00:20::/64", "fd00:20::/64", snat);
	text = router_rules(&plan);
	assert_non_null(text);
	apply(text);
	free(text);
}

/* --- tests --- */

static void the_lan_does_not_speak_as_the_router(void **state)
{
	struct endpoint to = { .port = 6000 };
	struct sockaddr_storage own, remote;
	socklen_t len, own_len = sizeof(own);
	uint16_t port;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	carry(true);
	/* A flow of the router's own, that a guess might fit in. */
	addr_parse(&to.addr, "fd57::9");
	len = endpoint_to_sockaddr(&remote, &to);
	assert_int_equal(connect(fd, (struct sockaddr *)&remote, len), 0);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	ARRIVES(mesh, 6000, OWN6);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &own_len), 0);
	port = ntohs(((struct sockaddr_in6 *)&own)->sin6_port);
	send_packet(mesh, UDP, "fd57::9", 6000, OWN6, port);
	assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, WAIT_MS), 1);
	send_packet(lan, UDP, OWN6, port, "fd57::9", 6000);
	NOTHING(mesh, 6000);
	/* Nor with addresses that nobody gave it. */
	send_packet(lan, UDP, "fd57::8", 5000, "fd57::9", 6001);
	send_packet(lan, UDP, "100.64.0.8", 5000, "100.64.0.9", 6001);
	send_packet(lan, UDP, "10.99.0.1", 5000, "100.64.0.9", 6001);
	NOTHING(mesh, 6001);
	send_packet(lan, UDP, "fd00:20::5", 5000, "fd57::9", 6002);
	ARRIVES(mesh, 6002, "fd00:20::5");
	close(fd);
}

/* Rules for the way to the internet that name no device are found on many a router. */
static void others_do_not_hide_who_sends(void **state)
{
	(void)state;
	apply("table inet foreign { chain c { type nat hook postrouting priority srcnat; "
	      "masquerade; }; }");
	carry(false);
	send_packet(lan, UDP, "10.20.5.5", 5000, "100.64.0.9", 6010);
	ARRIVES(mesh, 6010, "10.20.5.5");
	send_packet(lan, UDP, "192.168.1.5", 5000, "100.64.0.9", 6011);
	ARRIVES(mesh, 6011, "10.77.1.5");
	send_packet(lan, UDP, "fd00:20::5", 5000, "fd57::9", 6012);
	ARRIVES(mesh, 6012, "fd00:20::5");
	/* Without source translation the LAN sees who it is, too. */
	send_packet(mesh, UDP, "100.64.0.9", 5001, "10.20.0.5", 6013);
	ARRIVES(lan, 6013, "100.64.0.9");
	send_packet(mesh, UDP, "100.64.0.9", 5001, "10.77.1.5", 6014);
	ARRIVES(lan, 6014, "100.64.0.9");
	carry(true);
	send_packet(mesh, UDP, "100.64.0.9", 5002, "10.20.0.5", 6015);
	ARRIVES(lan, 6015, "10.20.0.1");
	send_packet(mesh, UDP, "100.64.0.9", 5002, "10.77.1.5", 6016);
	ARRIVES(lan, 6016, "192.168.1.1");
	send_packet(lan, UDP, "10.20.0.5", 5003, "100.64.0.9", 6017);
	ARRIVES(mesh, 6017, "10.20.0.5");
}

/* A container's port is at our address in the mesh, as without any route; the container is not. */
static void ports_that_are_handed_on_stay_so(void **state)
{
	(void)state;
	apply("table inet foreign { chain c { type nat hook prerouting priority dstnat; "
	      "fib daddr type local tcp dport 8080 dnat ip to 172.17.0.2; }; }");
	carry(true);
	send_packet(mesh, TCP, "100.64.0.9", 5000, OWN, 8080);
	ARRIVES(dock, 8080, "100.64.0.9");
	send_packet(mesh, TCP, "100.64.0.9", 5001, "172.17.0.2", 8080);
	NOTHING(dock, 8080);
	/* The same port at the router's address in its LAN is not ours to give. */
	send_packet(mesh, TCP, "100.64.0.9", 5002, "10.20.0.1", 8080);
	NOTHING(dock, 8080);
	send_packet(dock, UDP, "172.17.0.2", 5003, "100.64.0.9", 6020);
	NOTHING(mesh, 6020);
}

static void send_segment(int device, const char *src, uint16_t src_port, const char *dst,
			 uint16_t dst_port, uint32_t seq, uint8_t flags, const char *text)
{
	uint8_t packet[128];
	size_t len = make(packet, TCP, src, src_port, dst, dst_port);

	store_be32(packet + 24, seq);
	store_be32(packet + 28, flags & 0x10 ? 1 : 0);
	packet[33] = flags;
	memcpy(packet + len, text, strlen(text));
	len += strlen(text);
	packet_seal(packet, len);
	assert_int_equal(write(device, packet, len), len);
}

/* Does the kernel wait for a second connection after the client said where it is to go? */
static bool is_followed(int client, int server, uint16_t port, const char *host)
{
	send_segment(client, "10.20.0.5", port, host, 21, 0, 0x02, "");
	assert_non_null(arrives(server, 21, WAIT_MS));
	send_segment(server, host, 21, "10.20.0.5", port, 0, 0x12, "");
	assert_non_null(arrives(client, port, WAIT_MS));
	send_segment(client, "10.20.0.5", port, host, 21, 1, 0x18, "USER a\r\n");
	assert_non_null(arrives(server, 21, WAIT_MS));
	send_segment(client, "10.20.0.5", port, host, 21, 9, 0x18, "PORT 10,20,0,5,20,20\r\n");
	assert_non_null(arrives(server, 21, WAIT_MS));
	return netns_shows("cat /proc/net/nf_conntrack_expect", "dport=5140");
}

/* To follow FTP opens ports: for what goes through the tunnel, and for nothing else. */
static void only_our_ftp_is_followed(void **state)
{
	(void)state;
	carry(true);
	assert_false(is_followed(lan, dock, 5000, "172.17.0.9"));
	assert_true(is_followed(lan, mesh, 5001, "100.64.0.9"));
}

/* Loopback, link-local, the router's own, through a mapped prefix as well. */
static void nothing_else_is_reached(void **state)
{
	static const char *const barred[] = { "127.0.0.1",     "169.254.1.1", "10.20.0.1",
					      "10.20.255.255", "10.77.1.1",   "192.168.2.5",
					      "100.64.0.8",    "172.17.0.1",  "172.17.0.2" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(6030) };
	char byte;
	size_t i;

	(void)state;
	carry(false);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	for (i = 0; i < sizeof(barred) / sizeof(*barred); i++)
		send_packet(mesh, UDP, "100.64.0.9", 5000, barred[i], 6030);
	NOTHING(lan, 6030);
	NOTHING(mesh, 6030);
	NOTHING(dock, 6030);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	send_packet(mesh, UDP, "100.64.0.9", 5000, OWN, 6030);
	assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, WAIT_MS), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	/* And that address is reached from the mesh alone. */
	send_packet(lan, UDP, "10.20.0.5", 5000, OWN, 6030);
	assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, NOTHING_MS), 0);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	return firewall_new(&firewall);
}

static int tear_down(void **state)
{
	(void)state;
	firewall_free(firewall);
	netns_run("nft flush ruleset");
	return 0;
}

static int enter(void **state)
{
	(void)state;
	netns_enter();
	mesh = open_device("mesh0");
	lan = open_device("lan0");
	dock = open_device("dock0");
	netns_run("sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
		  "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.mesh0.rp_filter=0 "
		  "net.ipv4.conf.lan0.rp_filter=0 net.ipv4.conf.dock0.rp_filter=0");
	netns_run("ip addr add " OWN "/32 dev mesh0 && ip -6 addr add " OWN6
		  "/128 dev mesh0 nodad");
	netns_run("ip route add 100.64.0.9/32 dev mesh0 && ip -6 route add fd57::9/128 dev mesh0");
	netns_run("ip addr add 10.20.0.1/16 brd + dev lan0 && "
		  "ip addr add 192.168.1.1/24 dev lan0");
	netns_run("ip -6 addr add fd00:20::1/64 dev lan0 nodad");
	netns_run("ip addr add 172.17.0.1/16 dev dock0");
	return 0;
}

static int leave(void **state)
{
	(void)state;
	close(mesh);
	close(lan);
	close(dock);
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_lan_does_not_speak_as_the_router),
		TEST(others_do_not_hide_who_sends),
		TEST(ports_that_are_handed_on_stay_so),
		TEST(only_our_ftp_is_followed),
		TEST(nothing_else_is_reached),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
