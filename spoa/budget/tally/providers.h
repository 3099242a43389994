/* What providers answered: by provider and status, how soon, how many answers are waited for,
 * and the last error. Names come from the policy, which reloads: beyond the cap a name is
 * "other". owner: worker, which alone adds; any thread sums. */
#ifndef BUDGET_TALLY_PROVIDERS_H
#define BUDGET_TALLY_PROVIDERS_H

#include "base/buf.h"
#include "budget/tally/histogram.h"

enum {
	PROVIDER_NAMES = 64,
	PROVIDER_NAME_BYTES = 64,
	PROVIDER_STATUSES = 32 /* of a provider; others are "other" */
};

/* In place of a status, where no answer came or it was no whole one: codes of the relay's
 * errors. */
/* clang-format off */
#define PROVIDER_FAILURES(X) \
  X(PROVIDER_UNAVAILABLE, "provider_unavailable", "HAProxy cannot reach the provider: check the address of its backend") \
  X(PROVIDER_TIMEOUT,     "provider_timeout",     "the provider sends no response in time: check its load and the timeouts") \
  X(PROVIDER_ABORTED,     "provider_aborted",     "the provider closes the connection before its response ends") \
  X(PROVIDER_ERROR,       "provider_error",       "the response of the provider cannot be read") \
  X(PROVIDER_SAID_ERROR,  "error_in_answer",      "the response contains an error with the status of a success")
/* clang-format on */
enum provider_failure {
	PROVIDER_OTHER, /* statuses without room */
#define X(id, code, means) id,
	PROVIDER_FAILURES(X)
#undef X
		PROVIDER_FAILED
};
/* By the code; 0: none of them. */
int provider_failure(const char *code);
/* What an operator should know of it: 401, 402, 403, 429, 5xx and failures; NULL: the caller's. */
const char *provider_means(int status);
/* As a label has it. */
const char *provider_status_text(int status, char out[16]);

struct provider_tally {
	_Atomic size_t n; /* entries that may be read */
	struct provider_entry {
		char name[PROVIDER_NAME_BYTES]; /* does not change any more */
		_Atomic int64_t under_way;
		struct {
			_Atomic int status; /* 0: free */
			_Atomic uint64_t n;
		} answer[PROVIDER_STATUSES];
		_Atomic uint64_t last_error; /* ms since 1970 << 16 | status; 0: none */
		_Atomic uint64_t last_good;  /* ms since 1970 */
		struct histogram first_byte[2]; /* whole, streamed; in ms */
		struct exemplars first_byte_of[2];
		struct histogram first_token; /* of streams, in ms since the request began */
		struct histogram total[2];    /* whole, streamed; likewise, to the end */
		/* the minute, how many, how long they took in all, the most: of even and odd
		 * ones */
		struct provider_minute {
			_Atomic uint64_t minute, n, sum_us, most_us;
		} minute[2];
	} entry[PROVIDER_NAMES]; /* [0]: all other */
};

/* The entry of that name, for as long as the tally. */
struct provider_entry *provider_entry(struct provider_tally *t, struct span name);
/* A request is sent there, or is over. */
void provider_sent(struct provider_entry *e);
void provider_over(struct provider_entry *e);
/* The first byte of its body, or the end of one that has none. */
void provider_heard(struct provider_entry *e, bool streamed, uint64_t us);
/* An answer with text ended. Both times are since the request began; first_us counts if it is
 * streamed. */
void provider_took(
	struct provider_entry *e, bool streamed, uint64_t first_us, uint64_t total_us);
/* How it ended: a status or an enum provider_failure. */
void provider_answered(struct provider_entry *e, int status, int64_t now_ms);

/* Prometheus text of the sum over n workers, with exemplars or without. Any thread, as for all
 * below. */
void provider_tally_write(
	struct buf *out, const struct provider_tally *const *t, size_t n, bool exemplars);
/* Whether one fails now: its last answer of all was none, or an error, a quarter of an hour ago at
 * most. Which, what and since when its last success was, appended to *why. */
bool provider_tally_failing(
	const struct provider_tally *const *t, size_t n, int64_t now_ms, struct buf *why);
/* A JSON list, an object a provider. */
void provider_tally_json(struct buf *out, const struct provider_tally *const *t, size_t n);

#endif
