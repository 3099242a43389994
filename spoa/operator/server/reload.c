/* Builds the next snapshot, puts it in force and reports the result.
 *
 * The steps of a reload are: load the snapshot, check its credentials, keys and auditors, store
 * the policy's text, publish the snapshot to the workers, and record it. If any step before the
 * publication fails, the snapshot in force stays, and the mistakes are logged and kept for
 * `tollgate status`. */
#include "operator/server/reload.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/watch.h"
#include "gate/targets/state.h"
#include "operator/server/server.h"
#include "policy/checked.h"
#include "policy/policy.h"
#include "record/audit/audit.h"
#include "record/audit/keys.h"
#include "record/seal/store.h"

enum { ERRORS_BYTES = 64 << 10, WAIT_S = 60 };
#define AGAIN_US UINT64_C(3600000000) /* how often the stored text's time is renewed */
/* time until another attempt after a text could not be stored */
#define RETRY_US UINT64_C(60000000)

/* ---- results ---- */

static void
log_mistakes(const struct diag *d)
{
	struct span rest = buf_view(&d->text);

	while (rest.n) {
		struct span line = span_next(&rest, '\n');
		if (line.n)
			log_event(LOG_ERROR, "configuration.invalid", LSP("error", line));
	}
}

static void
note_outcome(struct reload_outcome *to, const char *by, const struct diag *d, bool refused)
{
	struct span text = buf_view(&d->text);

	to->at_ns = clock_wall_ns();
	to->refused = refused;
	to->handed = false;
	to->nerrors = d->errors;
	snprintf(to->by, sizeof(to->by), "%s", by);
	buf_clear(&to->errors);
	/* Keep whole lines only. */
	while (refused && text.n) {
		struct span line = span_next(&text, '\n');
		if (to->errors.n + line.n + 1 > ERRORS_BYTES)
			break;
		buf_span(&to->errors, line);
		buf_putc(&to->errors, '\n');
	}
}

/* An order reads the rotating files as well, so a successful order clears their refusal. A
 * change of a rotating file does not correct what made an order fail. */
static void
note_reload(struct reloading *r, const char *by, const struct diag *d, bool refused, bool order)
{
	SCOPED_LOCK(&r->lock);
	note_outcome(order ? &r->order : &r->rotation, by, d, refused);
	if (order && !refused)
		r->rotation.refused = false;
}

/* Returns the last result, or the last refusal that nothing has corrected. The caller holds
 * r->lock. */
static const struct reload_outcome *
shown_outcome(const struct reloading *r)
{
	bool order = r->order.refused != r->rotation.refused
			     ? r->order.refused
			     : r->order.at_ns >= r->rotation.at_ns;

	return order ? &r->order : &r->rotation;
}

/* Writes a result as JSON. The caller holds r->lock. */
static void
put_outcome(const struct reloading *r, const struct reload_outcome *of, struct buf *out)
{
	struct span rest = buf_view(&of->errors);

	if (of->at_ns == 0) {
		buf_str(out, "null");
		return;
	}
	json_put_open(out, NULL, '{');
	json_put_time(out, "time", of->at_ns);
	json_put_form(out, "'by':%t,'result':%s,'errors_total':%u,'errors':[", span_str(of->by),
		of->handed    ? "repeat"
		: of->refused ? "refused"
			      : "done",
		(uint64_t)of->nerrors);
	while (rest.n)
		json_put_text(out, NULL, span_next(&rest, '\n'));
	json_put_form(out, "],'at_restart':%t}", buf_view(&r->at_restart));
}

void
reload_status(struct reloading *r, struct buf *out)
{
	SCOPED_LOCK(&r->lock);
	put_outcome(r, shown_outcome(r), out);
}

bool
reload_refused(struct reloading *r, struct buf *why)
{
	SCOPED_LOCK(&r->lock);
	const struct reload_outcome *last = shown_outcome(r);
	bool refused = last->refused;
	if (refused) {
		struct span rest = buf_view(&last->errors), first = span_next(&rest, '\n');
		buf_printf(why,
			"the policy in force is older than its files, because the last reload "
			"was refused: %.*s",
			SPAN_ARG(first));
	}
	return refused;
}

