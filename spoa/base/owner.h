/* Checks that only one thread uses an object whose comment has "owner: …". Each use
 * checks INVARIANT(owner_is_here(&o->thread)). The first use makes its thread the owner. To hand
 * the object to another thread, call owner_leave() after the last use by the old owner and
 * before the first use by the new one. */
#ifndef BASE_OWNER_H
#define BASE_OWNER_H

#include <pthread.h>
#include <stdbool.h>

/* Must be zeroed before the first use. */
struct owner {
	pthread_t thread;
	bool taken;
};

static inline bool
owner_is_here(struct owner *o)
{
	if (!o->taken)
		*o = (struct owner){ pthread_self(), true };
	return o->thread == pthread_self();
}

static inline void
owner_leave(struct owner *o)
{
	o->taken = false;
}

#endif
