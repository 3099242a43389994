/* What is valid but worth knowing about a policy: printed by check, logged by
 * serve at start and reload. */
#ifndef POLICY_ADVICE_NOTES_H
#define POLICY_ADVICE_NOTES_H

#include "policy/policy.h"

/* What remarks are of, and who gets them; `at` NULL: of no place. */
struct noting {
	void (*note)(void *arg, const struct yaml_node *at, const char *text);
	void *arg;
	const struct policy *p;
	const struct config *cfg; /* may be NULL */
	const struct detect_rules *rules;
};

/* A remark of up to 511 bytes. */
void note_say(const struct noting *to, const struct yaml_node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Calls note() once a remark, "file:line:column: text" where it has a place. */
void policy_notes(const struct policy *p, const struct config *cfg,
	const struct detect_rules *rules, void (*note)(void *arg, const char *text), void *arg);

/* notes_limits.c: whether the limit may count a request of the route; and whether requests of the
 * route have a body. */
bool limit_may_reach(const struct limit *l, const struct route *route);
bool route_takes_body(const struct route *t);
/* notes_limits.c: those on limits. */
void policy_limit_notes(const struct noting *r);

/* notes_targets.c: those on several targets, attempts, aliases. */
void policy_target_notes(
	const struct policy *p, const struct config *cfg, const struct noting *to);

#endif
