/*
 * Stands in for libFuzzer where it is not linked: gives a target every file of the corpus folders
 * (or every file) named on the command line, once.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INPUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data, *exact;
	size_t len;

	if (!file) {
		perror(path);
		return 1;
	}
	data = malloc(INPUT_MAX);
	len = fread(data, 1, INPUT_MAX, file);
	fclose(file);
	/* A block of exactly the input's size, so that the sanitizer sees a read past its end. */
	exact = realloc(data, len ? len : 1);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 0;
}

static int replay_folder(const char *path, unsigned int *count)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	char name[4096];
	int failed = 0;

	if (!folder) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		failed |= replay_file(name);
		(*count)++;
	}
	closedir(folder);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned int count = 0;
	struct stat info;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		if (!stat(argv[i], &info) && S_ISDIR(info.st_mode)) {
			failed |= replay_folder(argv[i], &count);
		} else {
			failed |= replay_file(argv[i]);
			count++;
		}
	}
	printf("%u inputs\n", count);
	/* A replay of nothing proves nothing. */
	return failed || !count;
}
