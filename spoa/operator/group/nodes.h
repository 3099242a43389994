/* The list of the daemons of a group, for `tollgate status --all`, `tollgate node list` and the
 * console. It is made from the members of the hash tollgate:{group}:policies, which are untrusted
 * input. */
#ifndef OPERATOR_GROUP_NODES_H
#define OPERATOR_GROUP_NODES_H

#include <jansson.h>

#include "base/buf.h"

/* A daemon is unasked if it was ready for this time and got no request, while another daemon got
 * one. Seconds. */
enum { NODES_UNASKED_S = 300 };

/* Appends a daemon to the list: {"node","daemon","here","age_s","live","machine","console","version",
 * "policy","policy_version","ready","ready_s","requests_per_minute","idle_s","requests_in_flight",
 * "awaited","oldest_id","oldest_s","degraded","records","head","verified"}. A member that is missing or invalid is null; older daemons do not write all.
 * `self` is this daemon's own member, or NULL. `age_s`: when the daemon last wrote. */
void nodes_add(json_t *list, struct span node, const json_t *member, const json_t *self,
	int64_t age_s);
/* Sets "unasked" of each daemon in the list, which stays the caller's. Returns a new reference to
 * the list, sorted by node. */
json_t *nodes_list(json_t *list);

/* The number of daemons in the list: the two instances of one count as one daemon. */
struct nodes_counts {
	unsigned live, known;
};
/* Appends the names of daemons that are not live to *missing. */
void nodes_count(const json_t *list, struct nodes_counts *out, struct buf *missing);

/* For group.c: a member's machine compared with this daemon's ("same" or "other"; NULL: unknown),
 * and the address of its console, if that is valid. */
const char *group_machine(const json_t *member, const json_t *self);
const char *group_console(const json_t *member);

#endif
