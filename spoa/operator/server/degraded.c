/* The table of parts that may be unavailable: how the daemon notices it, and which counters
 * show the effect. */
#include "operator/server/degraded.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>

#include "base/clock.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/notice.h"
#include "base/scoped.h"
#include "gate/changes/sync.h"
#include "gate/sources/recognize.h"
#include "operator/group/group.h"
#include "operator/server/server.h"
#include "policy/config/read.h"
#include "policy/on_failure.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/section.h"
#include "record/anchors/anchors.h"
#include "record/archive/keep.h"
#include "record/audit/audit.h"
#include "record/audit/recheck.h"
#include "record/seal/store.h"

/* a part that is available for this time has recovered */
#define CALM_US	     (3 * SECOND_US)
#define CALM_MOST_US (60 * SECOND_US) /* the time for a part that often failed recently */
#define APART_US     (60 * SECOND_US) /* least time between two recorded ends of a part */
/* a part with this many failures failed often; one failure is forgotten every FORGET_LOOKS
 * checks, which is ten minutes */
#define OFTEN		   5
#define FORGET_LOOKS	   600
#define DAEMONS_US	   (30 * SECOND_US) /* time in which the other daemons may start */
#define UNKNOWN_US	   (60 * SECOND_US) /* a recognizer with an unknown label is degraded */
#define CERTIFICATE_SOON_S (14 * 86400)
#define CLOCK_LOOKS	   60 /* the clock's source is checked once a minute */

/* ---- checks: true if the part is unavailable, with the cause in *why ---- */

static bool
redis_away(struct server *s, struct buf *why)
{
	for (unsigned i = 0; i < s->nworkers; i++) {
		struct worker *w = &s->workers[i];
		int refusal = atomic_load_explicit(&w->refusal, memory_order_relaxed);
		if (refusal)
			buf_printf(why, "refuses writes: %s", redis_refusal_texts[refusal]);
		else if (!atomic_load_explicit(&w->redis_ok, memory_order_relaxed))
			buf_str(why, "does not answer");
		if (why->n)
			return true;
	}
	return erasing_away(&s->erasing, LIVE_PLACEHOLDERS, why);
}

/* An unavailable cache only causes misses. It counts, however, if it still contains responses of a
 * person who was erased. */
static bool
cache_away(struct server *s, struct buf *why)
{
	return erasing_away(&s->erasing, LIVE_CACHE, why);
}

static bool
journal_away(struct server *s, struct buf *why)
{
	if (!audit_away_shares(s->audit))
		audit_away_put(s->audit, why);
	return why->n > 0;
}

/* Redis may answer although the stream belongs to another journal. A stream that is late
 * because Redis does not answer counts as Redis' failure. */
static bool
mirror_away(struct server *s, struct buf *why)
{
	if (audit_stream_conflict(s->audit))
		buf_str(why, "the Redis Stream does not continue this journal: see "
			     "audit.stream_conflict in the log");
	return why->n > 0;
}

static bool
keys_away(struct server *s, struct buf *why)
{
	SCOPED_BUF(says, 4096);
	bool ok = keysets_ready(s->keysets, &says);
	if (!ok)
		buf_span(why, span_trim(buf_view(&says), "\n"));
	return !ok;
}

static bool
live_away(struct server *s, struct buf *why)
{
	if (s->live && !live_kept(s->live))
		buf_str(why, "state_file cannot be written: check the disk");
	else if (s->live_sync)
		return !redis_service_up(live_sync_service(s->live_sync), why);
	return why->n > 0;
}

/* True if the file of shares cannot be written, so that requests are refused, or if an erasure is
 * not carried out. Also true if, since this start, the journal could not be read to its end or
 * shares are lost, so that texts cannot be opened. */
