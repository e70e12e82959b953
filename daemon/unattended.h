#ifndef WARREN_DAEMON_UNATTENDED_H
#define WARREN_DAEMON_UNATTENDED_H

struct mesh;

/*
 * Servers that nobody sits at: a machine in no network, on which nobody has said `down` or
 * `logout`, joins with the token that systemd hands over as the credential warren.token.
 */
#define UNATTENDED_CREDENTIAL "warren.token"

/* At the start, when the state is loaded. */
void unattended_begin(struct mesh *mesh);

#endif
