/*
 * The coordinator on a disk that fails: at every operation of a day's work the power goes, or an
 * error comes back, or the room is used up. What was acknowledged is there afterwards, nothing was
 * given twice, and the database is whole.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>

#include "base/map.h"
#include "coord/admin_verbs.h"
#include "tests/support/coordination.h"
#include "tests/support/fault_vfs.h"

#define ROUNDS   4
#define CRASHES  120 /* points in time, spread over all operations */
#define ACKS_MAX 128

/* What a caller was told, one line each: "key NAME", "node NAME ADDRESS", … */
struct acks {
	char lines[ACKS_MAX][96];
	size_t count;
};

/* A day's work, and to whom its acknowledgements go. */
struct work {
	struct coordination c;
	FILE *acks;
	unsigned int refused;
};

__attribute__((format(printf, 2, 3))) static void acknowledge(struct work *work, const char *fmt,
							      ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(work->acks, fmt, args);
	va_end(args);
	fputc('\n', work->acks);
	fflush(work->acks);
}

/* Takes the reference to request. The answer's text, malloc'd, or NULL when it was refused. */
static char *ask(struct work *work, json_t *request)
{
	static const struct admin_caller caller = { "local:root", "local", true };
	struct admin_result result;
	char *text = NULL;

	json_object_set_new(request, "json", json_true());
	if (admin_verbs_call(&work->c.sessions, &caller, request, work->c.now_s, &result) == 0) {
		if (result.kind == ADMIN_OK)
			text = strdup(result.text);
		admin_result_clear(&result);
	}
	json_decref(request);
	coordination_flush(&work->c);
	work->refused += !text;
	return text;
}

static bool did(struct work *work, json_t *request)
{
	char *text = ask(work, request);

	free(text);
	return text;
}

/* A one-use key for a node of this name, and a machine that joins with it. */
static void join(struct work *work, unsigned int number)
{
	json_t *request =
		json_pack("{s:s,s:s,s:b,s:b,s:i,s:[],s:[]}", "verb", "key-create", "name", "",
			  "reusable", 0, "ephemeral", 0, "expires_s", 3600, "groups", "tags");
	struct control_message message;
	char *answer = ask(work, request);
	json_t *object = answer ? json_loads(answer, 0, NULL) : NULL;
	const char *text = json_string_value(json_object_get(object, "token"));
	struct machine machine;
	struct token token;
	char name[32];

	free(answer);
	if (!text)
		return;
	acknowledge(work, "key %s", json_string_value(json_object_get(object, "id")));
	snprintf(name, sizeof(name), "m%u", number);
	machine_init(&machine, &work->c, 1000 + number);
	machine_connect(&machine);
	assert_int_equal(token_parse(&token, text), 0);
	machine_enrol(&machine, &token, name);
	if (machine_take(&machine, CONTROL_WELCOME, &message)) {
		struct cert cert;
		char address[ADDR_TEXT_SIZE];

		assert_int_equal(cert_parse(&cert, message.welcome.certificate,
					    message.welcome.certificate_len),
				 0);
		acknowledge(work, "node %s %s", cert.name, addr_format(address, &cert.address4));
		control_message_clear(&message);
	} else {
		work->refused++;
	}
	coordination_flush(&work->c);
	machine_clear(&machine);
	json_decref(object);
}

static void change_policy(struct work *work, unsigned int round)
{
	char policy[128];

	snprintf(policy, sizeof(policy), "{\"groups\":{\"round%u\":[]},\"rules\":[]}", round);
	if (did(work, json_pack("{s:s,s:s}", "verb", "policy-set", "policy", policy)))
		acknowledge(work, "policy %u", round);
}

static void rename_and_revoke(struct work *work, unsigned int round)
{
	char name[32];
	char new_name[32];

	snprintf(name, sizeof(name), "m%u", round * 3);
	snprintf(new_name, sizeof(new_name), "renamed%u", round);
	if (did(work, json_pack("{s:s,s:s,s:s}", "verb", "node-rename", "name", name, "new_name",
				new_name)))
		acknowledge(work, "renamed %s", new_name);
	snprintf(name, sizeof(name), "m%u", round * 3 + 1);
	if (did(work, json_pack("{s:s,s:s}", "verb", "node-revoke", "name", name)))
		acknowledge(work, "revoked %s", name);
	snprintf(name, sizeof(name), "m%u", round * 3 + 2);
	if (did(work, json_pack("{s:s,s:s}", "verb", "node-delete", "name", name)))
		acknowledge(work, "deleted %s", name);
}

