/* Live decisions: events from records, the ring that the viewers share with its thread, and GET
 * /decisions/live.
 *
 * The table below lists the fields of a record that its event has. No field contains text
 * of a prompt or response. Values may come from callers, so they are written as ASCII and long
 * ones are cut. */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/service.h"
#include "base/tag.h"
#include "operator/admin/admin.h"
#include "operator/admin/change.h"
#include "operator/admin/decisions.h"
#include "operator/admin/endpoint.h"
#include "record/audit/audit.h"
#include "record/audit/record_fields.h"
#include "record/journal/chain.h"

enum { TEXT_MAX = 256, LIST_MAX = 16 };

static const char *const event_decisions[EVENT_DECISIONS] = { "", "permit", "redact", "deny",
	"observed" };

static const char *const kinds[] = { "decision", "completion", "gap" };

/* clang-format off */
static const struct {
	const char *name;
	enum record_field field;
	unsigned divide; /* divisor; 1000 converts µs to ms */
} rows[] = {
	{ "seq",            RF_SEQ,                  0 },
	{ "time",           RF_TIME,                 0 },
	{ "decided_at",     RF_DECIDED_AT,           0 },
	{ "id",             RF_ID,                   0 },
	{ "person",         RF_IDENTITY_PERSON,      0 },
	{ "team",           RF_IDENTITY_TEAM,        0 },
	{ "agent",          RF_IDENTITY_AGENT,       0 },
	{ "route",          RF_ROUTE,                0 },
	{ "target",         RF_TARGET,               0 },
	{ "model",          RF_MODEL,                0 },
	{ "decision",       RF_DECISION,             0 },
	{ "status",         RF_STATUS,               0 },
	{ "code",           RF_CODE,                 0 },
	{ "rule",           RF_RULE,                 0 },
	{ "reason",         RF_REASON,               0 },
	{ "would",          RF_WOULD_DECISION,       0 },
	{ "would_rule",     RF_WOULD_RULE,           0 },
	{ "would_be",       RF_WOULD_BE_DECISION,    0 },
	{ "would_be_rule",  RF_WOULD_BE_RULE,        0 },
	{ "shadow",         RF_SHADOW,               0 },
	{ "via",            RF_VIA,                  0 },
	{ "classes",        RF_CLASSES,              0 },
	{ "outcome",        RF_OUTCOME,              0 },
	{ "why",            RF_WHY,                  0 },
	{ "answer",         RF_ANSWER_DECISION,      0 },
	{ "answer_rule",    RF_ANSWER_RULE,          0 },
	{ "input_tokens",   RF_USAGE_INPUT_TOKENS,   0 },
	{ "output_tokens",  RF_USAGE_OUTPUT_TOKENS,  0 },
	{ "cost_nanousd",   RF_COST_NANOUSD,         0 },
	{ "ms",             RF_DURATION_US,          1000 },
	{ "first_text_ms",  RF_ANSWER_FIRST_TEXT_US, 1000 },
};
/* clang-format on */

/* Returns the part of a value that is shown, or NULL for nothing. */
static json_t *
shown_value(json_t *v, unsigned divide)
{
	json_t *list, *one;
	size_t i;

	if (json_is_string(v)) {
		struct span s = json_span(v);
		s.n = s.n > TEXT_MAX ? utf8_before(s.p, TEXT_MAX) : s.n;
		return json_stringn(s.p, s.n);
	}
	if (json_is_integer(v))
		return json_integer(json_integer_value(v) / (divide ? divide : 1));
	if (!json_is_array(v))
		return json_is_object(v) ? NULL : json_incref(v);
	list = json_array();
	json_array_foreach(v, i, one)
	{
		if (i < LIST_MAX)
			json_array_append_new(list, shown_value(one, divide));
	}
	return list;
}

