/* Tickets: decisions that wait for the relay, named by 128 random bits. A ticket is valid once
 * and for a limited time. All tickets of a table have the same lifetime, so the oldest expires
 * first and a look at it suffices. owner: worker. */
#ifndef GATE_TICKET_H
#define GATE_TICKET_H

#include <sys/queue.h>

#include "base/span.h"

/* Part of the caller's object. Only the functions below write it. */
struct ticket {
	unsigned char key[16];
	uint64_t expires_us;  /* monotonic */
	struct ticket *chain; /* next in the same bucket */
	TAILQ_ENTRY(ticket) by_age;
	bool live; /* the ticket is in the table */
};

enum { TICKET_BUCKETS = 4096, TICKET_TEXT = 38 }; /* "0001-" + 32 hex + NUL */

struct tickets {
	struct ticket *bucket[TICKET_BUCKETS];
	TAILQ_HEAD(ticket_ages, ticket) ages; /* oldest first */
	size_t n, cap;			      /* live tickets; at most */
};

/* Begins an empty table for at most `cap` tickets. */
void tickets_init(struct tickets *t, size_t cap);
/* Gives *k (part of the caller's object) a fresh key and adds it to the table. `text` becomes
 * its text form, which names the worker. Returns 0, or ERR_FULL if the table has `cap` tickets.
 */
int ticket_issue(struct tickets *t, struct ticket *k, unsigned worker, uint64_t expires_us,
	char text[TICKET_TEXT]);
/* Reads the text form. Returns 0 with worker and key, or ERR_SYNTAX. */
int ticket_parse(struct span text, unsigned *worker, unsigned char key[16]);
/* Removes a ticket from the table, so that it works only once. Returns NULL if it is unknown or
 * was used. */
struct ticket *ticket_take(struct tickets *t, const unsigned char key[16]);
/* Shortens every ticket's life to end at `latest_us` at most. */
void tickets_hasten(struct tickets *t, uint64_t latest_us);
/* Removes and returns the oldest ticket if it has expired; else returns NULL. */
struct ticket *ticket_expired(struct tickets *t, uint64_t now_us);

#endif
