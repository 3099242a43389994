/* Writes what the admin server shows of the daemon: /readyz, /status, /recent, /now, /metrics,
 * and the targets. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/notice.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "budget/tally/awaited.h"
#include "budget/tally/tally.h"
#include "gate/auth/auth.h"
#include "gate/changes/sync.h"
#include "gate/snapshot.h"
#include "gate/sources/recognize.h"
#include "gate/targets/state.h"
#include "gate/toolpins/tool_pins.h"
#include "operator/group/group.h"
#include "operator/server/fleet.h"
#include "operator/server/server.h"
#include "policy/config/members.h"
#include "policy/config/read.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "record/anchors/anchors.h"
#include "record/archive/keep.h"
#include "record/audit/audit.h"
#include "record/audit/keys.h"
#include "record/audit/recheck.h"

/* ---- targets ---- */

static void
look_at_target(struct target_table *table, const struct snapshot *snap,
	const struct route *routes, size_t n, struct nearest *near, bool *found)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < routes[i].ntargets; k++) {
			const struct target *t = &routes[i].targets[k];
			if (!t->name[0])
				continue;
			struct target_state *s = target_state_of(table, t);
			target_named(
				s, t->credential && snap->auths &&
					   !auth_usable(snap->auths[t->credential->index]));
			*found |= nearest_is(near, t->name) || nearest_is(near, target_name(s));
		}
}

/* Also creates an entry for each target of the policy in force, even without a request. */
bool
server_target_find(struct server *s, const char *name, struct nearest *near)
{
	SCOPED_SNAPSHOT(snap, s);
	const struct policy *p = snap->policy;
	bool found = false;

	*near = nearest_to(span_str(name));
	look_at_target(gate_targets(s->shared), snap, p->routes, p->nroutes, near, &found);
	for (size_t i = 0; i < p->nroutes; i++)
		look_at_target(gate_targets(s->shared), snap, p->routes[i].aliases,
			p->routes[i].naliases, near, &found);
	return found;
}

void
server_targets(struct server *s, struct buf *json, struct buf *metrics)
{
	struct nearest near;

	server_target_find(s, "", &near);
	if (json)
		target_table_json(json, gate_targets(s->shared), clock_mono_us());
	if (metrics)
		target_table_metrics(metrics, gate_targets(s->shared), clock_mono_us());
}

struct snapshot *
server_snapshot(struct server *s)
{
	SCOPED_LOCK(&s->lock);
	return snapshot_ref(s->snap);
}

uint64_t
server_counted(const struct server *s, enum metric m)
{
	uint64_t n = 0;

	if (m == METRIC_COUNT)
		return 0;
	n = atomic_load_explicit(&s->metrics.v[m], memory_order_relaxed);
	for (unsigned i = 0; i < s->nworkers; i++)
		n += atomic_load_explicit(&s->workers[i].metrics.v[m], memory_order_relaxed);
	return n;
}

static enum live_past
past_of(struct server *s, size_t *entries)
{
	*entries = 0;
	return s->live_sync ? live_sync_past(s->live_sync, entries) : LIVE_PAST_OWN;
}

/* ---- parts of /readyz and /status ---- */

/* Appends what is wrong with state_file. */
static void
live_says(struct server *s, struct buf *out)
{
	const char *file = s->shared_cfg->state_file;
	size_t entries;
	enum live_past past = past_of(s, &entries);

	if (!live_kept(s->live))
		buf_printf(
			out, "state_file: down: %s cannot be written: check the disk\n", file);
	if (past == LIVE_PAST_LOST)
		buf_printf(out,
			"state_file: lost: %s was missing at the start, so %zu entries of "
			"Redis are trusted: revoked keys may be valid again; restore the file "
			"or revoke them again\n",
			file, entries);
	else if (past == LIVE_PAST_NEW)
		buf_printf(out,
			"state_file: new: %s did not exist at the start, so %zu entries of "
			"Redis are trusted\n",
			file, entries);
}

/* Appends whether this daemon exchanges keys, overrides and pins with others. Returns true if
 * it does. */
