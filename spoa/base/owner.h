/* The thread that alone may use an object whose comment has "owner: …" (style.md). Whoever
 * uses the object checks that: INVARIANT(owner_is_here(&o->thread)). The first use takes it; a
 * program that hands the object on calls owner_leave(), after the former owner's last use and
 * before the next owner's first one. */
#ifndef BASE_OWNER_H
#define BASE_OWNER_H

#include <pthread.h>
#include <stdbool.h>

/* Zeroed at first. */
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
