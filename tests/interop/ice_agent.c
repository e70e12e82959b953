/*
 * Our ICE agent on one UDP socket, for the interoperation tests.
 *
 *	ice_agent ADDRESS:PORT controlling|controlled
 *
 * Prints its description: "ufrag U", "pwd P", candidate lines, then "end". Reads the peer's in the
 * same form, as often as there is news: more candidates of the same credentials are trickled ones,
 * other credentials a restart. "restart" restarts here, and the new description is printed. Prints
 * "valid", "selected", "role", "lost" and "failed" as they happen, and sends what is not STUN back
 * on the path in use.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "proto/demux.h"
#include "proto/ice.h"

#define RUN_NS (30 * NS_PER_S)

static int open_socket(const struct endpoint *local)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, local);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;
	perror("ice_agent: socket");
	return -1;
}

static void send_to(int fd, const struct endpoint *remote, const void *data, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t size = endpoint_to_sockaddr(&ss, remote);

	if (sendto(fd, data, len, 0, (struct sockaddr *)&ss, size) < 0)
		perror("ice_agent: send");
}

static void print_description(const struct ice_description *d)
{
	char line[CANDIDATE_LINE_SIZE];

	printf("ufrag %s\npwd %s\n", d->ufrag, d->pwd);
	for (size_t i = 0; i < d->count; i++)
		printf("%s\n", candidate_format(line, &d->candidates[i]));
	printf("end\n");
}

/* The peer's description as it comes in, line by line. */
static struct ice_description theirs = { .instance = 1, .generation = 1 };

static void take_line(struct ice_agent *agent, const char *line)
{
	static struct ice_description ours;
	char ufrag[ICE_UFRAG_SIZE];
	uint64_t now = clock_now_ns();

	if (strcmp(line, "end") == 0) {
		if (ice_input_description(agent, &theirs, now) < 0)
			fprintf(stderr, "ice_agent: the description is not taken\n");
		theirs.count = 0;
	} else if (strcmp(line, "restart") == 0) {
		ice_restart(agent, now);
		if (ice_poll_description(agent, &ours, now))
			print_description(&ours);
		fflush(stdout);
	} else if (sscanf(line, "ufrag %32s", ufrag) == 1) {
		if (theirs.ufrag[0] && strcmp(ufrag, theirs.ufrag) != 0)
			theirs.generation++;
		memcpy(theirs.ufrag, ufrag, sizeof(ufrag));
	} else if (sscanf(line, "pwd %64s", theirs.pwd) == 1) {
		return;
	} else if (theirs.count < ICE_CANDIDATES_MAX &&
		   candidate_parse(&theirs.candidates[theirs.count], line) == 0) {
		theirs.count++;
	} else {
		fprintf(stderr, "ice_agent: unused line: %s\n", line);
	}
}

/* False when the input has ended. */
static bool read_lines(struct ice_agent *agent)
{
	static char buf[8192];
	static size_t have;
	ssize_t len = read(STDIN_FILENO, buf + have, sizeof(buf) - have - 1);
	char *line = buf, *end;

	if (len <= 0)
		return false;
	have += (size_t)len;
	buf[have] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		take_line(agent, line);
		line = end + 1;
	}
	have -= (size_t)(line - buf);
	memmove(buf, line, have);
	return have < sizeof(buf) - 1;
}

static void print_event(const struct ice_event *e)
{
	static const char *const names[] = {
		[ICE_EVENT_PAIR_VALID] = "valid", [ICE_EVENT_PAIR_RTT] = "rtt",
		[ICE_EVENT_PAIR_LOST] = "lost",   [ICE_EVENT_SELECTED] = "selected",
		[ICE_EVENT_FAILED] = "failed",    [ICE_EVENT_ROLE] = "role",
	};
	char text[ENDPOINT_TEXT_SIZE];

	if (e->type == ICE_EVENT_ROLE)
		printf("role %s\n", e->controlling ? "controlling" : "controlled");
	else
		printf("%s %s\n", names[e->type], endpoint_format(text, &e->pair.remote));
}

static void drain(struct ice_agent *agent, int fd)
{
	static struct ice_description d;
	struct ice_datagram out;
	struct ice_event event;

	while (ice_poll_description(agent, &d, clock_now_ns()))
		;
	while (ice_poll_output(agent, &out))
		send_to(fd, &out.remote, out.data, out.len);
	while (ice_poll_event(agent, &event))
		print_event(&event);
	fflush(stdout);
}

static void receive(struct ice_agent *agent, int fd, const struct endpoint *local)
{
	struct sockaddr_storage ss;
	socklen_t size = sizeof(ss);
	struct endpoint remote;
	uint8_t buf[2048];
	ssize_t len = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, &size);

	if (len < 0 || endpoint_from_sockaddr(&remote, (struct sockaddr *)&ss) < 0)
		return;
	if (demux_datagram(buf, (size_t)len) == DEMUX_STUN)
		ice_input(agent, buf, (size_t)len, local, &remote, clock_now_ns());
	else
		send_to(fd, &remote, buf, (size_t)len);
}

static int run(struct ice_agent *agent, int fd, const struct endpoint *local)
{
	uint64_t end = clock_now_ns() + RUN_NS;

	for (uint64_t now = clock_now_ns(); now < end; now = clock_now_ns()) {
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
				       { .fd = STDIN_FILENO, .events = POLLIN } };
		uint64_t next = ice_next_timeout(agent);
		int wait_ms = 100;

		if (next <= now)
			wait_ms = 0;
		else if (next - now < 100 * NS_PER_MS)
			wait_ms = (int)((next - now) / NS_PER_MS) + 1;
		if (poll(p, 2, wait_ms) < 0)
			return 1;
		if (p[1].revents && !read_lines(agent)) /* the test is done with us */
			return 0;
		if (p[0].revents & POLLIN)
			receive(agent, fd, local);
		if (ice_next_timeout(agent) <= clock_now_ns())
			ice_expire(agent, clock_now_ns());
		drain(agent, fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct ice_description ours;
	struct ice_config config = { .rng = rng_system() };
	struct ice_agent *agent;
	struct endpoint local;
	int fd, status;

	if (argc != 3 || endpoint_parse(&local, argv[1]) < 0)
		return 2;
	config.controlling = strcmp(argv[2], "controlling") == 0;
	fd = open_socket(&local);
	agent = ice_agent_new(&config, clock_now_ns());
	if (fd < 0 || !agent ||
	    ice_add_local_candidate(agent, CANDIDATE_HOST, &local, NULL, NULL, clock_now_ns()) < 0)
		return 1;
	ice_end_local_candidates(agent);
	ice_poll_description(agent, &ours, clock_now_ns());
	print_description(&ours);
	fflush(stdout);
	status = run(agent, fd, &local);
	ice_agent_free(agent);
	close(fd);
	return status;
}