static struct span
keep_event_text(char **at, struct span s)
{
	struct span kept = span_of(*at, s.n);

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

/* Returns the names SERVER/TOOL of the record's calls, at most LIST_MAX. If the gateway judged no
 * call, returns the names in the response. The server may be empty. NULL: no call. */
static json_t *
called_tools(const json_t *record)
{
	json_t *calls = record_get(record, RF_CALLS), *names = json_array(), *one;
	bool judged = json_array_size(calls) > 0;
	size_t i;

	json_array_foreach(judged ? calls : record_get(record, RF_ANSWER_TOOL_CALLS), i, one)
	{
		const char *tool = judged ? json_text_in(one, "tool") : json_string_value(one);
		if (!tool || !tool[0] || json_array_size(names) == LIST_MAX)
			continue;
		json_auto_t *name =
			json_sprintf("%s/%s", judged ? json_text_in(one, "server") : "", tool);
		json_array_append_new(names, name ? shown_value(name, 0) : json_null());
	}
	if (json_array_size(names))
		return names;
	json_decref(names);
	return NULL;
}

/* Allocates the event together with copies of its texts. */
static struct event *
made_event(struct event e)
{
	size_t bytes = sizeof(e) + e.person.n + e.route.n + e.model.n + e.text.n;
	struct event *out = malloc(bytes);

	if (!out)
		return NULL;
	char *at = (char *)(out + 1);
	*out = e;
	out->bytes = bytes;
	out->person = keep_event_text(&at, e.person);
	out->route = keep_event_text(&at, e.route);
	out->model = keep_event_text(&at, e.model);
	out->text = keep_event_text(&at, e.text);
	return out;
}

static struct event *
event_with_data(const char *node, struct event e, const json_t *data)
{
	char *text = json_dumps(data, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct event *out = NULL;

	SCOPED_BUF(b, 0);
	buf_printf(&b, "id: %s/%" PRIu64 "\nevent: %s\ndata: %s\n\n", node, e.seq,
		kinds[e.kind], text ? text : "");
	e.text = buf_view(&b);
	if (text && !buf_failed(&b))
		out = made_event(e);
	free(text);
	return out;
}

struct event *
event_of(struct span line)
{
	json_auto_t *record = json_loadb(line.p, line.n, 0, NULL), *data = json_object();
	const char *type = record_text(record, RF_TYPE);
	bool completion = str_same(type, kinds[EVENT_COMPLETION]);

	if (!completion && !str_same(type, kinds[EVENT_DECISION]))
		return NULL;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *v = record_get(record, rows[i].field);
		json_t *as = v ? shown_value(v, rows[i].divide) : NULL;
		if (as)
			json_object_set_new(data, rows[i].name, as);
	}
	json_t *tools = called_tools(record);
	if (tools)
		json_object_set_new(data, "tools", tools);
	size_t decision =
		span_find(record_span(record, RF_DECISION), event_decisions, EVENT_DECISIONS);
	const struct event e = {
		.seq = (uint64_t)json_integer_value(record_get(record, RF_SEQ)),
		.kind = completion ? EVENT_COMPLETION : EVENT_DECISION,
		.decision = decision < EVENT_DECISIONS ? (enum event_decision)decision
						       : EVENT_UNKNOWN,
		/* Ids are made by this daemon, so nobody else can cause equal hashes. */
		.id = span_hash(record_span(record, RF_ID)),
		.person = record_span(record, RF_IDENTITY_PERSON),
		.route = record_span(record, RF_ROUTE),
		.model = record_span(record, RF_MODEL),
	};
	return event_with_data(record_text(record, RF_NODE), e, data);
}

/* Makes the event that records first..last of the node are not available, with the reason. */
static struct event *
event_gap(const char *node, uint64_t first, uint64_t last, const char *why)
{
	json_auto_t *data = json_pack(
		"{s:I,s:I,s:s}", "from", (json_int_t)first, "to", (json_int_t)last, "why", why);
	return event_with_data(node, (struct event){ .seq = last, .kind = EVENT_GAP }, data);
}

/* ---- the ring ----
 *
 * The thread reads the journal up to its durable end, appends an event for each record, and
 * then wakes sleeping viewers for which there is an event. `first` and `count` only grow; event
 * n is at n % CAP_DECISION_EVENTS. */

#define SECOND_US 1000000ull
#define LOOK_US	  50000	   /* delay until a committed record is seen */
#define AGAIN_US  1000000  /* delay after the journal could not be read */
#define CALM_US	  60000000 /* the ring is freed after this time without viewers */

/* records read in one turn; remembered decisions; priority of the thread */
enum { BATCH = 256, KINDS = 1 << 14, NICE = 10 };

/* One viewer. Guarded by the ring's lock. States: READS (its connection is sending or may
 * send), SLEEPS (the connection is suspended, because there is nothing to send), ENDED. */
struct viewer {
	struct decisions *d;
	struct viewer *next;
	struct viewer_calls calls;
	void *arg;
	struct caller_id who;
	char person[256], route[256], model[256]; /* the filter; "": any */
	unsigned decisions; /* one bit for each enum event_decision; 0: any */
	/* The begin of the viewer. `placed`: the position is determined. `foreign`: `after`
	 * names another node. */
	/* `waited`: the thread has read since the viewer was opened */
	bool placed, foreign, waited;
	uint64_t after, last;
	/* the position: `at` is the next event, of which `sent` bytes are sent */
	/* `shown` events were sent; `told` is the last record about which the viewer knows */
	uint64_t at, shown, told;
	size_t sent;
	struct buf say; /* text to send before the next event */
	enum { VIEWER_READS, VIEWER_SLEEPS, VIEWER_ENDED } life;
	uint64_t taken_us,
		said_us; /* monotonic: when the viewer last took bytes; when it last got any */
};

/* The ring and its viewers. owner: admin */
struct decisions {
	struct decisions_options o;
	char journal[JOURNAL_DIR_MAX], node[CHAIN_NODE_MAX + 1];
	pthread_mutex_t lock; /* guards the members from here to `from, upto` */
	struct viewer *viewers;
	size_t nviewers;
	bool closed;
	/* monotonic; when the thread found no viewer; 0: there are viewers */
	uint64_t left_us;
	struct service service; /* the thread that fills the ring; the first viewer starts it */
	/* events first..count - 1; event n is at n % CAP_DECISION_EVENTS */
	struct event **ring;
	uint64_t first, count;
	size_t bytes;
	uint64_t from, upto; /* records that the ring covers; `from` 0: none yet */

	/* owner: the service thread */
	uint64_t asked_us; /* monotonic; when viewers were last asked whether they stay */
	struct follow follow;
	bool following;
	uint64_t next; /* the record expected next; 0: none was read yet */
	struct {
		uint64_t id;
		enum event_decision decision;
	} * kinds; /* recent decisions by the hash of their ids, for their completions */
};

/* ---- the ring ---- */

static void
drop_first(struct decisions *d)
{
	struct event **e = &d->ring[d->first++ % CAP_DECISION_EVENTS];

	d->from = (*e)->seq + 1;
	d->bytes -= (*e)->bytes;
	free(*e);
	*e = NULL;
}

static void
let_ring_go(struct decisions *d)
{
	while (d->ring && d->first < d->count)
		drop_first(d);
	free(d->ring);
	free(d->kinds);
	d->ring = NULL;
	d->kinds = NULL;
	d->from = d->upto = d->next = 0;
	follow_close(&d->follow);
	d->following = false;
}

/* ---- viewers; the caller holds the lock ---- */

static bool
matches_filter(const char *want, struct span has)
{
	return !want[0] || span_is(has, want);
}

static bool
event_fits(const struct viewer *v, const struct event *e)
{
	return e->kind == EVENT_GAP || ((!v->decisions || v->decisions >> e->decision & 1) &&
					       matches_filter(v->person, e->person) &&
					       matches_filter(v->route, e->route) &&
					       matches_filter(v->model, e->model));
}

static void
end_viewer(struct viewer *v, bool slow)
{
	if (v->life == VIEWER_ENDED)
		return;
	bool sleeps = v->life == VIEWER_SLEEPS;
	v->life = VIEWER_ENDED;
	if (slow)
		metric_inc(v->d->o.metrics, M_DECISION_VIEWERS_DROPPED);
	if (sleeps)
		v->calls.wake(v->arg);
	else
		v->calls.cut(v->arg);
}

static void
say_gap(struct viewer *v, const char *node, uint64_t first, uint64_t last, const char *why)
{
	struct event *e = event_gap(node, first, last, why);

	if (e)
		buf_span(&v->say, e->text);
	free(e);
}

/* Determines where in the ring the viewer begins. */
static void
place_viewer(struct viewer *v)
{
	struct decisions *d = v->d;
	uint64_t n = 0;

	v->placed = true;
	v->at = d->count;
	if (v->foreign || v->after > d->upto)
		v->told = d->upto; /* the gap event covers the records up to here */
	if (v->foreign) {
		say_gap(v, d->node, 0, d->upto, "the position belongs to another node");
		return;
	}
	if (v->after > d->upto) {
		say_gap(v, d->node, d->upto + 1, v->after,
			"the journal ends before this "
			"position");
		return;
	}
	if (v->after + 1 < d->from)
		say_gap(v, d->node, v->after + 1, d->from - 1,
			"this position is too old for the live view: search the records "
			"instead");
	while (v->at > d->first && d->ring[(v->at - 1) % CAP_DECISION_EVENTS]->seq > v->after)
		v->at--;
	while (v->last && n < v->last && v->at > d->first)
		n += event_fits(v, d->ring[--v->at % CAP_DECISION_EVENTS]);
}

/* Returns the next event that the viewer's filter permits, or NULL. */
static struct event *
next_event_of(struct viewer *v)
{
	struct decisions *d = v->d;

	for (; v->placed && v->at < d->count; v->at++, v->sent = 0) {
		struct event *e = d->ring[v->at % CAP_DECISION_EVENTS];
		if (v->sent || event_fits(v, e))
			return e;
	}
	return NULL;
}

/* Decides what happens to one viewer after the ring has changed or time has passed. The viewer
 * gets its place in the ring. It is ended if the ring has overtaken it, or if its client has
 * read nothing for `still_us`. It gets a comment after `comment_us` of silence. It is woken if
 * there is something to send. */
static void
look_at_viewer(struct viewer *v, bool caught_up, uint64_t now_us)
{
	struct decisions *d = v->d;
	bool idle = v->life == VIEWER_SLEEPS;

	if (v->life == VIEWER_ENDED)
		return;
	if (!v->placed && ((d->from && v->after <= d->upto) || (v->waited && caught_up)))
		place_viewer(v);
	if (v->placed && v->at < d->first) {
		end_viewer(v, true);
		return;
	}
	if (!idle && now_us - v->taken_us > d->o.still_us) {
		end_viewer(v, true);
		return;
	}
	if (idle && now_us - v->said_us >= d->o.comment_us) {
		/* A block with only an id dispatches no event, but the client sends this id
		 * when it reconnects. */
		buf_str(&v->say, ": here\n");
		if (v->placed && !next_event_of(v) && d->upto > v->told) {
			buf_printf(&v->say, "id: %s/%" PRIu64 "\n", d->node, d->upto);
			v->told = d->upto;
		}
		buf_str(&v->say, "\n");
	}
	if (idle && (v->say.n || next_event_of(v))) {
		v->life = VIEWER_READS;
		v->taken_us = now_us;
		v->calls.wake(v->arg);
	}
}

/* ---- the thread ---- */

static enum event_decision
kind_of(struct decisions *d, const struct event *e)
{
	size_t at = e->id % KINDS;

	if (e->kind == EVENT_DECISION) {
		d->kinds[at].id = e->id;
		d->kinds[at].decision = e->decision;
	}
	return d->kinds[at].id == e->id ? d->kinds[at].decision : EVENT_UNKNOWN;
}

/* Opens the journal at the expected record, or at the last CAP_DECISION_EVENTS records at
 * first. */
static int
find_place_in_journal(struct decisions *d, const struct follow_end *upto)
{
	struct follow_gap gap;
	uint64_t seq = d->next				 ? d->next
		       : upto->seq > CAP_DECISION_EVENTS ? upto->seq - CAP_DECISION_EVENTS + 1
							 : 1;
	int err = follow_place(&d->follow, upto, seq - 1, (struct span){ NULL, 0 });

	if ((err == ERR_NOTFOUND || err == ERR_AUTH) && follow_past(&d->follow, seq, &gap) == 0)
		err = 0;
	if ((err == ERR_NOTFOUND || err == ERR_AUTH) &&
		!d->next) /* older records were trimmed: begin with the oldest one */
		err = follow_place(&d->follow, upto, 0, (struct span){ NULL, 0 });
	d->following = err == 0;
	if (err)
		follow_close(&d->follow);
	return err;
}

/* Turns a record's line into at most two events: a gap for missing records before it, and its
 * own. Returns their number. */
static size_t
take_decision_line(struct decisions *d, struct span line, struct event *out[2], uint64_t *from)
{
	struct chain_line is;
	size_t n = 0;

	if (chain_parse(line, &is) || is.commit || (d->next && is.seq < d->next))
		return 0; /* a damaged record is reported as missing with the next one */
	if (d->next && is.seq > d->next)
		out[n] = event_gap(d->node, d->next, is.seq - 1,
			"these records are not in the "
			"journal");
	n += d->next && is.seq > d->next && out[n];
	if (!d->next)
		*from = is.seq;
	d->next = is.seq + 1;
	out[n] = event_of(line);
	if (out[n])
		out[n]->decision = kind_of(d, out[n]);
	return n + (out[n] != NULL);
}

/* Reads up to BATCH records. Returns the number of lines, or a negative error if the journal
 * cannot be read now. */
static int
read_on(struct decisions *d, bool *caught_up)
{
	struct event *events[2 * BATCH];
	struct follow_end upto;
	struct span line;
	uint64_t from = 0;
	size_t n = 0;
	int lines = 0, got = 0;

	if (!d->o.end(d->o.arg, &upto) || !upto.seq)
		return 0;
	if (!d->following && (got = find_place_in_journal(d, &upto)) < 0)
		return got;
	while (lines < BATCH && (got = follow_line(&d->follow, &upto, &line)) > 0) {
		n += take_decision_line(d, line, events + n, &from);
		lines++;
	}
	if (got < 0) {
		follow_close(&d->follow);
		d->following = false;
	}
	SCOPED_LOCK(&d->lock);
	if (from)
		d->from = from;
	for (size_t i = 0; i < n; i++) {
		while (d->count - d->first == CAP_DECISION_EVENTS ||
			(d->count > d->first &&
				d->bytes + events[i]->bytes > CAP_DECISION_BYTES))
			drop_first(d);
		d->ring[d->count++ % CAP_DECISION_EVENTS] = events[i];
		d->bytes += events[i]->bytes;
	}
	if (d->next)
		d->upto = d->next - 1;
	*caught_up = got == 0;
	return got < 0 ? got : lines;
}

static bool
has_ring(struct decisions *d)
{
	if (!d->ring)
		d->ring = calloc(CAP_DECISION_EVENTS, sizeof(struct event *));
	if (!d->kinds)
		d->kinds = calloc(KINDS, sizeof(*d->kinds));
	return d->ring && d->kinds;
}

/* Handles a turn without viewers: frees the ring CALM_US after the last one left. Returns the
 * time of the next turn. The caller holds the lock. */
static uint64_t
calm_turn(struct decisions *d)
{
	if (!d->left_us)
		d->left_us = clock_mono_us();
	if (d->ring && clock_mono_us() >= d->left_us + CALM_US)
		let_ring_go(d);
	return d->ring ? d->left_us + CALM_US : SERVICE_WHEN_WOKEN;
}

static uint64_t
decisions_turn(void *arg)
{
	struct decisions *d = arg;
	bool caught_up = false;

	pthread_mutex_lock(&d->lock);
	uint64_t calm_us = d->nviewers ? 0 : calm_turn(d);
	int lines = calm_us || has_ring(d) ? 0 : ERR_NOMEM;
	for (struct viewer *v = d->viewers; v; v = v->next)
		v->waited = true;
	pthread_mutex_unlock(&d->lock);
	if (calm_us)
		return calm_us;
	if (!lines)
		lines = read_on(d, &caught_up);
	SCOPED_LOCK(&d->lock);
	/* read after the lock was taken, so no viewer's time is later */
	uint64_t now_us = clock_mono_us();
	bool ask = now_us - d->asked_us >= SECOND_US;
	d->left_us = 0;
	d->asked_us = ask ? now_us : d->asked_us;
	for (struct viewer *v = d->viewers; v; v = v->next) {
		if (ask && v->calls.stays && !v->calls.stays(v->arg))
			end_viewer(v, false);
		look_at_viewer(v, caught_up, now_us);
	}
	return lines > 0 ? 0 : clock_mono_us() + (lines < 0 ? AGAIN_US : LOOK_US);
}

/* ---- opening and closing ---- */

struct decisions *
decisions_new(const struct decisions_options *o)
{
	struct decisions *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->o = *o;
	d->o.still_us = o->still_us ? o->still_us : VIEWER_STILL_US;
	d->o.comment_us = o->comment_us ? o->comment_us : VIEWER_COMMENT_US;
	snprintf(d->journal, sizeof(d->journal), "%s", o->journal);
	snprintf(d->node, sizeof(d->node), "%s", o->node);
	d->follow = (struct follow){ .dir = d->journal, .node = d->node };
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void
decisions_end(struct decisions *d)
{
	if (!d)
		return;
	SCOPED_LOCK(&d->lock);
	d->closed = true;
	for (struct viewer *v = d->viewers; v; v = v->next)
		end_viewer(v, false);
}

void
decisions_free(struct decisions **dp)
{
	struct decisions *d = *dp;

	if (!d)
		return;
	INVARIANT(!d->viewers);
	service_stop(&d->service);
	let_ring_go(d);
	pthread_mutex_destroy(&d->lock);
	free(d);
	*dp = NULL;
}

static bool
set_viewer_text(char out[256], struct span s, const char *name, struct buf *why)
{
	if (s.n >= 256) {
		buf_printf(why, "%s: the value is longer than 255 bytes: shorten it", name);
		return false;
	}
	snprintf(out, 256, "%.*s", SPAN_ARG(s));
	return true;
}

static bool
set_decisions(struct viewer *v, struct span names, struct buf *why)
{
	while (names.n) {
		struct span name = span_next(&names, ',');
		unsigned i = 1;
		while (i < EVENT_DECISIONS && !span_is(name, event_decisions[i]))
			i++;
		if (i == EVENT_DECISIONS) {
			buf_printf(why,
				"decision: %.*s is not a decision: use permit, redact, deny "
				"or observed",
				SPAN_ARG(span_cut(name, 0, 64)));
			return false;
		}
		v->decisions |= 1u << i;
	}
	return true;
}

/* Parses NODE/SEQ or SEQ. */
static bool
set_after(struct viewer *v, struct span after, struct buf *why)
{
	struct span rest = after, node = span_next(&rest, '/');
	bool named = rest.p && node.n < after.n;

	if (span_u64(named ? rest : after, &v->after) == 0 && v->after < INT64_MAX &&
		(!named || chain_node_valid(node))) {
		v->foreign = named && !span_is(node, v->d->node);
		return true;
	}
	buf_printf(why,
		"after: %.*s is not a position: use NODE/SEQ, which is the id of an "
		"event",
		SPAN_ARG(span_cut(after, 0, 100)));
	return false;
}

/* Opens a viewer and puts it into the list. The thread that reads the journal starts with the
 * first viewer. A viewer without a position begins at the journal's end, minus the `last`
 * events that the caller wants to see. The limits for all viewers and for one caller are
 * checked under the lock, so two concurrent calls cannot exceed them. */
struct viewer *
decisions_open(struct decisions *d, const struct viewer_asked *asked,
	const struct viewer_calls *calls, void *arg, int *status, struct buf *why)
{
	const struct service_options o = {
		.name = "tg-decisions", .turn = decisions_turn, .arg = d, .nice = NICE
	};
	struct viewer *v = calloc(1, sizeof(*v));
	struct follow_end upto = { .seq = 0 };

	*status = v ? 400 : 503;
	if (!v)
		return NULL;
	v->d = d;
	v->calls = *calls;
	v->arg = arg;
	v->who = asked->who;
	v->taken_us = v->said_us = clock_mono_us();
	buf_init(&v->say, 16384);
	if (!set_viewer_text(v->person, asked->person, "person", why) ||
		!set_viewer_text(v->route, asked->route, "route", why) ||
		!set_viewer_text(v->model, asked->model, "model", why) ||
		!set_decisions(v, asked->decision, why) ||
		(asked->after.n && !set_after(v, asked->after, why)))
		goto refused;
	if (!asked->after.n) {
		d->o.end(d->o.arg, &upto);
		v->after = upto.seq;
		v->last = asked->last;
	} else {
		v->told =
			/* the client knows this position; a client without one learns where
			 * it began */
			v->after;
	}
	/* This first text makes libmicrohttpd send the response's head at once. */
	buf_printf(&v->say, ": tollgate %s\nretry: 2000\n\n", d->node);
	pthread_mutex_lock(&d->lock);
	unsigned own = 0; /* viewers of the same caller */
	for (const struct viewer *other = d->viewers; other; other = other->next)
		own += memcmp(&other->who, &asked->who, sizeof(other->who)) == 0;
	bool room = d->nviewers < CAP_DECISION_VIEWERS && own < CAP_VIEWERS_EACH && !d->closed;
	if (room && !service_runs(&d->service))
		room = service_start(&d->service, &o) == 0;
	if (room) {
		v->next = d->viewers;
		d->viewers = v;
		d->nviewers++;
		service_wake(&d->service);
	} else {
		metric_inc(d->o.metrics, M_DECISION_VIEWERS_REFUSED);
	}
	pthread_mutex_unlock(&d->lock);
	if (room)
		return v;
	*status = 503;
	if (own < CAP_VIEWERS_EACH)
		buf_printf(why, "%d viewers are connected already: try again later",
			CAP_DECISION_VIEWERS);
	else
		buf_printf(why, "you have %d live streams open already: close one",
			CAP_VIEWERS_EACH);
refused:
	buf_free(&v->say);
	free(v);
	return NULL;
}

uint64_t
decisions_close(struct viewer **vp)
{
	struct viewer *v = *vp, **at;
	uint64_t shown;

	if (!v)
		return 0;
	pthread_mutex_lock(&v->d->lock);
	for (at = &v->d->viewers; *at != v; at = &(*at)->next)
		;
	*at = v->next;
	v->d->nviewers--;
	pthread_mutex_unlock(&v->d->lock);
	shown = v->shown;
	buf_free(&v->say);
	free(v);
	*vp = NULL;
	return shown;
}

/* Copies the next bytes for the client to `out`: first the viewer's own text (the
 * greeting, comments and ids), then events from the ring. An event that does not fit is split,
 * and `sent` counts its bytes so far. Until it is complete, nothing else may be sent, because
 * it would end up inside the event. Without bytes the connection sleeps until look_at_viewer()
 * wakes it. */
ssize_t
decisions_take(struct viewer *v, char *out, size_t max)
{
	struct decisions *d = v->d;
	struct event *e;
	size_t n = 0;

	SCOPED_LOCK(&d->lock);
	if (v->placed && v->at < d->first) /* the ring has overtaken the viewer */
		end_viewer(v, true);
	if (v->say.n && !v->sent) {
		n = v->say.n < max ? v->say.n : max;
		memcpy(out, buf_view(&v->say).p, n);
		buf_consume(&v->say, n);
	}
	while (v->life != VIEWER_ENDED && n < max && (e = next_event_of(v))) {
		size_t some = e->text.n - v->sent < max - n ? e->text.n - v->sent : max - n;
		memcpy(out + n, e->text.p + v->sent, some);
		n += some;
		v->sent += some;
		if (v->sent < e->text.n)
			break;
		v->told = e->seq;
		v->shown++;
		v->at++;
		v->sent = 0;
	}
	bool over = v->life == VIEWER_ENDED;
	if (n)
		v->taken_us = v->said_us = clock_mono_us();
	if (!n && !over) {
		v->life = VIEWER_SLEEPS;
		v->calls.sleep(v->arg);
	}
	return over ? -1 : (ssize_t)n;
}

/* ---- GET /decisions/live ----
 *
 * A viewer's connection is suspended while there is nothing to send. The begin and the end of
 * viewing are records of type "read", as those of `audit list --follow`. */

enum { BLOCK_BYTES = 16 << 10, LATER_S = 5 };

/* The viewer of one connection. owner: the connection's thread */
struct stream {
	struct tag tag;
	struct asking *q;
	struct viewer *viewer;
	int fd;
};

/* ---- calls by the ring ---- */

static void
suspend_viewer(void *arg)
{
	MHD_suspend_connection(TAGGED(stream, arg)->q->connection);
}

static void
resume_viewer(void *arg)
{
	MHD_resume_connection(TAGGED(stream, arg)->q->connection);
}

static void
cut_viewer(void *arg)
{
	shutdown(TAGGED(stream, arg)->fd, SHUT_RDWR);
}

/* Nothing else notices that the client of a suspended connection has left, so the socket is
 * polled here. */
static bool
viewer_stays(void *arg)
{
	const struct stream *s = TAGGED(stream, arg);
	struct pollfd p = { .fd = s->fd, .events = POLLRDHUP };

	return asking_still(s->q) &&
	       (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}

static const struct viewer_calls viewer_calls = { suspend_viewer, resume_viewer, cut_viewer,
	viewer_stays };

/* ---- records of viewing ---- */

/* Returns the HTTP status. If it is not 200, *out has the reason why the viewing was not
 * recorded. */
static unsigned
record_viewing(struct stream *s, const char *follow, uint64_t records, struct buf *out)
{
	json_auto_t *in = json_pack("{s:s,s:O,s:I,s:s}", "command", "decisions live", "asked",
		s->q->in, "records", (json_int_t)records, "follow", follow);
	return in ? change_call(&admin_read, s->q->server, &s->q->peer, in, out)
		  : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static void
stream_over(void *state)
{
	struct stream *s = TAGGED(stream, state);

	SCOPED_BUF(out, 0);
	if (s->viewer)
		record_viewing(s, "end", decisions_close(&s->viewer), &out);
	TAG_CLEAR(stream, s);
	free(s);
}

/* ---- the response ---- */

static ssize_t
take_stream_text(void *arg, uint64_t at UNUSED, char *out, size_t max)
{
	ssize_t n = decisions_take(TAGGED(stream, arg)->viewer, out, max);

	return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static enum MHD_Result
answer_stream(struct stream *s)
{
	struct MHD_Response *r = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK_BYTES, take_stream_text, s, NULL);

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "content-type", "text/event-stream");
	MHD_add_response_header(r, "cache-control", "no-store");
	MHD_add_response_header(r, "x-accel-buffering", "no");
	asking_fields(s->q, r);
	MHD_set_connection_option(s->q->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	enum MHD_Result ok = MHD_queue_response(s->q->connection, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return ok;
}

/* Refuses with 503 and closes the connection, so that waiting clients occupy no connection. */
static enum MHD_Result
refuse_viewer_for_now(struct asking *q, struct span why)
{
	q->retry_after_s = LATER_S;
	q->closes = true;
	return asking_refuse(q, MHD_HTTP_SERVICE_UNAVAILABLE, "%.*s", SPAN_ARG(why));
}

static struct span
event_text(const json_t *in, const char *name)
{
	return json_span(json_object_get(in, name));
}

/* GET /decisions/live. The response begins only after a record that this caller reads decisions
 * has been written. While the journal accepts no records, no one can watch. */
enum MHD_Result
admin_decisions_live(struct asking *q)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	/* When a browser reconnects, it repeats the first URL and names its last event in this
	 * field. */
	const char *last =
		MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "Last-Event-ID");
	struct decisions *d = admin_decisions(q->admin);
	struct viewer_asked asked = { .decision = event_text(q->in, "decision"),
		.person = event_text(q->in, "person"),
		.route = event_text(q->in, "route"),
		.model = event_text(q->in, "model"),
		.after = last && *last ? span_str(last) : event_text(q->in, "after"),
		.who = q->peer.who,
		.last = (uint64_t)json_integer_value(json_object_get(q->in, "last")) };
	if (last && *last)
		/* so that the record has the position */
		json_object_set_new(q->in, "after", json_string(last));
	struct stream *s = d && info ? calloc(1, sizeof(*s)) : NULL;
	enum MHD_Result ok;
	int status;

	if (!d)
		return asking_refuse(q, MHD_HTTP_CONFLICT,
			"the daemon writes no records: set "
			"audit.journal in tollgate.yaml");
	if (!s)
		return MHD_NO;
	TAG(stream, s);
	s->q = q;
	s->fd = info->connect_fd;
	SCOPED_BUF(why, 4096);
	struct viewer *v = decisions_open(d, &asked, &viewer_calls, s, &status, &why);
	if (!v) {
		ok = status == MHD_HTTP_SERVICE_UNAVAILABLE
			     ? refuse_viewer_for_now(q, buf_view(&why))
			     : asking_refuse(
				       q, (unsigned)status, "%.*s", SPAN_ARG(buf_view(&why)));
		free(s);
	} else if (record_viewing(s, "begin", 0, &why) != MHD_HTTP_OK) {
		decisions_close(&v);
		ok = refuse_viewer_for_now(
			q, SPAN_LIT("reading records must be recorded, and the journal does "
				    "not accept records now: see tollgate status"));
		free(s);
	} else {
		s->viewer = v;
		q->state = s;
		q->drop = stream_over;
		ok = answer_stream(s);
	}
	return ok;
}