/* ---- watched files ---- */

/* Collects the files of a load that do not rotate, each followed by a NUL. */
static void
ordered_files(const struct diag *read, struct buf *out)
{
	struct span rest = buf_view(&read->files);

	while (rest.n) {
		struct span file = span_next(&rest, '\0');
		if (!diag_names(buf_view(&read->rotating), file)) {
			buf_span(out, file);
			buf_putc(out, '\0');
		}
	}
}

/* Watches the files of the last load. After a refusal, the files of the policy in force stay
 * watched too, because the mistake may be corrected in either. */
static void
watch_loaded_files(struct reloading *r, const struct diag *read, bool refused, int64_t since_ns)
{
	bool all = r->s->snap->cfg->policy_watch;

	if (!watch_files(r->watch, buf_view(all ? &read->files : &read->rotating), refused,
		    since_ns))
		log_event(LOG_WARN, "reload.unwatched",
			LS("why", "the policy has more files than the daemon watches: send "
				  "SIGHUP after you change one"));
}

/* Takes over the set of files of a load that came into force. */
static void
keep_set(struct reloading *r, const struct diag *read, struct file_set *set, int64_t since_ns)
{
	const struct config *cfg = r->s->snap->cfg;

	edited_nothing(&r->edited);
	file_set_free(&r->in_force);
	r->in_force = *set;
	file_set_init(set);
	SCOPED_BUF(files, 0);
	ordered_files(read, &files);
	if (!cfg->policy_watch)
		edited_compare(&r->edited, buf_view(&files), &r->in_force, cfg, since_ns);
}

/* ---- the stored text of the policy ---- */

/* Stores the files from which `snap` was loaded; `text` receives their hash. */
static int
store_text(struct server *s, const struct snapshot *snap, const struct file_set *set,
	char text[KEPT_POLICY_HEX], struct buf *why)
{
	struct kept_policy kept = { .label = snap->policy->label,
		.version = snap->policy->version,
		.root = snap->cfg->policy,
		.detectors = snap->cfg->detectors,
		.files = *set };
	int err = kept_policy_put(s->shared_cfg->journal, &kept, why);

	memcpy(text, err ? "" : kept.hash, err ? 1 : KEPT_POLICY_HEX);
	return err;
}

/* Stores the text of the policy in force. If that fails, records keep naming the earlier text,
 * and the first failure is logged. */
static int
store_in_force(struct reloading *r, struct server *s, const struct file_set *set)
{
	char text[KEPT_POLICY_HEX];

	SCOPED_BUF(why, 4096);
	int err = store_text(s, s->snap, set, text, &why);
	if (!err)
		memcpy(r->text, text, KEPT_POLICY_HEX);
	else if (!r->not_stored)
		log_event(LOG_ERROR, "policy.not_kept", LS("policy", s->snap->policy->label),
			LSP("why", buf_view(&why)));
	r->not_stored = err != 0;
	r->stored_us = clock_mono_us();
	return err;
}

/* Marks the stored text as the one in force. The first failure is logged. */
static void
mark_in_force(struct reloading *r, struct server *s)
{
	const struct kept_places places = kept_places_of(s->shared_cfg);

	if (!s->audit || !r->text[0] || !atomic_load(&s->decides))
		return;
	SCOPED_BUF(why, 4096);
	r->marked = kept_policy_mark(&places, s->snap->policy->version, r->text, &why) == 0;
	if (!r->marked)
		log_event(LOG_ERROR, "policy.not_kept", LS("policy", s->snap->policy->label),
			LSP("why", buf_view(&why)));
}

void
reload_decides(struct reloading *r)
{
	mark_in_force(r, r->s);
}

/* States in the record why the start did not take the text that was in force, and that the
 * version of this text changed, because the program has other detection rules. */
