/* How config.c, values.c and together.c make a struct config together; for nobody
 * else. */
#ifndef POLICY_CONFIG_LOAD_H
#define POLICY_CONFIG_LOAD_H

#include "policy/config/config.h"

struct config_reader {
	struct arena *a;
	struct diag *d;
	struct config *cfg;
};

/* values.c: one option into its place of r->cfg; whether two configurations have the same. */
void config_option_read(
	struct config_reader *r, const struct field *o, const struct yaml_node *n);
bool config_option_same(const struct field *o, const struct config *x, const struct config *y);
/* Letters, digits, dots, dashes and underscores, 1 to `max` of them. */
bool config_name_ok(struct span s, size_t max);

/* together.c: when every option is read. */
void config_check(struct config_reader *r);

#endif
