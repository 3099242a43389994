/* Sums up the usage and cost of records in groups, by person, team, model and other names, for
 * tollgate usage. */
#ifndef RECORD_AUDIT_USAGE_H
#define RECORD_AUDIT_USAGE_H

#include "base/buf.h"
#include "base/distribution.h"
#include "record/audit/record_fields.h"
#include "record/audit/record_terms.h"

/* The names of groups. BY_TARGET: PROVIDER/MODEL, where each attempt of a request counts for
 * its own target. BY_TOOL: SERVER/TOOL, where each call counts for its own tool. BY_KEY: the id
 * of the API key, or of the issuer's key. BY_AGENT: the agent that sent the request. */
enum usage_dim {
	BY_PERSON,
	BY_TEAM,
	BY_MODEL,
	BY_ROUTE,
	BY_TAG,
	BY_KEY,
	BY_PROVIDER,
	BY_TARGET,
	BY_TOOL,
	BY_AGENT,
	BY_DAY,
	BY_DIMS
};
extern const char *const usage_dim_names[BY_DIMS];

/* The sums: name, and the place in a completion; RP_COUNT: from other fields. */
/* clang-format off */
#define USAGE_SUMS(X) \
  X(SUM_REQUESTS,    "requests",               RP_COUNT) \
  X(SUM_REFUSED,     "refused",                RP_COUNT) \
  X(SUM_NO_PRICE,    "refused_unpriced",       RP_COUNT) \
  X(SUM_INPUT,       "input_tokens",           RP_USAGE_INPUT_TOKENS) \
  X(SUM_CACHED,      "cached_tokens",          RP_USAGE_CACHED_TOKENS) \
  X(SUM_WRITE,       "cache_write_tokens",     RP_USAGE_CACHE_WRITE_TOKENS) \
  X(SUM_WRITE_1H,    "cache_write_1h_tokens",  RP_USAGE_CACHE_WRITE_1H_TOKENS) \
  X(SUM_OUTPUT,      "output_tokens",          RP_USAGE_OUTPUT_TOKENS) \
  X(SUM_REASONING,   "reasoning_tokens",       RP_USAGE_REASONING_TOKENS) \
  X(SUM_AUDIO_IN,    "audio_input_tokens",     RP_USAGE_AUDIO_INPUT_TOKENS) \
  X(SUM_AUDIO_OUT,   "audio_output_tokens",    RP_USAGE_AUDIO_OUTPUT_TOKENS) \
  X(SUM_IMAGES,      "images",                 RP_USAGE_IMAGES) \
  X(SUM_SEARCHES,    "searches",               RP_USAGE_SEARCHES) \
  X(SUM_SESSIONS,    "sessions",               RP_USAGE_SESSIONS) \
  X(SUM_COST,        "cost_nanousd",           RP_COUNT) \
  X(SUM_UNPRICED,    "unpriced_answers",       RP_COUNT) \
  X(SUM_UNKNOWN,     "unknown_usage",          RP_COUNT) \
  X(SUM_ESTIMATE,    "estimated_nanousd",      RP_COUNT) \
  X(SUM_EST_IN,      "estimated_input_tokens", RP_COUNT) /* of responses with unknown usage */ \
  X(SUM_EST_OUT,     "estimated_output_tokens", RP_COUNT) \
  X(SUM_FURTHER,     "further_attempts",       RP_COUNT) \
  X(SUM_RULED,       "haproxy_answered",       RP_COUNT) \
  X(SUM_HITS,        "cache_hits",             RP_COUNT) \
  X(SUM_SAVED_IN,    "saved_input_tokens",     RP_SAVED_INPUT_TOKENS) \
  X(SUM_SAVED_OUT,   "saved_output_tokens",    RP_SAVED_OUTPUT_TOKENS) \
  X(SUM_SAVED_COST,  "saved_nanousd",          RP_SAVED_COST_NANOUSD) \
  X(SUM_EMBEDDED,    "embedded_tokens",        RP_CACHE_EMBEDDED) \
  X(SUM_EMBED_COST,  "embedded_nanousd",       RP_CACHE_EMBEDDED_COST) \
  X(SUM_LEFT_URL,    "left_url",               RP_COUNT) /* placeholders in calls, by reason: */ \
  X(SUM_LEFT_HOST,   "left_host",              RP_COUNT) /* the order of enum placeholder_left */ \
  X(SUM_LEFT_TOOL,   "left_tool",              RP_COUNT) \
  X(SUM_LEFT_SIZE,   "left_size",              RP_COUNT) \
  X(SUM_LEFT_UNKNOWN, "left_unknown",          RP_COUNT) \
  X(SUM_REDACTED,    "redacted",               RP_COUNT) /* requests with decision redact */
