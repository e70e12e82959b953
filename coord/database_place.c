#include "coord/database_place.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "coord/options.h"
#include "coord/store_postgres.h"

#define FILE_MAX 4096

static int read_place(char **place, const char *path)
{
	uint8_t *data;
	size_t len;
	int err = file_read_secret(path, FILE_MAX, &data, &len);

	if (err < 0) {
		fprintf(stderr, "warren-coord: --database-file %s: %s\n", path,
			err == -EPERM ? "others may read it; chmod 600 it" : strerror(-err));
		return 1;
	}
	*place = strndup((char *)data, strcspn((char *)data, "\r\n"));
	file_free_secret(data, len);
	return *place ? 0 : 1;
}

/* Before anything else is done; libpq's own message would repeat the text. */
static int check(const char *place)
{
	PQconninfoOption *parsed = PQconninfoParse(place, NULL);

	PQconninfoFree(parsed);
	if (parsed && place[0])
		return 0;
	fputs("warren-coord: --database: no address of a database; want postgresql://HOST/NAME or "
	      "host=HOST dbname=NAME\n",
	      stderr);
	return 2;
}

int database_place(char **place, const struct options *options)
{
	int code = 0;

	*place = NULL;
	if (options->database_file) {
		code = read_place(place, options->database_file);
	} else if (options->database) {
		*place = strdup(options->database);
		if (store_postgres_has_password(options->database))
			fputs("warren-coord: warning: --database holds a password, which other "
			      "users see in the list of processes; use --database-file\n",
			      stderr);
	}
	if (code == 0 && *place)
		code = check(*place);
	if (code) {
		database_place_free(*place);
		*place = NULL;
	}
	return code;
}

void database_place_free(char *place)
{
	if (place)
		explicit_bzero(place, strlen(place));
	free(place);
}
