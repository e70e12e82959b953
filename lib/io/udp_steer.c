#include <errno.h>
#include <linux/filter.h>

#include "io/udp.h"

#define DATA_TYPE_WORD 0x04000000 /* type 4 and three reserved bytes, as loaded big-endian */
#define CHANNEL_FIRST  0x40       /* ChannelData begins with 0x40 to 0x4F (RFC 8656, 12) */
#define DATA_HEADER    16
#define CHANNEL_HEADER 4
#define NET            ((uint32_t)SKF_NET_OFF) /* the IP header, before the payload */
#define V4_SOURCE      12
#define V4_HEADER      20 /* the UDP header begins with the sender's port */
#define V6_SOURCE      8
#define V6_HEADER      40
#define GOLDEN_RATIO   0x9E3779B1 /* of 2^32: spreads neighbours (Knuth) */

static int attach(int fd, struct sock_filter *code, size_t len)
{
	struct sock_fprog program = { .len = (unsigned short)len, .filter = code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0)
		return -errno;
	return 0;
}

/*
 * The program sees the UDP payload. Loads beyond its end would answer 0, a worker, so the length
 * is asked first.
 */
int udp_steer(int fd, unsigned int workers)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, DATA_HEADER, 0, 11), /* too short: other */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DATA_TYPE_WORD, 0, 2),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 4),
		BPF_STMT(BPF_JMP | BPF_JA, 5), /* number */
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xF0000000),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)CHANNEL_FIRST << 24, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, CHANNEL_HEADER),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DATA_TYPE_WORD, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, CHANNEL_HEADER + 4),
		/* number: */
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
		BPF_STMT(BPF_RET | BPF_A, 0),
		/* other: */
		BPF_STMT(BPF_RET | BPF_K, workers),
	};
	return attach(fd, code, sizeof(code) / sizeof(code[0]));
}

/* A v4 header with options has no port where it is looked for, but what is there will do. */
int udp_steer_channels(int fd, unsigned int shards)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, CHANNEL_HEADER, 0, 22), /* too short: other */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xF0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CHANNEL_FIRST, 0, 19), /* other */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 7), /* v4 */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET + V6_SOURCE + 12),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET + V6_SOURCE + 8),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, NET + V6_HEADER),
		BPF_STMT(BPF_JMP | BPF_JA, 3), /* hash */
		/* v4: */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET + V4_SOURCE),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, NET + V4_HEADER),
		/* hash: */
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, GOLDEN_RATIO),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, shards),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
		/* other: */
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	return attach(fd, code, sizeof(code) / sizeof(code[0]));
}