static bool
sync_says(struct server *s, struct buf *out)
{
	if (!s->live_sync)
		return true;
	const char *key = live_sync_righted(s->live_sync);
	if (key)
		buf_printf(out,
			"keys and limits: %s had a value that no daemon writes and was "
			"corrected: another program writes to this Redis (live.refused)\n",
			key);
	SCOPED_BUF(why, 1024);
	if (pinning_away(s, &why))
		buf_printf(out,
			"pins of tools: down: %.*s: this daemon uses only what it saw "
			"itself\n",
			SPAN_ARG(buf_view(&why)));
	buf_clear(&why);
	bool up = redis_service_up(live_sync_service(s->live_sync), &why);
	if (!up)
		buf_printf(out,
			"keys and limits: down: %.*s: other daemons do not learn what is "
			"revoked here, and this one does not learn what is revoked there\n",
			SPAN_ARG(buf_view(&why)));
	return up;
}

/* The workers' knowledge of Redis and of other daemons there. */
struct company {
	bool up, counting, evicts;
	enum redis_refusal refusal;
	int64_t skew_us; /* our clock minus Redis' clock */
	/* workers at this Redis, and those known; `workers` 0: no more than known */
	uint64_t workers, known;
	/* from quota_company(): how long limits are reduced, and reports received and expected
	 */
	uint64_t reduced_s;
	int64_t came, expected;
};

static struct company
company_of(struct server *s)
{
	struct company c = { .up = true };

	for (unsigned i = 0; i < s->nworkers; i++) {
		struct worker *w = &s->workers[i];
		uint64_t seen = atomic_load_explicit(&w->company, memory_order_relaxed);
		c.up &= atomic_load_explicit(&w->redis_ok, memory_order_relaxed);
		c.counting |= atomic_load_explicit(&w->counting, memory_order_relaxed);
		c.evicts |= atomic_load_explicit(&w->evicts, memory_order_relaxed);
		int refusal = atomic_load_explicit(&w->refusal, memory_order_relaxed);
		int64_t skew_us = atomic_load_explicit(&w->skew_us, memory_order_relaxed);
		c.refusal = refusal ? (enum redis_refusal)refusal : c.refusal;
		c.skew_us = llabs(skew_us) > llabs(c.skew_us) ? skew_us : c.skew_us;
		c.known = atomic_load_explicit(&w->known, memory_order_relaxed);
		c.workers = seen > c.workers ? seen : c.workers;
		uint64_t reduced_s = atomic_load_explicit(&w->reduced_s, memory_order_relaxed);
		if (reduced_s <= c.reduced_s)
			continue;
		c.reduced_s = reduced_s;
		c.came = atomic_load_explicit(&w->came, memory_order_relaxed);
		c.expected = atomic_load_explicit(&w->expected, memory_order_relaxed);
	}
	return c;
}

static void
redis_says(struct server *s, const struct company *c, struct buf *out)
{
	if (!s->shared_cfg->redis_url)
		buf_str(out, "redis: none, limits are counted in this process only\n");
	else if (c->refusal)
		buf_printf(out, "redis: refuses writes: %s\n", redis_refusal_texts[c->refusal]);
	else if (!c->up)
		buf_str(out, "redis: down: see redis.down in the log\n");
	else
		buf_printf(out, "redis: %s\n",
			c->counting ? "counting: waiting for the other daemons that share "
				      "this Redis (redis.daemons)"
				    : "up");
	if (c->evicts)
		buf_str(out, "redis: evicts: Redis forgets usage when its memory is full: set "
			     "maxmemory-policy noeviction\n");
	if (llabs(c->skew_us) > CLOCK_OFF_US)
		buf_printf(out,
			"clock: this machine's clock is %lld s %s that of Redis: run chrony "
			"or ntp on both machines\n",
			llabs(c->skew_us) / 1000000, c->skew_us > 0 ? "ahead of" : "after");
	else
		clock_status(s, out);
	if (c->reduced_s)
		buf_printf(out,
			"redis: rolling limits are reduced to %" PRId64 "/%" PRId64
			" for %" PRIu64
			" s at most, because workers of another daemon have not reported "
			"their usage since Redis was empty\n",
			c->came, c->expected, c->reduced_s);
	if (c->workers)
		buf_printf(out,
			"daemons: more than redis.daemons states: %" PRIu64
			" workers share this Redis, %" PRIu64 " are known: correct "
			"redis.daemons\n",
			c->workers, c->known);
}

