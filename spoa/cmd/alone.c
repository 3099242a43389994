/* The policy of --policy, or the one that the configuration names. */
#include "cmd/alone.h"

#include <unistd.h>

#include "cmd/cmd.h"

bool
policy_alone_load(
	struct policy_alone *out, const char *what, const char *config, const char *policy)
{
	const struct config *cfg = NULL;

	*out = (struct policy_alone){ 0 };
	arena_init(&out->a, 0, false);
	SCOPED_DIAG(d);
	const char *named = config;
	config = config_find(named);
	if (config && access(config, F_OK) == 0)
		cfg = config_load(&out->a, config, &d);
	if (!policy && cfg)
		policy = cfg->policy;
	if (policy && d.errors == 0)
		out->p = policy_open(
			&out->a, policy, cfg, cfg ? cfg->detectors : NULL, &out->rules, &d);
	if (!out->p && (policy || d.errors))
		cmd_mistakes(what, &d);
	else if (!out->p && !config)
		cmd_no_config(what, named, ", or a policy with --policy");
	else if (!out->p)
		cmd_fail(what, "%s: names no policy", config);
	return out->p != NULL;
}

void
policy_alone_free(struct policy_alone *p)
{
	json_decref(p->searched);
	p->searched = NULL;
	detect_free(&p->rules);
	arena_reset(&p->a);
	p->p = NULL;
}
