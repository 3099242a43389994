/* An answer in another form, whole or as a stream: what the provider wrote, after the guard has
 * let it go, is read by the rows of its format, and written as the caller's form has it. It
 * knows one answer, and is fed its bytes as they come. owner: worker, one an exchange. */
#ifndef ANSWER_TRANSLATE_ANSWER_H
#define ANSWER_TRANSLATE_ANSWER_H

#include "answer/format.h"
#include "answer/frames.h"
#include "answer/translate/request.h"
#include "base/buf.h"
#include "scan/dialect/form.h"

/* All of it is borrowed, and lives as long as the translator. */
struct translate_plan {
	enum form from, to; /* the provider's, the caller's; FORM_NONE: nothing is translated */
	const struct answer_format *format; /* the provider's */
	const struct dialect *sent, *asked; /* whose usage is read; whose errors are written */
	bool wants_usage;    /* of a stream: it is said, where its form does not always */
	struct span model;   /* where the answer names none */
	struct span id;	     /* the decision's */
	bool other_way;	     /* a stream is written whole, a whole answer as a stream */
	bool own_id;	     /* `id` is the answer's, whatever it says */
	bool array;	     /* the caller's stream is Gemini's list of answers, and no SSE */
	const struct tool_alias *aliases; /* of tools that were offered under another name */
	uint64_t choices;    /* how many there may be, no more than a form has; 0: one */
	size_t vectors;	     /* of embeddings: how many there must be, */
	bool base64;	     /* and whether they are written so */
	int64_t head_tokens; /* of its input, said in the answer's head; -1: not there */
};

/* In the place of a signature, of reasoning that its provider did not sign: "tollgate:
 * unsigned". No provider takes it, so that block is left out of what comes back. */
#define TRANSLATED_SIGNATURE "dG9sbGdhdGU6IHVuc2lnbmVk"

struct translator; /* opaque */

/* `streamed`: with events, in the provider's framing `kind`; else whole. `status`: of the
 * answer. NULL: out of memory. */
struct translator *translator_new(
	const struct translate_plan *p, bool streamed, enum frames_kind kind, int status);
void translator_drop(struct translator **t);
/* The media type of what is written: "text/event-stream". */
const char *translator_media_type(const struct translator *t);
/* Appends to *out what may go now. 0; ERR_SYNTAX, ERR_LIMIT: what came cannot be translated,
 * and *why says it; the caller ends the answer with an error. ERR_NOMEM. */
int translator_feed(struct translator *t, struct span bytes, struct buf *out, const char **why);
/* The provider's answer has ended. As above; a stream that lacks its last event is
 * ERR_TRUNCATED. */
int translator_end(struct translator *t, struct buf *out, const char **why);
/* What ends a stream already begun with an error in the caller's form. */
void translator_say_error(struct translator *t, const char *code, struct span message,
	struct span id, struct buf *out);

/* Appends an event of dialect_stream_error(). If its form counts events, as responses does, the event gets
 * this number, which is that of the events before it. */
void answer_number_error(struct span event, uint64_t number, struct buf *out);

/* Whether the word says that the answer ended of itself; `calls`: or with calls. */
bool translator_ended_well(enum form f, struct span finish, bool calls);

/* What ids of a form's answers begin with; "": with nothing of their own. */
const char *translator_id_begins(enum form f);

/* Contents of a response that the caller's form cannot express. translator_losses() returns a bit for each
 * kind that was left out. */
enum translate_loss { LOSS_CITATIONS, LOSS_GROUNDING, LOSS_CALL, LOSS_REASONING, LOSSES };
extern const char *const translate_losses[LOSSES]; /* as records name them */
unsigned translator_losses(const struct translator *t);

/* Bytes that are kept for what follows. */
size_t translator_held(const struct translator *t);

#endif
