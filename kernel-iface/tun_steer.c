#include "kernel-iface/tun_steer.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel-iface/tun.h"
#include "proto/flow_slot.h"
#include "proto/inner.h"

/* One instruction of the kernel's machine, and the few kinds that are needed here. */
#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MOVE(d, s)         INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i)          INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MIX(d, s)          INSN(BPF_ALU64 | BPF_XOR | BPF_X, d, s, 0, 0)
#define AND(d, i)          INSN(BPF_ALU64 | BPF_AND | BPF_K, d, 0, 0, i)
#define SHIFT(d, i)        INSN(BPF_ALU | BPF_RSH | BPF_K, d, 0, 0, i)
#define MULTIPLY(d, i)     INSN(BPF_ALU | BPF_MUL | BPF_K, d, 0, 0, (int32_t)(i))
#define MODULO(d, i)       INSN(BPF_ALU | BPF_MOD | BPF_K, d, 0, 0, (int32_t)(i))
#define LOAD(size, at)     INSN(BPF_LD | BPF_ABS | (size), 0, 0, 0, at) /* big-endian, to PICKED */
#define LOAD_AT(s, at)     INSN(BPF_LD | BPF_IND | BPF_H, 0, s, 0, at)
#define IF_EQUAL(d, i, to) INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, to, i)
#define IF_OTHER(d, i, to) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, to, i)
#define GO(to)             INSN(BPF_JMP | BPF_JA, 0, 0, to, 0)
#define END()              INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#define V4_PLAIN 0x45 /* version 4, no options */

enum {
	PICKED = BPF_REG_0,
	CONTEXT = BPF_REG_6,
	MIXED = BPF_REG_7,
	PROTO = BPF_REG_8,
	L4 = BPF_REG_9
};

/* flow_slot once more, for the kernel. A load beyond the packet's end ends it with queue 0. */
static const struct bpf_insn flow_to_queue[] = {
	MOVE(CONTEXT, BPF_REG_1),
	LOAD(BPF_B, 0),
	SHIFT(PICKED, 4),
	IF_EQUAL(PICKED, 6, 14), /* IPv6 */
	/* IPv4 */
	LOAD(BPF_B, 9),
	MOVE(PROTO, PICKED),
	MOVE(MIXED, PICKED),
	LOAD(BPF_W, 12),
	MIX(MIXED, PICKED),
	LOAD(BPF_W, 16),
	MIX(MIXED, PICKED),
	LOAD(BPF_B, 0),
	IF_OTHER(PICKED, V4_PLAIN, 31), /* slot */
	LOAD(BPF_H, 6),
	AND(PICKED, 0x3FFF),
	IF_OTHER(PICKED, 0, 28), /* slot */
	SET(L4, 20),
	GO(20), /* ports */
	/* IPv6 */
	LOAD(BPF_B, 6),
	MOVE(PROTO, PICKED),
	MOVE(MIXED, PICKED),
	LOAD(BPF_W, 8),
	MIX(MIXED, PICKED),
	LOAD(BPF_W, 12),
	MIX(MIXED, PICKED),
	LOAD(BPF_W, 16),
	MIX(MIXED, PICKED),
	LOAD(BPF_W, 20),
	MIX(MIXED, PICKED),
	LOAD(BPF_W, 24),
	MIX(MIXED, PICKED),
	LOAD(BPF_W, 28),
	MIX(MIXED, PICKED),
	LOAD(BPF_W, 32),
	MIX(MIXED, PICKED),
	LOAD(BPF_W, 36),
	MIX(MIXED, PICKED),
	SET(L4, 40),
	/* ports */
	IF_EQUAL(PROTO, INNER_TCP, 1),
	IF_OTHER(PROTO, INNER_UDP, 4),
	LOAD_AT(L4, 0),
	MIX(MIXED, PICKED),
	LOAD_AT(L4, 2),
	MIX(MIXED, PICKED),
	/* slot, queue */
	MOVE(PICKED, MIXED),
	MULTIPLY(PICKED, FLOW_SLOT_MULTIPLIER),
	SHIFT(PICKED, FLOW_SLOT_SHIFT),
	MODULO(PICKED, 1), /* the number is put in below */
	END(),
};

#define CODE_LEN    (sizeof(flow_to_queue) / sizeof(flow_to_queue[0]))
#define QUEUES_INSN (CODE_LEN - 2)

int tun_steer_program(unsigned int queues)
{
	struct bpf_insn code[CODE_LEN];
	union bpf_attr attr;
	int fd;

	memcpy(code, flow_to_queue, sizeof(code));
	code[QUEUES_INSN].imm = (int32_t)queues;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = CODE_LEN;
	attr.license = (uintptr_t) "";
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

int tun_steer(const struct tun *tun)
{
	int fd = tun_steer_program(tun->queues);
	int err;

	if (fd < 0)
		return fd;
	err = ioctl(tun->fds[0], TUNSETSTEERINGEBPF, &fd) < 0 ? -errno : 0;
	close(fd); /* the device holds it */
	return err;
}
