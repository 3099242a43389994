/* Cutting elements out of JSON's lists and objects; for tool_filter.c and tool_offered.c. */
#ifndef POLICY_VERDICT_CUTS_H
#define POLICY_VERDICT_CUTS_H

#include "base/codec/json.h"
#include "policy/verdict/tool_filter.h"

struct cutting {
	const struct tool_filter *f;
	struct json *j;
	struct span in;
	struct arena *a;
	struct tool_cuts *out;
};

/* [start, end) becomes `with`. 0, or ERR_NOMEM. */
int cut(struct cutting *c, size_t start, size_t end, struct span with);

/* Opens the document and reads the brace of its object. 0, ERR_NOMEM, or why it is none. */
int cut_open(struct cutting *c, struct json_event *ev);

/* Elements that go are cut in runs, with one comma for each: up to the next that stays, or from
 * the end of the last that did. */
struct run {
	size_t from, to; /* of the run under way; from 0: there is none */
	size_t kept_end; /* 0: none stayed */
};
int run_add(struct cutting *c, struct run *run, size_t start, size_t end, bool goes);
int run_end(struct cutting *c, const struct run *run);

static inline bool
cut_member(struct cutting *c, struct json_member *m, struct json_event *ev, int *err)
{
	return json_member(c->j, c->a, c->in, m, ev, err);
}
/* To the end of the value whose first token was read; *ev is its last. */
int cut_pass(struct cutting *c, struct json_event *ev);
/* The same; of a text *to is what it says. */
int cut_text(struct cutting *c, struct json_event *ev, struct span *to);
/* Where the value begins of which this is the first token, and where the one ends of which it
 * is the last, with quotes. */
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

#endif
