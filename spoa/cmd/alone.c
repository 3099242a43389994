/* Loads a policy for a command that needs no daemon: the policy of --policy, or the one
 * that the configuration names. A kept text of an earlier version can then replace the
 * policy. */
#include "cmd/alone.h"

#include <unistd.h>

#include "base/err.h"
#include "base/why.h"
#include "cmd/cmd.h"
#include "policy/config/config.h"
#include "policy/policy.h"
#include "record/archive/kept_policy.h"
#include "scan/detect/detect.h"

/* Returns NULL if there is no such file, or if the file has mistakes, which *d then holds. */
static const struct config *
load_if_there(struct arena *a, const char *file, struct diag *d)
{
	return file && access(file, F_OK) == 0 ? config_load(a, file, d) : NULL;
}

bool
policy_alone_load(
	struct policy_alone *out, const char *what, const char *config, const char *policy)
{
	*out = (struct policy_alone){ 0 };
	arena_init(&out->a, 0, false);
	SCOPED_DIAG(d);
	const char *named = config;
	config = config_find(named);
	const struct config *cfg = load_if_there(&out->a, config, &d);
	if (!policy && cfg)
		policy = cfg->policy;
	if (policy && d.errors == 0)
		out->p = policy_open(
			&out->a, policy, cfg, cfg ? cfg->detectors : NULL, &out->rules, &d);
	if (out->p)
		out->version = out->p->version;
	if (!out->p && (policy || d.errors))
		cmd_mistakes(what, &d);
	else if (!out->p && !config)
		cmd_no_config(what, named, ", or a policy with --policy");
	else if (!out->p)
		cmd_fail(what, "%s: has no `policy`: name a policy file there or with --policy", config);
	return out->p != NULL;
}

int
policy_alone_kept(struct policy_alone *p, const char *config, const struct kept_places *places,
	const char *version, const char *hash, struct buf *why)
{
	struct policy_alone next = { .p = NULL };
	struct kept_policy kept;
	int err = kept_policy_get(places, version, hash, &kept, why);

	arena_init(&next.a, 0, false);
	SCOPED_DIAG(d);
	if (!err) {
		const struct config *cfg =
			load_if_there(&next.a, config_find(config), &d);
		file_set_from(&kept.files, SET_AS_LOADED);
		next.p = policy_open(&next.a, kept.root, cfg,
			kept.detectors ? kept.detectors : DETECT_BUILT_IN, &next.rules, &d);
		file_set_from(NULL, SET_AS_LOADED);
	}
	kept_policy_free(&kept);
	next.version = arena_strdup(&next.a, version);
	if (!err && (!next.p || !next.version)) {
		struct span text = buf_view(&d.text), first = span_next(&text, '\n');
		err = why_err(why, ERR_SYNTAX,
			"the kept text of version %.12s cannot be loaded by this version "
			"of tollgate: %.*s",
			version, SPAN_ARG(first));
	}
	if (err) {
		policy_alone_free(&next);
		return err;
	}
	next.searched = p->searched;
	p->searched = NULL;
	policy_alone_free(p);
	*p = next;
	return 0;
}

void
policy_alone_free(struct policy_alone *p)
{
	json_decref(p->searched);
	p->searched = NULL;
	json_decref(p->meant);
	p->meant = NULL;
	detect_free(&p->rules);
	arena_reset(&p->a);
	p->p = NULL;
}
