#include "base/rcu.h"

#ifdef __SANITIZE_THREAD__

char rcu_grace;

const char *__tsan_default_suppressions(void);

/* What liburcu allocates and frees for itself is ordered by its own barriers. */
const char *__tsan_default_suppressions(void)
{
	return "called_from_lib:liburcu-bp.so\n";
}

#endif
