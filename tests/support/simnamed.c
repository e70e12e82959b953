#include "tests/support/simnamed.h"

bool sim_named_has(const struct sim_named *named, const struct endpoint *addr)
{
	for (unsigned int i = 0; i < named->count && i < SIM_NAMED_MAX; i++) {
		if (addr_equal(&named->list[i].addr, &addr->addr) &&
		    (named->any_port || named->list[i].port == addr->port))
			return true;
	}
	return false;
}

void sim_named_add(struct sim_named *named, const struct endpoint *addr)
{
	if (!sim_named_has(named, addr))
		named->list[named->count++ % SIM_NAMED_MAX] = *addr;
}
