#include "kernel-iface/firewall.h"

#include <errno.h>
#include <jansson.h>
#include <linux/capability.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct firewall {
	struct nft_ctx *nft;
};

int firewall_new(struct firewall **out)
{
	struct firewall *firewall = calloc(1, sizeof(*firewall));

	if (!firewall)
		return -ENOMEM;
	firewall->nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!firewall->nft || nft_ctx_buffer_output(firewall->nft) ||
	    nft_ctx_buffer_error(firewall->nft)) {
		firewall_free(firewall);
		return -ENOMEM;
	}
	*out = firewall;
	return 0;
}

void firewall_free(struct firewall *firewall)
{
	if (firewall && firewall->nft)
		nft_ctx_free(firewall->nft);
	free(firewall);
}

/* nft tells only in words what the kernel said. */
static int error_of(const char *text)
{
	static const int known[] = { EPERM, ENOENT, EEXIST, EBUSY };
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strstr(text, strerror(known[i])))
			return -known[i];
	}
	return -EINVAL;
}

/* The first line says where and what: "/dev/stdin:3:4-9: Error: Could not process rule: …". */
static void first_line(char why[static FIREWALL_WHY_SIZE], const char *text)
{
	const char *start = strstr(text, "Error: ");

	start = start ? start + strlen("Error: ") : text;
	snprintf(why, FIREWALL_WHY_SIZE, "%.*s", (int)strcspn(start, "\n"), start);
}

/* The library would say so on standard error, whatever it was told about its errors. */
static bool is_allowed(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, data) < 0 || data[0].effective & 1u << CAP_NET_ADMIN;
}

static int run(struct firewall *firewall, const char *text, char why[static FIREWALL_WHY_SIZE])
{
	const char *errors;
	int failed;

	if (!is_allowed()) {
		snprintf(why, FIREWALL_WHY_SIZE, "it takes root or CAP_NET_ADMIN");
		return -EPERM;
	}
	failed = nft_run_cmd_from_buffer(firewall->nft, text);
	errors = nft_ctx_get_error_buffer(firewall->nft);
	why[0] = '\0';
	if (!failed)
		return 0;
	first_line(why, errors ? errors : "");
	return error_of(errors ? errors : "");
}

int firewall_apply(struct firewall *firewall, const char *text, char why[static FIREWALL_WHY_SIZE])
{
	int err = run(firewall, text, why);

	nft_ctx_get_output_buffer(firewall->nft); /* forgets it */
	return err;
}

int firewall_list(struct firewall *firewall, const char *command, char **json)
{
	unsigned int before = nft_ctx_output_get_flags(firewall->nft);
	char why[FIREWALL_WHY_SIZE];
	const char *output;
	int err;

	nft_ctx_output_set_flags(firewall->nft, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE);
	err = run(firewall, command, why);
	output = nft_ctx_get_output_buffer(firewall->nft);
	nft_ctx_output_set_flags(firewall->nft, before);
	if (err < 0)
		return err;
	*json = strdup(output ? output : "");
	return *json ? 0 : -ENOMEM;
}

/* One handle at a time: a rule that somebody removed meanwhile keeps none of the others. */
static int remove_listed(struct firewall *firewall, const char *chain, const char *comment,
			 const json_t *items)
{
	char command[256], why[FIREWALL_WHY_SIZE];
	int err = 0;
	size_t i;

	for (i = 0; i < json_array_size(items); i++) {
		const json_t *rule = json_object_get(json_array_get(items, i), "rule");
		const char *mark = json_string_value(json_object_get(rule, "comment"));
		int one;

		if (!mark || strcmp(mark, comment) != 0)
			continue;
		snprintf(command, sizeof(command), "delete rule %s handle %lld", chain,
			 (long long)json_integer_value(json_object_get(rule, "handle")));
		one = firewall_apply(firewall, command, why);
		if (one < 0 && one != -ENOENT)
			err = one;
	}
	return err;
}

int firewall_remove_rules(struct firewall *firewall, const char *chain, const char *comment)
{
	char command[256];
	json_t *root;
	char *json;
	int err;

	snprintf(command, sizeof(command), "list chain %s", chain);
	err = firewall_list(firewall, command, &json);
	if (err < 0)
		return err == -ENOENT ? 0 : err;
	root = json_loads(json, 0, NULL);
	free(json);
	err = remove_listed(firewall, chain, comment, json_object_get(root, "nftables"));
	json_decref(root);
	return err;
}

int firewall_watch_open(int *out)
{
	static const int group = NFNLGRP_NFTABLES;
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

void firewall_watch_drain(int fd)
{
	char buf[8192];
	int turns;

	/* An overrun is told once, as an error; it is a change like any other. */
	for (turns = 0; turns < 1000; turns++) {
		if (recv(fd, buf, sizeof(buf), MSG_TRUNC) < 0 && errno != EINTR && errno != ENOBUFS)
			break;
	}
}
