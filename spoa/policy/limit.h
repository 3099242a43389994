/* A limit in its compiled form: the requests it applies to, and the amount it allows. Limits of
 * a policy live in its arena, those of an API key in the arena of its request. */
#ifndef POLICY_LIMIT_H
#define POLICY_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PER_MAX = 4 };

/* The unit of a limit. LIMIT_MESSAGE bounds each single request and keeps no count. */
enum limit_of {
	LIMIT_REQUESTS,
	LIMIT_TOKENS, /* input and output */
	LIMIT_INPUT_TOKENS,
	LIMIT_OUTPUT_TOKENS,
	LIMIT_MESSAGE, /* tokens of one request */
	LIMIT_USD,
	LIMIT_CONCURRENT, /* requests in flight */
};
enum { LIMIT_UNITS = LIMIT_CONCURRENT + 1 };
/* The units of limits, by enum limit_of. Every name of a unit and every amount that is printed
 * or read uses this table. docs/budgets.md and the console's format.js repeat it, and
 * test_docs_lists.c compares them. */
extern const struct limit_unit {
	const char *name;  /* in records, the API, logs and webhooks; there, amounts are integers */
	const char *key;   /* the policy's key, which commands print */
	const char *words; /* after an amount, for people */
	bool money;	   /* integers are nano-dollars; people read and write dollars */
} limit_units[LIMIT_UNITS];
/* Returns the unit with this name, or NULL. `name` may be NULL. */
const struct limit_unit *limit_unit_named(const char *name);
/* The keys that state what a limit counts. Each limit has exactly one. */
enum { LIMIT_COUNTED = 8 };
extern const struct limit_counted {
	const char *key;
	enum limit_of of;
	bool window;	 /* the limit has a window */
	const char *per; /* NULL, or a dimension in addition to `per` */
} limit_counted[LIMIT_COUNTED];
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
