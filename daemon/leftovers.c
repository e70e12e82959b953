#include "daemon/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/leftover_undo.h"
#include "daemon/record.h"
#include "kernel-iface/sysctl.h"

#define KIND "leftover"

#define LEFTOVERS_MAX       512
#define LEFTOVERS_PATH_SIZE 300

struct leftovers {
	char path[LEFTOVERS_PATH_SIZE]; /* of the record */
	char dir[LEFTOVERS_PATH_SIZE];
	json_t *entries; /* in the order they were made */
	int run;         /* of whom the record is: our process id */
	int pipe;        /* open for writing as long as we live */
	pid_t caretaker;
};

/* --- the record --- */

static int save(const struct leftovers *leftovers)
{
	json_t *root;
	char *text;
	int err;

	if (json_array_size(leftovers->entries) == 0)
		return unlink(leftovers->path) < 0 && errno != ENOENT ? -errno : 0;
	root = json_pack("{s:i,s:O}", "run", leftovers->run, "entries", leftovers->entries);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (!text)
		return -ENOMEM;
	err = record_write(leftovers->path, KIND, text, strlen(text));
	free(text);
	return err;
}

/* New reference to the object on disk. 0, -ENOENT, -EBADMSG, or -errno. */
static int load(json_t **root, const char *path)
{
	uint8_t *text;
	size_t len;
	int err = record_read(path, KIND, &text, &len);

	if (err < 0)
		return err;
	*root = json_loadb((const char *)text, len, 0, NULL);
	file_free_secret(text, len);
	return *root ? 0 : -EBADMSG;
}

/* The latest first. The first error, after trying all. */
static int undo_all(const json_t *entries)
{
	int err = 0;
	size_t i;

	for (i = json_array_size(entries); i-- > 0;) {
		int one = leftover_undo(json_array_get(entries, i));

		if (err == 0)
			err = one;
	}
	return err;
}

/*
 * Undoes what the record says. run: only if the record is of that run (0: any). One at a time: the
 * next daemon may start while the last one's caretaker still works.
 */
static int undo_record(const char *dir, const char *path, int run)
{
	json_t *root = NULL;
	int lock = -1, tries, err;
	char name[LEFTOVERS_PATH_SIZE + 8];

	snprintf(name, sizeof(name), "%s.lock", path);
	if (access(path, F_OK) < 0)
		return 0;
	for (tries = 0; lock < 0 && tries < 2; tries++)
		lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return -errno;
	flock(lock, LOCK_EX);
	err = load(&root, path);
	if (err == 0 && run && json_integer_value(json_object_get(root, "run")) != run)
		err = -ESTALE;
	if (err == 0) {
		err = undo_all(json_object_get(root, "entries"));
		if (err == 0 && unlink(path) < 0 && errno != ENOENT)
			err = -errno;
	}
	json_decref(root);
	close(lock);
	(void)dir;
	return err == -ENOENT || err == -ESTALE ? 0 : err;
}

/* --- the caretaker --- */

/* Nothing of the daemon's is kept open: its device and its locks end with it. */
static void become_caretaker(int end)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE };
	size_t i;

	prctl(PR_SET_NAME, "wr-caretaker");
	for (i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	if (end > 3)
		close_range(3, (unsigned int)end - 1, 0);
	close_range((unsigned int)end + 1, ~0U, 0);
	if (chdir("/") < 0)
		return;
}

static int start_caretaker(struct leftovers *leftovers)
{
	int ends[2];
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return -errno;
	}
	if (pid > 0) {
		close(ends[0]);
		leftovers->pipe = ends[1];
		leftovers->caretaker = pid;
		return 0;
	}
	close(ends[1]);
	become_caretaker(ends[0]);
	while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
		;
	_exit(undo_record(leftovers->dir, leftovers->path, leftovers->run) < 0 ? 1 : 0);
}

/* --- life --- */

static int set_paths(struct leftovers *leftovers, const char *dir)
{
	char *whole = realpath(dir, NULL); /* the caretaker is elsewhere */
	int len;

	if (!whole)
		return -errno;
	len = snprintf(leftovers->path, sizeof(leftovers->path), "%s/leftovers", whole);
	snprintf(leftovers->dir, sizeof(leftovers->dir), "%s", dir);
	free(whole);
	return len < (int)sizeof(leftovers->path) ? 0 : -ENAMETOOLONG;
}

int leftovers_cleanup(const char *dir)
{
	struct leftovers leftovers = { 0 };
	int err = set_paths(&leftovers, dir);

	return err < 0 ? err : undo_record(dir, leftovers.path, 0);
}

int leftovers_open(struct leftovers **out, const char *dir)
{
	struct leftovers *leftovers = calloc(1, sizeof(*leftovers));
	int err = leftovers ? set_paths(leftovers, dir) : -ENOMEM;

	if (err < 0)
		goto fail;
	leftovers->pipe = -1;
	leftovers->run = getpid();
	leftovers->entries = json_array();
	if (!leftovers->entries) {
		err = -ENOMEM;
		goto fail;
	}
	err = undo_record(dir, leftovers->path, 0);
	if (err < 0)
		log_warn("leftovers error=\"%s\" action=\"what an earlier run changed may still be "
			 "so; run warrend --cleanup as root\"",
			 strerror(-err));
	err = start_caretaker(leftovers);
	if (err < 0)
		goto fail;
	*out = leftovers;
	return 0;
fail:
	if (leftovers)
		json_decref(leftovers->entries);
	free(leftovers);
	return err;
}

