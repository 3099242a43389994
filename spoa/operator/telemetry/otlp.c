/* Sends metrics and traces to a collector.
 *
 * There are two signals, traces and metrics. Each has one batch at a time, which is being sent
 * or waits to be sent again. Metrics are cumulative, so a waiting batch of metrics is replaced
 * by the next one; spans wait in the queue meanwhile.
 *
 * ---- responses of a collector ---- */
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/tag.h"
#include "base/timer.h"
#include "operator/telemetry/headers.h"
#include "operator/telemetry/otlp.h"
#include "operator/telemetry/otlp_answer.h"
#include "operator/telemetry/otlp_metrics.h"
#include "operator/telemetry/spans.h"
#include "record/audit/note.h"

#define AFTER_MOST_S 300

static void
say_otlp_text(struct otlp_answer *a, struct span text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n && n < sizeof(a->said) - 1; i++)
		a->said[n++] = text.p[i] >= ' ' && text.p[i] < 0x7f ? text.p[i] : '?';
	a->said[n] = '\0';
}

/* Reads a count, which may be a number or a string, because OTLP writes 64-bit integers as
 * strings. */
static uint64_t
otlp_count(const json_t *v)
{
	uint64_t n = 0;

	if (json_is_integer(v))
		return json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
	return json_is_string(v) && span_u64(json_span(v), &n) == 0 ? n : 0;
}

/* Reads an ExportTraceServiceResponse or ExportMetricsServiceResponse. */
static void
read_taken(struct otlp_answer *a, struct span body)
{
	static const char *const counts[] = { "rejectedSpans", "rejectedDataPoints",
		"rejected_spans", "rejected_data_points" };

	body = span_trim(body, " \t\r\n");
	if (!body.n)
		return; /* some collectors send an empty body */
	json_auto_t *root = json_loadb(body.p, body.n, 0, NULL);
	if (!json_is_object(root)) {
		a->end = OTLP_UNREAD;
		say_otlp_text(a, SPAN_LIT("status 2xx, but the body is not a JSON object of "
					  "OTLP"));
		return;
	}
	const json_t *part = json_object_get(root, "partialSuccess");
	if (!part)
		part = json_object_get(root, "partial_success");
	for (size_t i = 0; i < COUNT_OF(counts) && !a->rejected; i++)
		a->rejected = otlp_count(json_object_get(part, counts[i]));
	const json_t *message = json_object_get(part, "errorMessage");
	if (!message)
		message = json_object_get(part, "error_message");
	say_otlp_text(a, json_span(message));
	if (a->rejected && !a->said[0])
		say_otlp_text(a, SPAN_LIT("the collector rejected some of the data"));
}

void
otlp_answer(struct otlp_answer *a, int err, const char *why, int status, struct span body,
	struct span retry_after)
{
	bool worth_again = status == 429 || status == 502 || status == 503 || status == 504;
	uint64_t s;

	memset(a, 0, sizeof(*a));
	if (err == ERR_LIMIT || err == ERR_SYNTAX) {
		a->end = OTLP_UNREAD;
		say_otlp_text(a, span_str(err == ERR_LIMIT ? "the response is too long"
							   : "the response is not HTTP"));
	} else if (err) {
		a->end = OTLP_AGAIN;
		say_otlp_text(a, span_str(why ? why : err_str(err)));
	} else if (status >= 200 && status < 300) {
		read_taken(a, body);
	} else {
		a->end = worth_again ? OTLP_AGAIN : OTLP_NEVER;
		snprintf(a->said, sizeof(a->said), "status %d%s", status,
			status >= 300 && status < 400 ? ", a redirect, which is not followed"
						      : "");
		if (a->end == OTLP_AGAIN && span_u64(span_trim(retry_after, " \t"), &s) == 0)
			a->after_us = (s < AFTER_MOST_S ? s : AFTER_MOST_S) * 1000000;
	}
}

/* ---- batches ---- */

