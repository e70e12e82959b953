#include "coord/labels.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void point(struct labels *labels)
{
	for (size_t i = 0; i < labels->count; i++)
		labels->refs[i] = labels->names[i];
}

int labels_add(struct labels *labels, const char *label)
{
	size_t place = 0;
	int err = cert_label_check(label);

	if (err < 0)
		return err;
	while (place < labels->count && strcmp(labels->names[place], label) < 0)
		place++;
	if (place < labels->count && strcmp(labels->names[place], label) == 0)
		return 0;
	if (labels->count == CERT_LABELS_MAX)
		return -ENOSPC;
	memmove(&labels->names[place + 1], &labels->names[place],
		(labels->count - place) * sizeof(labels->names[0]));
	strcpy(labels->names[place], label);
	labels->count++;
	point(labels);
	return 0;
}

void labels_copy(struct labels *to, const struct labels *from)
{
	memcpy(to->names, from->names, sizeof(to->names));
	to->count = from->count;
	point(to);
}

void labels_format(char out[static LABELS_TEXT_SIZE], const struct labels *labels)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < labels->count; i++)
		len += (size_t)snprintf(out + len, LABELS_TEXT_SIZE - len, "%s%s", i ? " " : "",
					labels->names[i]);
}

int labels_parse(struct labels *labels, const char *text)
{
	struct labels parsed = { .count = 0 };

	while (*text) {
		size_t len = strcspn(text, " ");
		char label[CERT_LABEL_MAX + 1];
		int err;

		if (len > CERT_LABEL_MAX)
			return -EINVAL;
		memcpy(label, text, len);
		label[len] = '\0';
		err = labels_add(&parsed, label);
		if (err < 0)
			return err;
		text += len;
		text += *text == ' ';
	}
	labels_copy(labels, &parsed);
	return 0;
}

json_t *labels_json(const struct labels *labels)
{
	json_t *array = json_array();

	for (size_t i = 0; i < labels->count; i++)
		json_array_append_new(array, json_string(labels->names[i]));
	return array;
}