static void
retention_says(const struct server *s, struct buf *out)
{
	struct keep_state k;

	if (!server_retention(s, &k))
		return;
	if (k.archive_away)
		buf_printf(out,
			"retention: the archive does not accept segments (%" PRIu64
			" are waiting): see retention.failed in the log\n",
			k.unarchived);
	if (k.held[0])
		buf_printf(out, "retention: not trimmed: %s\n", k.held);
	if (k.below_six_months)
		buf_str(out, "retention: the journal is larger than retention.size but "
			     "younger than six months, so nothing is trimmed: raise "
			     "retention.size\n");
	if (k.failed[0] && !k.archive_away)
		buf_printf(out, "retention: failed: %s\n", k.failed);
}

/* ---- /readyz ---- */

/* Appends a line of /readyz, if hosts are observed. */
static void
observing_ready(const struct policy *p, struct buf *out)
{
	if (!p->observe.backend)
		return;
	buf_str(out, "observe: ");
	observe_says(p, wall_now_ns(), out);
	buf_putc(out, '\n');
}

/* Appends the value of "observe" in /status. */
static void
observing_status(const struct policy *p, struct buf *out)
{
	static const char *const words[] = { "", "on", "near its end", "over" };
	const struct observe *o = &p->observe;
	int64_t days;

	if (!o->backend) {
		buf_str(out, "null");
		return;
	}
	json_put_form(out, "{'state':%s", words[observe_state(p, wall_now_ns(), &days)]);
	json_put_time(out, "until", o->until_ns);
	json_put_str(out, "backend", o->backend);
	if (o->nhosts)
		json_put_open(out, "hosts", '[');
	for (size_t i = 0; i < o->nhosts; i++)
		json_put_str(out, NULL, o->hosts[i]);
	buf_str(out, o->nhosts ? "]}" : "}");
}

bool
server_ready(struct server *s, struct buf *out)
{
	bool ok = true;
	const struct company c = company_of(s);
	bool redis = c.up && !c.counting && !c.refusal,
	     conflict = s->audit && audit_stream_conflict(s->audit);

	SCOPED_SNAPSHOT(snap, s);
	buf_printf(out, "policy: %s%s\n", snap->policy->label,
		snap->policy->shadow
			? " (shadow: denials and redactions by rules are not enforced)"
			: "");
	observing_ready(snap->policy, out);
	redis_says(s, &c, out);
	if (snap->no_ranks)
		buf_printf(out, "tokens: estimated: %s (docs/budgets.md: run make ranks)\n",
			snap->no_ranks);
	if (!detect_jit(snap->rules))
		buf_str(out, "patterns: interpreted, because PCRE2 may not run the code that "
			     "it compiles: check MemoryDenyWriteExecute=\n");
	if (s->live)
		live_says(s, out);
	bool told = sync_says(s, out);
	bool keys = keysets_ready(s->keysets, out);
	const char *away = s->audit ? audit_away(s->audit) : NULL;
	if (away) {
		buf_str(out, "audit: down: ");
		audit_away_put(s->audit, out);
		buf_putc(out, '\n');
	} else if (s->audit)
		buf_str(out, "audit: up\n");
	else
		buf_str(out, "audit: none, decisions are not recorded\n");
	struct tree_status tree = { .state = TREE_READY };
	if (s->audit)
		audit_tree(s->audit, &tree);
	if (tree.state == TREE_BUILDING)
		buf_printf(out,
			"audit tree: being built from an old journal, %" PRIu64 " of %" PRIu64
			"; no checkpoint until then\n",
			tree.files, tree.records);
	else if (tree.state == TREE_STUCK)
		buf_str(out, "audit tree: its hash files can be neither written nor rebuilt: "
			     "see audit.tree_failed in the log; records continue\n");
	if (atomic_load_explicit(&s->stranger_there, memory_order_relaxed))
		buf_str(out,
			"audit: a file in the journal's folder is not a segment, so the next "
			"start would fail: move the file away (tollgate audit verify names "
			"it)\n");
	retention_says(s, out);
	if (conflict)
		buf_str(out, "audit stream: down: the stream does not continue this journal: "
			     "see audit.stream_conflict in the log\n");
	if (s->audit)
		audit_stream_says(s->audit, out);
	anchors_ready(s->anchors, out);
	degraded_say(&s->degraded, out);
	aside_say(s, out);
	fleet_says_unasked(s, out);
	if (fleet_says_retired(s, out))
		ok = false;
	if (!redis || !told || !keys || conflict || (s->audit && !audit_ready(s->audit)))
		ok = false;
	if (atomic_load(&s->draining)) {
		buf_str(out, "draining\n");
		ok = false;
	}
	buf_str(out, ok ? "ready\n" : "not ready\n");
	return ok;
}