void leftovers_close(struct leftovers *leftovers)
{
	int err;

	if (!leftovers)
		return;
	err = undo_record(leftovers->dir, leftovers->path, leftovers->run);
	if (err < 0)
		log_warn("leftovers error=\"%s\" action=\"run warrend --cleanup as root\"",
			 strerror(-err));
	close(leftovers->pipe);
	while (waitpid(leftovers->caretaker, NULL, 0) < 0 && errno == EINTR)
		;
	json_decref(leftovers->entries);
	free(leftovers);
}

/* --- notes --- */

/* Its place, or the count. */
static size_t find(const struct leftovers *leftovers, const char *kind, const char *key)
{
	size_t i;

	for (i = 0; i < json_array_size(leftovers->entries); i++) {
		const json_t *entry = json_array_get(leftovers->entries, i);

		if (strcmp(json_string_value(json_object_get(entry, "kind")), kind) == 0 &&
		    strcmp(json_string_value(json_object_get(entry, "key")), key) == 0)
			break;
	}
	return i;
}

static const json_t *get(const struct leftovers *leftovers, const char *kind, const char *key)
{
	return json_array_get(leftovers->entries, find(leftovers, kind, key));
}

/* Takes over entry, which may be NULL for lack of memory. */
static int note(struct leftovers *leftovers, json_t *entry)
{
	size_t count = json_array_size(leftovers->entries);
	int err;

	if (!entry || count == LEFTOVERS_MAX) {
		json_decref(entry);
		return entry ? -ENOSPC : -ENOMEM;
	}
	if (json_array_append_new(leftovers->entries, entry) < 0)
		return -ENOMEM;
	err = save(leftovers);
	if (err < 0)
		json_array_remove(leftovers->entries, count);
	return err;
}

static int undo(struct leftovers *leftovers, const char *kind, const char *key)
{
	size_t at = find(leftovers, kind, key);
	int err;

	if (at == json_array_size(leftovers->entries))
		return 0;
	err = leftover_undo(json_array_get(leftovers->entries, at));
	if (err < 0)
		return err; /* whoever comes later tries again */
	json_array_remove(leftovers->entries, at);
	return save(leftovers);
}

int leftovers_note_sysctl(struct leftovers *leftovers, const char *name, const char *ours)
{
	char was[SYSCTL_VALUE_SIZE];
	int err;

	if (get(leftovers, "sysctl", name))
		return 0;
	err = sysctl_get(name, was);
	if (err < 0 || strcmp(was, ours) == 0)
		return err;
	return note(leftovers, json_pack("{s:s,s:s,s:s,s:s}", "kind", "sysctl", "key", name, "was",
					 was, "ours", ours));
}

int leftovers_note_file(struct leftovers *leftovers, const char *path, const char *mark)
{
	size_t at = find(leftovers, "file", path);
	json_t *entry;
	int err;

	if (at < json_array_size(leftovers->entries)) {
		if (leftover_is_ours(path, mark))
			return 0;
		err = leftover_describe_file(&entry, path, mark);
		if (err < 0)
			return err;
		return json_array_set_new(leftovers->entries, at, entry) < 0 ? -ENOMEM
									     : save(leftovers);
	}
	err = leftover_describe_file(&entry, path, mark);
	return err < 0 ? err : note(leftovers, entry);
}

#define RULE_KEY_SIZE 48

static const char *rule_key(char key[static RULE_KEY_SIZE], const struct leftover_rule *rule)
{
	snprintf(key, RULE_KEY_SIZE, "%d %u %u %u", rule->family, rule->priority, rule->table,
		 rule->mark);
	return key;
}

int leftovers_note_rule(struct leftovers *leftovers, const struct leftover_rule *rule)
{
	char key[RULE_KEY_SIZE];

	if (get(leftovers, "rule", rule_key(key, rule)))
		return 0;
	return note(leftovers, json_pack("{s:s,s:s}", "kind", "rule", "key", key));
}

int leftovers_note_chain(struct leftovers *leftovers, const char *chain, const char *comment)
{
	if (get(leftovers, "chain", chain))
		return 0;
	return note(leftovers,
		    json_pack("{s:s,s:s,s:s}", "kind", "chain", "key", chain, "comment", comment));
}

int leftovers_undo_sysctl(struct leftovers *leftovers, const char *name)
{
	return undo(leftovers, "sysctl", name);
}

int leftovers_undo_file(struct leftovers *leftovers, const char *path)
{
	return undo(leftovers, "file", path);
}

int leftovers_undo_rule(struct leftovers *leftovers, const struct leftover_rule *rule)
{
	char key[RULE_KEY_SIZE];

	return undo(leftovers, "rule", rule_key(key, rule));
}

int leftovers_undo_chain(struct leftovers *leftovers, const char *chain)
{
	return undo(leftovers, "chain", chain);
}

char *leftovers_original(const struct leftovers *leftovers, const char *path)
{
	const json_t *entry = get(leftovers, "file", path);
	const char *data = json_string_value(json_object_get(entry, "data"));
	size_t size = data ? strlen(data) + 1 : 0, len;
	char *text;

	if (!data)
		return NULL;
	text = malloc(size);
	if (!text)
		return NULL;
	if (encoding_base64_parse((uint8_t *)text, size - 1, &len, data) < 0) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}
