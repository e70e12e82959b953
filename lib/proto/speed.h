#ifndef WARREN_PROTO_SPEED_H
#define WARREN_PROTO_SPEED_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Measuring between two nodes: TCP to this port of the other's overlay address. A connection begins
 * with a hello of who measures, which is answered; what follows depends on its mode:
 *
 *   echo     every byte comes back, until the asker ends
 *   take     the asker sends for a while and ends; the answer is a result
 *   give     the asked sends for the time given and ends
 *
 * A measurement is some connections from one node; one at a time is served, and the load of its
 * takes and gives together lasts at most SPEED_LOAD_MAX_MS.
 */
#define SPEED_PORT        5752
#define SPEED_LOAD_MAX_MS 10000
#define SPEED_OVERALL_MS  20000 /* a measurement, with all that is not load */
#define SPEED_DRAIN_MS    4000  /* what is under way when the asker of a take ends */
#define SPEED_HELLO_SIZE  16
#define SPEED_ANSWER_SIZE 8
#define SPEED_RESULT_SIZE 16
#define SPEED_STEP        (256 << 10) /* bytes of one read or write */
#define SPEED_UNSENT      (128 << 10) /* bytes that may wait in a sender's socket */
#define SPEED_PROBE_SIZE  16          /* bytes of one echo */
#define SPEED_CONNECTIONS 4           /* of one measurement at once */

enum speed_mode {
	SPEED_ECHO = 1,
	SPEED_TAKE = 2,
	SPEED_GIVE = 3,
};

enum speed_answer {
	SPEED_OK = 0,
	SPEED_BUSY = 1,    /* somebody else measures */
	SPEED_REFUSED = 2, /* not a hello of this version, or too long */
};

struct speed_hello {
	enum speed_mode mode;
	uint32_t duration_ms; /* of a take or give; 0 for an echo */
};

void speed_hello_write(uint8_t out[static SPEED_HELLO_SIZE], const struct speed_hello *hello);
/* 0 or -EBADMSG. */
int speed_hello_read(struct speed_hello *hello, const uint8_t data[static SPEED_HELLO_SIZE]);
void speed_answer_write(uint8_t out[static SPEED_ANSWER_SIZE], enum speed_answer answer);
int speed_answer_read(enum speed_answer *answer, const uint8_t data[static SPEED_ANSWER_SIZE]);

/* What a take brought: bytes in the time from the first to the last. */
struct speed_result {
	uint64_t bytes;
	uint64_t time_ns;
};

void speed_result_write(uint8_t out[static SPEED_RESULT_SIZE], const struct speed_result *result);
void speed_result_read(struct speed_result *result, const uint8_t data[static SPEED_RESULT_SIZE]);
/* In 10^6 bits a second; 0 without a time. */
double speed_mbps(const struct speed_result *result);

#endif
