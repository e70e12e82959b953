#include "tests/support/fault_vfs.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512

/* What a write since the last sync replaced. */
struct undo {
	struct undo *next;
	sqlite3_int64 offset;
	sqlite3_int64 old_size;
	int len;
	uint8_t old[];
};

struct file {
	sqlite3_file base;
	sqlite3_file *real;
	struct undo *undos; /* the newest first */
	struct file *next;  /* of all that are open */
};

static sqlite3_vfs vfs;
static sqlite3_vfs *below;
static sqlite3_io_methods methods;
static struct file *files;
static enum fault armed;
static unsigned int due;
static unsigned int operations;
static unsigned int chance;

static bool coin(void)
{
	chance = chance * 1103515245u + 12345u;
	return chance >> 30 & 1;
}

static void revert_some(struct file *file, const struct undo *undo)
{
	for (int at = 0; at < undo->len; at += SECTOR) {
		int len = undo->len - at < SECTOR ? undo->len - at : SECTOR;

		if (coin())
			file->real->pMethods->xWrite(file->real, undo->old + at, len,
						     undo->offset + at);
	}
	if (coin())
		file->real->pMethods->xTruncate(file->real, undo->old_size > undo->offset
								    ? undo->old_size
								    : undo->offset);
}

_Noreturn static void lose_power(void)
{
	for (struct file *file = files; file; file = file->next)
		for (struct undo *undo = file->undos; undo; undo = undo->next)
			revert_some(file, undo);
	_exit(FAULT_EXIT);
}

/* Is it this operation's turn to fail? */
static bool is_due(void)
{
	operations++;
	return armed == FAULT_FULL ? operations >= due : armed && operations == due;
}

static void forget(struct file *file)
{
	while (file->undos) {
		struct undo *undo = file->undos;

		file->undos = undo->next;
		free(undo);
	}
}

static int real_size(struct file *file, sqlite3_int64 *size)
{
	return file->real->pMethods->xFileSize(file->real, size);
}

static void remember(struct file *file, int len, sqlite3_int64 offset)
{
	struct undo *undo = calloc(1, sizeof(*undo) + (size_t)len);

	if (!undo)
		abort();
	undo->offset = offset;
	undo->len = len;
	real_size(file, &undo->old_size);
	/* A short read leaves zeros, as a hole in the file would. */
	file->real->pMethods->xRead(file->real, undo->old, len, offset);
	undo->next = file->undos;
	file->undos = undo;
}

static int do_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 offset)
{
	struct file *file = (struct file *)base;
	bool fails = is_due();

	if (fails && armed != FAULT_CRASH)
		return armed == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	if (armed == FAULT_CRASH)
		remember(file, len, offset);
	if (fails) {
		file->real->pMethods->xWrite(file->real, data, len, offset);
		lose_power();
	}
	return file->real->pMethods->xWrite(file->real, data, len, offset);
}

static int do_sync(sqlite3_file *base, int flags)
{
	struct file *file = (struct file *)base;

	(void)flags; /* what the test's own disk loses is not the matter */
	if (is_due()) {
		if (armed == FAULT_CRASH)
			lose_power();
		if (armed == FAULT_ERROR)
			return SQLITE_IOERR_FSYNC;
	}
	forget(file);
	return SQLITE_OK;
}

static int do_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct file *file = (struct file *)base;

	if (is_due()) {
		if (armed == FAULT_CRASH)
			lose_power();
		if (armed == FAULT_ERROR)
			return SQLITE_IOERR_TRUNCATE;
	}
	return file->real->pMethods->xTruncate(file->real, size);
}

static int do_close(sqlite3_file *base)
{
	struct file *file = (struct file *)base;
	struct file **at = &files;
	int result = file->real->pMethods->xClose(file->real);

	while (*at && *at != file)
		at = &(*at)->next;
	if (*at)
		*at = file->next;
	forget(file);
	return result;
}

#define PASS(name, args, ...)                                                 \
	static int pass_##name args                                           \
	{                                                                     \
		struct file *file = (struct file *)base;                      \
		return file->real->pMethods->name(file->real, ##__VA_ARGS__); \
	}

PASS(xRead, (sqlite3_file * base, void *data, int len, sqlite3_int64 offset), data, len, offset)
PASS(xFileSize, (sqlite3_file * base, sqlite3_int64 *size), size)
PASS(xLock, (sqlite3_file * base, int level), level)
PASS(xUnlock, (sqlite3_file * base, int level), level)
PASS(xCheckReservedLock, (sqlite3_file * base, int *result), result)
PASS(xFileControl, (sqlite3_file * base, int op, void *arg), op, arg)
PASS(xSectorSize, (sqlite3_file * base))
PASS(xShmMap, (sqlite3_file * base, int page, int size, int extend, void volatile **out), page,
     size, extend, out)
PASS(xShmLock, (sqlite3_file * base, int offset, int n, int flags), offset, n, flags)
PASS(xShmUnmap, (sqlite3_file * base, int delete), delete)

/* No promise about what a torn write leaves behind. */
static int no_promises(sqlite3_file *base)
{
	(void)base;
	return 0;
}

static void pass_xShmBarrier(sqlite3_file *base)
{
	struct file *file = (struct file *)base;

	file->real->pMethods->xShmBarrier(file->real);
}

static int do_open(sqlite3_vfs *self, sqlite3_filename name, sqlite3_file *base, int flags,
		   int *out_flags)
{
	struct file *file = (struct file *)base;
	int result;

	(void)self;
	memset(file, 0, sizeof(*file));
	file->real = (sqlite3_file *)(file + 1);
	result = below->xOpen(below, name, file->real, flags, out_flags);
	if (result != SQLITE_OK)
		return result;
	file->base.pMethods = &methods;
	file->next = files;
	files = file;
	return SQLITE_OK;
}

static int do_delete(sqlite3_vfs *self, const char *name, int sync_dir)
{
	(void)self;
	if (is_due()) {
		if (armed == FAULT_CRASH)
			lose_power();
		if (armed == FAULT_ERROR)
			return SQLITE_IOERR_DELETE;
	}
	return below->xDelete(below, name, sync_dir);
}

bool fault_vfs_install(void)
{
	if (below)
		return true;
	below = sqlite3_vfs_find(NULL);
	if (!below)
		return false;
	methods = (sqlite3_io_methods){ .iVersion = 2,
					.xClose = do_close,
					.xRead = pass_xRead,
					.xWrite = do_write,
					.xTruncate = do_truncate,
					.xSync = do_sync,
					.xFileSize = pass_xFileSize,
					.xLock = pass_xLock,
					.xUnlock = pass_xUnlock,
					.xCheckReservedLock = pass_xCheckReservedLock,
					.xFileControl = pass_xFileControl,
					.xSectorSize = pass_xSectorSize,
					.xDeviceCharacteristics = no_promises,
					.xShmMap = pass_xShmMap,
					.xShmLock = pass_xShmLock,
					.xShmBarrier = pass_xShmBarrier,
					.xShmUnmap = pass_xShmUnmap };
	vfs = *below;
	vfs.pNext = NULL;
	vfs.zName = "fault";
	vfs.szOsFile = (int)sizeof(struct file) + below->szOsFile;
	vfs.xOpen = do_open;
	vfs.xDelete = do_delete;
	return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK;
}

void fault_vfs_arm(enum fault fault, unsigned int operation, unsigned int seed)
{
	armed = fault;
	due = operation;
	chance = seed;
	operations = 0;
}

void fault_vfs_disarm(void)
{
	armed = FAULT_NONE;
}

unsigned int fault_vfs_operations(void)
{
	return operations;
}
