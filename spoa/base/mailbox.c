/* Vyukov's intrusive queue for many producers and one consumer. A producer that is preempted
 * between its exchange of `head` and its link hides the later nodes for that moment. The same
 * producer then wakes the consumer, so that nothing is lost. */
#include "base/mailbox.h"

void
mailbox_init(struct mailbox *mb, void (*wake)(void *), void *wake_arg)
{
	atomic_init(&mb->dummy.next, NULL);
	atomic_init(&mb->head, &mb->dummy);
	mb->tail = &mb->dummy;
	mb->wake = wake;
	mb->wake_arg = wake_arg;
}

/* Appends a node. Any thread. */
static void
push_mail(struct mailbox *mb, struct mail *m)
{
	atomic_store_explicit(&m->next, NULL, memory_order_relaxed);
	struct mail *prev = atomic_exchange_explicit(&mb->head, m, memory_order_acq_rel);
	atomic_store_explicit(&prev->next, m, memory_order_release);
}

void
mailbox_send(struct mailbox *mb, struct mail *m)
{
	push_mail(mb, m);
	if (mb->wake)
		mb->wake(mb->wake_arg);
}

/* Removes the oldest node. Returns NULL if there is none, or if its producer has not linked it
 * yet. `dummy` is put back if the last node is taken, because the list must never be empty. */
static struct mail *
pop_mail(struct mailbox *mb)
{
	struct mail *tail = mb->tail;
	struct mail *next = atomic_load_explicit(&tail->next, memory_order_acquire);

	if (tail == &mb->dummy) {
		if (!next)
			return NULL;
		mb->tail = tail = next;
		next = atomic_load_explicit(&tail->next, memory_order_acquire);
	}
	if (next) {
		mb->tail = next;
		return tail;
	}
	if (tail != atomic_load_explicit(&mb->head, memory_order_acquire))
		return NULL;
	push_mail(mb, &mb->dummy);
	next = atomic_load_explicit(&tail->next, memory_order_acquire);
	if (!next)
		return NULL;
	mb->tail = next;
	return tail;
}

size_t
mailbox_drain(struct mailbox *mb, void *consumer)
{
	size_t n = 0;
	struct mail *m;

	while ((m = pop_mail(mb))) {
		m->run(m, consumer);
		n++;
	}
	return n;
}
