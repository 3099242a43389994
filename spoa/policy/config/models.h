/* Reading how models' tokens are counted. */
#ifndef POLICY_CONFIG_MODELS_H
#define POLICY_CONFIG_MODELS_H

#include "base/codec/yaml.h"
#include "base/tokens/encodings.h"
#include "base/tokens/models.h"
#include "policy/config/config.h"

/* `file` NULL: the table that is compiled in. In the arena; NULL with *d filled. */
const struct token_models *models_load(struct arena *a, const char *file, struct diag *d);

/* What tokens are counted with: that table, and the files of ranks. `cfg` may be NULL. Files
 * that a folder of the configuration lacks or has damaged are its mistake; without any in the
 * places of the program tokens are estimated: *no_ranks, in the arena, says why, on one line;
 * else NULL. The encodings are the caller's to close. False with *d filled. */
bool tokens_load(struct arena *a, const struct config *cfg, const struct token_models **models,
	struct encodings **encodings, const char **no_ranks, struct diag *d);

#endif
