/* Remarks on what a policy says of prices. */
#ifndef POLICY_ADVICE_PRICE_NOTES_H
#define POLICY_ADVICE_PRICE_NOTES_H

#include "policy/advice/notes.h"

/* A remark of no place is about the list. */
void policy_price_notes(const struct policy *p, int64_t now_wall_ns, const struct noting *to);

#endif
