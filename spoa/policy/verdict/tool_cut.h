/* Removes elements from lists and objects of a JSON document, for tool_filter.c (MCP lists) and
 * tool_offered.c (chat requests). One thread at a time. */
#ifndef POLICY_VERDICT_TOOL_CUT_H
#define POLICY_VERDICT_TOOL_CUT_H

#include "base/codec/json.h"
#include "policy/verdict/tool_filter.h"

/* A document from which elements are cut. Lives on the caller's stack; cuts live in the
 * arena. */
struct cutting {
	const struct tool_filter *f;
	struct json *j;
	struct span in;
	struct arena *a;
	struct tool_cuts *out;
};

/* Adjacent elements to remove are cut as one run, each with one comma: up to the next element
 * that stays, or from the end of the last one that stays. */
struct run {
	size_t from, to; /* range of the present run; from 0: no run */
	size_t kept_end; /* end of the last element that stays; 0: none */
};

static inline bool
cut_member(struct cutting *c, struct json_member *m, struct json_event *ev, int *err)
{
	return json_member(c->j, c->a, c->in, m, ev, err);
}

/* Return the start of a value by its first token, and the end by its last token, including
 * quotes. */
static inline size_t
cut_start(const struct json_event *ev)
{
	return ev->start - (ev->tok == JSON_STRING);
}

static inline size_t
cut_end(const struct json_event *ev)
{
	return ev->end + (ev->tok == JSON_STRING);
}

/* Replaces bytes [start, end) by `with`. Returns 0 or ERR_NOMEM. */
int cut_bytes(struct cutting *c, size_t start, size_t end, struct span with);
/* Adds an element that is removed (`goes`) or stays. cut_run_end() cuts the last run. Both
 * return 0 or ERR_NOMEM. */
int cut_run_add(struct cutting *c, struct run *run, size_t start, size_t end, bool goes);
int cut_run_end(struct cutting *c, const struct run *run);
/* Opens the document and reads the brace of its object. Returns 0, ERR_NOMEM, or the error of a
 * document that is not an object. */
int cut_open(struct cutting *c, struct json_event *ev);
/* Reads to the end of a value whose first token was read. *ev becomes its last token. */
int cut_pass(struct cutting *c, struct json_event *ev);
/* Reads a value as cut_pass() does. If the value is a string, *to is its text. */
int cut_text(struct cutting *c, struct json_event *ev, struct span *to);

#endif
