/* What differs between two decisions of the same thing: counted, with examples. For
 * policy diff and policy replay. */
#ifndef CMD_POLICIES_POLICY_TALLY_H
#define CMD_POLICIES_POLICY_TALLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { TALLY_FIELDS = 9 };

struct tally {
	size_t total, same, different;
	size_t observed; /* of a cutover: nothing was enforced */
	size_t by[TALLY_FIELDS];
	size_t examples_max;
	json_t *examples;
	json_t *cannot; /* reason → count */
};

void tally_init(struct tally *t, size_t examples_max);
void tally_free(struct tally *t);
/* The outcomes are objects with any of decision, status, rule, route, target, model,
 * tags, redactions, response; a member that one of them lacks is not compared. `where` names
 * the pair in an example ("line": 3); `says` may be NULL. Takes none of the references. */
void tally_compare(struct tally *t, json_t *was, json_t *is, json_t *where, const char *says);
/* One that could not be compared. */
void tally_cannot(struct tally *t, const char *reason);
json_t *tally_json(const struct tally *t);
/* In plain words, `what` being "requests"; or as one JSON object. */
void tally_print(const struct tally *t, const char *what, bool as_json);

#endif