#define FLUSH_S	       1. /* seconds that spans wait for further ones */
#define BATCH_RECORDS  512
#define BATCH_BYTES    (1u << 20)
#define DEADLINE_US    10000000
#define AGAIN_FIRST_US 1000000
#define AGAIN_MOST_US  30000000
#define GIVE_UP_US     300000000 /* a batch is dropped at this age */
#define LINE_US	       60000000	 /* least time between two log lines of a signal */

enum { SPANS, POINTS, SIGNALS };
static const char *const signal_names[SIGNALS] = { "traces", "metrics" };

/* The fate of an item: rows of METRIC_TABLE, in this order. */
enum end { SENT, FULL, REFUSED, REJECTED, UNREAD, AWAY };

/* The states of a signal:
 *
 *    IDLE ──► UNDER_WAY ──(accepted, or never)──► IDLE
 *                 │  ▲
 *              (later)└──(the timer)── WAITS
 *
 * owner: outbound */
struct signal {
	struct tag tag;
	struct otlp *all;
	int kind;
	enum { IDLE, UNDER_WAY, WAITS } life;
	char *url;
	struct buf body;
	/* spans or points in the batch */
	size_t items;
	struct http_call *call;
	ev_timer again;
	/* monotonic: when the batch was made; the current delay; when the last line was logged
	 */
	uint64_t made_us, wait_us, line_us;
	uint64_t held_us; /* monotonic; the collector wants no request until then */
	bool failing;
};

/* A copy of a sampled request's record, in the queue. */
struct told {
	struct told *next;
	struct audit_note note;
	struct span_ids ids;
	uint64_t seq, told_us;
	size_t n;
	char fields[];
};

/* The exchange with one collector. owner: outbound, except where stated */
struct otlp {
	struct tag tag;
	const struct otlp_config *cfg;
	struct http_thread *out;
	struct metrics *metrics;
	otlp_text_fn *text;
	void *arg;
	struct otlp_resource resource;
	struct gen_ai *gen_ai;
	uint64_t least;
	int64_t start_ns;
	struct signal signal[SIGNALS];
	struct headers headers;
	ev_timer flush, scrape;
	struct mail stop;
	bool stopping, last_scrape; /* owner: outbound */
	_Atomic bool gone;	    /* everything that was left at the stop was sent */

	pthread_mutex_t lock; /* guards the queue; held only to link or unlink a record */
	struct told *first, **last;
	size_t records, bytes;
};

/* ---- queueing ---- */

/* Called by the audit thread for each written record: copies a sampled record into the queue.
 * If the queue is full, the record's spans are dropped and counted. */
void
otlp_told(void *arg, const struct audit_entry *e)
{
	struct otlp *t = TAGGED(otlp, arg);
	struct span fields = buf_view(&e->fields);
	struct span_ids ids;

	gen_ai_add(t->gen_ai, e->note);
	span_ids(e->note, t->least, &ids);
	if (!ids.sampled)
		return;
	size_t bytes = sizeof(struct told) + fields.n;
	struct told *r = malloc(bytes);
	if (r) {
		r->next = NULL;
		r->note = *e->note;
		r->ids = ids;
		r->seq = e->seq;
		r->told_us = clock_mono_us();
		r->n = fields.n;
		memcpy(r->fields, fields.p, fields.n);
	}
	pthread_mutex_lock(&t->lock);
	bool room = r && t->records < CAP_TELEMETRY_RECORDS &&
		    t->bytes + bytes <= CAP_TELEMETRY_BYTES;
	if (room) {
		*t->last = r;
		t->last = &r->next;
		t->records++;
		t->bytes += bytes;
	}
	pthread_mutex_unlock(&t->lock);
	if (room)
		return;
	free(r);
	metric_inc(t->metrics, M_TELEMETRY_SPANS_FULL);
}