static void do_a_days_work(struct work *work)
{
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < 3; i++)
			join(work, round * 3 + i);
		change_policy(work, round);
		rename_and_revoke(work, round);
		coordination_pass(&work->c, 1);
	}
}

/* --- What is there afterwards. --- */

static void read_acks(struct acks *acks, FILE *from)
{
	char line[96];

	acks->count = 0;
	while (fgets(line, sizeof(line), from)) {
		assert_true(acks->count < ACKS_MAX);
		line[strcspn(line, "\n")] = '\0';
		strcpy(acks->lines[acks->count++], line);
	}
}

static bool acked(const struct acks *acks, const char *what, const char *name)
{
	char line[96];

	snprintf(line, sizeof(line), "%s %s", what, name);
	for (size_t i = 0; i < acks->count; i++)
		if (strcmp(acks->lines[i], line) == 0)
			return true;
	return false;
}

/* Renamed, revoked or deleted with or without an acknowledgement that was lost. */
static bool may_be_gone(const char *name)
{
	unsigned int number = (unsigned int)atoi(name + 1);

	return number % 3 == 2 || number % 3 == 0;
}

static void check_node(const struct work *work, const struct acks *acks, const char *line)
{
	char name[64];
	char address[ADDR_TEXT_SIZE];
	char found[ADDR_TEXT_SIZE];
	struct node *node;

	assert_int_equal(sscanf(line, "node %63s %45s", name, address), 2);
	node = network_find_name(&work->c.network, name);
	if (acked(acks, "deleted", name)) {
		assert_null(node);
		return;
	}
	if (!node && may_be_gone(name))
		return;
	if (!node)
		fail_msg("%s was let in and is gone", name);
	assert_string_equal(addr_format(found, &node->address4), address);
	if (acked(acks, "revoked", name))
		assert_true(node->revoked);
}

static int check_key(void *arg, const struct store_key *key)
{
	size_t *count = arg;

	(*count)++;
	assert_true(key->uses <= 1);
	return 0;
}

static void check_whole(const char *dir)
{
	char path[128];
	sqlite3_stmt *stmt;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/coord.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

static void check_policy(const struct work *work, const struct acks *acks)
{
	unsigned int newest = 0;
	bool any = false;
	uint8_t *text;
	size_t len;

	for (size_t i = 0; i < acks->count; i++)
		any |= sscanf(acks->lines[i], "policy %u", &newest) == 1;
	if (!any)
		return;
	assert_int_equal(store_get(work->c.network.store, NETWORK_VALUE_POLICY, &text, &len), 0);
	for (unsigned int round = newest; round < ROUNDS; round++) {
		char wanted[32];

		snprintf(wanted, sizeof(wanted), "\"round%u\"", round);
		any &= !strstr((char *)text, wanted);
	}
	free(text);
	/* It, or a later one whose acknowledgement was lost. */
	assert_false(any);
}

/* The network was opened again from what is on disk. */
static void check_all(struct work *work, const struct acks *acks)
{
	size_t keys_acked = 0;
	size_t keys = 0;

	check_whole(work->c.dir);
	assert_int_equal(store_key_each(work->c.network.store, check_key, &keys), 0);
	for (size_t i = 0; i < acks->count; i++) {
		const char *line = acks->lines[i];

		keys_acked += strncmp(line, "key ", 4) == 0;
		if (strncmp(line, "node ", 5) == 0)
			check_node(work, acks, line);
		if (strncmp(line, "renamed ", 8) == 0)
			assert_non_null(network_find_name(&work->c.network, line + 8));
	}
	assert_true(keys >= keys_acked);
	check_policy(work, acks);
	/* And it goes on from here: the pool has no address twice, or taking it would fail. */
	work->acks = fopen("/dev/null", "w");
	work->refused = 0;
	join(work, 900);
	assert_int_equal(work->refused, 0);
	fclose(work->acks);
}

/* --- The power goes. --- */

/* In a child: works on the network in c->dir until it is lost. */
_Noreturn static void work_until_crash(struct work *work, unsigned int operation)
{
	alarm(60);
	if (!fault_vfs_install())
		_exit(1);
	coordination_restart(&work->c);
	fault_vfs_arm(FAULT_CRASH, operation, operation * 7919);
	do_a_days_work(work);
	/* Closing writes too. */
	network_close(&work->c.network);
	_exit(0);
}

static int crash_at(unsigned int operation)
{
	struct acks acks;
	struct work work = { .refused = 0 };
	int ends[2];
	int status;
	FILE *from;
	pid_t child;

	coordination_begin(&work.c);
	network_close(&work.c.network); /* a database does not survive a fork */
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		work.acks = fdopen(ends[1], "w");
		work_until_crash(&work, operation);
	}
	close(ends[1]);
	from = fdopen(ends[0], "r");
	assert_non_null(from);
	read_acks(&acks, from);
	fclose(from);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != FAULT_EXIT))
		fail_msg("operation %u: the server ended with status %#x", operation, status);
	coordination_restart(&work.c);
	check_all(&work, &acks);
	coordination_end(&work.c);
	return WEXITSTATUS(status);
}

