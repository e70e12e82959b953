#ifndef WARREN_KERNEL_IFACE_RESOLVER_FILE_H
#define WARREN_KERNEL_IFACE_RESOLVER_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * resolv.conf(5): what others wrote there, what we write there, and being told when somebody
 * writes. It may be a file, a link to one that another program keeps, mounted (in containers), or
 * not there.
 */
#define RESOLVER_FILE        "/etc/resolv.conf"
#define RESOLVER_FILE_MAX    65536
#define RESOLVER_MARK        "# warren:"
#define RESOLVER_SERVERS_MAX 3 /* what the C library looks at */
#define RESOLVER_LINE_SIZE   1024

struct resolver_text {
	struct endpoint servers[RESOLVER_SERVERS_MAX]; /* as written; with none 127.0.0.1 */
	size_t server_count;
	char search[RESOLVER_LINE_SIZE];  /* the domains behind the last search or domain */
	char options[RESOLVER_LINE_SIZE]; /* of all lines */
	bool ours;
};

/* Never fails: what is no such line is not looked at, too long a one neither. */
void resolver_text_parse(struct resolver_text *parsed, const char *text);
/*
 * Our file: these servers (at least one), `domain` before what the original searched, its options.
 * malloc'd; NULL when out of memory.
 */
char *resolver_text_make(const struct resolver_text *original, const struct ip_addr *servers,
			 size_t count, const char *domain);

/* Through links; malloc'd with a NUL, "" when there is none. 0 or -errno. */
int resolver_file_read(const char *path, char **text);
/*
 * Replaces the file, or the link, in one step; a mounted one is written over. 0 or -errno.
 */
int resolver_file_write(const char *path, const char *text);
/*
 * Is the file another network namespace's: we are not in that of process 1, and the file is its?
 * Whoever starts a program in a namespace without giving it a file of its own shares one.
 */
bool resolver_file_is_foreign(const char *path);

/* Tells that somebody wrote, replaced, linked or removed the file or what it links to. */
struct resolver_watch;

/* 0 or -errno. */
int resolver_watch_new(struct resolver_watch **watch, const char *path);
/* Accepts NULL. */
void resolver_watch_free(struct resolver_watch *watch);
/* To be watched for reading; stays the watch's. */
int resolver_watch_fd(const struct resolver_watch *watch);
/* Reads what waits. Is any of it about the file? */
bool resolver_watch_read(struct resolver_watch *watch);
/*
 * The file was replaced, or links elsewhere: watches what is there now, and `target`, what the
 * original links to while ours is in its place (NULL: nothing).
 */
void resolver_watch_renew(struct resolver_watch *watch, const char *target);

#endif