static struct told *
take_for_otlp(struct otlp *t)
{
	SCOPED_LOCK(&t->lock);
	struct told *r = t->first;
	if (r) {
		t->first = r->next;
		if (!t->first)
			t->last = &t->first;
		INVARIANT(t->records > 0 && t->bytes >= sizeof(*r) + r->n);
		t->records--;
		t->bytes -= sizeof(*r) + r->n;
	}
	return r;
}

/* ---- sending ---- */

static void
count_signal(struct signal *s, enum end end, size_t n)
{
	metric_add(s->all->metrics,
		(s->kind == SPANS ? M_TELEMETRY_SPANS_SENT : M_TELEMETRY_POINTS_SENT) + end, n);
}

/* Logs the first failure and the recovery, at most once a minute. */
static void
note_state(struct signal *s, bool failing, const char *why)
{
	uint64_t now = clock_mono_us();

	if (failing == s->failing || (failing && s->line_us && now < s->line_us + LINE_US))
		return;
	s->failing = failing;
	s->line_us = now;
	if (failing)
		log_event(LOG_WARN, "telemetry.failing", LS("signal", signal_names[s->kind]),
			LS("url", s->url), LS("why", why));
	else
		log_event(LOG_INFO, "telemetry.resumed", LS("signal", signal_names[s->kind]));
}

static void next_batch(struct otlp *t);

/* Changes the state. Stops the program if the change is not in the picture above. */
static void
signal_enter(struct signal *s, unsigned next)
{
	static const unsigned char follows[] = {
		[IDLE] = 1u << IDLE | 1u << UNDER_WAY,
		[UNDER_WAY] = 1u << IDLE | 1u << WAITS,
		[WAITS] = 1u << IDLE | 1u << UNDER_WAY,
	};

	INVARIANT((size_t)s->life < COUNT_OF(follows) && follows[s->life] & 1u << next);
	s->life = next;
}

static void
signal_idle(struct signal *s)
{
	signal_enter(s, IDLE);
	s->items = 0;
	s->wait_us = 0;
	buf_free(&s->body);
	buf_init(&s->body, CAP_TELEMETRY_BODY);
	next_batch(s->all);
}

static void
wait_again(struct signal *s, const struct otlp_answer *a)
{
	struct otlp *t = s->all;
	unsigned char chance;

	if (t->stopping || clock_mono_us() > s->made_us + GIVE_UP_US) {
		count_signal(s, AWAY, s->items);
		signal_idle(s);
		return;
	}
	s->wait_us = wait_doubled(s->wait_us, AGAIN_FIRST_US, AGAIN_MOST_US);
	random_bytes(&chance, 1);
	uint64_t us = s->wait_us / 2 + s->wait_us * chance / 512;
	if (a->after_us > us) {
		us = a->after_us;
		s->held_us = clock_mono_us() + us;
	}
	signal_enter(s, WAITS);
	timer_after(t->out->loop, &s->again, us);
}

static void
on_otlp_answer(void *arg, const struct http_answer *h)
{
	struct signal *s = TAGGED(signal, arg);
	struct otlp_answer a;

	s->call = NULL;
	if (h->err == ERR_CLOSED) { /* the daemon stops and does not wait any longer */
		count_signal(s, AWAY, s->items);
		s->items = 0;
		signal_enter(s, IDLE);
		return;
	}
	otlp_answer(&a, h->err, h->why, h->status, h->body,
		h->err ? SPAN_LIT("") : http_answer_field(h, "retry-after"));
	note_state(s, a.end != OTLP_TAKEN || a.rejected, a.said);
	switch (a.end) {
	case OTLP_TAKEN:
		if (a.rejected > s->items)
			a.rejected = s->items;
		count_signal(s, REJECTED, a.rejected);
		count_signal(s, SENT, s->items - a.rejected);
		break;
	case OTLP_NEVER: count_signal(s, REFUSED, s->items); break;
	case OTLP_UNREAD: count_signal(s, UNREAD, s->items); break;
	case OTLP_AGAIN: wait_again(s, &a); return;
	}
	signal_idle(s);
}