static bool
shares_away(struct server *s, struct buf *why)
{
	if (audit_away_shares(s->audit)) {
		audit_away_put(s->audit, why);
		return true;
	}
	if (erasing_away(&s->erasing, LIVE_SHARES, why) || !s->sealing)
		return why->n > 0;
	if (s->sealing->unerased_why.n)
		buf_printf(why,
			"shares may be in use that the journal has recorded as erased: %.*s",
			SPAN_ARG(buf_view(&s->sealing->unerased_why)));
	else if (s->sealing->lost)
		buf_printf(why, "%" PRIu64 " shares of texts are lost: %.*s", s->sealing->lost,
			SPAN_ARG(buf_view(&s->sealing->lost_why)));
	return why->n > 0;
}

static bool
anchors_away(struct server *s, struct buf *why)
{
	anchors_ready(s->anchors, why);
	return why->n > 0;
}

static bool
archive_away(struct server *s, struct buf *why)
{
	struct keep_state k;

	if (!server_retention(s, &k))
		return false;
	if (k.archive_away || k.failed[0])
		buf_str(why, k.archive_away ? "the archive accepts no segments: see "
					      "retention.failed in the log"
					    : k.failed);
	return why->n > 0;
}

static bool
tree_away(struct server *s, struct buf *why)
{
	struct tree_status t;

	audit_tree(s->audit, &t);
	if (t.state == TREE_STUCK)
		buf_str(why, "the hash files of the tree can be neither written nor rebuilt: "
			     "see audit.tree_failed in the log");
	return why->n > 0;
}

/* Records that do not verify, until an operator accepts them. */
static bool
chain_away(struct server *s, struct buf *why)
{
	return s->rechecking && recheck_says(s->rechecking, why);
}

/* Fewer daemons than are known. The list in Redis has the known daemons; while it has this
 * daemon alone, as many are known as redis.daemons states. A daemon that starts waits for the others. */
static bool
daemons_away(struct server *s, struct buf *why)
{
	unsigned stated = s->shared_cfg->redis_daemons, live, known;

	if (clock_mono_us() - s->started_us < DAEMONS_US)
		return false;
	SCOPED_BUF(missing, 1024);
	if (!group_seen(s->group, &live, &known, &missing))
		return false;
	bool learned = known > 1 || atomic_load_explicit(&s->any_gone, memory_order_relaxed);
	if (!learned && stated > known)
		known = stated;
	if (live >= known)
		return false;
	buf_printf(why, "%u of %u daemons%s use this Redis", live, known,
		learned ? "" : " (redis.daemons)");
	if (missing.n)
		buf_printf(why, ": %.*s is away", SPAN_ARG(buf_view(&missing)));
	return true;
}

static bool
providers_away(struct server *s, struct buf *why)
{
	const struct provider_tally *t[WORKERS_MAX];

	for (unsigned i = 0; i < s->nworkers; i++)
		t[i] = &gate_tally(s->workers[i].gate)->providers;
	return provider_tally_failing(t, s->nworkers, clock_wall_ns() / 1000000, why);
}

/* Checks the routes of the policy in force. */
static bool
prompt_cache_away(struct server *s, struct buf *why)
{
	const struct policy *p = s->snap->policy;
	struct cached_share c;

	for (size_t i = 0; i < p->nroutes; i++)
		if (cached_shares_of(s->cached_shares, p->routes[i].name, &c) && c.fallen)
			buf_printf(why,
				"%sroute %s: share of cached input fell from %u %% to %u "
				"%%",
				why->n ? "; " : "", p->routes[i].name, c.from, c.to);
	return why->n > 0;
}

/* The policy in force is older than its files until a reload succeeds. */
static bool
reload_away(struct server *s, struct buf *why)
{
	return reload_refused(&s->reloading, why);
}

static bool
folder_away(struct server *s, struct buf *why)
{
	if (atomic_load_explicit(&s->stranger_there, memory_order_relaxed))
		buf_str(why,
			"a file in the journal's folder is not a segment, so the next start "
			"would fail: move the file away (tollgate audit verify names it)");
	return why->n > 0;
}

