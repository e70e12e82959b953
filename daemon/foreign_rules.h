#ifndef WARREN_DAEMON_FOREIGN_RULES_H
#define WARREN_DAEMON_FOREIGN_RULES_H

#include <stdbool.h>
#include <stddef.h>

struct firewall;
struct leftovers;

/*
 * Rules of others that stand in the way of what this node forwards. Docker has a chain where others
 * put theirs; with anybody else it is the user who has to let us through.
 */
#define FOREIGN_CHAIN_SIZE 128

/*
 * Lets packets from and to the device through where Docker would not, or takes that back. Rules of
 * ours carry comment. 0, also without Docker; or as firewall_apply.
 */
int foreign_open_docker(struct firewall *firewall, struct leftovers *leftovers, const char *tun,
			const char *comment);
int foreign_close_docker(struct leftovers *leftovers);

/*
 * A chain of somebody else that drops what is forwarded unless its rules allow it, in a table that
 * does not mention the device: "inet firewalld filter_FORWARD". False: there is none, or nobody
 * can say.
 */
bool foreign_find_drop(struct firewall *firewall, const char *tun,
		       char chain[static FOREIGN_CHAIN_SIZE]);

#endif
