/* Messages between threads: an intrusive queue for many producers and one consumer (D. Vyukov's
 * algorithm). A node is part of the object that it carries, so that sending never allocates and
 * never fails. A callback wakes the consumer (usually ev_async_send). */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdatomic.h>
#include <stddef.h>

/* Part of the object that is sent. owner: the sender; from mailbox_send() on, the consumer. */
struct mail {
	_Atomic(struct mail *) next;
	/* Runs on the consumer's thread. It may free `m` or send it again. */
	void (*run)(struct mail *m, void *consumer);
};

struct mailbox {
	_Atomic(struct mail *) head; /* the newest node; producers swap it */
	struct mail *tail;	     /* the oldest node; owner: consumer */
	struct mail dummy;
	void (*wake)(void *arg); /* called by any thread; must be as cheap as a signal handler */
	void *wake_arg;
};

void mailbox_init(struct mailbox *mb, void (*wake)(void *), void *wake_arg);
/* Any thread. The mail belongs to the consumer until its run() is called. */
void mailbox_send(struct mailbox *mb, struct mail *m);
/* Runs everything that has arrived. Only the consumer calls it. Returns the number of messages. */
size_t mailbox_drain(struct mailbox *mb, void *consumer);

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
