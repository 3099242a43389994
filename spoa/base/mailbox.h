/* Messages between threads: an intrusive multi-producer, single-consumer queue
 * (D. Vyukov's). A node is part of the object it carries, so that sending never
 * allocates and never fails. The consumer is woken by a callback of its own
 * (ev_async_send). */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdatomic.h>
#include <stddef.h>

struct mail {
	_Atomic(struct mail *) next;
	/* Run by the consumer's thread. `m` may be freed or sent again in it. */
	void (*run)(struct mail *m, void *consumer);
};

struct mailbox {
	_Atomic(struct mail *) head; /* producers swap here */
	struct mail *tail;	     /* owner: consumer */
	struct mail dummy;
	void (*wake)(void *arg); /* any thread; must be async-signal-cheap */
	void *wake_arg;
};

void mailbox_init(struct mailbox *mb, void (*wake)(void *), void *wake_arg);
/* Any thread. The mail belongs to the consumer until its run() is called. */
void mailbox_send(struct mailbox *mb, struct mail *m);
/* Consumer only: runs everything that has arrived; returns how many. */
size_t mailbox_drain(struct mailbox *mb, void *consumer);

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