static void
send_batch(struct signal *s)
{
	struct otlp *t = s->all;
	const char *fields[2 + HEADERS_MOST] = { "Content-Type: application/json" };
	size_t n = 1;

	headers_again(&t->headers);
	if (t->cfg->gzip)
		fields[n++] = "Content-Encoding: gzip";
	for (size_t i = 0; i < t->headers.n; i++)
		fields[n++] = t->headers.line[i];
	const struct http_call_options o = { .url = s->url,
		.body = buf_view(&s->body),
		.fields = fields,
		.nfields = n,
		.ca_file = t->cfg->ca,
		.deadline_us = DEADLINE_US,
		.answer_bytes = CAP_TELEMETRY_ANSWER };
	INVARIANT(!s->call); /* one batch at a time */
	signal_enter(s, UNDER_WAY);
	s->call = http_call(t->out->client, &o, on_otlp_answer, s);
	if (!s->call)
		wait_again(s, &(const struct otlp_answer){ .end = OTLP_AGAIN });
}

static void
on_again(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	send_batch(TAGGED(signal, w->data));
}

/* Sends the batch, which is complete in s->body. */
static void
begin_signal(struct signal *s, size_t items)
{
	s->made_us = clock_mono_us();
	s->items = items;
	if (buf_failed(&s->body) || (s->all->cfg->gzip && gzip_buf(&s->body) < 0)) {
		note_state(s, true, "the batch is too large, or memory is exhausted");
		count_signal(s, FULL, items);
		signal_idle(s);
		return;
	}
	send_batch(s);
}

/* ---- the two signals ---- */

static void
send_spans(struct otlp *t)
{
	struct signal *s = &t->signal[SPANS];
	size_t spans = 0, records = 0;
	struct told *r;

	if (s->life != IDLE)
		return;
	while (records < BATCH_RECORDS && s->body.n < BATCH_BYTES && (r = take_for_otlp(t))) {
		if (records++ == 0)
			otlp_open(
				&s->body, &t->resource, "resourceSpans", "scopeSpans", "spans");
		spans += spans_write(&s->body, &r->note, r->seq, span_of(r->fields, r->n),
			r->told_us, &r->ids);
		free(r);
	}
	if (records)
		otlp_close(&s->body);
	if (spans)
		begin_signal(s, spans);
	else
		buf_clear(&s->body);
}

/* Sends the metrics. They are cumulative, so a batch that waits is replaced without loss, but
 * not before the time that the collector asked for. */
static void
send_metrics(struct otlp *t)
{
	struct signal *s = &t->signal[POINTS];

	if (s->life == UNDER_WAY || (s->life == WAITS && clock_mono_us() < s->held_us))
		return;
	if (s->life == WAITS) {
		ev_timer_stop(t->out->loop, &s->again);
		buf_free(&s->body);
		buf_init(&s->body, CAP_TELEMETRY_BODY);
	}
	SCOPED_BUF(text, 0);
	t->text(t->arg, &text);
	size_t points = otlp_metrics_write(&s->body, &t->resource, buf_view(&text), t->gen_ai,
		t->start_ns, clock_wall_ns());
	begin_signal(s, points);
}

static void
next_batch(struct otlp *t)
{
	send_spans(t);
	if (t->stopping && !t->last_scrape && t->signal[POINTS].life == IDLE) {
		t->last_scrape = true;
		send_metrics(t);
	}
	if (t->stopping && t->signal[SPANS].life == IDLE && t->signal[POINTS].life == IDLE)
		atomic_store(&t->gone, true);
}

static void
on_flush(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	next_batch(TAGGED(otlp, w->data));
}

static void
on_scrape(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	send_metrics(TAGGED(otlp, w->data));
}

/* ---- start and stop ---- */

