/* Makes changes at run time and records them with the caller, the previous
 * state and the new one.
 *
 * The order is: the row's make() checks the parameters; the record is written and synced; the
 * entry is stored (live_put) or the row's done() acts; the response waits a moment for Redis.
 * If the record fails, nothing is changed. The exceptions are changes that end a key or an
 * override: these must also work with a full disk. */
#include "operator/admin/change.h"

#include <microhttpd.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/changes/sync.h"
#include "operator/admin/allowances.h"
#include "operator/admin/tokens.h"
#include "operator/server/server.h"
#include "policy/config/read.h"
#include "record/archive/files.h"
#include "record/audit/audit.h"
#include "record/seal/shares.h"

#define RECORD_US 5000000u /* a change whose record is not on disk by then is refused */
/* a response waits this long for Redis */
#define REDIS_US   700000u
#define TTL_MAX_US (36500ull * 86400 * SECOND_US)

/* ---- responses ---- */

bool
change_refuse(struct change *c, unsigned status, const char *fmt, ...)
{
	va_list ap;
	char line[1024];

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	c->status = calls_error(c->out, status, "%s", line);
	return false;
}

const char *
change_text(struct change *c, const char *name)
{
	json_t *v = json_object_get(c->in, name);

	if (v && !json_is_null(v) && !json_is_string(v))
		change_refuse(c, MHD_HTTP_BAD_REQUEST, "%s: send a text", name);
	return json_string_value(v);
}

void
change_who(const struct admin_peer *p, char out[CHANGE_WHO_LEN])
{
	bool named = p->by == BY_TOKEN || p->by == BY_SESSION || p->by == BY_CERTIFICATE;

	snprintf(out, CHANGE_WHO_LEN, "%s", named ? p->name : p->user);
	if (!named && !p->user[0] && p->uid != (uid_t)-1)
		snprintf(out, CHANGE_WHO_LEN, "uid %u", (unsigned)p->uid);
}

/* Returns the name that the caller claims in `by`, if it differs from the authenticated one,
 * otherwise "". */
static const char *
claimed_name(const struct change *c, const char *by)
{
	const char *text = json_text_in(c->in, "by");

	return strcmp(text, by) != 0 ? text : "";
}

static void
sign_with(json_t *entry, const char *name, const char *text)
{
	json_object_del(entry, name);
	if (text && text[0])
		json_object_set_new(entry, name, json_string(text));
}

bool
change_sign(struct change *c, json_t *entry)
{
	const char *reason = change_text(c, "reason");
	char by[CHANGE_WHO_LEN];

	change_text(c, "by");
	change_who(c->peer, by);
	sign_with(entry, "by", by);
	sign_with(entry, "claimed", claimed_name(c, by));
	sign_with(entry, "reason", reason);
	return c->status == MHD_HTTP_OK;
}

int64_t
change_time(const json_t *entry, const char *name)
{
	const json_t *v = json_object_get(entry, name);
	int64_t ns = 0;

	if (!json_is_string(v) ||
		clock_parse(json_string_value(v), json_string_length(v), &ns) < 0)
		return 0;
	return ns;
}

void
change_set_time(json_t *entry, const char *name, int64_t wall_ns)
{
	char when[CLOCK_RFC3339_LEN + 1];

	json_object_del(entry, name);
	if (!wall_ns)
		return;
	clock_rfc3339(wall_ns, when);
	memcpy(when + 19, "Z", 2);
	json_object_set_new(entry, name, json_string(when));
}

bool
change_until(struct change *c, const char *ttl, const char *at, int64_t *ns, bool *given)
{
	const char *text = change_text(c, ttl), *time = change_text(c, at);
	uint64_t us = 0;

	*ns = 0;
	*given = text || time;
	if (text && time)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"%s: give either this or %s, "
			"not both",
			ttl, at);
	if (time && clock_parse(time, strlen(time), ns) < 0)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"%s: give a time such as 2026-12-01T00:00:00Z", at);
	if (text && strcmp(text, "never") != 0) {
		if (duration_parse(span_str(text), &us) < 0 || us < SECOND_US ||
			us > TTL_MAX_US)
			return change_refuse(c, MHD_HTTP_BAD_REQUEST,
				"%s %s: give a duration up to 36500d, such as 90d, or never",
				ttl, text);
		*ns = wall_now_ns() + (int64_t)us * 1000;
	}
	if (time && *ns <= wall_now_ns())
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"%s %s: the time is in the "
			"past: give a later one",
			at, time);
	return c->status == MHD_HTTP_OK;
}