static bool
certificate_away(struct server *s, struct buf *why)
{
	int64_t end_s = atomic_load_explicit(&s->certificate_end_s, memory_order_relaxed),
		left_s = end_s - clock_wall_ns() / 1000000000;
	char when[CLOCK_RFC3339_LEN];

	if (!end_s || left_s > CERTIFICATE_SOON_S)
		return false;
	clock_rfc3339(end_s * 1000000000, when);
	buf_printf(why, "the certificate of admin.tls %s %.19sZ", left_s > 0 ? "ends" : "ended",
		when);
	return true;
}

static bool
files_away(struct server *s, struct buf *why)
{
	buf_str(why, s->files.why);
	return why->n > 0;
}

/* A row of the table. `away` is NULL for parts that are known only by their counters. `failed`
 * and `other` count requests that were handled without the part (M_NONE: no counter); an
 * increase of `failed` is a failure by itself. */
#define M_NONE	     METRIC_COUNT
#define MODE(member) offsetof(struct on_failure, member)
#define NO_MODE	     SIZE_MAX
/* clang-format off */
static const struct part {
	const char *name;
	bool (*away)(struct server *s, struct buf *why);
	enum metric failed, other;
	const char *failed_name, *other_name;
	/* offset of the policy's setting for this part in on_failure; NO_MODE: none */
	size_t mode;
} parts[] = {
	{ "redis",       redis_away,   M_QUOTA_FAILED,       M_QUOTA_ALONE, "without_quota", "by_own_share", MODE(quota) },
	{ "journal",     journal_away, M_AUDIT_FAILED,       M_NONE,        "not_recorded", NULL, MODE(audit) },
	{ "mirror",      mirror_away,  M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "keys",        keys_away,    M_NONE,               M_AUTH_FAILED, NULL, "credentials_refused", NO_MODE },
	{ "live",        live_away,    M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "pins",        pinning_away, M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "cache",       cache_away,   M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "shares",      shares_away,  M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "anchors",     anchors_away, M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "archive",     archive_away, M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "tree",        tree_away,    M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "chain",       chain_away,   M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "daemons",     daemons_away, M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "providers",   providers_away, M_NONE,             M_NONE,        NULL, NULL, NO_MODE },
	{ "prompt_cache", prompt_cache_away, M_NONE,         M_NONE,        NULL, NULL, NO_MODE },
	{ "reload",      reload_away,  M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "folder",      folder_away,  M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "files",       files_away,   M_FILES_FAILED,       M_NONE,        "not_read", NULL, MODE(unreadable) },
	{ "clock",       clock_away,   M_NONE,               M_NONE,        NULL, NULL, NO_MODE },
	{ "certificate", certificate_away, M_NONE,           M_NONE,        NULL, NULL, NO_MODE },
	{ "classifier",  NULL,         M_CLASSIFIER_FAILED,  M_NONE,        "not_classified", NULL, MODE(classifier) },
	{ "data",        NULL,         M_DATA_FAILED,        M_NONE,        "fetches_failed", NULL, NO_MODE },
	{ "credentials", NULL,         M_CREDENTIALS_FAILED, M_NONE,        "fetches_failed", NULL, NO_MODE },
};
/* clang-format on */
_Static_assert(COUNT_OF(parts) <= DEGRADED_PARTS, "degraded.h has room for each part");

static const struct part a_recognizer = { NULL, NULL, M_CLASSIFIER_FAILED, M_NONE,
	"not_classified", NULL, MODE(classifier) };

/* ---- counts ---- */

static const enum metric always[] = { M_DECIDE_PERMIT, M_DECIDE_REDACT, M_DECIDE_DENY,
	M_DENY_503 };

static void
count_part(const struct server *s, const struct part *p, uint64_t out[DEGRADED_COUNTS])
{
	for (size_t i = 0; i < COUNT_OF(always); i++)
		out[i] = server_counted(s, always[i]);
	out[COUNT_OF(always)] = server_counted(s, p->failed);
	out[COUNT_OF(always) + 1] = server_counted(s, p->other);
}

/* ---- records ---- */

