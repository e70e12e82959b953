#ifndef WARREN_PROTO_MDNS_H
#define WARREN_PROTO_MDNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"

/*
 * Multicast DNS (RFC 6762) as far as ICE candidates need it: a host candidate is told as a random
 * name, which only machines on the same link can turn into an address. Messages are made and read
 * by the C library's resolver (names) and by hand (the few fixed fields).
 */
#define MDNS_PORT        5353
#define MDNS_NAME_SIZE   43 /* a UUID, ".local", and a NUL */
#define MDNS_MESSAGE_MAX 512
#define MDNS_RECORDS_MAX 16 /* of a message; what follows is not looked at */
#define MDNS_ASKED_MAX   64 /* names under way */

/* A fresh name, RFC 4122 version 4. */
void mdns_name_new(char name[static MDNS_NAME_SIZE], const struct rng *rng);
/* Whether text has the form of such a name. Others are nobody's business here. */
bool mdns_is_name(const char *text);

/* A question or an answer about one name. */
struct mdns_record {
	char name[MDNS_NAME_SIZE]; /* in lower case */
	int family;                /* AF_INET, AF_INET6; AF_UNSPEC asks for any */
	bool unicast;              /* a question that wants its answer sent to the asker alone */
	struct ip_addr addr;       /* of an answer */
};

struct mdns_message {
	bool answer;
	uint16_t id;
	size_t count;
	struct mdns_record records[MDNS_RECORDS_MAX]; /* those with names of our form only */
};

/* 0 or -EBADMSG. */
int mdns_parse(struct mdns_message *message, const uint8_t *data, size_t len);
/* Asks for both families, answer by unicast. out: MDNS_MESSAGE_MAX bytes. Returns the length. */
size_t mdns_encode_query(uint8_t *out, const char *name);
/* id and the question itself as asked: an asker that is no mDNS program wants both (6.7). */
size_t mdns_encode_answer(uint8_t *out, uint16_t id, const char *name, const struct ip_addr *addr);

/*
 * The names that are asked for now. Questions are repeated after 100, 200, 400 and 800 ms and given
 * up after MDNS_PATIENCE_MS. A name with several addresses has none: such answers are ignored, and
 * so is everything after the first good one.
 */
#define MDNS_PATIENCE_MS 3000
/* Peers choose what is asked for, and every question goes to all machines on every link. */
#define MDNS_QUESTIONS_PER_S 40

struct mdns_resolver {
	struct mdns_asked {
		char name[MDNS_NAME_SIZE]; /* "": free */
		uint64_t end_ns;
		uint64_t due_ns;
		unsigned int sent;
		struct ip_addr addr; /* family 0: not answered */
	} asked[MDNS_ASKED_MAX];
	uint64_t second_ns; /* for the rate of questions */
	unsigned int questions;
};

/* Under way already, or from now on. 0, -EINVAL for another kind of name, -ENOSPC. */
int mdns_ask(struct mdns_resolver *resolver, const char *name, uint64_t now_ns);
void mdns_input(struct mdns_resolver *resolver, const struct mdns_message *message,
		uint64_t now_ns);
uint64_t mdns_next_timeout(const struct mdns_resolver *resolver);
/* True and a name to be asked for now. */
bool mdns_poll_query(struct mdns_resolver *resolver, char name[static MDNS_NAME_SIZE],
		     uint64_t now_ns);
/* True and what became of one: addr of family 0 when nobody, or too many, answered. */
bool mdns_poll_result(struct mdns_resolver *resolver, char name[static MDNS_NAME_SIZE],
		      struct ip_addr *addr, uint64_t now_ns);

#endif
