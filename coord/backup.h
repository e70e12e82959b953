#ifndef WARREN_COORD_BACKUP_H
#define WARREN_COORD_BACKUP_H

struct network;
struct options;

/*
 * A backup is one file: a copy of the database that holds the key and certificate files as well,
 * mode 0600. Whoever has it has the network.
 */

/* While the network is served from dir. 0, -EEXIST: path is there, or another -errno. */
int backup_write(struct network *network, const char *dir, const char *path);
/* The command: from options->arguments[0] into an options->data without a network. The exit code.
 */
int backup_restore(const struct options *options);

#endif
