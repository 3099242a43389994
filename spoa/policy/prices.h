/* A price list in YAML (tollgate-prices(5)): read, checked, and asked for a request. */
#ifndef POLICY_PRICES_H
#define POLICY_PRICES_H

#include "base/codec/yaml.h"
#include "base/price/price.h"
#include "policy/policy.h"

/* NULL with every mistake in *d. In the arena. */
const struct prices *prices_read(
	struct arena *a, const struct yaml_node *tree, const char *file, struct diag *d);
/* The same of a file; *root, which may be NULL, gets its tree. */
const struct prices *prices_load(
	struct arena *a, const char *file, struct diag *d, const struct yaml_node **root);

/* What a model of this target costs at a time: its row of the list, else the policy's
 * unknown_price. NULL: nobody knows, and a limit in dollars refuses it. */
const struct price_row *policy_price(
	const struct policy *p, const struct target *t, struct span model, int64_t at_wall_ns);

/* What an answer's usage costs there, asked so. False: the usage is not known, or the policy
 * prices nothing; with out->unknown set: the model has no price. */
struct priced {
	const struct price_row *row;
	struct price_cost cost;
	bool unknown;
};
bool policy_cost(const struct policy *p, const struct target *t, struct span model,
	int64_t at_wall_ns, const struct price_asked *asked, const struct usage *u,
	struct priced *out);

#endif
