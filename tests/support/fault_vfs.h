#ifndef WARREN_TESTS_FAULT_VFS_H
#define WARREN_TESTS_FAULT_VFS_H

#include <stdbool.h>

/*
 * A layer below SQLite, in this process only, that lets a disk fail: every write, sync, truncation
 * and removal is an operation, and one of them, counted from when it was armed, goes wrong.
 */
enum fault {
	FAULT_NONE,
	/*
	 * The power goes: the process ends with FAULT_EXIT. Of what was written since each file's
	 * last sync, and of the operation itself, some sectors are on disk and some are not, as the
	 * seed has it.
	 */
	FAULT_CRASH,
	FAULT_ERROR, /* this one fails with an I/O error, later ones work */
	FAULT_FULL,  /* from this one on writes fail for lack of room */
};

#define FAULT_EXIT 77

/* Becomes the default VFS. Idempotent. False when SQLite refuses. */
bool fault_vfs_install(void);
void fault_vfs_arm(enum fault fault, unsigned int operation, unsigned int seed);
void fault_vfs_disarm(void);
/* Since it was armed last. */
unsigned int fault_vfs_operations(void);

#endif