/* ---- records ---- */

/* Returns the entry as it is shown and recorded: a copy without the hashes of a key or a
 * person. */
static json_t *
change_shown(const json_t *entry)
{
	json_t *shown = json_copy((json_t *)(uintptr_t)entry);

	json_object_del(shown, "sha256");
	json_object_del(shown, "kind");
	json_object_del(shown, "latest");
	json_object_del(shown, "tag");
	for (enum live_part part = LIVE_CACHE; part < LIVE_PARTS; part++) {
		char name[LIVE_FIELD_MAX];
		live_part_tag(part, name);
		json_object_del(shown, name);
	}
	return shown;
}

/* A record in progress. owner: the waiting thread and the audit thread, by `holders`; the audit
 * thread may answer when nobody waits any more. The lock guards `over`, `err` and `holders`. */
struct recording {
	struct audit_entry e;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	bool over;
	int err;
	unsigned holders;
};

static void
let_recording_go(struct recording *r)
{
	bool last = --r->holders == 0;

	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	buf_free(&r->e.fields);
	pthread_cond_destroy(&r->answered);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void
change_recorded(struct audit_entry *e, int err)
{
	struct recording *r = e->arg;

	pthread_mutex_lock(&r->lock);
	r->over = true;
	r->err = err;
	pthread_cond_signal(&r->answered);
	let_recording_go(r);
}

/* Returns the pseudonym of a name, if the policy records persons by pseudonyms and the person
 * has a share; otherwise "hidden". */
static json_t *
person_recorded(const struct server *s, const json_t *name)
{
	struct span person = json_span(name);
	char word[PSEUDONYM_LEN + 1] = "hidden";
	struct share b;

	if (person.n == PSEUDONYM_LEN && span_starts(person, SPAN_LIT("p_")))
		return json_stringn(person.p, person.n);
	if (s->shares && shares_get(s->shares, person, false, &b) == 0)
		share_pseudonym(&b, word);
	sodium_memzero(&b, sizeof(b));
	return json_string(word);
}

/* Replaces names of persons by pseudonyms, in place and at any depth. `named`: the strings in
 * this object are names. */
static void
hide_persons(const struct server *s, json_t *in, bool named)
{
	static const char *const naming[] = { "person",
		"match" /* in /usage, a part of a person's name */ };
	const char *name;
	json_t *one;
	void *next;
	size_t i;

	json_object_foreach_safe(in, next, name, one)
	{
		bool is = SPAN_IN(span_str(name), naming);
		if (is && json_is_string(one))
			json_object_set_new(in, name, person_recorded(s, one));
		else
			hide_persons(s, one, is);
	}
	json_array_foreach(in, i, one)
	{
		if (named && json_is_string(one))
			json_array_set_new(in, i, person_recorded(s, one));
		else
			hide_persons(s, one, named);
	}
}

static void
put_object(const struct server *s, struct buf *out, const char *name, const json_t *entry)
{
	json_auto_t *plain = entry ? change_shown(entry) : NULL;
	json_auto_t *shown = json_deep_copy(plain);

	if (s->shared_cfg->audit_persons == PERSONS_PSEUDONYM)
		hide_persons(s, shown, false);
	char *text = shown ? json_dumps(shown, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_put_raw(out, name, text ? span_str(text) : SPAN_LIT("null"));
	free(text);
}

static void
put_change_text(struct buf *out, const char *name, const char *text)
{
	json_put_opt(out, name, text && text[0] ? text : NULL);
}

/* Writes the caller: the user that the kernel reports, the token or certificate, and the door.
 */
static void
put_peer(struct buf *out, const struct admin_peer *p)
{
	if (p->uid == (uid_t)-1 && p->by == BY_NOBODY)
		return;
	json_put_open(out, "peer", '{');
	if (p->uid != (uid_t)-1) { /* only the Unix socket has users */
		json_put_uint(out, "uid", p->uid);
		json_put_int(out, "pid", p->pid);
		put_change_text(out, "user", p->user);
	} else {
		json_put_str(out, "door", admin_doors[p->door]);
	}
	if (p->by == BY_TOKEN || p->by == BY_SESSION)
		put_change_text(out, "token", p->name);
	if (p->by == BY_CERTIFICATE)
		put_change_text(out, "certificate", p->name);
	if (p->from[0])
		put_change_text(out, "from", p->from);
	json_put_close(out, '}');
}

static void
write_record(struct change *c, const json_t *before, const json_t *after, const char *failed,
	struct buf *out)
{
	char by[CHANGE_WHO_LEN];

	change_who(c->peer, by);
	json_put_str(out, "type", c->reads ? "read" : "change");
	json_put_str(out, "what", c->what);
	json_put_str(out, c->reads ? "read" : "change", c->verb);
	put_change_text(out, "id", json_string_value(json_object_get(after, "id")));
	put_change_text(out, "by", by);
	if (claimed_name(c, by)[0])
		put_change_text(out, "claimed", claimed_name(c, by));
	put_change_text(out, "reason", json_string_value(json_object_get(c->in, "reason")));
	put_peer(out, c->peer);
	put_object(c->s, out, "before", before);
	put_object(c->s, out, "after", after);
	if (failed)
		put_change_text(out, "failed", failed);
}

/* Returns true if the disk has more room than CAP_ADMIN_RESERVE, which is kept for records of
 * decisions. */
static bool
disk_has_room(const struct server *s)
{
	SCOPED_FD(fd, open(s->shared_cfg->journal, O_PATH | O_DIRECTORY | O_CLOEXEC));

	return fd < 0 || files_room(fd, CAP_RECORD_BYTES, CAP_ADMIN_RESERVE);
}

/* Checks the caller's limit and the disk. Returns 0, ERR_FULL, or ERR_LIMIT with c->wait_s set.
 * *summed is true if the reading was added to a sum and needs no record. */
static int
within_allowance(struct change *c, const json_t *after, size_t bytes, bool *summed)
{
	struct allowances *all = admin_allowances(c->s);
	bool room = c->let_in || disk_has_room(c->s);

	if (!room && !(c->is_over && all)) {
		metric_inc(&c->s->metrics, M_ADMIN_SHARE);
		return ERR_FULL;
	}
	if (!all || c->is_sum || c->let_in)
		return 0;
	c->wait_s = allowances_take(all, &c->peer->who, c->reads ? ALLOW_READS : ALLOW_CHANGES,
		bytes, clock_mono_us());
	*summed = (c->wait_s && c->may_sum) || !room;
	c->let_in = !c->wait_s;
	if (*summed) {
		metric_inc(&c->s->metrics, M_ADMIN_SUMMED);
		json_object_set_new(c->answer, "summed", json_true());
		return allowances_sum(all, c->peer, c->verb,
			(uint64_t)json_integer_value(json_object_get(after, "records")));
	}
	if (!c->wait_s)
		return 0;
	metric_inc(&c->s->metrics, M_ADMIN_SHARE);
	return ERR_LIMIT;
}

/* Writes the record and waits for it. Returns 0, ERR_TIMEOUT if the record is not on disk yet,
 * an error of within_allowance() or one of the audit thread. With `keep`, the record is written
 * whatever the limits say, because the change ends something. */
static int
record_change(struct change *c, const json_t *before, const json_t *after, const char *failed,
	bool keep)
{
	struct audit *audit = c->s->audit;
	struct recording *r = audit ? calloc(1, sizeof(*r)) : NULL;
	struct timespec until = clock_timespec(clock_mono_us() + RECORD_US);
	int late = 0;

	if (!r)
		return audit ? ERR_NOMEM : 0;
	pthread_mutex_init(&r->lock, NULL);
	cond_init(&r->answered);
	r->holders = 2;
	buf_init(&r->e.fields, CAP_RECORD_BYTES);
	write_record(c, before, after, failed, &r->e.fields);
	bool summed = false;
	int refused = keep ? 0 : within_allowance(c, after, r->e.fields.n, &summed);
	if (refused || summed) {
		r->holders = 1;
		pthread_mutex_lock(&r->lock);
		let_recording_go(r);
		return refused;
	}
	r->e.done = change_recorded;
	r->e.arg = r;
	r->e.keep = keep;
	audit_append(audit, &r->e);
	pthread_mutex_lock(&r->lock);
	/* A kept record is answered only once the disk accepts it, so do not wait for a disk
	 * that refuses. */
	while (!c->unwaited && !r->over && !late && (!keep || audit_ready(audit)))
		late = pthread_cond_timedwait(&r->answered, &r->lock, &until);
	int err = r->over ? r->err : ERR_TIMEOUT;
	if (err == 0 && !c->unwaited) /* the form that `tollgate audit show --seq` takes */
		json_object_set_new(c->answer, "record",
			json_sprintf("%s/%" PRIu64, c->s->shared_cfg->node, r->e.seq));
	let_recording_go(r);
	return err;
}

/* ---- changes ---- */

static void
say_changed(const struct change *c, const json_t *after)
{
	log_event(LOG_INFO, "live.changed", LS("what", c->what), LS("change", c->verb),
		LS("id", json_string_value(json_object_get(after, "id"))));
}

static void
refuse_unrecorded(struct change *c, int err)
{
	const char *what = c->reads ? "done" : "changed";

	if (err == ERR_LIMIT && c->wait_s)
		change_refuse(c, MHD_HTTP_TOO_MANY_REQUESTS,
			"nothing was %s, because you caused too many records: try again in %u "
			"s",
			what, c->wait_s);
	else if (err == ERR_FULL)
		change_refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE,
			"nothing was %s, because it cannot be recorded: the rest of the disk "
			"is reserved for decisions; free disk space",
			what);
	else
		change_refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE,
			"nothing was %s, because it cannot be recorded (%s): see tollgate "
			"status",
			what, err_str(err));
}

