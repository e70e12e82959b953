#include "coord/cluster_line.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encoding.h"

#define KEY_SIZE 44 /* 32 bytes without padding, with NUL */

/* The words behind each verb: n(ode), h(ash), r(elay), u (number), m(ore), d(ata). */
static const char *words_of(char verb)
{
	switch (verb) {
	case CLUSTER_ALIVE:
	case CLUSTER_HELLO:
	case CLUSTER_LIST:
	case CLUSTER_END:
		return "";
	case CLUSTER_NODE:
	case CLUSTER_ONLINE:
		return "nhr";
	case CLUSTER_OFFLINE:
		return "nu";
	case CLUSTER_ASK:
	case CLUSTER_LIVES:
	case CLUSTER_GONE:
		return "n";
	case CLUSTER_SIGNAL:
		return "nhumd";
	case CLUSTER_LOST:
		return "nh";
	default:
		return NULL;
	}
}

static void format_word(char *out, size_t size, char word, const struct cluster_line *line)
{
	switch (word) {
	case 'n':
		encoding_base64url(out, size, line->node, 32);
		break;
	case 'h':
		encoding_base64url(out, size, line->hash, 32);
		break;
	case 'r':
		snprintf(out, size, "%s", line->relay[0] ? line->relay : "-");
		break;
	case 'u':
		snprintf(out, size, "%llu", (unsigned long long)line->number);
		break;
	case 'm':
		snprintf(out, size, "%d", line->more);
		break;
	default:
		encoding_base64url(out, size, line->data, line->len);
		break;
	}
}

void cluster_line_format(char out[static CLUSTER_LINE_SIZE], const struct cluster_line *line)
{
	size_t len = 0;

	out[len++] = (char)line->verb;
	out[len] = '\0';
	for (const char *word = words_of((char)line->verb); *word; word++) {
		out[len++] = ' ';
		format_word(out + len, CLUSTER_LINE_SIZE - len, *word, line);
		len += strlen(out + len);
	}
}

static int parse_key(uint8_t key[static 32], const char *text)
{
	size_t len;
	int err = encoding_base64url_parse(key, 32, &len, text);

	return err == 0 && len == 32 ? 0 : -EBADMSG;
}

static int parse_number(uint64_t *number, const char *text)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EBADMSG;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return *end || errno ? -EBADMSG : 0;
}

static int parse_word(struct cluster_line *line, char word, const char *text)
{
	uint64_t number;

	switch (word) {
	case 'n':
		return parse_key(line->node, text);
	case 'h':
		return parse_key(line->hash, text);
	case 'r':
		if (strlen(text) > NETMAP_RELAY_NAME_MAX)
			return -EBADMSG;
		strcpy(line->relay, strcmp(text, "-") == 0 ? "" : text);
		return 0;
	case 'u':
		return parse_number(&line->number, text);
	case 'm':
		if (parse_number(&number, text) < 0 || number > 1)
			return -EBADMSG;
		line->more = number;
		return 0;
	default:
		return encoding_base64url_parse(line->data, sizeof(line->data), &line->len, text) <
				       0
			       ? -EBADMSG
			       : 0;
	}
}

int cluster_line_parse(struct cluster_line *line, const char *text)
{
	const char *words = words_of(text[0]);
	char copy[CLUSTER_LINE_SIZE];
	char *at = copy;
	char *word;

	if (!words || strlen(text) >= sizeof(copy))
		return -EBADMSG;
	strcpy(copy, text);
	*line = (struct cluster_line){ .verb = (enum cluster_verb)text[0] };
	word = strsep(&at, " ");
	if (word[1])
		return -EBADMSG;
	for (; *words; words++) {
		word = strsep(&at, " ");
		if (!word || !word[0] || parse_word(line, *words, word) < 0)
			return -EBADMSG;
	}
	return at ? -EBADMSG : 0;
}