static void
put_meanwhile(
	struct server *s, struct buf *b, const struct part *p, const struct degraded_time *t)
{
	const char *const names[DEGRADED_COUNTS] = { "permit", "redact", "deny", "deny_503",
		p->failed_name, p->other_name };
	uint64_t now[DEGRADED_COUNTS];

	count_part(s, p, now);
	for (size_t i = 0; i < DEGRADED_COUNTS; i++)
		now[i] -= t->at_begin[i];
	json_put_time(b, "until", t->until_ns);
	json_put_form(b, "'seconds':%u,'times':%u,'meanwhile':{",
		(uint64_t)((t->until_us - t->since_us + SECOND_US / 2) / SECOND_US),
		(uint64_t)t->times);
	for (size_t i = 0; i < DEGRADED_COUNTS; i++)
		if (names[i])
			json_put_uint(b, names[i], now[i]);
	json_put_close(b, '}');
}

/* Adds the outcome that the policy names for requests that need the part. For the classifier,
 * the outcome of each class is added too, because a request with data of a class gets the
 * outcome of that class. */
static void
put_outcomes(struct server *s, struct buf *b, const struct part *p)
{
	SCOPED_SNAPSHOT(snap, s);
	const struct policy *policy = snap->policy;
	const struct on_failure *of = &policy->on_failure;
	const char *says = (const char *)of + p->mode;

	json_put_str(b, "on_failure", outcome_words[*(const enum outcome *)(const void *)says]);
	if (p->mode != MODE(classifier) || !of->nby_class)
		return;
	json_put_form(b, "'on_failure_by_class':{");
	for (size_t i = 0; i < of->nby_class; i++)
		json_put_str(b, policy->classes[of->by_class[i].class].name,
			outcome_words[of->by_class[i].outcome]);
	json_put_close(b, '}');
}

/* Writes the record of a begin or an end. Returns false while the disk refuses records; the
 * period then waits. */
static bool
record_degraded(struct server *s, const char *name, const char *recognizer,
	const struct part *p, const struct degraded_time *t, bool begin)
{
	struct audit_entry *e = audit_ready(s->audit) ? audit_entry_new() : NULL;

	if (!e)
		return false;
	json_put_form(&e->fields, "'type':'degraded','what':%s,'dependency':%s",
		begin ? "begin" : "end", name);
	json_put_opt(&e->fields, "name", recognizer);
	json_put_time(&e->fields, "since", t->since_ns);
	json_put_str(&e->fields, "why", t->why);
	if (p->mode != NO_MODE)
		put_outcomes(s, &e->fields, p);
	if (!begin)
		put_meanwhile(s, &e->fields, p, t);
	audit_append(s->audit, e);
	return true;
}

/* ---- notices ---- */

static void
send_degraded_notice(
	const char *name, const char *recognizer, struct degraded_time *t, bool begin)
{
	const struct notice_of of = { .kind = NOTICE_DEGRADED,
		.over = !begin,
		.what = begin ? "begin" : "end",
		.name = span_str(recognizer ? recognizer : name),
		.since_ns = t->since_ns };
	const struct log_field numbers[] = { LS("dependency", name), LS("why", t->why),
		LI("times", t->times), LI("seconds", (t->until_us - t->since_us) / SECOND_US) };

	t->told = begin;
	log_event(begin ? LOG_WARN : LOG_INFO, begin ? "degraded.begin" : "degraded.end",
		LS("part", name), LS("name", recognizer), LS("why", t->why));
	if (begin)
		notice_send(&of, numbers, 3, "%s%s%s is unavailable: %s", name,
			recognizer ? " " : "", recognizer ? recognizer : "", t->why);
	else
		notice_send(&of, numbers, 4, "%s%s%s is available again after %u s", name,
			recognizer ? " " : "", recognizer ? recognizer : "",
			(unsigned)((t->until_us - t->since_us) / SECOND_US));
}

/* ---- states ---- */

