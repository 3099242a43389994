/* Takes a sample of the decisions every ten seconds for GET /series and /now
 * (budget/trends/rates.h), adds each minute to GET /trends (budget/trends/trends.h), and ends a
 * temporary log level. On the main thread. Without an admin server nothing is sampled. */
#ifndef OPERATOR_SERVER_SAMPLING_H
#define OPERATOR_SERVER_SAMPLING_H

#include <pthread.h>

#include "base/buf.h"
#include "budget/trends/rates.h"
#include "budget/trends/trends.h"

struct server;

/* owner: main */
struct sampling {
	/* seconds since the start */
	unsigned looks;
	struct rates *rates; /* NULL: nothing is sampled */
	/* Stored in the file JOURNAL.trends, which both instances of a daemon write while they
	 * decide. NULL: nothing is sampled, or the other instance still decides. Set once. */
	struct trends *_Atomic trends;
	/* Sums of each rule when the policy in force began, in the order of its rules; guarded
	 * by `lock`. */
	pthread_mutex_t lock;
	char version[65];
	int64_t version_ns;
	struct rule_sum *base;
	size_t nbase;
};

/* Returns 0 or ERR_NOMEM. The rates exist until sampling_free(). */
int sampling_start(struct server *s);
/* Adds the part of a minute since the last whole one to the trends. Call it once, after the
 * workers have ended, on the main thread. */
void sampling_end(struct server *s);
void sampling_free(struct sampling *g);
/* Writes what each rule of the policy in force did, since the start and since the policy is in
 * force, and when it last applied. JSON; any thread. */
void sampling_rules(struct server *s, struct buf *out);
/* Writes near_json() over all workers. Any thread. */
void sampling_near(struct server *s, size_t from, size_t count, struct buf *out);
/* Writes fullest_json() over all workers. Any thread. */
void sampling_fullest(struct server *s, size_t count, struct buf *out);
/* Writes trends_json() in braces, with the daemons whose values are included. Any thread. */
void sampling_trends(struct server *s, const struct trends_asked *asked, struct buf *out);
/* Writes rates_now(), or null if nothing is sampled. Any thread. */
void sampling_now(struct server *s, struct buf *out);

#endif
