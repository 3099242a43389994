/* A limit in its compiled form: the requests it applies to, and the amount it allows. Limits of
 * a policy live in its arena, those of an API key in the arena of its request. */
#ifndef POLICY_LIMIT_H
#define POLICY_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/limit_kind.h"

enum { PER_MAX = 4 };

enum limit_calendar { CALENDAR_HOUR, CALENDAR_DAY, CALENDAR_WEEK, CALENDAR_MONTH };
enum limit_orphan { ORPHAN_CHARGE, ORPHAN_DROP };
/* Decision while Redis does not answer; AWAY_ROUTE: on_failure.quota of the route. */
enum limit_away { AWAY_ROUTE, AWAY_DENY, AWAY_ALLOW, AWAY_SHARE };

/* Changes to requests past `soft` or past the limit. */
struct limit_change {
	const char *model;	    /* NULL: unchanged */
	uint64_t max_output_tokens; /* 0: unchanged */
	const char **tags;
	size_t ntags;
	/* with a model: amount up to which the limit itself applies to that model, in its unit;
	 * 0: only other limits apply */
	uint64_t up_to;
};

/* One limit. */
struct limit {
	const char *name; /* at most 32 letters, digits, . _ -: part of Redis keys */
	const struct yaml_node *at;
	const struct cel_program *when; /* NULL: always */
	/* dimensions: each combination of values has a counter; of a list, each member */
	const struct cel_program *per[PER_MAX];
	size_t nper; /* 0: one counter for all */
	enum limit_of of;
	uint64_t amount; /* most requests, tokens or nano-dollars */
	/* length of the sliding window; 0: a calendar's window, or none */
	uint64_t window_s;
	bool by_calendar;
	enum limit_calendar calendar;
	const struct cel_zone *zone; /* time zone of a calendar's window; NULL: UTC */
	/* the burst: an amount for a shorter window; 0: no burst */
	struct {
		uint64_t amount, window_s;
	} burst;
	uint64_t soft; /* amount from which callers are warned; 0: never */
	const struct limit_change *at_soft, *at_limit; /* NULL: none */
	/* cached_input: the share of input from the provider's cache that counts, in hundredths
	 * of a percent; 0: not set, so that all of it counts */
	uint64_t cached;
	enum limit_orphan orphan;
	enum limit_away away;
	uint64_t share;	 /* AWAY_SHARE: share of the limit in hundredths of a percent */
	uint64_t peers;	 /* number of daemons that divide the share; 0: redis.daemons */
	bool reads_body; /* `per`, `when` or the counted amount needs the body */
	bool reads_late; /* `per` or `when` reads a target, or data that are not in a file */
	bool reads_tool; /* the limit counts calls: policy_facts.call */
	/* `per` reads the person, or the conversation, which is derived from the person */
	bool of_person;
};

#endif
