#include "daemon/self_test.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/aead.h"
#include "crypto/self_test.h"

/* Longer than at start: somebody looks at the figure. */
#define SPEED_BUDGET_NS (50 * NS_PER_MS)

bool self_test_start(void)
{
	bool ok = true;

	for (size_t i = 0; self_test_name(i); i++) {
		if (self_test_run(i))
			continue;
		log_error("self-test-failed what=%s action=\"see warrend --self-test\"",
			  self_test_name(i));
		ok = false;
	}
	return ok;
}

size_t self_test_broken_ciphers(char *out, size_t size)
{
	size_t count = 0, len = 0;

	out[0] = '\0';
	for (size_t i = 0; aead_backend_name(i); i++) {
		const char *name = aead_backend_name(i);

		if (aead_works(name))
			continue;
		log_error("cipher-broken name=%s action=\"not used; see warrend --self-test\"",
			  name);
		if (len < size)
			len += (size_t)snprintf(out + len, size - len, "%s%s", count ? " " : "",
						name);
		count++;
	}
	return count;
}

static bool print_primitives(FILE *out)
{
	bool ok = true;

	for (size_t i = 0; self_test_name(i); i++) {
		bool passed = self_test_run(i);

		fprintf(out, "%-28s %s\n", self_test_name(i), passed ? "ok" : "FAILED");
		ok &= passed;
	}
	return ok;
}

static bool print_cipher(FILE *out, const char *name, bool chosen)
{
	char label[32];

	snprintf(label, sizeof(label), "cipher %s", name);
	if (!aead_works(name)) {
		fprintf(out, "%-28s FAILED\n", label);
		return false;
	}
	fprintf(out, "%-28s ok      %.2f GB/s%s\n", label,
		(double)aead_measure(name, SPEED_BUDGET_NS, clock_now_ns) / 1e9,
		chosen ? "  chosen" : "");
	return true;
}

int self_test_print(FILE *out)
{
	bool ok = print_primitives(out);
	const char *fastest = aead_fastest(AEAD_CHOICE_NS, clock_now_ns);

	for (size_t i = 0; aead_backend_name(i); i++) {
		const char *name = aead_backend_name(i);

		ok &= print_cipher(out, name, fastest && strcmp(name, fastest) == 0);
	}
	return ok ? 0 : 1;
}
