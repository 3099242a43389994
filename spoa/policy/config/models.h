/* Reads how tokens of models are counted. */
#ifndef POLICY_CONFIG_MODELS_H
#define POLICY_CONFIG_MODELS_H

#include "base/codec/yaml.h"
#include "base/tokens/ranks.h"
#include "base/tokens/models.h"
#include "policy/config/config.h"

/* Reads the table from `file`, or the table that is compiled in if `file` is NULL. Returns NULL
 * with errors in *d. The table lives in the arena. */
const struct token_models *models_load(struct arena *a, const char *file, struct diag *d);

/* Loads the table and the files of ranks. `cfg` may be NULL. If a configured folder has missing
 * or damaged files, that is an error in *d and false is returned. Without tokens.ranks and
 * without files next to the program, tokens are estimated, and *no_ranks is the reason on one
 * line, in the arena; otherwise NULL. The caller closes *encodings. */
bool tokens_load(struct arena *a, const struct config *cfg, const struct token_models **models,
	struct encodings **encodings, const char **no_ranks, struct diag *d);

#endif