static void
on_stop(struct mail *m, void *consumer UNUSED)
{
	struct otlp *t = CONTAINER_OF(m, struct otlp, stop);

	t->stopping = true;
	for (int i = 0; i < SIGNALS; i++)
		if (t->signal[i].life == WAITS) { /* one last attempt is made at once */
			ev_timer_stop(t->out->loop, &t->signal[i].again);
			send_batch(&t->signal[i]);
		}
	next_batch(t);
}

void
otlp_flush(struct otlp *t, uint64_t most_us)
{
	uint64_t until = clock_mono_us() + most_us;

	if (!t)
		return;
	t->stop.run = on_stop;
	mailbox_send(&t->out->mail, &t->stop);
	while (!atomic_load(&t->gone) && clock_mono_us() < until)
		usleep(5000);
}

int
otlp_files(const struct otlp_config *cfg, struct buf *why)
{
	struct headers h;
	int err = headers_open(&h, cfg->headers_file, why);

	headers_close(&h);
	if (!err && cfg->ca && access(cfg->ca, R_OK) < 0) {
		buf_printf(why, "%s: the file cannot be read", cfg->ca);
		err = ERR_IO;
	}
	return err;
}

static bool
set_signal(struct otlp *t, int kind, const char *path)
{
	struct signal *s = &t->signal[kind];

	TAG(signal, s);
	s->all = t;
	s->kind = kind;
	buf_init(&s->body, CAP_TELEMETRY_BODY);
	ev_timer_init(&s->again, on_again, 0., 0.);
	s->again.data = s;
	size_t n = strlen(t->cfg->url) + strlen(path) + 1;
	s->url = malloc(n);
	return s->url && snprintf(s->url, n, "%s%s", t->cfg->url, path) > 0;
}

struct otlp *
otlp_new(const struct config *cfg, struct http_thread *o, struct metrics *m, otlp_text_fn *text,
	void *arg, struct buf *why)
{
	struct otlp *t = calloc(1, sizeof(*t));
	double every = (double)cfg->otlp.metrics_every_us / 1e6;

	if (!t)
		return NULL;
	TAG(otlp, t);
	t->cfg = &cfg->otlp;
	t->out = o;
	t->metrics = m;
	t->text = text;
	t->arg = arg;
	t->resource = (struct otlp_resource){ cfg->node, TG_VERSION };
	t->least = span_least(cfg->otlp.ratio);
	t->start_ns = clock_wall_ns();
	t->last = &t->first;
	pthread_mutex_init(&t->lock, NULL);
	bool ok = set_signal(t, SPANS, "/v1/traces") && set_signal(t, POINTS, "/v1/metrics") &&
		  (t->gen_ai = gen_ai_new()) && otlp_files(t->cfg, why) == 0 &&
		  headers_open(&t->headers, t->cfg->headers_file, why) == 0;
	if (!ok) {
		otlp_free(&t);
		return NULL;
	}
	ev_timer_init(&t->flush, on_flush, FLUSH_S, FLUSH_S);
	ev_timer_init(&t->scrape, on_scrape, every, every);
	t->flush.data = t->scrape.data = t;
	ev_timer_start(o->loop, &t->flush);
	ev_timer_start(o->loop, &t->scrape);
	return t;
}

void
otlp_free(struct otlp **tp)
{
	struct otlp *t = *tp;
	struct told *r;
	size_t unsent = 0;

	if (!t)
		return;
	for (; t->last && (r = take_for_otlp(t)); unsent++)
		free(r);
	for (int i = 0; i < SIGNALS; i++) {
		unsent += i == SPANS ? t->signal[i].items : 0;
		buf_free(&t->signal[i].body);
		free(t->signal[i].url);
	}
	if (unsent)
		log_event(LOG_WARN, "telemetry.unsent", LI("spans", unsent));
	headers_close(&t->headers);
	gen_ai_free(&t->gen_ai);
	pthread_mutex_destroy(&t->lock);
	TAG_CLEAR(otlp, t);
	free(t);
	*tp = NULL;
}
