/* Translates a response to another form, whole or as a stream. The provider's bytes, after the
 * guard has released them, are read by the rows of the provider's format and written in the
 * caller's form. A translator handles one response. owner: worker, one per exchange. */
#ifndef ANSWER_TRANSLATE_ANSWER_H
#define ANSWER_TRANSLATE_ANSWER_H

#include "answer/format.h"
#include "answer/frames.h"
#include "answer/translate/request.h"
#include "base/buf.h"
#include "scan/dialect/form.h"

/* The configuration of a translator. Everything is borrowed and must outlive the translator. */
struct translate_plan {
	/* the provider's form and the caller's; FORM_NONE: nothing is translated */
	enum form from, to;
	const struct answer_format *format; /* the provider's */
	/* dialects for reading usage, and for writing errors */
	const struct dialect *sent, *asked;
	bool wants_usage;    /* the stream reports usage, even if the form makes it optional */
	struct span model;   /* used if the response names no model */
	struct span id;	     /* id of the decision */
	/* a stream is written as a whole response, and a whole one as a stream */
	bool other_way;
	bool own_id;	     /* `id` replaces the response's id */
	bool array;	     /* the caller's stream is Gemini's JSON array, not SSE */
	const struct tool_alias *aliases; /* tools that were offered under another name */
	uint64_t choices;    /* number of choices, at most as many as the form has; 0: one */
	size_t vectors;	     /* embeddings: required number of vectors */
	bool base64;	     /* embeddings: the vectors are written in base64 */
	/* the gateway's count of the request's input, for a stream whose beginning states it, if
	 * the provider has not reported it by then; 0: none */
	int64_t input_tokens;
	int64_t head_tokens; /* input tokens stated in the head; -1: none */
};

/* Replaces the signature of reasoning that the provider did not sign: "tollgate: unsigned" in
 * base64. No provider accepts it, so such a block is left out when the caller sends it back. */
#define TRANSLATED_SIGNATURE "dG9sbGdhdGU6IHVuc2lnbmVk"

struct translator; /* opaque */

/* Returns a new translator, or NULL if memory is out. `streamed`: the input is events in the
 * framing `kind`; else a whole response. `status` is the response's. */
struct translator *translator_new(
	const struct translate_plan *p, bool streamed, enum frames_kind kind, int status);
/* Frees `*t`, which may be NULL, and sets it to NULL. */
void translator_drop(struct translator **t);
/* Returns the media type of the output, such as "text/event-stream". */
const char *translator_media_type(const struct translator *t);
/* Appends the output that is complete. Returns 0; ERR_SYNTAX or ERR_LIMIT if the input cannot
 * be translated, with the reason in *why, after which the caller of this function ends the
 * response with an error; or ERR_NOMEM. */
int translator_feed(struct translator *t, struct span bytes, struct buf *out, const char **why);
/* Ends the input. Returns as translator_feed(); ERR_TRUNCATED if a stream lacks its last
 * event. */
int translator_end(struct translator *t, struct buf *out, const char **why);
/* Appends the error that ends a stream which has begun, in the caller's form. */
void translator_say_error(struct translator *t, const char *code, struct span message,
	struct span id, struct buf *out);

/* Appends an event of dialect_stream_error(). If the form counts events, as the Responses API
 * does, the event gets `number`, the number of events before it. */
void answer_number_error(struct span event, uint64_t number, struct buf *out);

/* Returns true if the finish reason means a normal end; `calls`: an end with calls counts
 * too. */
bool translator_ended_well(enum form f, struct span finish, bool calls);

/* Returns the beginning of ids of the form's responses; "": none. */
const char *translator_id_begins(enum form f);

/* Contents of a response that the caller's form cannot express. translator_losses() returns a
 * bit for each kind that was left out. */
enum translate_loss { LOSS_CITATIONS, LOSS_GROUNDING, LOSS_CALL, LOSS_REASONING, LOSSES };
extern const char *const translate_losses[LOSSES]; /* names in records */
unsigned translator_losses(const struct translator *t);

/* Returns the number of bytes kept for later output. */
size_t translator_held(const struct translator *t);

#endif
