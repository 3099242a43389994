/* A request in another form: read by the rows of the form that it has, written by those of the
 * form that its target speaks. What has no place there is refused by its path, unless a list
 * says that it does not matter, or the route that it may go.
 * https://platform.openai.com/docs/api-reference/chat, https://docs.anthropic.com/en/api/messages */
#ifndef ANSWER_TRANSLATE_REQUEST_H
#define ANSWER_TRANSLATE_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/tokens/models.h"
#include "scan/dialect/form.h"

/* A tool whose calls have another name or kind at the caller than at the target. It lives in the
 * request's arena, and holds no view of the body. */
struct tool_alias {
	struct span sent;	 /* its name at the target */
	struct span name, space; /* at the caller, with its namespace; no name: it did not offer the tool,
				    and gets no call */
	bool custom; /* the caller takes a text, which is the member "input" of the arguments */
	const struct tool_alias *next;
};

enum { TRANSLATE_DROPS = 32 }; /* members that a route lets go, noted of one request */

struct translate_ask {
	enum form from, to;
	const struct dialect *dialect; /* of the target's provider; NULL: its form's own */
	struct span body;  /* one JSON object, that was read by its table */
	struct span model; /* to be sent */
	bool stream;	   /* asked for by the path, where the form has no member for it */
	/* The cap of a request that states none, for forms that need one; 0: it is refused. */
	uint64_t cap_tokens;
	/* NULL, or 32 bytes, the key of the hash that stands for a user's id which is too long */
	const unsigned char *user_key;
	struct model_effort effort; /* that the model takes */
	bool fixed_sampling;	    /* the model refuses a temperature, top_p and top_k */
	bool custom_tools;	    /* the model takes OpenAI's custom tools, whose calls are a text */
	const char *const *drop; /* paths that the route lets go: "top_k", "stream_options.x" */
	size_t ndrop;
};

struct translated_request {
	bool stream;
	bool wants_usage; /* its caller's stream is to say the usage */
	const char *dropped[TRANSLATE_DROPS]; /* of ask.drop, those that it had; or in the arena */
	size_t ndropped;
	uint64_t choices; /* so many answers are asked for; 0: one */
	const struct tool_alias *aliases; /* of the tools that it offers; NULL: none */
	size_t vectors; /* of embeddings: as many come back, */
	bool base64;	/* so written */
	/* ERR_UNSUPPORTED: the path of what has no place ("messages[2].content[0].image_url.url"),
	 * and why, a fixed phrase. In the arena. */
	struct span refused;
	const char *why;
};

/* Appends the document to *out. 0; ERR_UNSUPPORTED with *made filled; ERR_SYNTAX: it is no request
 * of its form (refused and why are filled too); ERR_NOMEM. Views of the body live in the arena
 * as long as it. Any thread. */
int translate_request(const struct translate_ask *ask, struct arena *a, struct buf *out,
	struct translated_request *made);

/* Whether it is an id of a call that every form takes. */
bool translate_id_is_plain(struct span id);

#endif