static bool
is_ready(struct server *s)
{
	SCOPED_BUF(why, 0);
	return server_ready(s, &why);
}

/* ---- /status ---- */

/* Collects the recognizers of every worker and returns their number. */
static size_t
all_recognizers(struct server *s, const struct recognizers *out[WORKERS_MAX])
{
	for (unsigned i = 0; i < s->nworkers; i++)
		out[i] = gate_recognizers(s->workers[i].gate);
	return s->nworkers;
}

/* Finds each worker's list of requests that wait for a provider. Returns the number of all
 * requests in flight. */
static uint64_t
all_awaited(struct server *s, struct awaited *out[WORKERS_MAX])
{
	uint64_t alive = 0;

	for (unsigned i = 0; i < s->nworkers; i++) {
		out[i] = gate_awaited(s->workers[i].gate);
		alive += atomic_load_explicit(&s->workers[i].alive, memory_order_relaxed);
	}
	return alive;
}

void
server_work(struct server *s, struct server_work *out)
{
	struct awaited *awaited[WORKERS_MAX];
	struct awaited_request oldest[AWAITED_SHOWN];

	out->in_flight = all_awaited(s, awaited);
	size_t n = awaited_oldest(awaited, s->nworkers, oldest, &out->awaited);
	out->oldest = n ? oldest[0] : (struct awaited_request){ .since_us = 0 };
}

/* Writes the requests in flight and the results of providers. */
static void
work_says(struct server *s, struct buf *out)
{
	const struct provider_tally *t[WORKERS_MAX];
	struct awaited *awaited[WORKERS_MAX];
	uint64_t alive = all_awaited(s, awaited);

	for (unsigned i = 0; i < s->nworkers; i++)
		t[i] = &gate_tally(s->workers[i].gate)->providers;
	json_put_uint(out, "requests_in_flight", alive);
	json_put_name(out, "awaited");
	awaited_write(awaited, s->nworkers, clock_mono_us(), out);
	json_put_name(out, "providers");
	provider_tally_json(out, t, s->nworkers);
	json_put_name(out, "targets");
	server_targets(s, out, NULL);
}

/* Writes how far the daemon has verified its closed segments again, and the faults. */
static void
verified_says(struct server *s, struct buf *out)
{
	struct recheck_state v;

	json_put_name(out, "verified");
	if (!s->rechecking) {
		json_put_null(out, NULL);
		return;
	}
	recheck_state(s->rechecking, &v);
	buf_putc(out, '{');
	json_put_time(out, "since", v.since_ns);
	json_put_form(out, "'done':%u,'segments':%u,'faults':[", v.done, v.segments);
	for (size_t i = 0; i < v.nfaults; i++) {
		const struct recheck_fault *f = &v.fault[i];
		json_put_form(out, "{'source':%t,'node':%t,'seq':%u,'why':%t",
			span_str(f->source), span_str(f->node), f->seq, span_str(f->why));
		json_put_bool(out, "accepted", f->accepted);
		json_put_time(out, "found", f->found_ns);
		json_put_close(out, '}');
	}
	buf_str(out, "]}");
}

/* Writes the state of anchors, tree and checkpoint, from which proofs are made. */
static void
tree_says(struct server *s, struct buf *out)
{
	static const char *const states[] = { "building", "ready", "stuck" };
	struct tree_status t;

	json_put_name(out, "anchors");
	anchors_status(s->anchors, out);
	if (!s->audit) {
		json_put_null(out, "audit");
		return;
	}
	audit_tree(s->audit, &t);
	json_put_form(out, "'audit':{'records':%u,'tree':%s,'tree_records':%u,'tree_errors':%u",
		t.records, states[t.state], t.files, t.errors);
	verified_says(s, out);
	if (t.size)
		json_put_form(out, "'checkpoint':{'size':%u,'age_s':%u}}", t.size,
			t.age_us / 1000000);
	else
		json_put_form(out, "'checkpoint':null}");
}

