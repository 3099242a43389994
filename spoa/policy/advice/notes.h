/* Notes on a valid policy: consequences that a reader of the file may not expect. `check`
 * prints them. All functions are for the main thread and only read the policy. */
#ifndef POLICY_ADVICE_NOTES_H
#define POLICY_ADVICE_NOTES_H

#include <stdint.h>

struct config;
struct detect_rules;
struct policy;
struct yaml_node;

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

/* Calls note() once for each note, with "file:line:column: " before the text if the note has a
 * place. `cfg` may be NULL. */
void policy_notes(const struct policy *p, const struct config *cfg,
	const struct detect_rules *rules, void (*note)(void *arg, const char *text), void *arg);

/* Writes a note for each model and provider without a price, and one without a place if the
 * list is old. `now_wall_ns` is the wall clock. */
void policy_price_notes(const struct policy *p, int64_t now_wall_ns, const struct noting *to);

#endif
