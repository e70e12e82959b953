#ifndef WARREN_DAEMON_IDENTITY_H
#define WARREN_DAEMON_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The three keys that make this node, made here and never leaving it. The device key is what the
 * node is; the others can be bound to it anew by a certificate.
 */
struct identity {
	uint8_t device_secret[64]; /* Ed25519: seed and public key */
	uint8_t device_public[32];
	uint8_t box_secret[32]; /* X25519: control channel and signals */
	uint8_t box_public[32];
	uint8_t wg_secret[32]; /* X25519: WireGuard */
	uint8_t wg_public[32];
	/* To take its place, once a certificate says so. */
	bool has_next;
	uint8_t next_secret[32];
	uint8_t next_public[32];
};

/* Fresh random keys. */
void identity_generate(struct identity *identity);
/* A WireGuard key that is to come; one that is there stays. */
void identity_prepare_next(struct identity *identity);
/* It is the WireGuard key from now on. */
void identity_take_next(struct identity *identity);
/* 0 or -errno. */
int identity_save(const struct identity *identity, const char *path);
/*
 * 0, -ENOENT when there is none, -EBADMSG when the file is damaged (never replaced silently), or
 * -errno.
 */
int identity_load(struct identity *identity, const char *path);
void identity_clear(struct identity *identity);

#endif
