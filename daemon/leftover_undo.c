#include "daemon/leftover_undo.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/file.h"
#include "kernel-iface/firewall.h"
#include "kernel-iface/netlink.h"
#include "kernel-iface/sysctl.h"

static const char *text_of(const json_t *entry, const char *name)
{
	return json_string_value(json_object_get(entry, name));
}

/* --- files --- */

static bool has_line(const char *text, const char *mark)
{
	size_t len = strlen(mark);

	while (text) {
		if (strncmp(text, mark, len) == 0)
			return true;
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return false;
}

bool leftover_is_ours(const char *path, const char *mark)
{
	uint8_t *data;
	size_t len;
	bool ours;

	if (file_read(path, LEFTOVER_FILE_MAX, &data, &len) < 0)
		return false; /* a link is not ours either */
	ours = has_line((const char *)data, mark);
	free(data);
	return ours;
}

static int put_data(json_t *entry, const char *path)
{
	char resolved[PATH_MAX];
	uint8_t *data;
	size_t len;
	char *text;
	int err;

	/* A link may point nowhere: then the link alone is what was there. */
	if (!realpath(path, resolved))
		return errno == ENOENT ? 0 : -errno;
	err = file_read(resolved, LEFTOVER_FILE_MAX, &data, &len);
	if (err < 0)
		return err;
	text = malloc(BASE64_SIZE(len));
	if (text)
		encoding_base64(text, BASE64_SIZE(len), data, len);
	err = text && json_object_set_new(entry, "data", json_string(text)) == 0 ? 0 : -ENOMEM;
	free(text);
	free(data);
	return err;
}

int leftover_describe_file(json_t **out, const char *path, const char *mark)
{
	json_t *entry = json_pack("{s:s,s:s,s:s}", "kind", "file", "key", path, "mark", mark);
	char link[PATH_MAX];
	struct stat st;
	ssize_t n;
	int err = entry ? 0 : -EINVAL;

	if (err == 0 && lstat(path, &st) < 0) {
		err = errno == ENOENT ? 0 : -errno;
	} else if (err == 0 && S_ISLNK(st.st_mode)) {
		n = readlink(path, link, sizeof(link) - 1);
		err = n < 0 ? -errno : 0;
		link[n < 0 ? 0 : n] = '\0';
		if (err == 0)
			json_object_set_new(entry, "link", json_string(link));
		if (err == 0)
			err = put_data(entry, path);
	} else if (err == 0) {
		json_object_set_new(entry, "mode", json_integer(st.st_mode & 07777));
		err = S_ISREG(st.st_mode) ? put_data(entry, path) : -EINVAL;
	}
	if (err < 0)
		json_decref(entry);
	else
		*out = entry;
	return err;
}

static int put_link(const char *path, const char *target)
{
	char beside[PATH_MAX];

	snprintf(beside, sizeof(beside), "%s.warren", path);
	unlink(beside);
	if (symlink(target, beside) < 0)
		return -errno;
	if (rename(beside, path) == 0)
		return 0;
	unlink(beside);
	return -errno;
}

/* What is mounted there, as containers do, cannot be replaced. */
static int write_over(const char *path, const uint8_t *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, data, len) != (ssize_t)len)
		err = -EIO;
	close(fd);
	return err;
}

static int put_file(const char *path, const char *text, mode_t mode)
{
	size_t size = strlen(text) + 1, len;
	uint8_t *data = malloc(size);
	int err = data ? encoding_base64_parse(data, size, &len, text) : -ENOMEM;

	if (err == 0) {
		mode_t mask = umask(0); /* ours may be stricter than who wrote it was */

		err = file_write_atomic(path, data, len, mode);
		umask(mask);
		if (err == -EBUSY || err == -EXDEV)
			err = write_over(path, data, len);
	}
	free(data);
	return err;
}

static int undo_file(const json_t *entry)
{
	const char *path = text_of(entry, "key"), *mark = text_of(entry, "mark");
	const char *link = text_of(entry, "link"), *data = text_of(entry, "data");
	json_int_t mode = json_integer_value(json_object_get(entry, "mode"));

	if (!mark || !leftover_is_ours(path, mark))
		return 0;
	if (link)
		return put_link(path, link);
	if (data)
		return put_file(path, data, mode ? (mode_t)mode : 0644);
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* --- the kernel --- */

static int undo_sysctl(const json_t *entry)
{
	const char *name = text_of(entry, "key");
	const char *was = text_of(entry, "was"), *ours = text_of(entry, "ours");
	char value[SYSCTL_VALUE_SIZE];
	int err;

	if (!was || !ours)
		return 0;
	err = sysctl_get(name, value);
	if (err == -ENOENT || (err == 0 && strcmp(value, ours) != 0))
		return 0; /* the device went, or somebody set it anew */
	return err < 0 ? err : sysctl_set(name, was);
}

static int undo_rule(const json_t *entry)
{
	unsigned int family, priority, table, mark;
	struct netlink_request request;
	struct fib_rule_hdr *rule;
	struct nlmsghdr *msg;
	struct netlink *nl;
	void *extra;
	int err;

	if (sscanf(text_of(entry, "key"), "%u %u %u %u", &family, &priority, &table, &mark) != 4)
		return 0;
	err = netlink_new(&nl);
	if (err < 0)
		return err;
	msg = netlink_request_init(&request, RTM_DELRULE, NLM_F_ACK, sizeof(*rule), &extra);
	rule = extra;
	rule->family = (uint8_t)family;
	rule->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(msg, FRA_PRIORITY, priority);
	mnl_attr_put_u32(msg, FRA_TABLE, table);
	if (mark)
		mnl_attr_put_u32(msg, FRA_FWMARK, mark);
	err = netlink_talk(nl, msg, NULL, NULL);
	netlink_free(nl);
	return err == -ENOENT || err == -EAFNOSUPPORT ? 0 : err;
}

static int undo_chain(const json_t *entry)
{
	const char *comment = text_of(entry, "comment");
	struct firewall *firewall;
	int err;

	if (!comment)
		return 0;
	err = firewall_new(&firewall);
	if (err < 0)
		return err;
	err = firewall_remove_rules(firewall, text_of(entry, "key"), comment);
	firewall_free(firewall);
	return err;
}

int leftover_undo(const json_t *entry)
{
	static const struct {
		const char *kind;
		int (*undo)(const json_t *entry);
	} kinds[] = {
		{ "sysctl", undo_sysctl },
		{ "file", undo_file },
		{ "rule", undo_rule },
		{ "chain", undo_chain },
	};
	const char *kind = text_of(entry, "kind");
	size_t i;

	for (i = 0; kind && text_of(entry, "key") && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(kind, kinds[i].kind) == 0)
			return kinds[i].undo(entry);
	}
	return 0;
}