/* Records a change and applies it. Typically the record comes first: a change that cannot be
 * recorded is refused. A change that ends something (a key is revoked, for example) is applied
 * even without a record, and even if it could not be kept on disk; the answer then has
 * "recorded": false or "kept": false. */
bool
change_put(struct change *c, json_t *before, json_t *after)
{
	int64_t serial = json_integer_value(json_object_get(before, "serial"));
	bool must = json_object_get(after, "revoked") || json_object_get(after, "ended");

	SCOPED_BUF(why, 1024);
	/* A change that ends something is made even beyond the caller's limit. Its record then
	 * follows the change, because failing changes could be repeated without end. */
	bool late = must && change_wait(c->s, c->peer, 1024);
	int err = late ? 0 : record_change(c, before, after, NULL, must);
	if (err && !must) {
		refuse_unrecorded(c, err);
		return false;
	}
	int put = live_put(c->s->live, c->kind, after, serial, &why);
	buf_putc(&why, '\0');
	bool done = put == 0 || (put == ERR_IO && must);
	if (late && done)
		err = record_change(c, before, after, NULL, true);
	if (err)
		json_object_set_new(c->answer, "recorded", json_false());
	if (put && done)
		json_object_set_new(c->answer, "kept", json_false());
	if (!done) {
		if (!late)
			record_change(c, before, after, buf_view(&why).p, true);
		change_refuse(c,
			put == ERR_BAD_STATE ? MHD_HTTP_CONFLICT
			: put == ERR_SYNTAX  ? MHD_HTTP_BAD_REQUEST
					     : MHD_HTTP_SERVICE_UNAVAILABLE,
			"%s", buf_view(&why).p);
	}
	if (done)
		say_changed(c, after);
	return done;
}

