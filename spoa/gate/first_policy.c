/* Chooses and loads the policy of a start: see first_policy.h. */
#include "gate/first_policy.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/scoped.h"
#include "base/why.h"
#include "gate/snapshot.h"
#include "policy/config/config.h"
#include "policy/own.h"
#include "policy/policy.h"
#include "record/archive/kept_policy.h"
#include "scan/detect/detect.h"

void
first_policy_init(struct first_policy *f)
{
	*f = (struct first_policy){ .kept = false };
	buf_init(&f->why, 4096);
}

void
first_policy_free(struct first_policy *f)
{
	buf_free(&f->why);
}

/* Appends the first mistake. */
static void
put_first_mistake(struct buf *why, const struct diag *d)
{
	struct span text = buf_view(&d->text), first = span_next(&text, '\n');

	buf_span(why, first.n ? first : span_str(err_str(ERR_NOMEM)));
}

/* Reads from the disk what tollgate.yaml names now and did not name when the text was kept:
 * another folder of detection rules, and another shadow policy. The files become part of the
 * set. A file of the set is not replaced. */
static void
add_newly_named(struct kept_policy *kept, const struct config *cfg)
{
	struct detect_rules *rules = NULL;
	const char *shadow = cfg->shadow_policy;

	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(errors, 1 << 20);
	SCOPED_DIAG(unused); /* the load that follows reports the mistakes */
	file_set_record(&kept->files);
	if (cfg->detectors && !str_same(cfg->detectors, kept->detectors)) {
		rules = detect_load(cfg->detectors, &errors);
		detect_free(&rules);
	}
	if (shadow && !file_set_find(&kept->files, shadow)) {
		policy_open(&a, shadow, cfg, cfg->detectors, &rules, &unused);
		detect_free(&rules);
	}
	file_set_record(NULL);
}

/* Loads once. `from` NULL: everything from the disk. */
static struct snapshot *
load_once(const char *config_file, unsigned workers, struct keysets *sets,
	const struct file_set *from, struct file_set *read, struct diag *d)
{
	file_set_free(read);
	file_set_from(from, SET_AT_START);
	file_set_record(read);
	struct snapshot *snap = snapshot_load(config_file, NULL, workers, sets, d);
	file_set_record(NULL);
	file_set_from(NULL, SET_AS_LOADED);
	return snap;
}

/* Loads the kept text. Returns NULL, and appends the reason to *why. */
static struct snapshot *
load_kept(const char *config_file, const struct config *cfg, unsigned workers,
	struct keysets *sets, struct first_policy *f, struct file_set *read, struct diag *d,
	struct buf *why)
{
	const struct kept_places places = kept_places_of(cfg);
	struct kept_policy kept;
	struct snapshot *snap = NULL;
	int err = kept_policy_last(&places, &kept, why);

	if (kept.version)
		snprintf(f->before, sizeof(f->before), "%s", kept.version);
	if (!err && !str_same(kept.root, cfg->policy))
		err = why_err(why, ERR_NOTFOUND, "it was loaded from %s, and %s names %s",
			kept.root, cfg->file, cfg->policy);
	if (!err) {
		SCOPED_DIAG(own);
		add_newly_named(&kept, cfg);
		snap = load_once(config_file, workers, sets, &kept.files, read, &own);
		if (!snap)
			put_first_mistake(why, &own);
		if (snap) { /* the caller watches the files that *d names */
			struct diag was = *d;
			*d = own;
			own = was;
		}
	}
	kept_policy_free(&kept);
	return snap;
}

struct snapshot *
first_policy_load(const char *config_file, unsigned workers, struct keysets *sets,
	struct first_policy *f, struct file_set *read, struct diag *d)
{
	struct snapshot *snap = NULL;

	SCOPED_ARENA(a, 0, false);
	SCOPED_DIAG(of_config); /* snapshot_load() reports the mistakes */
	SCOPED_BUF(why, 4096);
	const struct config *cfg = config_load(&a, config_file, &of_config);
	bool keeps = cfg && cfg->journal && cfg->policy;

	if (keeps && !cfg->policy_watch)
		snap = load_kept(config_file, cfg, workers, sets, f, read, d, &why);
	f->kept = snap != NULL;
	if (!snap) {
		if (f->before[0])
			buf_printf(&f->why,
				"the kept text of version %.12s, which was in force, cannot be "
				"used: ",
				f->before);
		if (why.n && (f->before[0] || kept_policy_any(cfg->journal)))
			buf_span(&f->why, buf_view(&why));
		snap = load_once(config_file, workers, sets, NULL, read, d);
	}
	if (!snap && keeps && cfg->policy_watch) {
		SCOPED_DIAG(own);
		snap = load_kept(config_file, cfg, workers, sets, f, read, &own, &why);
		f->kept = snap != NULL;
		if (snap) {
			struct diag was = *d;
			buf_str(&f->why, "the files have mistakes, so the text that was in "
					 "force is taken: ");
			put_first_mistake(&f->why, d);
			*d = own;
			own = was;
		}
	}
	return snap;
}