static void
announce_start(struct reloading *r, struct server *s)
{
	const char *version = s->snap->policy->version;
	bool other = r->first.before[0] && strcmp(r->first.before, version) != 0;

	SCOPED_BUF(why, 4096);
	buf_span(&why, buf_view(&r->first.why));
	if (!why.n && other && r->first.kept)
		buf_str(&why, "the text that was in force, with the detection rules of this "
			      "program");
	buf_putc(&why, '\0');
	snapshot_announce(s->snap,
		&(struct announcement){ .text = r->text[0] ? r->text : NULL,
			.by = "start",
			.why = why.n > 1 ? why.p : NULL,
			.before = other ? r->first.before : NULL },
		s->audit);
}

void
reload_announce(struct reloading *r, struct server *s, struct file_set *set,
	struct first_policy *first)
{
	r->first = *first;
	first_policy_init(first);
	log_event(r->first.why.n ? LOG_WARN : LOG_INFO, "policy.start",
		LS("policy", s->snap->policy->label), LS("from", r->first.kept ? "kept" : "files"),
		LSP("why", buf_view(&r->first.why)));
	if (!s->audit)
		return;
	store_in_force(r, s, set);
	announce_start(r, s);
}

void
reload_from(struct reloading *r, struct buf *out)
{
	SCOPED_LOCK(&r->lock);
	json_put_open(out, NULL, '{');
	json_put_str(out, "from", r->ordered ? "order" : r->first.kept ? "kept" : "files");
	if (!r->ordered && r->first.why.n)
		json_put_text(out, "why", buf_view(&r->first.why));
	json_put_close(out, '}');
}

void
reload_keep_look(struct server *s)
{
	struct reloading *r = &s->reloading;

	if (!s->audit)
		return;
	bool missing = !r->text[0];
	if (!missing && !r->marked)
		mark_in_force(r, s);
	if (clock_mono_us() - r->stored_us <= (r->not_stored ? RETRY_US : AGAIN_US))
		return;
	if (!store_in_force(r, s, &r->in_force) && missing)
		announce_start(r, s);
}

/* ---- a reload ---- */

/* Puts a new snapshot into force. The record of its policy is queued before any worker has the
 * snapshot, so the records of its decisions follow it. The old snapshot is freed with its last
 * reference. */
static void
publish_snapshot(struct reloading *r, struct snapshot *snap, const struct announcement *a)
{
	struct server *s = r->s;

	/* Options that only a restart changes are reported and keep their values. */
	SCOPED_BUF(names, 4096);
	config_fixed_changes(s->shared_cfg, snap->cfg, &names);
	if (names.n)
		log_event(LOG_WARN, "reload.partial", LSP("options", buf_view(&names)),
			LS("why", "these options change at a restart only: restart the daemon "
				  "to apply them"));
	pthread_mutex_lock(&r->lock);
	buf_clear(&r->at_restart);
	buf_span(&r->at_restart, buf_view(&names));
	pthread_mutex_unlock(&r->lock);
	pinning_again(s, snap);
	pthread_mutex_lock(&s->lock);
	snapshot_announce(snap, a, s->audit);
	struct snapshot *old = s->snap;
	s->snap = snap;
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_add_explicit(&s->snapshots, 1, memory_order_relaxed);
	for (unsigned i = 0; i < s->nworkers; i++)
		worker_snapshot(&s->workers[i], snap);
	log_event(LOG_INFO, "reload.done", LS("policy", snap->policy->label),
		LS("was", old->policy->label), LS("by", a->by));
	snapshot_unref(&old);
	server_targets(s, NULL, NULL);
	target_reloaded(gate_targets(s->shared), NULL);
	observing_again(s);
	if (s->front)
		s->front_of->reloaded(s->front, snap->cfg);
	metric_inc(&s->metrics, M_RELOADS);
}

/* Loads the keys that this configuration names. Returns NULL with the reason in *d. */
static struct audit_keys_order *
prepare_keys(struct server *s, const struct config *cfg, struct diag *d)
{
	struct audit_keys_order *keys;

	if (!cfg->audit_key) /* the removal of audit.key takes effect at a restart */
		cfg = s->shared_cfg;
	SCOPED_BUF(why, 8192);
	keys = audit_keys_prepare(audit_keys(s->audit), cfg, &why);
	if (!keys && config_at(cfg, "audit.key"))
		diag_at(d, config_at(cfg, "audit.key"), "%.*s", SPAN_ARG(buf_view(&why)));
	else if (!keys)
		diag_file(d, s->config_file, "%.*s", SPAN_ARG(buf_view(&why)));
	return keys;
}

