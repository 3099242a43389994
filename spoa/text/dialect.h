/* Dialects: tables that give the strings of a wire format their roles, and the
 * few things that differ between providers: the error document, the usage
 * counts, the stream's events. One row adds a dialect. */
#ifndef TEXT_DIALECT_H
#define TEXT_DIALECT_H

#include "base/buf.h"
#include "text/body.h"

struct dialect;

/* "openai", "anthropic", "rest"; NULL where unknown. */
const struct dialect *dialect_find(struct span name);
const char *dialect_name(const struct dialect *d);
/* All names, for messages: "openai, anthropic, rest". */
const char *dialect_names(void);
/* The dialect that speaks on this path where a route does not say
 * ("/v1/messages" → anthropic); `rest` by default. */
const struct dialect *dialect_for_path(struct span path);
/* True where a body must be JSON. */
bool dialect_is_json(const struct dialect *d);

/* True where a body names a model. */
bool dialect_has_model(const struct dialect *d);

/* One line of JSON in the caller's dialect; the decision's id is in it.
 * OpenAI {"error":{"message","type","param","code"}}, Anthropic {"type":"error",
 * "error":{"type","message"},"request_id"}. `type` and `code` follow from the
 * status unless code is given. `message` never holds prompt text. */
void dialect_error(const struct dialect *d, int status, const char *code, struct span message,
	struct span id, struct buf *out);
/* The event that ends a stream already begun with an error, ready to write. */
void dialect_stream_error(const struct dialect *d, const char *code, struct span message,
	struct span id, struct buf *out);

struct usage {
	bool known; /* input and output were given, and every count is a plain integer */
	int64_t input_tokens, output_tokens; /* totals, cached and reasoning tokens included */
	int64_t cached_tokens;
	bool input_seen, output_seen, spoilt; /* of a stream, over its events */
};

/* From a whole JSON response: 0 where usage is known, ERR_NOTFOUND, or the
 * parser's error. */
int dialect_usage(const struct dialect *d, struct span json, struct arena *a, struct usage *u);
/* From one SSE event; merges into *u (Anthropic splits it over message_start
 * and message_delta; the values are cumulative). */
void dialect_event_usage(const struct dialect *d, struct span event, struct span data,
	struct arena *a, struct usage *u);

/* The edit that makes a streaming provider report usage, where this dialect
 * needs one and the caller did not ask; 1 = *edit filled, 0 = none needed. */
int dialect_ask_usage(const struct body *b, struct splice *edit);
/* What else is changed in a body. */
struct amendment {
	struct span model;   /* to be sent; empty: as it is */
	uint64_t cap_tokens; /* the most that any output cap may say; 0: as it is */
};
enum { AMEND_MAX = 4 };
/* The edits that make it so, at most AMEND_MAX; what the body lacks is put in front
 * of its first member. None where the body is no JSON in a dialect with a model. The
 * count, or ERR_NOMEM. */
int dialect_amend(const struct body *b, const struct amendment *am, struct arena *a,
	struct splice *edits);

/* Undoes dialect_ask_usage in the answer, one SSE data payload at a time: 0 pass as it is, 1
 * *edited replaces the payload, 2 drop the event. */
int dialect_hide_usage(
	const struct dialect *d, struct span data, struct arena *a, struct span *edited);

#endif
