/* Responses by provider: their statuses and times, requests in flight, and the last error.
 * Names come from the policy, which reloads. After PROVIDER_NAMES entries, a further name is
 * counted as "other". owner: worker, the only thread that adds; any thread adds up. */
#ifndef BUDGET_TALLY_PROVIDERS_H
#define BUDGET_TALLY_PROVIDERS_H

#include "base/buf.h"
#include "budget/tally/histogram.h"

enum {
	PROVIDER_NAMES = 64,
	PROVIDER_NAME_BYTES = 64,
	PROVIDER_STATUSES = 32 /* statuses that are counted for a provider; further ones are
				* PROVIDER_OTHER */
};

/* Codes of the relay's errors, which take the place of a status if no response arrived, or no
 * whole one. */
/* clang-format off */
#define PROVIDER_FAILURES(X) \
  X(PROVIDER_UNAVAILABLE, "provider_unavailable", "HAProxy cannot reach the provider: check the address of its backend") \
  X(PROVIDER_TIMEOUT,     "provider_timeout",     "the provider sends no response in time: check its load and the timeouts") \
  X(PROVIDER_ABORTED,     "provider_aborted",     "the provider closes the connection before its response ends") \
  X(PROVIDER_ERROR,       "provider_error",       "the response of the provider cannot be read") \
  X(PROVIDER_SAID_ERROR,  "error_in_answer",      "the response reports an error, but has a success status")
/* clang-format on */
enum provider_failure {
	PROVIDER_OTHER, /* a status without a place in the table */
#define X(id, code, means) id,
	PROVIDER_FAILURES(X)
#undef X
		PROVIDER_FAILED
};
/* Returns the failure with the code, or 0. */
int provider_failure(const char *code);
/* Returns the meaning of a status or failure for an operator: of 401, 402, 403, 429, 5xx and
 * all failures. Returns NULL for a status that the caller caused. */
const char *provider_means(int status);
/* Returns the status or failure as the text of a label, in `out` or constant. */
const char *provider_status_text(int status, char out[16]);

struct provider_tally {
	_Atomic size_t n; /* entries that may be read */
	struct provider_entry {
		char name[PROVIDER_NAME_BYTES]; /* constant once it is set */
		_Atomic int64_t under_way;	/* requests in flight */
		struct {
			_Atomic int status; /* 0: free */
			_Atomic uint64_t n;
		} answer[PROVIDER_STATUSES];
		/* ms since 1970 in the upper 48 bits, and the status in the lower 16; 0: none */
		_Atomic uint64_t last_error;
		_Atomic uint64_t last_good;	/* ms since 1970 */
		struct histogram first_byte[2]; /* whole, streamed; in ms */
		struct exemplars first_byte_of[2];
		struct histogram first_token; /* for streams: ms from the request's begin to
					       * the first token */
		struct histogram
			total[2]; /* whole, streamed; in ms, until the response ended */
		/* Of the last even and the last odd minute: the minute, the number of
		 * responses, the sum of their times, and the longest time. */
		struct provider_minute {
			_Atomic uint64_t minute, n, sum_us, most_us;
		} minute[2];
	} entry[PROVIDER_NAMES]; /* [0]: "other" */
};

/* Returns the entry of the name, which lives as long as the tally. */
struct provider_entry *provider_entry(struct provider_tally *t, struct span name);
/* A request was sent to the provider, or is over. Each sent request is over once. */
void provider_sent(struct provider_entry *e);
void provider_over(struct provider_entry *e);
/* The first byte of a response's body arrived, or the end of a response without a body. */
void provider_heard(struct provider_entry *e, bool streamed, uint64_t us);
/* A response with text ended. Both times are since the request began; first_us is counted if
 * the response is streamed. */
void provider_took(
	struct provider_entry *e, bool streamed, uint64_t first_us, uint64_t total_us);
/* Counts the result of a request: a status or an enum provider_failure. */
void provider_answered(struct provider_entry *e, int status, int64_t now_ms);

/* Writes the sum over n workers as Prometheus text, with exemplars or without. Any thread may
 * call this function and those below. */
void provider_tally_write(
	struct buf *out, const struct provider_tally *const *t, size_t n, bool exemplars);
/* Returns true if a provider fails: its last result is an error or no response, at most a
 * quarter of an hour ago. *why then has the provider, the error and the time of the last
 * success. */
bool provider_tally_failing(
	const struct provider_tally *const *t, size_t n, int64_t now_ms, struct buf *why);
/* Writes a JSON list with an object for each provider. */
void provider_tally_json(struct buf *out, const struct provider_tally *const *t, size_t n);

#endif
