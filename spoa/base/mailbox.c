/* Vyukov's intrusive MPSC queue. A producer that was preempted between its swap
 * and its link hides what comes after it for that moment; the consumer is
 * woken again by that producer, so nothing is lost. */
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

static void
push(struct mailbox *mb, struct mail *m)
{
	atomic_store_explicit(&m->next, NULL, memory_order_relaxed);
	struct mail *prev = atomic_exchange_explicit(&mb->head, m, memory_order_acq_rel);
	atomic_store_explicit(&prev->next, m, memory_order_release);
}

void
mailbox_send(struct mailbox *mb, struct mail *m)
{
	push(mb, m);
	if (mb->wake)
		mb->wake(mb->wake_arg);
}

static struct mail *
pop(struct mailbox *mb)
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
	push(mb, &mb->dummy);
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

	while ((m = pop(mb))) {
		m->run(m, consumer);
		n++;
	}
	return n;
}
