/* Notes on the prices of a policy. */
#ifndef POLICY_ADVICE_PRICE_NOTES_H
#define POLICY_ADVICE_PRICE_NOTES_H

#include "policy/advice/notes.h"

/* Writes a note for each model and provider without a price, and one without a place if the
 * list is old. `now_wall_ns` is the wall clock. */
void policy_price_notes(const struct policy *p, int64_t now_wall_ns, const struct noting *to);

#endif
