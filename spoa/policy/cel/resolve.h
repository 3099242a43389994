/* Names, for the checker. */
#ifndef POLICY_CEL_RESOLVE_H
#define POLICY_CEL_RESOLVE_H

#include "policy/cel/ast.h"

/* The number of a macro's variable in scope, -1: none of that name. */
int cel_local(const struct cel_check *k, struct span name);
/* "a.b.c" where n is a.b.c and a no variable of a macro; else p is NULL. */
struct span cel_dotted(const struct cel_check *k, const struct cel_node *n);
/* Turns the part of n that the longest known prefix of `path` names into what
 * it means. `blame` is the name for errors. False: *err filled. */
bool cel_resolve(struct cel_check *k, struct cel_node *n, struct span path, struct span blame);
/* The same for has(n): becomes OP_PRESENT where it asks for a field of the
 * environment itself. */
bool cel_resolve_has(struct cel_check *k, struct cel_node *n);

#endif