static const char *
mode_of(const struct policy *p)
{
	return p->shadow ? "shadow" : "enforce";
}

/* Returns how many workers use the snapshot in force. */
static uint64_t
workers_current(const struct server *s)
{
	uint64_t sent = atomic_load_explicit(&s->snapshots, memory_order_relaxed), n = 0;

	for (unsigned i = 0; i < s->nworkers; i++)
		n += atomic_load_explicit(&s->workers[i].snapshots, memory_order_acquire) >=
		     sent;
	return n;
}

/* Writes "policy_differs": {"since", "what"}, or null if the files are those in force. */
static void
put_edited(struct server *s, struct buf *out)
{
	SCOPED_BUF(what, 0);
	int64_t since_ns = edited_since(&s->reloading.edited, &what);

	if (!since_ns) {
		json_put_null(out, "policy_differs");
		return;
	}
	json_put_open(out, "policy_differs", '{');
	json_put_time(out, "since", since_ns);
	json_put_text(out, "what", buf_view(&what));
	json_put_close(out, '}');
}

/* Writes "records_here": the nodes whose records the commands and the console of this machine read.
 */
static void
put_records_here(const struct config *cfg, struct buf *out)
{
	const struct config *member[CONFIG_MEMBERS_MAX];

	SCOPED_ARENA(a, 0, false);
	size_t n = config_members(&a, cfg, member);
	json_put_open(out, "records_here", '[');
	json_put_str(out, NULL, cfg->node);
	for (size_t i = 0; i < n; i++)
		if (access(member[i]->journal, R_OK | X_OK) == 0)
			json_put_str(out, NULL, member[i]->node);
	json_put_close(out, ']');
}

void
server_status(struct server *s, struct buf *out)
{
	const struct recognizers *asked[WORKERS_MAX];
	bool ok = is_ready(s);
	SCOPED_SNAPSHOT(snap, s);
	const struct policy *p = snap->policy;
	json_put_form(
		out, "{'version':%s,'node':%t", TG_VERSION, span_str(s->shared_cfg->node));
	json_put_time(out, "started", s->started_wall_ns);
	json_put_uint(out, "workers_current", workers_current(s));
	json_put_form(out,
		"'workers':%u,'policy':%t,'policy_version':%t,'mode':%s,'routes':%u,'rules':%u",
		(uint64_t)s->nworkers, span_str(p->label), span_str(p->version), mode_of(p),
		(uint64_t)p->nroutes, (uint64_t)p->nall_rules);
	json_put_bool(out, "jit", detect_jit(snap->rules));
	json_put_bool(out, "ready", ok);
	json_put_name(out, "recognisers");
	recognizers_status(out, asked, all_recognizers(s, asked));
	json_put_opt(
		out, "shadow_policy", snap->shadow_policy ? snap->shadow_policy->label : NULL);
	json_put_name(out, "observe");
	observing_status(p, out);
	const struct company c = company_of(s);
	json_put_open(out, "daemons", '{');
	json_put_bool(out, "more_than_known", c.workers);
	json_put_form(
		out, "'workers':%u,'known':%u}", c.workers ? c.workers : c.known, c.known);
	work_says(s, out);
	tree_says(s, out);
	if (s->audit) {
		json_put_name(out, "audit_key");
		audit_keys_status(audit_keys(s->audit), out);
	} else {
		json_put_null(out, "audit_key");
	}
	json_put_name(out, "last_reload");
	reload_status(&s->reloading, out);
	json_put_name(out, "policy_start");
	reload_from(&s->reloading, out);
	put_edited(s, out);
	json_put_name(out, "group");
	group_put(s->group, out);
	json_put_name(out, "members");
	group_put_known(s->group, out);
	put_records_here(s->shared_cfg, out);
	json_put_name(out, "aside");
	aside_json(s, out);
	buf_str(out, "}\n");
}