/* Moves one part's state on by a look. A failure that was counted since the last look makes the
 * part DEGRADED_AWAY at once. A state that the look sees (`away`) must last until the next
 * look; until then the part is DEGRADED_DOUBT. The part is DEGRADED_CALM once a look finds no
 * trouble, and the degraded time is over after CALM_US, or after CALM_MOST_US if the part
 * failed often. Notices and records are sent apart, because the journal may refuse a record for
 * a while. */
static void
step_degraded(struct server *s, const char *name, const char *recognizer, const struct part *p,
	struct degraded_time *t, bool away, struct span why)
{
	uint64_t failures = server_counted(s, p->failed), before = t->failures,
		 now_us = clock_mono_us();
	/* the counter is shared by all recognizers */
	bool failed = failures > before && !recognizer;
	uint64_t calm = t->recent > OFTEN ? CALM_MOST_US : CALM_US;

	t->failures = failures;
	if (!away && !failed) {
		if (t->life == DEGRADED_DOUBT)
			t->life = DEGRADED_WELL;
		if (t->life == DEGRADED_AWAY) {
			t->life = DEGRADED_CALM;
			t->until_us = now_us;
			t->until_ns = clock_wall_ns();
		}
	} else {
		bool again = t->life == DEGRADED_DOUBT || t->life == DEGRADED_CALM;
		struct span says = why;
		if (t->life == DEGRADED_WELL) {
			t->life = DEGRADED_DOUBT;
			t->since_us = now_us;
			t->since_ns = clock_wall_ns();
			t->times = 0;
			count_part(s, p, t->at_begin);
			t->at_begin[COUNT_OF(always)] = before;
			says = why.n ? why : SPAN_LIT("failures were counted");
		}
		if (says.n)
			snprintf(t->why, sizeof(t->why), "%.*s",
				SPAN_ARG(span_cut(says, 0, sizeof(t->why) - 1)));
		if (again || (failed && t->life == DEGRADED_DOUBT)) {
			t->life = DEGRADED_AWAY;
			t->times++;
			t->recent++;
		}
	}
	/* the cause may be known a moment after the first failure */
	bool known = why.n || !p->away || now_us - t->since_us >= 2 * SECOND_US;
	if (t->life >= DEGRADED_AWAY && known && (!t->told || (t->vague && why.n))) {
		/* if the cause is found later, a second notice has it */
		t->vague = p->away && !why.n;
		send_degraded_notice(name, recognizer, t, true);
	}
	if (t->life == DEGRADED_CALM && t->told && now_us - t->until_us >= calm)
		send_degraded_notice(name, recognizer, t, false);
	if (t->life >= DEGRADED_AWAY && !t->begun && known)
		t->begun = record_degraded(s, name, recognizer, p, t, true);
	if (t->life == DEGRADED_CALM && t->begun && now_us - t->until_us >= calm &&
		(!t->ended_us || now_us - t->ended_us >= APART_US) &&
		record_degraded(s, name, recognizer, p, t, false)) {
		t->life = DEGRADED_WELL;
		t->begun = false;
		t->ended_us = now_us;
	}
}

/* The state of a recognizer on all workers together. */
struct recognizer_state {
	bool open;	     /* the circuit breaker is open on a worker */
	uint64_t unknown_us; /* the last response with a label that map does not have; 0: none */
};

static struct recognizer_state
recognizer_on_workers(const struct server *s, const char *name)
{
	struct recognizer_state state = { false, 0 };

	/* The same recognizer can have another index on each worker. */
	for (unsigned w = 0; w < s->nworkers; w++) {
		const struct recognizer_stats *v =
			recognizers_stats(gate_recognizers(s->workers[w].gate));
		for (size_t k = 0; k < RECOGNIZER_STATS; k++) {
			if (!atomic_load_explicit(&v[k].used, memory_order_acquire) ||
				strcmp(v[k].name, name))
				continue;
			state.open |= atomic_load_explicit(&v[k].open, memory_order_relaxed);
			uint64_t us = atomic_load_explicit(&v[k].unknown_us, memory_order_relaxed);
			if (us > state.unknown_us)
				state.unknown_us = us;
		}
	}
	return state;
}

