#include "daemon/block.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Appends to a text and remembers when it did not fit. */
struct text {
	char *out;
	size_t size;
	size_t len;
};

static void put(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *fmt, ...)
{
	size_t room = text->len < text->size ? text->size - text->len : 0;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(room ? text->out + text->len : NULL, room, fmt, ap);
	va_end(ap);
	text->len += len > 0 ? (size_t)len : 0;
}

static int finish(const struct text *text)
{
	return text->len < text->size ? (int)text->len : -ENOSPC;
}

static void put_name(struct text *text, const char *tun, bool stays)
{
	put(text, "inet warren_%s_%s", stays ? "block" : "exit", tun);
}

/* A table is named with its flags, or the kernel takes it for a wish to change them. */
static void put_table(struct text *text, const char *tun, bool stays, const char *rest)
{
	put(text, "table ");
	put_name(text, tun, stays);
	put(text, " {%s%s\n", stays ? "" : "\n\tflags owner", rest);
}

static void put_removal(struct text *text, const char *tun, bool stays)
{
	put_table(text, tun, stays, "\n}");
	put(text, "delete table ");
	put_name(text, tun, stays);
	put(text, "\n");
}

static bool is_inside(const struct prefix *prefix, const struct prefix *wide)
{
	return wide->len <= prefix->len && prefix_contains(wide, &prefix->addr);
}

/* A set names nothing twice, nor parts of what it holds. */
static bool is_covered(const struct block *block, size_t i)
{
	const struct prefix *prefix = &block->locals[i];

	if (addr_is_multicast(&prefix->addr) ||
	    (prefix->addr.family == AF_INET6 && addr_is_link_local(&prefix->addr)))
		return true;
	for (size_t k = 0; k < block->local_count; k++) {
		const struct prefix *other = &block->locals[k];

		if (k != i && is_inside(prefix, other) && (k < i || !prefix_equal(prefix, other)))
			return true;
	}
	return false;
}

static void put_locals(struct text *text, const struct block *block, int family)
{
	char prefix[PREFIX_TEXT_SIZE];

	if (!block->local_count)
		return;
	/* What stays within a link, whoever is asked: broadcast, multicast and such. */
	put(text, "\t\t%s",
	    family == AF_INET ? "ip daddr { 224.0.0.0/4, 255.255.255.255"
			      : "ip6 daddr { fe80::/10, ff02::/16");
	for (size_t i = 0; i < block->local_count; i++) {
		if (block->locals[i].addr.family == family && !is_covered(block, i))
			put(text, ", %s", prefix_format(prefix, &block->locals[i]));
	}
	put(text, " } accept\n");
}

/* DNS comes before the local networks: their servers ask the world beside the tunnel. */
static void put_verdicts(struct text *text, const struct block *block)
{
	put(text, "\t\tmeta l4proto { tcp, udp } th dport { 53, 853 } reject with icmpx type "
		  "admin-prohibited\n");
	put_locals(text, block, AF_INET);
	put_locals(text, block, AF_INET6);
	put(text, "\t\treject with icmpx type admin-prohibited\n\t}\n");
}

static void put_output(struct text *text, const struct block *block)
{
	put(text,
	    "\tchain output {\n"
	    "\t\ttype filter hook output priority 10; policy accept;\n"
	    "\t\toifname { \"lo\", \"%s\" } accept\n"
	    "\t\tmeta mark 0x%x accept\n",
	    block->tun, block->mark);
	put(text, "\t\tudp sport . udp dport { 68 . 67, 67 . 68, 546 . 547, 547 . 546 } accept\n"
		  "\t\ticmpv6 type { mld-listener-report, mld-listener-done, "
		  "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, "
		  "mld2-listener-report } accept\n");
	put_verdicts(text, block);
}

/* What came by the tunnel is a peer's, not ours to hide. */
static void put_forward(struct text *text, const struct block *block)
{
	put(text,
	    "\tchain forward {\n"
	    "\t\ttype filter hook forward priority 10; policy accept;\n"
	    "\t\toifname \"%s\" accept\n"
	    "\t\tiifname \"%s\" accept\n",
	    block->tun, block->tun);
	put_verdicts(text, block);
}

static void put_marks(struct text *text, const struct block *block)
{
	put(text,
	    "\tchain mark_in {\n"
	    "\t\ttype filter hook prerouting priority -160; policy accept;\n"
	    "\t\tiifname \"%s\" accept\n"
	    "\t\tct mark 0x%x meta mark set 0x%x accept\n",
	    block->tun, block->mark, block->mark);
	if (block->port)
		put(text, "\t\tudp dport %u fib daddr type local meta mark set 0x%x\n", block->port,
		    block->mark);
	put(text,
	    "\t}\n"
	    "\tchain mark_out {\n"
	    "\t\ttype filter hook postrouting priority -150; policy accept;\n"
	    "\t\tmeta mark 0x%x ct mark set 0x%x\n"
	    "\t}\n}\n",
	    block->mark, block->mark);
}

int block_text(char *out, size_t size, const struct block *block)
{
	struct text text = { out, size, 0 };

	put_removal(&text, block->tun, block->stays);
	put_table(&text, block->tun, block->stays, "");
	put_output(&text, block);
	put_forward(&text, block);
	put_marks(&text, block);
	return finish(&text);
}

int block_table_name(char *out, size_t size, const char *tun, bool stays)
{
	struct text text = { out, size, 0 };

	put_name(&text, tun, stays);
	return finish(&text);
}

int block_remove_text(char *out, size_t size, const char *tun, bool stays)
{
	struct text text = { out, size, 0 };

	put_removal(&text, tun, stays);
	return finish(&text);
}