/* clang-format on */
enum usage_sum {
#define X(id, name, field) id,
	USAGE_SUMS(X)
#undef X
		SUMS
};
extern const char *const usage_sum_names[SUMS];

/* Numbers of completions whose distribution is kept: of prompts that the provider counted, of
 * answers with text, in microseconds since the request began, of streams, in thousandths of a
 * token a second, and of requests that cost something. */
/* clang-format off */
#define USAGE_SPREADS(X) \
  X(SPREAD_PROMPT, "prompt_tokens",  RP_USAGE_INPUT_TOKENS) \
  X(SPREAD_FIRST,  "first_token_us", RP_ANSWER_FIRST_TEXT_US) /* streams only */ \
  X(SPREAD_TOTAL,  "total_us",       RP_DURATION_US) \
  X(SPREAD_SPEED,  "mtokens_per_s",  RP_COUNT) /* from the first text on, without reasoning */ \
  X(SPREAD_COST,   "request_nanousd", RP_COST_NANOUSD)
/* clang-format on */
enum usage_spread {
#define X(id, name, place) id,
	USAGE_SPREADS(X)
#undef X
		SPREADS
};
extern const char *const usage_spread_names[SPREADS];

/* The spreads of which the request with the largest number is kept. */
enum usage_largest { LARGEST_PROMPT, LARGEST_COST, LARGEST_TIME, LARGESTS };
extern const enum usage_spread usage_largest_of[LARGESTS];

enum { USAGE_ID_MAX = 32 };
struct usage_sums {
	uint64_t sum[SUMS];
	struct distribution spread[SPREADS];
	/* ids of the requests with the largest numbers; the smallest id if several are equal; "":
	 * the distribution is empty */
	char largest_id[LARGESTS][USAGE_ID_MAX];
	int64_t last_ns; /* wall clock: time of the last record */
};

/* A group: its values as JSON strings, as the records have them, each followed by a NUL. */
struct usage_group {
	char *key;
	size_t n;
	struct usage_sums of;
};

struct usage_table {
	enum usage_dim by[BY_DIMS];
	size_t nby;
	struct usage_group *group; /* [0]: sums of all groups that had no room */
	size_t ngroups, size;
	struct usage_slot {	      /* the index: an open-addressing hash table */
		uint32_t hash, place; /* place: index of the group; 0: the slot is free */
	} * index;
	size_t index_size;
	struct usage_sums total;
	bool full, no_memory;
	struct buf key, target, tool; /* names of the record that is being added */
};

/* The most groups in one table. Further groups are summed up as "other". */
#define CAP_USAGE_GROUPS 500000u

/* In a table by target, provider or model, a request counts once for each target that was
 * asked, as its cost does. In the total it counts once. Call this function once, after the last
 * record. */
void usage_count_attempts(struct usage_table *t);
/* Returns 0 or ERR_NOMEM. */
int usage_table_init(struct usage_table *t);
void usage_table_free(struct usage_table *t);
/* Empties the table, which keeps its names. Returns 0 or ERR_NOMEM. */
int usage_table_clear(struct usage_table *t);
/* Adds the line of a record, without keeping a view of it. `day`: the first ten bytes of its
 * time. */
void usage_add(struct usage_table *t, struct span line, struct span day);
/* Adds a record to each of n tables, by its record_places() and its time. */
void usage_add_each(struct usage_table *t, size_t n, const struct span *place, struct span day,
	int64_t time_ns);
/* Adds sums to a group, but not to the total. `value` has a raw value for each name of the
 * table. */
void usage_merge(
	struct usage_table *t, const struct span value[BY_DIMS], const struct usage_sums *add);
/* Adds sums to the total only. */
void usage_merge_total(struct usage_table *t, const struct usage_sums *add);
/* Adds `add` to `to`; the caller owns the distributions of `to`. Returns false if memory is
 * exhausted: then `to` may only be freed. */
bool usage_sums_add(struct usage_sums *to, const struct usage_sums *add);
void usage_sums_free(struct usage_sums *s);
/* Sets the id if it has only letters and digits, and fits; otherwise removes it. */
void usage_set_largest(struct usage_sums *s, enum usage_largest of, struct span id);
/* Returns the group with the key, or NULL. */
const struct usage_group *usage_find(const struct usage_table *t, struct span key);

/* Reads members of an object in one pass. `names` ends with NULL; `out` has the raw value of
 * each, or an empty span. The line is a record; the function never reads beyond it, even if the
 * line is not JSON. */
void usage_members(struct span object, const char *const *names, struct span *out);

#endif
