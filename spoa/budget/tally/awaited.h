/* Requests that were sent to a provider of which no byte of a response has arrived yet, the
 * oldest first: a provider that hangs shows here while no other count moves. A worker adds and
 * removes its own requests; any thread writes the list. */
#ifndef BUDGET_TALLY_AWAITED_H
#define BUDGET_TALLY_AWAITED_H

#include <sys/queue.h>

#include "base/buf.h"
#include "budget/tally/recent.h"

enum { AWAITED_NAME = 64, AWAITED_SHOWN = 5 };

/* A request. Part of its owner, zeroed to begin with; nothing changes while it is listed. */
struct awaited_request {
	TAILQ_ENTRY(awaited_request) of_all;
	bool listed;
	uint64_t since_us; /* monotonic: when it was sent */
	char id[RECENT_ID + 1];
	/* names, cut to their first bytes */
	char route[AWAITED_NAME], provider[AWAITED_NAME], model[AWAITED_NAME];
};

struct awaited;
struct awaited *awaited_new(void); /* NULL: out of memory */
void awaited_free(struct awaited **a);
/* Adds a request, with since_us and the names set. */
void awaited_add(struct awaited *a, struct awaited_request *r);
/* Does nothing if the request is not listed. */
void awaited_remove(struct awaited *a, struct awaited_request *r);
/* Copies the AWAITED_SHOWN oldest requests of n lists, the oldest first. Returns their number, and
 * sets *all to that of all requests. Any thread. */
size_t awaited_oldest(struct awaited *const *a, size_t n,
	struct awaited_request list[AWAITED_SHOWN], size_t *all);
/* Writes {"requests":N,"oldest":[{"id","route","provider","model","seconds"}, …]} over n lists,
 * with the AWAITED_SHOWN oldest. Any thread. */
void awaited_write(struct awaited *const *a, size_t n, uint64_t now_us, struct buf *out);

#endif
