#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coord/cluster_line.h"

/* Lines between coordinators: what is accepted is written, and accepted again as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cluster_line line;
	static struct cluster_line second;
	char again[CLUSTER_LINE_SIZE];
	char *text = strndup((const char *)data, size);

	if (!text)
		return 0;
	if (cluster_line_parse(&line, text) == 0) {
		cluster_line_format(again, &line);
		if (cluster_line_parse(&second, again) < 0 || second.verb != line.verb ||
		    second.number != line.number || second.len != line.len ||
		    memcmp(second.data, line.data, line.len) != 0)
			abort();
	}
	free(text);
	return 0;
}