/* Seals texts to the configured auditors from now on. Only a restart turns sealing on or off.
 */
static bool
change_auditors(struct server *s, const struct config *cfg, struct diag *d)
{
	struct auditor to[AUDITORS_MAX];
	const struct yaml_node *at = NULL;
	size_t n;

	if (!s->sealing || !cfg->nauditors)
		return true;
	SCOPED_BUF(why, 4096);
	if (seal_auditors(cfg, to, &n, &at, &why))
		diag_at(d, at, "seal.auditors: %.*s", SPAN_ARG(buf_view(&why)));
	else if (seals_change(s->sealing->seals, to, n) == 0)
		return true;
	return false;
}

/* The source of the policy of a reload. */
enum reload_source {
	FROM_DISK,     /* the files on disk */
	FROM_IN_FORCE, /* the files in force: only keys and the like are read again */
	FROM_OTHER,    /* the policy that the other instance has in force, as a start takes it */
};

/* Loads the snapshot. Unless the files are those in force, records them in *set. */
static struct snapshot *
load_snapshot(struct reloading *r, enum reload_source source, struct file_set *set,
	struct diag *d)
{
	struct server *s = r->s;

	if (source == FROM_OTHER) {
		struct first_policy f;
		first_policy_init(&f);
		struct snapshot *snap = first_policy_load(
			s->config_file, s->nworkers, s->keysets, &f, set, d);
		first_policy_free(&f);
		return snap;
	}
	if (source == FROM_IN_FORCE)
		set = NULL;
	file_set_record(set);
	file_set_from(set ? NULL : &r->in_force, SET_AS_LOADED);
	struct snapshot *snap = snapshot_load(s->config_file, NULL, s->nworkers, s->keysets, d);
	file_set_from(NULL, SET_AS_LOADED);
	file_set_record(NULL);
	if (snap && set && set->failed) {
		diag_file(d, s->config_file, "%s", err_str(ERR_NOMEM));
		snapshot_unref(&snap);
	}
	return snap;
}

/* Stores the next policy's text, and marks it as the one that the next start takes, before it
 * comes into force. A policy whose text cannot be stored is refused. If `set` is NULL, the text is
 * unchanged. */
static bool
keep_next_text(struct reloading *r, const struct snapshot *snap, const struct file_set *set,
	char text[KEPT_POLICY_HEX], struct diag *d)
{
	const struct kept_places places = kept_places_of(r->s->shared_cfg);

	memcpy(text, r->text, KEPT_POLICY_HEX);
	if (!set || !r->s->audit)
		return true;
	SCOPED_BUF(why, 4096);
	int err = store_text(r->s, snap, set, text, &why);
	stop_at("reload-stored");
	if (!err && atomic_load(&r->s->decides)) {
		err = kept_policy_mark(&places, snap->policy->version, text, &why);
		r->marked = !err;
	}
	r->stored_us = err ? r->stored_us : clock_mono_us();
	r->not_stored = err ? r->not_stored : false;
	if (err)
		diag_at(d, config_at(snap->cfg, "audit.journal"),
			"the policy's text cannot be stored beside the journal: %.*s",
			SPAN_ARG(buf_view(&why)));
	return !err;
}

/* Reports to systemd. An instance that waits for its hand-over is not ready yet and reports
 * nothing. */
static void
notify_reload(const struct server *s, const char *state)
{
	if (!handover_joined(&s->handover))
		server_notify(state);
}

/* Runs one reload: loads a snapshot, checks it, and publishes it only if every step succeeded.
 * Otherwise the old snapshot stays in force. If `checked` is not NULL, the reload is refused unless
 * these are the files that were read. systemd is notified before and after. */
