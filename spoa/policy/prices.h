/* A price list in YAML (tollgate-prices(5)): reading, checking, and the cost of a request. */
#ifndef POLICY_PRICES_H
#define POLICY_PRICES_H

#include "base/codec/yaml.h"
#include "base/price/price.h"

struct policy;
struct target;
struct usage;

/* Reads a list into the arena. Returns NULL with errors in *d. */
const struct prices *prices_read(
	struct arena *a, const struct yaml_node *tree, const char *file, struct diag *d);
/* Reads a file as prices_read() does. `root` may be NULL; otherwise *root is set to the file's
 * tree. */
const struct prices *prices_load(
	struct arena *a, const char *file, struct diag *d, const struct yaml_node **root);

/* Returns the price of a model at a target and time: its row of the list, else the policy's
 * unknown_price. NULL: unknown, so limits in dollars refuse the request. */
const struct price_row *policy_price(
	const struct policy *p, const struct target *t, struct span model, int64_t at_wall_ns);

/* Computes the cost of a response's usage. Returns false if the usage is unknown, the policy
 * has no prices, or the model has no price (out->unknown is true). */
struct priced {
	const struct price_row *row;
	struct price_cost cost;
	bool unknown;
};
bool policy_cost(const struct policy *p, const struct target *t, struct span model,
	int64_t at_wall_ns, const struct price_asked *asked, const struct usage *u,
	struct priced *out);

#endif