/* ---- /recent and /now ---- */

void
server_recent(struct server *s, struct buf *out)
{
	SCOPED_SNAPSHOT(snap, s);

	json_put_form(out, "{'node':%t,'policy':%t", span_str(s->shared_cfg->node),
		span_str(snap->policy->label));
	work_says(s, out);
	json_put_open(out, "workers", '[');
	for (unsigned i = 0; i < s->nworkers; i++) {
		json_put_name(out, NULL);
		recent_write(&gate_tally(s->workers[i].gate)->recent, out);
	}
	buf_str(out, "]}\n");
}

/* Writes the lines of /readyz, each as a part and its text. */
static void
parts_say(struct server *s, struct buf *out)
{
	SCOPED_BUF(text, 0);
	json_put_bool(out, "ready", server_ready(s, &text));
	json_put_open(out, "parts", '[');
	for (struct span rest = buf_view(&text); rest.n;) {
		struct span says = span_next(&rest, '\n'), part = span_next(&says, ':');
		if (!says.n)
			continue; /* lines without a part, such as "ready" and "draining" */
		json_put_form(out, "{'part':%t,'says':%t}", part, span_trim(says, " "));
	}
	json_put_close(out, ']');
}

void
server_cached(struct server *s, struct buf *out)
{
	static const struct {
		const char *name;
		enum metric m;
	} counts[] = { { "hits", M_CACHE_HITS }, { "misses", M_CACHE_MISSES },
		{ "off", M_CACHE_OFF },
		{ "waited_hits", M_CACHE_WAITED_HIT }, { "waited_alone", M_CACHE_WAITED_ALONE },
		{ "kept", M_CACHE_KEPT }, { "failures", M_CACHE_FAILED },
		{ "unusable", M_CACHE_UNUSABLE }, { "saved_input_tokens", M_CACHE_SAVED_INPUT },
		{ "saved_output_tokens", M_CACHE_SAVED_OUTPUT },
		{ "saved_nanousd", M_CACHE_SAVED_NANOUSD },
		{ "embedded_tokens", M_CACHE_EMBEDDED_TOKENS },
		{ "embedded_nanousd", M_CACHE_EMBEDDED_NANOUSD } };

	/* A hit is counted before its kind, so the kinds are read first. */
	uint64_t near = server_counted(s, M_CACHE_HITS_NEAR),
		 semantic = server_counted(s, M_CACHE_HITS_MEANING);
	for (size_t i = 0; i < COUNT_OF(counts); i++)
		json_put_uint(out, counts[i].name, server_counted(s, counts[i].m));
	json_put_uint(out, "exact_hits", server_counted(s, M_CACHE_HITS) - near - semantic);
	json_put_uint(out, "near_hits", near);
	json_put_uint(out, "semantic_hits", semantic);
}

void
server_now(struct server *s, struct buf *out)
{
	const struct company c = company_of(s);
	SCOPED_SNAPSHOT(snap, s);

	json_put_open(out, NULL, '{');
	json_put_time(out, "time", clock_wall_ns());
	json_put_form(out, "'node':%t,'policy':%t,'policy_version':%t,'mode':%s",
		span_str(s->shared_cfg->node), span_str(snap->policy->label),
		span_str(snap->policy->version), mode_of(snap->policy));
	parts_say(s, out);
	json_put_name(out, "degraded");
	degraded_json(&s->degraded, out);
	json_put_name(out, "now");
	sampling_now(s, out);
	work_says(s, out);
	json_put_form(out, "'held_bytes':%u,'log_dropped':%u,'cache':{",
		(uint64_t)gate_held_bytes(s->shared), (uint64_t)log_dropped());
	server_cached(s, out);
	json_put_close(out, '}');
	if (s->shared_cfg->redis_url) {
		json_put_open(out, "redis", '{');
		json_put_bool(out, "up", c.up);
		json_put_bool(out, "counting", c.counting);
		if (c.reduced_s)
			json_put_form(out, "'reduced':{'reported':%u,'expected':%u,'for_s':%u}",
				(uint64_t)c.came, (uint64_t)c.expected, c.reduced_s);
		json_put_opt(out, "refuses", c.refusal ? redis_refusal_texts[c.refusal] : NULL);
		json_put_printf(out, "clock_ahead_s", "%.3f", (double)c.skew_us / 1e6);
		json_put_close(out, '}');
	} else {
		json_put_null(out, "redis");
	}
	if (s->shared_cfg->redis_url && s->audit)
		json_put_uint(out, "mirror_behind", audit_stream_behind(s->audit));
	else
		json_put_null(out, "mirror_behind");
	tree_says(s, out);
	buf_str(out, "}\n");
}