/* A recognizer is degraded while its circuit breaker is open on any worker, and for a minute after
 * it used a label that the policy does not have. */
static void
look_at_recognizers(struct degraded *d)
{
	struct server *s = d->s;
	const struct recognizer_stats *first =
		s->nworkers ? recognizers_stats(gate_recognizers(s->workers[0].gate)) : NULL;

	for (size_t i = 0; first && i < DEGRADED_RECOGNIZERS; i++) {
		const char *name = first[i].name;
		if (!atomic_load_explicit(&first[i].used, memory_order_acquire))
			continue;
		struct recognizer_state r = recognizer_on_workers(s, name);
		bool unknown = r.unknown_us && clock_mono_us() - r.unknown_us < UNKNOWN_US;
		struct span why = r.open    ? SPAN_LIT("the circuit breaker is open")
				  : unknown ? SPAN_LIT("it uses a label that map does not have, "
						       "which counts as nothing found: the log "
						       "names the label")
					    : SPAN_LIT("");
		step_degraded(s, "recogniser", name, &a_recognizer, &d->recognizer[i],
			r.open || unknown, why);
	}
}

/* Appends the state of this machine's clock as members of a record: "source", "synchronized"
 * and "counter"; null if unknown. */
static void
clock_says(struct buf *out)
{
	static const struct {
		const char *file, *source;
	} services[] = { { "/run/chrony/chronyd.pid", "chrony" },
		{ "/run/chronyd.pid", "chrony" }, { "/run/ntpd.pid", "ntpd" },
		{ "/var/run/ntpd.pid", "ntpd" },
		{ "/run/systemd/timesync/synchronized", "systemd-timesyncd" } };
	struct timex t = { .modes = 0 };
	const char *source = NULL;

	for (size_t i = 0; i < COUNT_OF(services) && !source; i++)
		if (access(services[i].file, F_OK) == 0)
			source = services[i].source;
	json_put_opt(out, "source", source);
	int state = adjtimex(&t);
	if (state < 0)
		json_put_null(out, "synchronized");
	else
		json_put_bool(
			out, "synchronized", state != TIME_ERROR && !(t.status & STA_UNSYNC));
	/* The kernel's clock source, for example "tsc" or "kvm-clock". */
	char name[32] = "";
	FILE *f =
		fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");

	if (f && fscanf(f, "%31[a-z0-9_-]", name) != 1)
		name[0] = '\0';
	if (f)
		fclose(f);
	json_put_opt(out, "counter", name[0] ? name : NULL);
}

static void
look_at_clock(struct degraded *d)
{
	struct audit_entry *e;

	SCOPED_BUF(says, sizeof(d->clock) - 1);
	clock_says(&says);
	struct span now = buf_view(&says);
	if (!buf_failed(&says) && !span_is(now, d->clock) && (e = audit_entry_new())) {
		json_put_form(&e->fields, "'type':'clock','what':%s,%j",
			d->clock[0] ? "change" : "boot", now);
		snprintf(d->clock, sizeof(d->clock), "%.*s", SPAN_ARG(now));
		audit_append(d->s->audit, e);
	}
}

void
degraded_look(struct server *s)
{
	struct degraded *d = &s->degraded;

	if (!d->s)
		return;
	SCOPED_LOCK(&d->lock);
	SCOPED_BUF(why, 4096);
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		buf_clear(&why);
		bool away = parts[i].away && parts[i].away(d->s, &why);
		/* records that were refused because of the file of shares are no failures of the
		 * journal */
		if (parts[i].failed == M_AUDIT_FAILED && audit_away_shares(d->s->audit))
			d->part[i].failures = server_counted(d->s, M_AUDIT_FAILED);
		step_degraded(d->s, parts[i].name, NULL, &parts[i], &d->part[i], away,
			span_trim(buf_view(&why), "\n"));
	}
	look_at_recognizers(d);
	if (d->looks % CLOCK_LOOKS == 0 && audit_ready(d->s->audit))
		look_at_clock(d);
	if (++d->looks % FORGET_LOOKS == 0) {
		for (size_t i = 0; i < DEGRADED_PARTS; i++)
			d->part[i].recent -= d->part[i].recent > 0;
		for (size_t i = 0; i < DEGRADED_RECOGNIZERS; i++)
			d->recognizer[i].recent -= d->recognizer[i].recent > 0;
	}
}

