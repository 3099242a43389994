/* Counts by route, provider and model. Names come from the policy, which reloads, and models
 * come from callers, so that both are capped: a further name is counted as "other". An entry
 * stays until restart. owner: worker, the only thread that adds; any thread adds up. */
#ifndef BUDGET_TALLY_SERIES_H
#define BUDGET_TALLY_SERIES_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/caps.h"

/* clang-format off */
/*  id                name                      label and value          help */
#define SERIES_TABLE(X) \
  X(SERIES_PERMIT,    "route_decisions_total",  "decision=\"permit\"",   "Counts final decisions, by route, provider, model and decision.") \
  X(SERIES_REDACT,    "route_decisions_total",  "decision=\"redact\"",   "") \
  X(SERIES_DENY,      "route_decisions_total",  "decision=\"deny\"",     "") \
  X(SERIES_OBSERVED,  "route_decisions_total",  "decision=\"observed\"", "") \
  X(SERIES_INPUT,     "route_tokens_total",     "type=\"input\"",        "Counts tokens that providers reported, by route, provider, model and type.") \
  X(SERIES_OUTPUT,    "route_tokens_total",     "type=\"output\"",       "") \
  X(SERIES_USAGES,    "route_usages_total",     "",                     "Counts responses with a usage report of the provider, by route, provider and model.") \
  X(SERIES_CACHED,    "route_token_parts_total", "type=\"cached\"",     "Counts cached, cache_write, reasoning and audio tokens, by route, provider and model.") \
  X(SERIES_WRITTEN,   "route_token_parts_total", "type=\"cache_write\"", "") \
  X(SERIES_REASONING, "route_token_parts_total", "type=\"reasoning\"",  "") \
  X(SERIES_AUDIO,     "route_token_parts_total", "type=\"audio\"",      "") \
  X(SERIES_COST,      "cost_nanousd_total",     "",                     "Counts the cost of responses in billionths of a US dollar, by route, provider and model.") \
  X(SERIES_UNPRICED,  "unpriced_answers_total", "",                     "Counts responses whose usage has no complete price, by route, provider and model.") \
  X(SERIES_ESTIMATE,  "route_counted_tokens_total", "type=\"input\"",   "Counts prompt tokens counted before requests whose usage the provider reported later.") \
  X(SERIES_WHOLE,     "route_answers_total",    "kind=\"whole\"",        "Counts inspected responses with text, by route, provider, model and kind.") \
  X(SERIES_STREAMED,  "route_answers_total",    "kind=\"streamed\"",     "") \
  X(SERIES_WAIT_US,   "route_stream_microseconds_total", "part=\"wait\"", "Counts microseconds of streams, until the first text and from there to the end.") \
  X(SERIES_TEXT_US,   "route_stream_microseconds_total", "part=\"text\"", "")
/* clang-format on */

enum series_value {
#define X(id, name, labels, help) id,
	SERIES_TABLE(X)
#undef X
		SERIES_VALUES
};

enum series_label { SERIES_ROUTE, SERIES_PROVIDER, SERIES_MODEL, SERIES_LABELS };
enum { SERIES_LABEL_BYTES = 64 };

#define SERIES_OTHER SPAN_LIT("other")

struct series_key {
	char label[SERIES_LABELS][SERIES_LABEL_BYTES]; /* NUL-terminated, cut */
};

struct series {
	_Atomic size_t n; /* entries that may be read */
	struct series_entry {
		struct series_key key; /* constant once it is set */
		_Atomic uint64_t v[SERIES_VALUES];
	} entry[CAP_SERIES + 1]; /* [0]: "other" */
	/* the worker's own */
	uint16_t index[4 * CAP_SERIES]; /* hash table: index of the entry; 0: free */
	size_t nmodels;
	char model[CAP_SERIES_MODELS][SERIES_LABEL_BYTES];
	uint16_t model_index[4 * CAP_SERIES_MODELS]; /* 1 + place */
};

/* Returns true if the model has a label of its own. */
bool series_has_model(const struct series *s, struct span model);
/* Returns true if the name may be a label: it has only characters of model names, and fits. */
bool series_may_be_model(struct span model);
/* Gives the model a label. Returns false if there is no room. */
bool series_add_model(struct series *s, struct span model);
/* Counts each part. An empty label becomes "-". The model is one that was added, SERIES_OTHER
 * or empty. Returns false if all labels became "other", because there is no room. */
struct series_part {
	enum series_value v;
	uint64_t n;
};
bool series_count(struct series *s, const struct span label[SERIES_LABELS],
	const struct series_part *parts, size_t nparts);

/* ---- by team ---- */

/* Decisions, tokens and cost of each team. Names come from callers' identities: beyond the cap
 * a team is "other". The owner and the lifetime of an entry are those of series. */
enum { TEAM_NAMES = 64 };

struct team_tally {
	_Atomic size_t n; /* entries that may be read */
	struct team_entry {
		char name[SERIES_LABEL_BYTES]; /* constant once it is set */
		_Atomic uint64_t v[SERIES_VALUES];
	} entry[TEAM_NAMES]; /* [0]: "other" */
};

/* Adds each part to the team's counts. A team whose name is longer than a label is "other".
 * Without a team, nothing is counted. */
void team_tally_add(
	struct team_tally *t, struct span team, const struct series_part *parts, size_t nparts);

/* Writes the sum of each team over n workers as Prometheus text. Any thread. */
void team_tally_write(struct buf *out, const struct team_tally *const *t, size_t n);

/* ---- the sum ---- */

/* The sum over workers, for the threads of the admin pages. It keeps the first CAP_SERIES
 * labels until restart. */
struct series_sum;
struct series_sum *series_sum_new(void);
void series_sum_free(struct series_sum **s);
/* Writes Prometheus text. Returns how many decisions have a label of their own in a worker, and
 * are "other" in the sum. */
uint64_t series_write(
	struct series_sum *sum, struct buf *out, const struct series *const *s, size_t n);

#endif
