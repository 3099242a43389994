/* Takes a sample of what was decided each ten seconds, for GET /series and /now (budget/trends/rates.h), and
 * adds each minute to what GET /trends shows (budget/trends/trends.h),
 * and ends what was set for a time: the log's level. On the main thread; without an admin
 * server there is none. */
#ifndef OPERATOR_SERVER_SAMPLING_H
#define OPERATOR_SERVER_SAMPLING_H

#include <pthread.h>

#include "base/buf.h"
#include "budget/trends/rates.h"
#include "budget/trends/trends.h"

struct server;

/* owner: main */
struct sampling {
	unsigned looks;
	struct rates *rates; /* NULL: there is none */
	/* The file is JOURNAL.trends, which both instances of a daemon write while they decide. NULL: there is none,
	 * or another instance decides yet. Set once. */
	struct trends *_Atomic trends;
	/* what rules had done when the policy in force came; of its rules, phase after phase */
	pthread_mutex_t lock;
	char version[65];
	int64_t version_ns;
	struct rule_sum *base;
	size_t nbase;
};

/* 0 or ERR_NOMEM. The rates are there until sampling_free(). */
int sampling_start(struct server *s);
void sampling_look(struct server *s);
void sampling_free(struct sampling *g);
/* What each rule of the policy in force did since the start and since that policy came, and when
 * last. JSON; any thread. */
void sampling_rules(struct server *s, struct buf *out);
/* As near_json() of all workers. Any thread. */
void sampling_near(struct server *s, size_t from, size_t count, struct buf *out);
/* As fullest_json() of all workers. Any thread. */
void sampling_fullest(struct server *s, size_t count, struct buf *out);
/* As trends_json(), in braces, with the daemons whose values these are. Any thread. */
void sampling_trends(struct server *s, const struct trends_asked *asked, struct buf *out);
/* As rates_now(); null where there are none. Any thread. */
void sampling_now(struct server *s, struct buf *out);

#endif
