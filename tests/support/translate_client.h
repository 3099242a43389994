/* A strict client of translated responses. It describes the response that it received in one
 * line, or reports a part that no SDK would accept:
 *
 *   id model|text Hello|tool_use toolu_1 get {}|end_turn|10 5 cached 2 written 3
 *
 * For tests and fuzz targets. */
#ifndef TESTS_SUPPORT_TRANSLATE_CLIENT_H
#define TESTS_SUPPORT_TRANSLATE_CLIENT_H

#include "answer/calls/tree.h"
#include "answer/frames.h"
#include "answer/translate/answer_private.h"
#include "base/err.h"

enum { CLIENT_CALLS = 300 };

struct translate_client {
	struct buf say;
	struct buf texts[3]; /* of chat completions, as in chat_texts */
	struct client_tool {
		struct buf id, name, arguments;
	} calls[CLIENT_CALLS];
	size_t ncalls;
	unsigned blocks; /* of messages */
	char open[32];	 /* type of the open block; "": none */
	struct buf block;
	struct buf stop, usage;
	unsigned comments;
	bool begun, ended, failed;
	const char *bad;
	struct arena a;
};

/* Appends what the client received to *say. */
void client_hears(enum form form, bool streamed, struct span out, struct buf *say,
	struct translate_client *c);

/* TRANSLATOR_MISSES: each event is parsed by itself, and no result is reused from the previous
 * one. */
extern unsigned translate_misses;

extern unsigned translate_choices; /* number of choices in the request */
;
extern const struct tool_alias *translate_aliases; /* aliases of the offered tools */
;

/* Translates a response for a caller of another form, fed `step` bytes at a time, or, if `step`
 * is 0, in two pieces. Returns 0, or an error with the reason. Errors are written as the relay
 * writes them. */
int translate_run_to(enum form from, enum form to, bool streamed, int status, struct span in,
	size_t step, size_t cut, struct buf *out, const char **why);

/* Translates for a caller of the other form of the two. */
int translate_run(enum form from, bool streamed, int status, struct span in, size_t step,
	size_t cut, struct buf *out, const char **why);

#endif
