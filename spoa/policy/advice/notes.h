/* Notes on a valid policy: consequences that a reader of the file may not expect. `check`
 * prints them. All functions are for the main thread and only read the policy. */
#ifndef POLICY_ADVICE_NOTES_H
#define POLICY_ADVICE_NOTES_H

#include "policy/policy.h"

/* The subjects of the notes, and the function that receives each of them. Borrowed by all
 * functions below for the time of the call. */
struct noting {
	/* `at` is NULL if the note is about no place of a file; `text` is borrowed */
	void (*note)(void *arg, const struct yaml_node *at, const char *text);
	void *arg; /* passed to note() */
	const struct policy *p;
	const struct config *cfg; /* NULL: only a policy is checked */
	const struct detect_rules *rules;
};

/* Formats a note and passes it on. A text over 511 bytes is cut. */
void note_say(const struct noting *to, const struct yaml_node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Calls note() once for each note, with "file:line:column: " before the text if the note has a
 * place. `cfg` may be NULL. */
void policy_notes(const struct policy *p, const struct config *cfg,
	const struct detect_rules *rules, void (*note)(void *arg, const char *text), void *arg);

/* Returns true if the limit may count a request of the route. The answer is true if the
 * condition cannot be decided without a request. */
bool limit_may_reach(const struct limit *l, const struct route *route);
/* Returns true if requests of the route may have a body: only these cost tokens. */
bool route_takes_body(const struct route *t);

/* literals.c: one note for each literal in a condition that no route, target or request of this
 * policy can have. */
void policy_literals(const struct noting *to);

#endif