/* How many operations a day's work is, close included; in a child, as the VFS stays for good. */
static unsigned int count_operations(void)
{
	struct work work = { .refused = 0 };
	unsigned int count = 0;
	int ends[2];
	int status;
	pid_t child;

	coordination_begin(&work.c);
	network_close(&work.c.network);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		work.acks = fopen("/dev/null", "w");
		fault_vfs_install();
		coordination_restart(&work.c);
		fault_vfs_arm(FAULT_NONE, 0, 0);
		do_a_days_work(&work);
		network_close(&work.c.network);
		count = fault_vfs_operations();
		_exit(write(ends[1], &count, sizeof(count)) != sizeof(count) || work.refused);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(read(ends[0], &count, sizeof(count)), sizeof(count));
	close(ends[0]);
	close(ends[1]);
	coordination_restart(&work.c);
	coordination_end(&work.c);
	return count;
}

static void test_power_goes(void **state)
{
	unsigned int all = count_operations();
	unsigned int crashed = 0;

	(void)state;
	assert_true(all > CRASHES);
	for (unsigned int i = 1; i <= CRASHES; i++)
		crashed += crash_at(i * all / CRASHES) == FAULT_EXIT;
	/* The last ones may be done before their turn, as other random keys take other pages. */
	assert_in_range(crashed, CRASHES * 9 / 10, CRASHES);
}

/* --- Errors and a full disk, in this process. --- */

static void survive(enum fault fault, unsigned int operation)
{
	struct work work = { .refused = 0 };
	struct acks acks;
	char *text = NULL;
	size_t len = 0;
	FILE *from;
	unsigned int refused;

	assert_true(fault_vfs_install());
	coordination_begin(&work.c);
	work.acks = open_memstream(&text, &len);
	fault_vfs_arm(fault, operation, 1);
	do_a_days_work(&work);
	fault_vfs_disarm();
	refused = work.refused;
	/* Once the disk works again so does everything, without a restart. */
	work.refused = 0;
	join(&work, 901);
	assert_int_equal(work.refused, 0);
	fclose(work.acks);
	from = fmemopen(text, len, "r");
	assert_non_null(from);
	read_acks(&acks, from);
	fclose(from);
	free(text);
	if (fault == FAULT_FULL)
		assert_true(refused > 0);
	coordination_restart(&work.c);
	check_all(&work, &acks);
	coordination_end(&work.c);
}

static void test_an_operation_fails(void **state)
{
	(void)state;
	for (unsigned int operation = 1; operation < 160; operation += 3)
		survive(FAULT_ERROR, operation);
}

static void test_disk_is_full(void **state)
{
	(void)state;
	for (unsigned int operation = 1; operation < 120; operation += 11)
		survive(FAULT_FULL, operation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_goes),
		cmocka_unit_test(test_an_operation_fails),
		cmocka_unit_test(test_disk_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