/* ---- /metrics ---- */

static void
gauge(struct buf *out, const char *name, const char *help, uint64_t v)
{
	metrics_head(out, name, "gauge", help);
	buf_printf(out, "tollgate_%s %" PRIu64 "\n", name, v);
}

static void
cached_share_metrics(struct server *s, const struct policy *p, struct buf *out)
{
	struct cached_share c;

	metrics_head(out, "route_cached_share_fallen", "gauge",
		"1 if the share of a route's input from the provider's cache fell by more than "
		"half.");
	for (size_t i = 0; i < p->nroutes; i++)
		buf_printf(out, "tollgate_route_cached_share_fallen{route=\"%s\"} %d\n",
			p->routes[i].name,
			cached_shares_of(s->cached_shares, p->routes[i].name, &c) && c.fallen);
}

static void
verified_metric(struct server *s, struct buf *out)
{
	struct recheck_state v;

	if (!s->rechecking)
		return;
	recheck_state(s->rechecking, &v);
	gauge(out, "verified_timestamp_seconds",
		"Time since when the daemon has verified every closed segment again, in "
		"seconds "
		"since 1970; 0: not yet.",
		(uint64_t)(v.since_ns / 1000000000));
}

/* All callers share the sums: each door of the admin server, and telemetry. */
static pthread_mutex_t summing = PTHREAD_MUTEX_INITIALIZER;