/* Waits up to REDIS_US for Redis and reports in the response whether it has the change. */
static void
say_written(struct change *c)
{
	SCOPED_BUF(why, 1024);
	struct redis_service *service =
		c->s->live_sync ? live_sync_service(c->s->live_sync) : NULL;
	bool told = service && redis_service_up(service, &why) &&
		    redis_service_wait(service, REDIS_US);
	if (service && !told && (why.n || !redis_service_up(service, &why)))
		json_object_set_new(
			c->answer, "why", json_stringn(buf_view(&why).p, buf_view(&why).n));
	json_object_set_new(c->answer, "redis",
		json_string(!c->s->live_sync ? "none"
			    : told	     ? "written"
					     : "away"));
}

/* Makes a change without an entry: record first, then act. */
static void
record_and_do(struct change *c, const struct change_row *row, json_t *before, json_t *after)
{
	int err = record_change(c, before, after, NULL, false);

	if (err) {
		refuse_unrecorded(c, err);
		return;
	}
	json_object_set(c->answer, "id", json_object_get(after, "id"));
	if (row->done)
		row->done(c, after);
	if (!c->reads)
		say_changed(c, after);
}

/* Runs one endpoint that changes something: `row->make` checks the parameters and yields the
 * state before and after. A row with `what` changes something outside the live state: the
 * change is recorded and then done. Other rows change an entry of the live state. */
