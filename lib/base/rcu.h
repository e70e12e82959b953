#ifndef WARREN_BASE_RCU_H
#define WARREN_BASE_RCU_H

#include <urcu-bp.h>

/*
 * Publishing to other threads: liburcu's grace periods with C11 loads and stores, so that the
 * thread sanitizer understands what is published. It cannot see a grace period, which lives in
 * barriers inside liburcu; those two edges (reader's end and defer, before the callback) are told
 * to it.
 */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
extern char rcu_grace;
#define RCU_BEFORE_GRACE() __tsan_release(&rcu_grace)
#define RCU_AFTER_GRACE()  __tsan_acquire(&rcu_grace)
#else
#define RCU_BEFORE_GRACE() ((void)0)
#define RCU_AFTER_GRACE()  ((void)0)
#endif

/* pointer is an lvalue that any thread may read. */
#define rcu_publish(pointer, value)  __atomic_store_n(&(pointer), (value), __ATOMIC_RELEASE)
#define rcu_exchange(pointer, value) __atomic_exchange_n(&(pointer), (value), __ATOMIC_ACQ_REL)
#define rcu_load(pointer)            __atomic_load_n(&(pointer), __ATOMIC_ACQUIRE)

static inline void rcu_enter(void)
{
	rcu_read_lock();
}

static inline void rcu_leave(void)
{
	RCU_BEFORE_GRACE();
	rcu_read_unlock();
}

/* Calls release(head) when no reader that could have found it is left; see rcu_released. */
static inline void rcu_defer(struct rcu_head *head, void (*release)(struct rcu_head *head))
{
	RCU_BEFORE_GRACE();
	call_rcu(head, release);
}

/* To be the first thing in every release function: the object that head lies in. */
#define rcu_released(head, type)                   \
	({                                         \
		RCU_AFTER_GRACE();                 \
		caa_container_of(head, type, rcu); \
	})

#endif
