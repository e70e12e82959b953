#ifndef WARREN_DAEMON_DP_RCU_H
#define WARREN_DAEMON_DP_RCU_H

#include "base/rcu.h"

/* Publishing to the workers: see base/rcu.h. */
#define dp_rcu_publish(pointer, value)  rcu_publish(pointer, value)
#define dp_rcu_exchange(pointer, value) rcu_exchange(pointer, value)
#define dp_rcu_load(pointer)            rcu_load(pointer)
#define dp_rcu_enter()                  rcu_enter()
#define dp_rcu_leave()                  rcu_leave()
#define dp_rcu_defer(head, release)     rcu_defer(head, release)
#define dp_rcu_released(head, type)     rcu_released(head, type)

#endif