static void
reload(struct reloading *r, const char *by, const char *why, const json_t *checked,
	enum reload_source source)
{
	struct server *s = r->s;
	struct file_set loaded, *set = source == FROM_IN_FORCE ? NULL : &loaded;
	int64_t since_ns = clock_wall_ns();
	uint64_t began_us = clock_mono_us();
	char text[KEPT_POLICY_HEX];

	file_set_init(&loaded);
	notify_reload(s, "RELOADING=1");
	SCOPED_DIAG(d);
	struct snapshot *snap = load_snapshot(r, source, set, &d);
	struct audit_keys_order *keys = NULL;
	bool good = snap && (!checked || checked_same(checked, set, snap->cfg, &d)) &&
		    snapshot_credentials(snap, s->auths, &d) == 0 &&
		    (!s->audit || (keys = prepare_keys(s, snap->cfg, &d))) &&
		    change_auditors(s, snap->cfg, &d);
	if (good && snapshot_use(snap) < 0) {
		diag_file(&d, s->config_file, "%s", err_str(ERR_NOMEM));
		good = false;
	}
	good = good && keep_next_text(r, snap, set, text, &d);
	stop_at("reload-kept");
	if (!good)
		snapshot_unref(&snap);
	if (snap) {
		struct snapshot *before = snapshot_ref(s->snap);
		publish_snapshot(r, snap,
			&(struct announcement){ .text = text[0] ? text : NULL,
				.by = by,
				.why = why,
				.before = before->policy->version });
		snapshot_unref(&before);
		caller_tokens_forget(s->auths); /* a key or a person may not be accepted any more */
		stop_at("reload-published");
		memcpy(r->text, text, KEPT_POLICY_HEX);
		if (keys)
			audit_rekey(s->audit, keys);
		keys = NULL;
	} else {
		log_mistakes(&d);
		log_event(LOG_ERROR, "reload.refused", LS("policy", s->snap->policy->label),
			LI("errors", d.errors), LS("by", by));
		metric_inc(&s->metrics, M_RELOADS_FAILED);
	}
	audit_keys_order_free(&keys);
	note_reload(r, by, &d, !snap, set != NULL);
	if (snap && set) {
		keep_set(r, &d, set, since_ns);
		s->handover.loaded_us = began_us;
		SCOPED_LOCK(&r->lock);
		r->in_force_ns = since_ns;
		r->ordered |= source == FROM_DISK;
	}
	watch_loaded_files(r, &d, !snap, since_ns);
	s->handover.ordered_us = clock_mono_us();
	notify_reload(s, "READY=1");
	file_set_free(&loaded);
}

static void
refuse_after_hand_over(struct reloading *r, const char *by)
{
	SCOPED_DIAG(d);

	diag_file(&d, r->s->config_file, "the other instance decides: repeat the order");
	log_mistakes(&d);
	note_reload(r, by, &d, true, true);
	SCOPED_LOCK(&r->lock);
	r->order.handed = true;
}

static void
reload_ordered(struct reloading *r, const char *by, const char *why, const json_t *checked)
{
	if (r->s->handover.state == HANDOVER_GONE)
		refuse_after_hand_over(r, by);
	else
		reload(r, by, why, checked, FROM_DISK);
}

void
reload_taken(struct reloading *r)
{
	reload(r, "hand-over", NULL, NULL, FROM_OTHER);
}

void
reload_now(struct reloading *r, const char *by, const char *why)
{
	reload_ordered(r, by, why, NULL);
}

static void
on_change(void *arg, const char *file)
{
	struct reloading *r = arg;
	char by[256];

	snprintf(by, sizeof(by), "file %s", file);
	if (r->s->snap->cfg->policy_watch && r->s->handover.state != HANDOVER_GONE)
		reload_now(r, by, NULL);
	else
		reload(r, by, NULL, NULL, FROM_IN_FORCE);
}