unsigned
change_call(const struct change_row *row, struct server *s, const struct admin_peer *peer,
	json_t *in, struct buf *out)
{
	struct change c = { .s = s,
		.peer = peer,
		.in = in,
		.out = out,
		.kind = row->kind,
		.what = row->what ? row->what : live_kinds[row->kind],
		.verb = row->verb,
		.status = MHD_HTTP_OK };
	json_auto_t *before = NULL, *after = NULL;

	if (!row->what && !s->live)
		return calls_error(out, MHD_HTTP_CONFLICT,
			"changes need state_key in tollgate.yaml: create a key with tollgate "
			"keygen --secret FILE, name it there and restart the daemon");
	c.answer = json_object();
	bool made = row->make(&c, &before, &after);
	if (made && row->what) {
		record_and_do(&c, row, before, after);
	} else if (made) {
		if (!json_object_get(c.answer, "id"))
			json_object_set(c.answer, "id", json_object_get(after, "id"));
		change_put(&c, before, after);
	}
	if (!row->what && c.status == MHD_HTTP_OK) {
		say_written(&c);
		if (made && row->done)
			row->done(&c, after);
	}
	if (c.drop)
		c.drop(c.state);
	if (c.status == MHD_HTTP_OK)
		return calls_json(out, c.answer);
	json_decref(c.answer);
	return c.status;
}

unsigned
change_list(struct server *s, enum live_kind kind, const char *name,
	const char *(*state_of)(const json_t *entry), struct buf *out)
{
	json_auto_t *list = s->live ? live_list(s->live, kind) : json_array(),
		    *shown = json_array();
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *state = state_of(one);
		if (!state)
			continue;
		json_t *entry = change_shown(one);
		json_object_set_new(entry, "state", json_string(state));
		json_array_append_new(shown, entry);
	}
	char *text = json_dumps(shown, JSON_COMPACT);
	buf_printf(out, "{\"state_key\":%s,\"%s\":%s}\n", s->live ? "true" : "false", name,
		text ? text : "[]");
	free(text);
	return MHD_HTTP_OK;
}

/* ---- changes that are made elsewhere ---- */

void
change_told(struct server *s, const struct admin_peer *peer, const char *what, const char *verb,
	const char *id, json_t *before, json_t *after)
{
	static const struct admin_peer nobody = { .uid = (uid_t)-1 };
	struct change c = { .s = s,
		.peer = peer ? peer : &nobody,
		.in = json_object(),
		.what = what,
		.verb = verb,
		.unwaited = true };

	if (!after)
		after = json_object();
	json_object_set_new(after, "id", json_string(id));
	record_change(&c, before, after, NULL, true);
	say_changed(&c, after);
	json_decref(before);
	json_decref(after);
	json_decref(c.in);
}

int
change_summed(struct server *s, const struct admin_peer *peer, json_t *after, bool last)
{
	struct change c = { .s = s,
		.peer = peer,
		.in = json_object(),
		.what = "records",
		.verb = "several",
		.reads = true,
		.is_sum = true };
	int err = record_change(&c, NULL, after, NULL, last);

	json_decref(c.in);
	json_decref(after);
	return err;
}

unsigned
change_wait(struct server *s, const struct admin_peer *peer, size_t bytes)
{
	struct allowances *all = admin_allowances(s);

	return all ? allowances_take(all, &peer->who, ALLOW_CHANGES, bytes, clock_mono_us())
		   : 0;
}

static json_t *
token_json(const struct admin_token *t)
{
	char roles[ROLES_TEXT];
	json_t *o = json_pack("{s:s,s:s}", "id", t->name, "roles", roles_text(t->roles, roles));

	change_set_time(o, "end", t->end_ns);
	change_set_time(o, "revoked", t->revoked_ns);
	return o;
}

static const struct admin_token *
token_in(const struct admin_tokens *t, const char *name)
{
	return t ? admin_tokens_named((struct admin_tokens *)(uintptr_t)t, name) : NULL;
}

void
change_tokens(
	struct server *s, const struct admin_tokens *before, const struct admin_tokens *after)
{
	for (size_t i = 0; after && i < after->n; i++) {
		const struct admin_token *now = &after->row[i],
					 *was = token_in(before, now->name);
		if (was && was->roles == now->roles && was->end_ns == now->end_ns &&
			was->revoked_ns == now->revoked_ns &&
			!memcmp(was->sha256, now->sha256, sizeof(now->sha256)))
			continue;
		change_told(s, NULL, "token",
			!was				      ? "new"
			: now->revoked_ns && !was->revoked_ns ? "revoke"
							      : "change",
			now->name, was ? token_json(was) : NULL, token_json(now));
	}
	for (size_t i = 0; before && i < before->n; i++)
		if (!token_in(after, before->row[i].name))
			change_told(s, NULL, "token", "remove", before->row[i].name,
				token_json(&before->row[i]), NULL);
}
