/* Tickets: decisions that wait for the relay, by 128 random bits. A ticket is
 * valid once and for a limited time; the oldest are looked at first, so expiry
 * costs nothing. owner: worker. */
#ifndef GATE_TICKET_H
#define GATE_TICKET_H

#include <sys/queue.h>

#include "base/span.h"

struct ticket {
	unsigned char key[16];
	uint64_t expires_us;  /* monotonic */
	struct ticket *chain; /* same bucket */
	TAILQ_ENTRY(ticket) by_age;
	bool live;
};

enum { TICKET_BUCKETS = 4096, TICKET_TEXT = 38 }; /* "0001-" + 32 hex + NUL */

struct tickets {
	struct ticket *bucket[TICKET_BUCKETS];
	TAILQ_HEAD(ticket_ages, ticket) ages; /* oldest first */
	size_t n, cap;
};

void tickets_init(struct tickets *t, size_t cap);
/* Gives *k (part of the caller's object) a fresh key and files it; its text form
 * names the worker. ERR_FULL over the cap. All tickets of a table must be issued
 * with the same lifetime. */
int ticket_issue(struct tickets *t, struct ticket *k, unsigned worker, uint64_t expires_us,
	char text[TICKET_TEXT]);
/* Reads the text form: 0 with worker and key, or ERR_SYNTAX. */
int ticket_parse(struct span text, unsigned *worker, unsigned char key[16]);
/* Takes the ticket out: single use. NULL: unknown or used. */
struct ticket *ticket_take(struct tickets *t, const unsigned char key[16]);
/* None lives beyond that moment any more. */
void tickets_hasten(struct tickets *t, uint64_t latest_us);
/* The oldest ticket if it has expired, taken out; else NULL. */
struct ticket *ticket_expired(struct tickets *t, uint64_t now_us);

#endif
