#include "ctl/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "ctl/format.h"

int report(int code, const char *fmt, ...)
{
	char text[LOCAL_API_ERROR_MAX + 256];
	char clean[sizeof(text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "warren: %s\n", format_text(clean, sizeof(clean), text));
	return code;
}