void
server_metrics(struct server *s, struct buf *out, bool exemplars)
{
	struct metrics *blocks[WORKERS_MAX + 1];
	const struct recognizers *asked[WORKERS_MAX];
	const struct tallies *tallies[WORKERS_MAX];
	uint64_t alive = 0, redis = 1, turn_us = 0;

	atomic_store_explicit(
		&s->metrics.v[M_LOG_DROPPED], log_dropped(), memory_order_relaxed);
	atomic_store_explicit(
		&s->metrics.v[M_NOTIFY_DROPPED], notice_dropped(), memory_order_relaxed);
	blocks[0] = &s->metrics;
	for (unsigned i = 0; i < s->nworkers; i++) {
		blocks[1 + i] = &s->workers[i].metrics;
		tallies[i] = gate_tally(s->workers[i].gate);
		alive += atomic_load_explicit(&s->workers[i].alive, memory_order_relaxed);
		redis &= atomic_load_explicit(&s->workers[i].redis_ok, memory_order_relaxed);
		uint64_t us = atomic_load_explicit(
			&s->workers[i].turn_longest_us, memory_order_relaxed);
		turn_us = us > turn_us ? us : turn_us;
	}
	pthread_mutex_lock(&summing);
	atomic_store_explicit(&s->metrics.v[M_LABELS_OVER],
		tally_write(s->series, out, tallies, s->nworkers, exemplars),
		memory_order_relaxed);
	pthread_mutex_unlock(&summing);
	metrics_write(out, blocks, 1 + s->nworkers);
	recognizers_metrics(out, asked, all_recognizers(s, asked));
	server_targets(s, NULL, out);
	tool_pins_metrics(s->pinning.pins, out);
	SCOPED_SNAPSHOT(snap, s);
	metrics_head(out, "info", "gauge",
		"Always 1, with labels for the version, the policy in force and its mode.");
	buf_printf(out,
		"tollgate_info{version=\"%s\",policy=\"%s\",mode=\"%s\",node=\"%s\"} 1\n",
		TG_VERSION, snap->policy->label, mode_of(snap->policy), s->shared_cfg->node);
	bool has_redis = s->shared_cfg->redis_url != NULL;
	int64_t days;
	enum observe_state observing = observe_state(snap->policy, wall_now_ns(), &days);
	cached_share_metrics(s, snap->policy, out);
	gauge(out, "observing", "1 while the policy observes the hosts of a cutover.",
		observing == OBSERVE_ON || observing == OBSERVE_NEAR);
	gauge(out, "requests_in_flight", "Requests and exchanges that have not ended.", alive);
	metrics_head(out, "longest_turn_seconds", "gauge",
		"Longest turn of a worker's event loop since the start, in seconds.");
	buf_printf(out, "tollgate_longest_turn_seconds %" PRIu64 ".%06" PRIu64 "\n",
		turn_us / 1000000, turn_us % 1000000);
	gauge(out, "held_bytes",
		"Bytes held for request bodies, and for streams that are inspected or "
		"restored.",
		gate_held_bytes(s->shared));
	if (has_redis)
		gauge(out, "redis_up", "1 if the Redis connection of every worker works.",
			redis);
	const struct company c = company_of(s);
	if (has_redis)
		gauge(out, "redis_writable",
			"1 if Redis accepts writes, 0 while it refuses them.", !c.refusal);
	if (has_redis) {
		metrics_head(out, "clock_ahead_seconds", "gauge",
			"This machine's clock minus the clock of Redis, in seconds.");
		buf_printf(out, "tollgate_clock_ahead_seconds %.3f\n", (double)c.skew_us / 1e6);
	}
	degraded_metrics(&s->degraded, out);
	aside_metrics(s, out);
	fleet_metrics(s, out);
	verified_metric(s, out);
	gauge(out, "policy_differs",
		"1 if the policy's files differ from the policy in force. Reload to put them "
		"in force.",
		edited_since(&s->reloading.edited, NULL) != 0);
	gauge(out, "audit_up", "1 if the journal can be written.",
		s->audit && audit_ready(s->audit));
	gauge(out, "audit_strangers",
		"1 if the journal's folder has a file because of which the next start would "
		"fail.",
		atomic_load_explicit(&s->stranger_there, memory_order_relaxed));
	if (s->audit) {
		struct tree_status t;
		audit_tree(s->audit, &t);
		gauge(out, "audit_tree_up",
			"1 if the tree is built and its hash files can be written.",
			t.state == TREE_READY);
		gauge(out, "audit_tree_behind_records",
			"Durable records that are not yet in the hash files of the tree.",
			t.records > t.files ? t.records - t.files : 0);
		gauge(out, "audit_checkpoint_age_seconds",
			"Seconds since the last durable checkpoint, or since the start if "
			"there is none.",
			t.size ? t.age_us / 1000000
			       : (clock_mono_us() - s->started_us) / 1000000);
	}
	if (has_redis && s->audit)
		gauge(out, "audit_stream_up", "1 if the Redis Stream continues this journal.",
			!audit_stream_conflict(s->audit));
	if (has_redis && s->audit)
		gauge(out, "audit_stream_behind_records",
			"Durable records that are not yet in the Redis Stream.",
			audit_stream_behind(s->audit));
	anchors_metrics(s->anchors, out);
	struct keep_state k;
	if (server_retention(s, &k)) {
		gauge(out, "retention_bytes",
			"Bytes of the journal's segments, including compressed segments.",
			k.bytes);
		gauge(out, "retention_unarchived_segments",
			"Closed segments that are not yet in retention.archive.", k.unarchived);
		gauge(out, "retention_held",
			"1 if segments have reached their limit but may not be trimmed. "
			"/status has the cause.",
			k.held[0] != 0);
		gauge(out, "retention_below_six_months",
			"1 if the journal is larger than retention.size and younger than six "
			"months.",
			k.below_six_months);
	}
	if (s->live)
		gauge(out, "live_entries",
			"API keys and overrides made at run time, including those that ended "
			"within a day.",
			live_count(s->live));
	size_t believed;
	if (s->live)
		gauge(out, "live_state_lost",
			"1 if state_file was missing at the start although this node had one.",
			past_of(s, &believed) == LIVE_PAST_LOST);
	gauge(out, "ready", "1 if /readyz reports ready.", is_ready(s));
	gauge(out, "uptime_seconds", "Seconds since the start.",
		(clock_mono_us() - s->started_us) / 1000000);
}
