#ifndef WARREN_PROTO_PATHCHOICE_CORE_H
#define WARREN_PROTO_PATHCHOICE_CORE_H

#include "proto/pathchoice.h"

/* What the files of the path chooser share. Internal to them. */

static inline uint64_t pathchoice_later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t pathchoice_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- pathchoice.c ---- */

struct path_slot *pathchoice_slot(struct pathchoice *pc, enum path_kind kind, uint32_t id);
/* The path in use, or NULL. */
struct path_slot *pathchoice_current(struct pathchoice *pc);
bool pathchoice_is_usable(const struct path_slot *slot, uint64_t now_ns);
/* The relay that would be taken, or NULL. */
struct path_slot *pathchoice_best_relay(struct pathchoice *pc, uint64_t now_ns);
/* Are echoes answered where WireGuard gets through? */
bool pathchoice_hears(const struct pathchoice *pc);
/* Takes a path out of the choice for a while that grows with every failure. */
void pathchoice_fail(struct pathchoice *pc, struct path_slot *slot, enum path_reason reason,
		     uint64_t now_ns);
/* It is part of the choice again. */
void pathchoice_revive(struct pathchoice *pc, struct path_slot *slot);
void pathchoice_update_rtt(struct path_slot *slot, uint64_t rtt_ns);

/* ---- pathwatch.c ---- */

/* Another path is in use. */
void pathwatch_begin(struct pathchoice *pc);
void pathwatch_activity(struct pathchoice *pc);
/* The path in use answered a probe, or an echo. */
void pathwatch_checked(struct pathchoice *pc, struct path_slot *slot);
void pathwatch_echoed(struct pathchoice *pc, struct path_slot *slot);
/* Another path answered an echo. */
void pathwatch_other_echoed(struct pathchoice *pc, uint64_t now_ns);
void pathwatch_suspect(struct pathchoice *pc, uint64_t now_ns);
void pathwatch_run(struct pathchoice *pc, uint64_t now_ns);
/* How long an answer may take that is not lost. */
uint64_t pathwatch_wait_ns(const struct path_slot *slot);

/* ---- pathmeasure.c ---- */

void pathmeasure_begin(struct pathchoice *pc, uint64_t now_ns);
void pathmeasure_run(struct pathchoice *pc, uint64_t now_ns);
uint64_t pathmeasure_next(const struct pathchoice *pc);
bool pathmeasure_poll(struct pathchoice *pc, struct path_order *order);
/* So much slower than the relay that being direct does not make up for it. */
bool pathmeasure_is_slow(const struct path_slot *pair, const struct path_slot *relay);

#endif
