#ifndef WARREN_CTL_TOKEN_H
#define WARREN_CTL_TOKEN_H

/* Where a join token may come from. */
#define TOKEN_MAX 4096

/*
 * Reads the token from a file that only its owner can read, or from standard input for "-"; blanks
 * around it are cut. 0 and *token, malloc'd (token_free), or -errno: -EPERM when others may read
 * the file, -ENODATA when it is empty, -EINVAL when it is not one word, -EFBIG.
 */
int token_read(char **token, const char *path);
/* What systemd hands over to a service under this name; *token is NULL when it does not. The same.
 */
#define TOKEN_CREDENTIAL "warren.token"
int token_read_credential(char **token);
/* Wipes. Accepts NULL. */
void token_free(char *token);

#endif
