#include "kernel-iface/resolver_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define PORT  53
#define BLANK " \t\r"

/* --- text --- */

/* "fe80::1%eth0" is an address too. 0 or -EINVAL. */
static int parse_server(struct endpoint *server, const char *text)
{
	char copy[ADDR_TEXT_SIZE + IF_NAMESIZE];
	char *scope;

	*server = (struct endpoint){ .port = PORT };
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	scope = strchr(copy, '%');
	if (scope) {
		*scope++ = '\0';
		server->scope_id = if_nametoindex(scope);
	}
	return addr_parse(&server->addr, copy);
}

static void add_word(char line[static RESOLVER_LINE_SIZE], const char *word)
{
	size_t used = strlen(line);

	if (used + strlen(word) + 2 <= RESOLVER_LINE_SIZE)
		snprintf(line + used, RESOLVER_LINE_SIZE - used, "%s%s", used ? " " : "", word);
}

static void parse_words(struct resolver_text *parsed, const char *keyword, char *rest)
{
	bool search = strcmp(keyword, "search") == 0 || strcmp(keyword, "domain") == 0;
	char *at = NULL, *word = strtok_r(rest, BLANK, &at);

	if (strcmp(keyword, "nameserver") == 0) {
		if (word && parsed->server_count < RESOLVER_SERVERS_MAX &&
		    parse_server(&parsed->servers[parsed->server_count], word) == 0)
			parsed->server_count++;
		return;
	}
	if (!search && strcmp(keyword, "options") != 0)
		return;
	if (search)
		parsed->search[0] = '\0';
	for (; word; word = strtok_r(NULL, BLANK, &at)) {
		add_word(search ? parsed->search : parsed->options, word);
		if (strcmp(keyword, "domain") == 0)
			break;
	}
}

static void parse_line(struct resolver_text *parsed, char *line)
{
	char *end = line + strcspn(line, BLANK);

	if (line[0] == '#' || line[0] == ';' || !*end)
		return;
	*end = '\0';
	parse_words(parsed, line, end + 1);
}

void resolver_text_parse(struct resolver_text *parsed, const char *text)
{
	char line[RESOLVER_LINE_SIZE];

	*parsed = (struct resolver_text){ .ours = false };
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (strncmp(text, RESOLVER_MARK, strlen(RESOLVER_MARK)) == 0)
			parsed->ours = true;
		if (len < sizeof(line)) {
			memcpy(line, text, len);
			line[len] = '\0';
			parse_line(parsed, line);
		}
		text += len + (text[len] == '\n');
	}
	if (!parsed->server_count)
		parse_server(&parsed->servers[parsed->server_count++], "127.0.0.1");
}

char *resolver_text_make(const struct resolver_text *original, const struct ip_addr *servers,
			 size_t count, const char *domain)
{
	char address[ADDR_TEXT_SIZE];
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, RESOLVER_MARK " the names of %s; what was here comes back when warrend ends\n",
		domain);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "nameserver %s\n", addr_format(address, &servers[i]));
	fprintf(out, "search %s%s%s\n", domain, original->search[0] ? " " : "", original->search);
	if (original->options[0])
		fprintf(out, "options %s\n", original->options);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- the file --- */

int resolver_file_read(const char *path, char **text)
{
	char *real = realpath(path, NULL);
	uint8_t *data;
	size_t len;
	int err;

	if (!real && errno != ENOENT)
		return -errno;
	err = real ? file_read(real, RESOLVER_FILE_MAX, &data, &len) : -ENOENT;
	free(real);
	if (err == -ENOENT) {
		*text = strdup("");
		return *text ? 0 : -ENOMEM;
	}
	if (err == 0)
		*text = (char *)data;
	return err;
}

static int write_over(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	size_t len = strlen(text);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = -EIO;
	close(fd);
	return err;
}

int resolver_file_write(const char *path, const char *text)
{
	mode_t mask = umask(022);
	int err = file_write_atomic(path, text, strlen(text), 0644);

	umask(mask);
	return err == -EBUSY || err == -EXDEV ? write_over(path, text) : err;
}

static bool same_file(const char *a, const char *b)
{
	struct stat of_a, of_b;

	return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
	       of_a.st_ino == of_b.st_ino;
}

bool resolver_file_is_foreign(const char *path)
{
	char theirs[PATH_MAX];

	/* A kernel or a sandbox that does not show process 1 says nothing against it. */
	if (access("/proc/1/ns/net", F_OK) < 0 || same_file("/proc/self/ns/net", "/proc/1/ns/net"))
		return false;
	snprintf(theirs, sizeof(theirs), "/proc/1/root%s", path);
	return same_file(path, theirs);
}