void
degraded_start(struct degraded *d, struct server *s)
{
	if (!s->audit)
		return;
	pthread_mutex_lock(&d->lock);
	d->s = s;
	pthread_mutex_unlock(&d->lock);
	look_at_clock(d);
	d->looks = 1;
}

void
degraded_stop(struct degraded *d)
{
	SCOPED_LOCK(&d->lock);
	d->s = NULL;
}

/* Returns true while the part is unavailable, or until the notice of its end was sent. A period
 * whose end waits only for its record is not shown. */
static bool
degraded_shown(const struct degraded_time *t)
{
	return t->life == DEGRADED_AWAY || (t->life == DEGRADED_CALM && t->told);
}

static void
put_degraded(struct buf *out, const char *what, const char *name, const struct degraded_time *t)
{
	if (!degraded_shown(t))
		return;
	json_put_form(out, "{'what':%s", what);
	json_put_opt(out, "name", name);
	json_put_str(out, "state", t->life == DEGRADED_AWAY ? "away" : "calm");
	json_put_time(out, "since", t->since_ns);
	json_put_form(out, "'seconds':%u,'times':%u,'why':%t}",
		(uint64_t)((clock_mono_us() - t->since_us) / SECOND_US), (uint64_t)t->times,
		span_str(t->why));
}

static void
say_degraded(struct buf *out, const char *what, const char *name, const struct degraded_time *t)
{
	if (degraded_shown(t))
		buf_printf(out, "degraded: %s%s%s: %s\n", what, name ? " " : "",
			name ? name : "", t->why);
}

/* Calls `put` for each part, then for each recognizer. */
static void
each_degraded(struct degraded *d, struct buf *out,
	void (*put)(struct buf *out, const char *what, const char *name,
		const struct degraded_time *t))
{
	SCOPED_LOCK(&d->lock);
	if (d->s) {
		const struct recognizer_stats *first =
			d->s->nworkers
				? recognizers_stats(gate_recognizers(d->s->workers[0].gate))
				: NULL;
		for (size_t i = 0; i < COUNT_OF(parts); i++)
			put(out, parts[i].name, NULL, &d->part[i]);
		for (size_t i = 0; first && i < DEGRADED_RECOGNIZERS; i++)
			put(out, "recogniser", first[i].name, &d->recognizer[i]);
	}
}

void
degraded_say(struct degraded *d, struct buf *out)
{
	each_degraded(d, out, say_degraded);
}

/* Recognizers have metrics of their own, so only parts are written. */
static void
count_degraded(
	struct buf *out, const char *what, const char *name, const struct degraded_time *t)
{
	if (!name)
		buf_printf(out, "tollgate_degraded{part=\"%s\"} %d\n", what, degraded_shown(t));
}

void
degraded_metrics(struct degraded *d, struct buf *out)
{
	metrics_head(out, "degraded", "gauge",
		"1 if the part is unavailable, or was a short time ago. /status has the "
		"cause.");
	each_degraded(d, out, count_degraded);
}

void
degraded_json(struct degraded *d, struct buf *out)
{
	json_put_open(out, NULL, '[');
	each_degraded(d, out, put_degraded);
	json_put_close(out, ']');
}

static void
put_degraded_name(
	struct buf *out, const char *what, const char *name, const struct degraded_time *t)
{
	char text[96];

	if (!degraded_shown(t))
		return;
	snprintf(text, sizeof(text), "%s%s%s", what, name ? " " : "", name ? name : "");
	json_put_str(out, NULL, text);
}

void
degraded_names(struct degraded *d, struct buf *out)
{
	json_put_open(out, NULL, '[');
	each_degraded(d, out, put_degraded_name);
	json_put_close(out, ']');
}
