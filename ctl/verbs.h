#ifndef WARREN_CTL_VERBS_H
#define WARREN_CTL_VERBS_H

struct client;

/* argv[0] is the verb's name. Each returns the exit code, having said what went wrong. */
int verb_up(const struct client *client, int argc, char **argv);
int verb_down(const struct client *client, int argc, char **argv);
int verb_logout(const struct client *client, int argc, char **argv);
int verb_status(const struct client *client, int argc, char **argv);
int verb_wait(const struct client *client, int argc, char **argv);
int verb_ping(const struct client *client, int argc, char **argv);
int verb_netcheck(const struct client *client, int argc, char **argv);
int verb_routes(const struct client *client, int argc, char **argv);
int verb_nc(const struct client *client, int argc, char **argv);
int verb_speed(const struct client *client, int argc, char **argv);
int verb_ip(const struct client *client, int argc, char **argv);
int verb_whois(const struct client *client, int argc, char **argv);
int verb_set(const struct client *client, int argc, char **argv);
int verb_rotate_key(const struct client *client, int argc, char **argv);
int verb_get(const struct client *client, int argc, char **argv);
int verb_metrics(const struct client *client, int argc, char **argv);
int verb_bugreport(const struct client *client, int argc, char **argv);
int verb_version(const struct client *client, int argc, char **argv);

#endif
