#ifndef WARREN_CTL_STATUS_TABLE_H
#define WARREN_CTL_STATUS_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * The object of `status --json` as text for people. Fields that are missing or of another type are
 * shown as "-": the daemon may be of another version.
 */
void status_table_print(const json_t *status, FILE *out, bool details, bool colour);

#endif
