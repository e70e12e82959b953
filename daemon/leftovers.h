#ifndef WARREN_DAEMON_LEFTOVERS_H
#define WARREN_DAEMON_LEFTOVERS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What this daemon changes in the system and has to put back: written down in the state folder
 * before it is changed, and undone at a clean stop; when the daemon is killed, by a caretaker
 * process that waits for its end; at the next start; and by `warrend --cleanup`. Undoing touches
 * only what is still as we made it, so doing it twice is harmless.
 *
 * Routes, addresses, nftables tables with `flags owner` and per-link settings of systemd-resolved
 * go with the device or the process by themselves and need no note.
 *
 * Every note is 0, or -errno when it could not be written down: then leave the system alone. Noting
 * the same thing again keeps what was there at first, but for files: there what is there now
 * replaces it, unless it is ours.
 */
struct leftovers;

/*
 * Undoes what an earlier run left in dir, then starts the caretaker; before any thread and any
 * descriptor that must end with the daemon. The caller holds file_lock_dir(dir). 0 or -errno.
 */
int leftovers_open(struct leftovers **leftovers, const char *dir);
/* Undoes everything and ends the caretaker. Accepts NULL. */
void leftovers_close(struct leftovers *leftovers);
/* For `warrend --cleanup`, when no daemon runs: 0, also when there is nothing; or -errno. */
int leftovers_cleanup(const char *dir);

/* That /proc/sys/NAME (net/ipv4/ip_forward) will be set to ours. */
int leftovers_note_sysctl(struct leftovers *leftovers, const char *name, const char *ours);
/*
 * That the file (or symbolic link, or nothing) at path will be replaced by a file of ours, which is
 * told by a line that begins with mark.
 */
int leftovers_note_file(struct leftovers *leftovers, const char *path, const char *mark);
/* That a rule (ip-rule(8)) will be added; mark 0: without one. */
struct leftover_rule {
	int family; /* AF_INET or AF_INET6 */
	uint32_t priority;
	uint32_t table;
	uint32_t mark;
};
int leftovers_note_rule(struct leftovers *leftovers, const struct leftover_rule *rule);
/* That rules with that comment will be added to a chain of somebody else: "ip filter DOCKER-USER".
 */
int leftovers_note_chain(struct leftovers *leftovers, const char *chain, const char *comment);

/* Puts back now, and forgets. 0, also when it was never noted; or -errno. */
int leftovers_undo_sysctl(struct leftovers *leftovers, const char *name);
int leftovers_undo_file(struct leftovers *leftovers, const char *path);
int leftovers_undo_rule(struct leftovers *leftovers, const struct leftover_rule *rule);
int leftovers_undo_chain(struct leftovers *leftovers, const char *chain);

/*
 * What the noted file held before it was ours, through the link if it was one; malloc'd text, NULL
 * when there was none or it was not noted.
 */
char *leftovers_original(const struct leftovers *leftovers, const char *path);

#endif
