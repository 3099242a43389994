/* Decides what follows a failed attempt. A pure function of the plan, the earlier attempts,
 * the targets' state and the clock. */
#ifndef GATE_TARGETS_NEXT_H
#define GATE_TARGETS_NEXT_H

#include "policy/target.h"

/* One of the route's targets, by index. */
struct next_candidate {
	bool left;	  /* the rules allow it, it is in, and it was not tried */
	uint8_t place;	  /* place in the order of policy_rank(): the smallest is next */
	bool budget;	  /* result of target_may_repeat() */
	uint64_t back_us; /* when the target may be tried again, from target_condition(); 0: now
			   */
};

struct next_attempt {
	size_t target; /* index */
	enum attempt_cause cause;
	int status;   /* HTTP status of the response; 0: none */
	bool our_key; /* our_key of struct target_end */
	/* a kept-alive connection broke within NEXT_POOLED_US of the last byte sent */
	bool pooled_broke;
	uint64_t asked_us; /* the wait that the response asks for; 0: none */
};

#define NEXT_POOLED_US	  50000
#define NEXT_ASKED_US	  2000000 /* a target that asks for a longer wait is not waited for */
/* first wait; doubled with each repeat and randomized from 0 to the whole */
#define NEXT_WAIT_US	  100000
#define NEXT_WAIT_MOST_US 5000000

struct next_plan {
	const struct retry *retry;
	const struct next_candidate *candidate;
	size_t ncandidates;
	const struct next_attempt *tried; /* the attempts in the order of time; at least one */
	size_t ntried;
	uint64_t began_us, now_us; /* monotonic: when the request began; now */
	uint64_t deadline_us;	   /* the exchange's deadline; 0: none */
	uint64_t random;
};

struct next {
	enum {
		NEXT_TARGET, /* try another target now */
		NEXT_SAME,   /* a target that was tried before, after wait_us */
		NEXT_END
	} what;
	size_t target;
	uint64_t wait_us;
	/* for NEXT_END, or if the next attempt cannot be made: return the last response as it
	 * is, or 503 provider_unavailable with Retry-After */
	enum { NEXT_ANSWER, NEXT_UNAVAILABLE } says;
	uint64_t retry_after_us; /* µs from now; 0: not known */
	const char *why;	 /* NEXT_END: the reason, for the record's no_further */
};
/* The first applicable reason ends the attempts, in this order: the cause is final; `retry.on`
 * does not list it; the attempts are used up; the deadline has passed; no budget is left; no
 * target is left. */
struct next targets_next(const struct next_plan *p);

/* Returns the wait that a response asks for, in µs, from Retry-After, retry-after-ms or
 * x-ms-retry-after-ms; the most exact one counts. Returns 0 if there is none or if it cannot
 * be parsed. now_s: wall clock, for dates. */
struct http_head;
uint64_t next_asked_us(const struct http_head *h, int64_t now_s);

#endif
