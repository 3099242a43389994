/* Shared by config.c, values.c and together.c, which make a struct config. For no other
 * file. */
#ifndef POLICY_CONFIG_LOAD_H
#define POLICY_CONFIG_LOAD_H

#include "policy/config/config.h"

/* One load. Lives on the stack of config_read(). */
struct config_reader {
	struct arena *a;
	struct diag *d;
	struct config *cfg;
};

/* values.c: config_option_read() reads one option into its place in r->cfg.
 * config_option_same() returns true if an option is equal in two configurations. */
void config_option_read(
	struct config_reader *r, const struct field *o, const struct yaml_node *n);
bool config_option_same(const struct field *o, const struct config *x, const struct config *y);
/* Returns true for 1 to `max` letters, digits, dots, dashes and underscores. */
bool config_name_ok(struct span s, size_t max);

/* together.c: checks options against each other and sets derived defaults, after all options
 * were read. */
void config_check(struct config_reader *r);
/* Sets the paths that the file leaves to their defaults and that each instance has for itself.
 */
void config_derive(struct arena *a, struct config *cfg);

#endif
