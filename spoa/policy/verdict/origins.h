/* Origins of the values of a call: the sources of a conversation's texts, and the value of
 * tool.origins, which tool.from() and tool.origin() read. For verdict/ only. */
#ifndef POLICY_VERDICT_ORIGINS_H
#define POLICY_VERDICT_ORIGINS_H

#include "policy/verdict/tool.h"

struct facts_view;

/* Reads the texts of the request with their sources. All that is kept is in *a: names of sources,
 * and keyed hashes of words. An error is kept in *out, for the rules that read the field. */
void origins_of_request(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct answer_origins *out);
/* Returns tool.origins for the call: a map from the path of each value in the arguments, such as
 * "to[0].email", to a list of lists. The first list has the sources of the whole value, and each
 * further one those of a piece of a URL. Keys that are not plain words are written as *. */
struct cel_value origins_of_call(const struct policy *p, const struct answer_origins *o,
	const struct cel_value *arguments, struct arena *a);
/* Writes why the values are not the person's, for a denial: the first argument that the person did
 * not write, and its source. Returns an empty span if there is none. */
struct span origins_because(const struct cel_value *origins, struct arena *a);

#endif
