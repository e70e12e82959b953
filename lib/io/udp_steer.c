#include <errno.h>
#include <linux/filter.h>

#include "io/udp.h"

#define DATA_TYPE_WORD 0x04000000 /* type 4 and three reserved bytes, as loaded big-endian */
#define CHANNEL_FIRST  0x40       /* ChannelData begins with 0x40 to 0x4F (RFC 8656, 12) */
#define DATA_HEADER    16
#define CHANNEL_HEADER 4

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
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, workers, 1, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
		/* other: */
		BPF_STMT(BPF_RET | BPF_K, workers),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0)
		return -errno;
	return 0;
}
