/* Counts the decisions that differ between two policies, with examples. For `policy diff`
 * and `policy replay`. */
#ifndef CMD_POLICIES_POLICY_TALLY_H
#define CMD_POLICIES_POLICY_TALLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { TALLY_FIELDS = 9 };

/* The counts of one comparison. Owned by the command: tally_init() before and tally_free()
 * after it. */
struct tally {
	size_t total, same, different;
	size_t observed; /* requests of a cutover, for which nothing was enforced */
	size_t by[TALLY_FIELDS];
	size_t examples_max;
	json_t *examples;
	json_t *cannot; /* an object: number of decisions that could not be compared, by reason */
};

/* Begin and end a count; at most `examples_max` examples are kept. */
void tally_init(struct tally *t, size_t examples_max);
void tally_free(struct tally *t);
/* Compares two outcomes: objects with any of decision, status, rule, route, target, model,
 * tags, redactions and response. A member that one of them lacks is not compared. `where`
 * identifies the pair in an example, such as {"line": 3}; `says` is a sentence about the
 * new outcome or NULL. Takes over no reference. */
void tally_compare(struct tally *t, json_t *was, json_t *is, json_t *where, const char *says);
/* Counts a decision that could not be compared. */
void tally_cannot(struct tally *t, const char *reason);
json_t *tally_json(const struct tally *t);
/* Prints the counts as sentences in which `what` is a word such as "requests", or as one
 * JSON object. */
void tally_print(const struct tally *t, const char *what, bool as_json);

#endif
