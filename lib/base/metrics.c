#include "base/metrics.h"

#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

void metrics_begin(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_label(FILE *out, const char *label, const char *value)
{
	fprintf(out, "%s=\"", label);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void write_value(FILE *out, double value)
{
	/* Whole numbers stay whole up to where a double does. */
	if (value >= 0 && value < 9007199254740992.0 && value == (double)(uint64_t)value)
		fprintf(out, " %llu\n", (unsigned long long)value);
	else
		fprintf(out, " %.9g\n", value);
}

void metrics_add(FILE *out, const char *name, const char *label, const char *label_value,
		 double value)
{
	fputs(name, out);
	if (label) {
		fputc('{', out);
		write_label(out, label, label_value);
		fputc('}', out);
	}
	write_value(out, value);
}

void metrics_add2(FILE *out, const char *name, const char *label1, const char *value1,
		  const char *label2, const char *value2, double value)
{
	fprintf(out, "%s{", name);
	write_label(out, label1, value1);
	fputc(',', out);
	write_label(out, label2, value2);
	fputc('}', out);
	write_value(out, value);
}

void metrics_counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	metrics_begin(out, name, "counter", help);
	metrics_add(out, name, NULL, NULL, (double)value);
}

void metrics_gauge(FILE *out, const char *name, const char *help, double value)
{
	metrics_begin(out, name, "gauge", help);
	metrics_add(out, name, NULL, NULL, value);
}

/* Of /proc/self/statm, in pages; 0 when it cannot be read. */
static unsigned long resident_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long resident = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu", &resident) != 1)
		resident = 0;
	fclose(file);
	return resident;
}

static unsigned long open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned long count = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void metrics_process(FILE *out)
{
	struct rusage usage = { 0 };
	struct rlimit limit = { 0 };

	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &limit);
	metrics_begin(out, "process_cpu_seconds_total", "counter",
		      "Processor time spent, user and system.");
	metrics_add(out, "process_cpu_seconds_total", NULL, NULL,
		    seconds(usage.ru_utime) + seconds(usage.ru_stime));
	metrics_gauge(out, "process_resident_memory_bytes", "Memory in use.",
		      (double)resident_pages() * (double)sysconf(_SC_PAGESIZE));
	metrics_gauge(out, "process_open_fds", "Open file descriptors.",
		      (double)open_descriptors());
	metrics_gauge(out, "process_max_fds", "Most file descriptors.", (double)limit.rlim_cur);
}
