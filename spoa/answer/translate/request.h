/* Translates a request to another form: the request is read by the tables of its form, and
 * written by those of the target's form. A member without an equivalent is refused by its path,
 * unless harmless_members.txt or the route's drop list has the member. Sources:
 * https://platform.openai.com/docs/api-reference/chat,
 * https://docs.anthropic.com/en/api/messages */
#ifndef ANSWER_TRANSLATE_REQUEST_H
#define ANSWER_TRANSLATE_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/tokens/models.h"
#include "scan/dialect/form.h"

/* A tool whose calls have another name or kind for the caller than for the target. In the
 * request's arena, without views of the body. */
struct tool_alias {
	struct span sent;	 /* its name at the target */
	/* Its name for the caller, and the namespace. No name: the caller did not offer the
	 * tool, and receives no call of it. */
	struct span name, space;
	bool custom; /* the caller takes a text, which is the member "input" of the arguments */
	const struct tool_alias *next;
};

enum { TRANSLATE_DROPS = 32 }; /* members dropped for the route that are noted per request */

/* A request to translate. Everything is borrowed. */
struct translate_ask {
	enum form from, to;
	const struct dialect *dialect; /* the target provider's; NULL: the form's own */
	struct span body;  /* one JSON object, which was checked by its table */
	struct span model; /* the model to send */
	bool stream;	   /* the path requests a stream, if the form has no member for it */
	/* The token limit of a request without one, for forms that require it. 0: such a
	 * request is refused. */
	uint64_t cap_tokens;
	/* 32 bytes, the key of the hash that replaces a user id which is too long; NULL:
	 * none */
	const unsigned char *user_key;
	struct model_effort effort; /* effort that the model accepts */
	bool fixed_sampling;	    /* the model refuses temperature, top_p and top_k */
	/* the model accepts OpenAI's custom tools, whose calls are a text */
	bool custom_tools;
	/* paths on the route's drop list: "top_k", "stream_options.x" */
	const char *const *drop;
	size_t ndrop;
};

/* Results of a translation. */
struct translated_request {
	bool stream;
	bool wants_usage; /* the caller requested usage in the stream */
	/* paths that were dropped: of ask.drop, or in the arena */
	const char *dropped[TRANSLATE_DROPS];
	size_t ndropped;
	uint64_t choices; /* number of choices requested; 0: one */
	const struct tool_alias *aliases; /* aliases of the offered tools; NULL: none */
	size_t vectors; /* embeddings: number of vectors that are expected */
	bool base64;	/* embeddings: the vectors are written in base64 */
	/* ERR_UNSUPPORTED: the path without an equivalent
	 * ("messages[2].content[0].image_url.url"), in the arena, and the reason, a fixed
	 * phrase. */
	struct span refused;
	const char *why;
};

/* Appends the translated document to *out. Returns 0; ERR_UNSUPPORTED, with `refused` and `why`
 * set; ERR_SYNTAX if the body is not a request of its form, with both set; or ERR_NOMEM. The
 * arena keeps views of the body. Any thread. */
int translate_request(const struct translate_ask *ask, struct arena *a, struct buf *out,
	struct translated_request *made);

/* Returns true if every form accepts this id of a call. */
bool translate_id_is_plain(struct span id);

#endif
