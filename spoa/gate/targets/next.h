/* What comes after an attempt that failed: a pure function of the plan, what was tried, the
 * targets' state and the clock. */
#ifndef GATE_TARGETS_NEXT_H
#define GATE_TARGETS_NEXT_H

#include "policy/policy.h"

/* One of the route's targets, by index. */
struct next_candidate {
	bool left;	  /* the rules leave it, it is in, and it was not tried */
	uint8_t place;	  /* of policy_rank: the smallest that is left is next */
	bool budget;	  /* target_may_repeat() */
	uint64_t back_us; /* when it may be tried again: target_condition(); 0: now */
};

struct next_attempt {
	size_t target; /* index */
	enum attempt_cause cause;
	int status;	   /* of the answer; 0: none */
	bool our_key;	   /* as struct target_end */
	bool pooled_broke; /* a kept-alive connection broke within NEXT_POOLED_US of the last
			      byte */
	uint64_t asked_us; /* the wait that the answer asks for; 0: none */
};

#define NEXT_POOLED_US	  50000
#define NEXT_ASKED_US	  2000000 /* asked for more: it is not waited for */
#define NEXT_WAIT_US	  100000  /* doubled with each repeat, with full jitter */
#define NEXT_WAIT_MOST_US 5000000

struct next_plan {
	const struct retry *retry;
	const struct next_candidate *candidate;
	size_t ncandidates;
	const struct next_attempt *tried; /* in order; at least one */
	size_t ntried;
	uint64_t began_us, now_us; /* the request; monotonic */
	uint64_t deadline_us;	   /* of the exchange; 0: none */
	uint64_t random;
};

struct next {
	enum {
		NEXT_TARGET, /* another one, now */
		NEXT_SAME,   /* one that was tried, after wait_us */
		NEXT_END
	} what;
	size_t target;
	uint64_t wait_us;
	/* NEXT_END, or nothing comes of the next one: the last answer as it is, or 503
	 * provider_unavailable with Retry-After */
	enum { NEXT_ANSWER, NEXT_UNAVAILABLE } says;
	uint64_t retry_after_us; /* from now; 0: nobody knows */
	const char *why;	 /* NEXT_END: the record's no_further */
};
struct next targets_next(const struct next_plan *p);

/* Retry-After, retry-after-ms, x-ms-retry-after-ms of an answer, in µs; 0: none, or none that
 * can be read. What is more exact counts. `now_s`: wall clock, for dates. */
struct http_head;
uint64_t next_asked_us(const struct http_head *h, int64_t now_s);

#endif