static void
on_ask(struct ev_loop *loop UNUSED, ev_async *w, int revents UNUSED)
{
	struct reloading *r = TAGGED(reloading, w->data);

	pthread_mutex_lock(&r->lock);
	uint64_t asked = r->asked;
	char by[sizeof(r->asked_by)], why[sizeof(r->asked_why)];
	memcpy(by, r->asked_by, sizeof(by));
	memcpy(why, r->asked_why, sizeof(why));
	json_auto_t *checked = r->asked_for;
	r->asked_for = NULL;
	pthread_mutex_unlock(&r->lock);
	reload_ordered(r, by, why[0] ? why : NULL, checked);
	SCOPED_LOCK(&r->lock);
	r->answered = asked;
	r->answer_done = !r->order.refused;
	buf_clear(&r->answer);
	put_outcome(r, &r->order, &r->answer);
	pthread_cond_broadcast(&r->ended);
}

/* Orders a reload for another thread and waits for its outcome, at most WAIT_S. One order is in
 * progress at a time; other callers wait for it first. After a timeout the outcome is unknown,
 * because the reload may still happen. */
bool
reload_ask(struct reloading *r, const char *by, const char *why, json_t *checked,
	struct buf *out)
{
	struct timespec until = clock_timespec(clock_mono_us() + WAIT_S * UINT64_C(1000000));
	bool done = false;
	int late = 0;

	SCOPED_LOCK(&r->lock);
	while ((r->asking || r->answered < r->asked) && !r->stopping && !late)
		late = pthread_cond_timedwait(&r->ended, &r->lock, &until);
	if (late || r->stopping) {
		buf_str(out, "{\"result\":\"unknown\"}\n");
		return false;
	}
	r->asking = true;
	uint64_t mine = ++r->asked;
	snprintf(r->asked_by, sizeof(r->asked_by), "%s", by[0] ? by : "POST /reload");
	snprintf(r->asked_why, sizeof(r->asked_why), "%s", why ? why : "");
	json_decref(r->asked_for);
	r->asked_for = json_deep_copy(checked);
	ev_async_send(r->loop, &r->ask);
	while (r->answered < mine && !r->stopping && !late)
		late = pthread_cond_timedwait(&r->ended, &r->lock, &until);
	if (r->answered == mine) {
		done = r->answer_done;
		buf_span(out, buf_view(&r->answer));
	} else {
		buf_str(out, "{\"result\":\"unknown\"}");
	}
	buf_putc(out, '\n');
	r->asking = false;
	pthread_cond_broadcast(&r->ended);
	return done;
}

/* ---- creation and end ---- */

int
reload_init(struct reloading *r, struct server *s, struct ev_loop *loop,
	const struct diag *read, struct file_set *set, int64_t since_ns)
{
	r->s = s;
	r->loop = loop;
	buf_init(&r->order.errors, ERRORS_BYTES);
	buf_init(&r->rotation.errors, ERRORS_BYTES);
	buf_init(&r->answer, 0);
	buf_init(&r->at_restart, 4096);
	pthread_mutex_init(&r->lock, NULL);
	cond_init(&r->ended);
	ev_async_init(&r->ask, on_ask);
	TAG(reloading, r);
	r->ask.data = r;
	r->watch = watch_new(loop, on_change, r);
	file_set_init(&r->in_force);
	if (edited_init(&r->edited, loop) || !r->watch)
		return ERR_NOMEM;
	ev_async_start(loop, &r->ask);
	r->in_force_ns = since_ns;
	keep_set(r, read, set, since_ns);
	if (r->first.kept)
		edited_look(&r->edited);
	watch_loaded_files(r, read, false, since_ns);
	return 0;
}

void
reload_stop(struct reloading *r)
{
	if (!r->s)
		return;
	SCOPED_LOCK(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->ended);
}

void
reload_free(struct reloading *r)
{
	if (!r->s)
		return;
	ev_async_stop(r->loop, &r->ask);
	watch_free(&r->watch);
	edited_free(&r->edited);
	file_set_free(&r->in_force);
	buf_free(&r->order.errors);
	buf_free(&r->rotation.errors);
	buf_free(&r->answer);
	buf_free(&r->at_restart);
	json_decref(r->asked_for);
	first_policy_free(&r->first);
	pthread_cond_destroy(&r->ended);
	pthread_mutex_destroy(&r->lock);
	r->s = NULL;
}
