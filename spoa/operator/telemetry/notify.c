/* Sends the messages of each kind in turn, retries while the webhook is unavailable, and
 * reports the state.
 *
 * The messages follow Standard Webhooks 1.0 (standard-webhooks.com): the signature is an
 * HMAC-SHA256 over ID.SECONDS.BODY. The body has the member `text`, which the incoming webhooks of
 * Slack, Teams and Mattermost show. */
#include "operator/telemetry/notify.h"

#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/keyfile.h"
#include "base/log.h"
#include "base/notice.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/tag.h"
#include "base/timer.h"
#include "base/utf8.h"
#include "base/wall.h"
#include "operator/telemetry/webhook.h"

/* ---- the request to a webhook ---- */

#define SECRET_PREFIX "whsec_"
enum { SECRET_MIN = 24, SECRET_MAX = 64 };

void
webhook_also(struct webhook_also *a, const char *line)
{
	a->suppressed++;
	if (a->n == WEBHOOK_ALSO)
		memmove(a->line[0], a->line[1], sizeof(a->line[0]) * --a->n);
	snprintf(a->line[a->n++], NOTICE_TEXT, "%s", line);
}

/* ---- the body ---- */

/* Letters of Latin scripts stay. Other characters outside ASCII could make the text look
 * different (bidi), and signs of markup, mentions and links could pass as ours. */
void
webhook_plain(char *text)
{
	size_t n = strlen(text), to = 0;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_sequence(text + i, n - i);
		unsigned char c = (unsigned char)text[i];
		bool letter = len == 2 && c >= 0xc3 && c <= 0xc9;
		bool plain = len == 1 && c >= ' ' && c < 127 && !strchr("<>@`*~|[]#!\\&", c) &&
			     !(c == '/' && to && text[to - 1] == '/');
		if (letter || plain)
			for (size_t k = 0; k < len; k++)
				text[to++] = text[i + k];
		else
			text[to++] = '?';
		i += len ? len : 1;
	}
	text[to] = '\0';
}

static void
put_webhook_text(struct buf *b, const char *name, const char *text)
{
	json_put_name(b, name);
	buf_json_utf8(b, span_str(text));
}

static void
put_webhook_time(struct buf *b, const char *name, int64_t ns)
{
	char when[CLOCK_SECOND_LEN];

	clock_second(ns, when);
	json_put_str(b, name, when);
}

/* Writes the body: one JSON object, valid whatever the notice contains. */
static void
webhook_body(struct buf *out, const struct notice *m, const struct webhook_also *also,
	const char *node)
{
	json_put_open(out, NULL, '{');
	json_put_printf(out, "type", "\"tollgate.%s\"", notice_words[m->kind]);
	put_webhook_time(out, "timestamp", m->at_ns);
	put_webhook_text(out, "kind", notice_words[m->kind]);
	put_webhook_text(out, "what", m->what);
	put_webhook_text(out, "state", m->over ? "end" : "begin");
	put_webhook_text(out, "name", m->name);
	put_webhook_time(out, "since", m->since_ns);
	if (m->until_ns)
		put_webhook_time(out, "until", m->until_ns);
	put_webhook_text(out, "node", node);
	json_put_printf(out, "numbers", "{%s}", m->numbers);
	json_put_uint(out, "suppressed", also->suppressed);
	json_put_open(out, "also", '[');
	for (size_t i = 0; i < also->n; i++) {
		char line[NOTICE_TEXT];
		snprintf(line, sizeof(line), "%s", also->line[i]);
		webhook_plain(line);
		put_webhook_text(out, NULL, line);
	}
	json_put_close(out, ']');
	char line[NOTICE_TEXT + 160], more[64] = "";

	if (also->suppressed)
		snprintf(more, sizeof(more), " (and %" PRIu64 " more since the last message)",
			also->suppressed);
	snprintf(line, sizeof(line), "tollgate %s: %s%s%s", node, m->over ? "over: " : "",
		m->text, more);
	webhook_plain(line);
	put_webhook_text(out, "text", line);
	json_put_close(out, '}');
}

/* ---- the signature ---- */

static int
sign_with(
	struct span secret, const char *id, int64_t seconds, struct span body, struct buf *out)
{
	unsigned char key[SECRET_MAX], mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state h;
	char before[128];
	size_t n = 0;

	if (!span_starts(secret, SPAN_LIT(SECRET_PREFIX)) ||
		base64_get(span_cut(secret, strlen(SECRET_PREFIX), secret.n), key, sizeof(key),
			&n) ||
		n < SECRET_MIN) {
		sodium_memzero(key, sizeof(key));
		return ERR_SYNTAX;
	}
	snprintf(before, sizeof(before), "%s.%" PRId64 ".", id, seconds);
	crypto_auth_hmacsha256_init(&h, key, n);
	crypto_auth_hmacsha256_update(&h, (const unsigned char *)before, strlen(before));
	crypto_auth_hmacsha256_update(&h, (const unsigned char *)body.p, body.n);
	crypto_auth_hmacsha256_final(&h, mac);
	buf_printf(out, "%sv1,", out->n ? " " : "");
	base64_put(out, mac, sizeof(mac));
	sodium_memzero(key, sizeof(key));
	sodium_memzero(&h, sizeof(h));
	return 0;
}

/* Signs with each secret of the file (one a line, at most WEBHOOK_SECRETS), so a receiver can
 * change to a new secret without a gap. */
int
webhook_sign(const char *secret_file, const char *id, int64_t seconds, struct span body,
	char out[WEBHOOK_SIGNATURES], struct buf *why)
{
	size_t n = 0;

	SCOPED_BUF(text, 4096);
	SCOPED_BUF(all, WEBHOOK_SIGNATURES - 1);
	int err = keyfile_text(secret_file, "the secret of webhooks", &text, why);
	struct span rest = buf_view(&text);
	while (!err && rest.n) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
		if (!line.n)
			continue;
		err = n++ < WEBHOOK_SECRETS ? sign_with(line, id, seconds, body, &all)
					    : ERR_LIMIT;
		if (err)
			buf_printf(why, "%s: line %zu: %s", secret_file, n,
				err == ERR_LIMIT ? "the file has more than 4 secrets: delete "
						   "some"
						 : "write whsec_ and the base64 of 24 to 64 "
						   "bytes");
	}
	if (!err && !n) {
		buf_printf(why,
			"%s: the file has no secret: write whsec_ and the base64 of "
			"24 to 64 bytes",
			secret_file);
		err = ERR_SYNTAX;
	}
	if (!err)
		snprintf(out, WEBHOOK_SIGNATURES, "%.*s", SPAN_ARG(buf_view(&all)));
	return err;
}

/* ---- sending ---- */

enum { ID_LEN = 32, WHY = 256, ENDS = 64, RETRY_AFTER_MOST_S = 600 };

struct notify_times notify_times = {
	.apart_us = 60000000,
	.retry_us = 1000000,
	.most_us = 60000000,
	.give_up_us = 3600000000,
	.deadline_us = 10000000,
};

static const char *const state_words[] = { "idle", "waits", "sends", "retries" };

/* One kind of notice. */
struct channel {
	struct tag tag;
	struct notify *all;
	enum notice_kind kind;
	/* owner: outbound */
	struct notice *next; /* the newest unsent notice; NULL: none */
	/* notices since the last message that have none of their own */
	struct webhook_also also;
	uint64_t free_us; /* monotonic; earliest time of the next message */
	ev_timer timer;
	struct http_call *call;
	struct buf body;
	char id[ID_LEN], line[NOTICE_TEXT]; /* id and line of the message that is being sent */
	/* monotonic time of the first attempt; the current delay */
	uint64_t first_us, wait_us;
	/* guarded by notify.lock; only the outbound thread writes `state` */
	enum channel_state { IDLE, WAITS, SENDS, RETRIES } state;
	uint64_t sent, failed, suppressed;
	int64_t sent_ns;
	char why[WHY]; /* why the last attempt failed; "": it succeeded */
};

/* A spent budget whose end is known. The notice of its end is sent by a timer. */
struct end {
	int64_t at_ns; /* wall time; 0: the entry is free */
	int64_t since_ns;
	char name[NOTICE_NAME];
};

/* The webhook. owner: outbound, except where the lock is named */
struct notify {
	struct tag tag;
	const struct config *cfg;
	struct http_thread *outbound;
	struct metrics *metrics;
	struct mailbox mail;
	ev_async wake;
	ev_timer ends_timer;
	struct end ends[ENDS];
	/* the last logged state; WELL again once a message is accepted */
	enum { WELL, AWAY, FAILED } said;
	pthread_mutex_t lock;
	char host[128];
	struct channel channel[NOTICE_KINDS];
};

/* ---- state ---- */

/* Changes the state. Stops the program if the picture in notify.h does not have this change.
 * The caller holds the lock. */
static void
channel_enter(struct channel *c, enum channel_state next)
{
	static const unsigned char follows[] = {
		[IDLE] = 1u << WAITS,
		[WAITS] = 1u << SENDS | 1u << RETRIES | 1u << IDLE,
		[SENDS] = 1u << RETRIES | 1u << IDLE,
		[RETRIES] = 1u << SENDS | 1u << RETRIES | 1u << IDLE,
	};

	INVARIANT((size_t)c->state < COUNT_OF(follows) && follows[c->state] & 1u << next);
	c->state = next;
}

static void
set_state(struct channel *c, enum channel_state state)
{
	SCOPED_LOCK(&c->all->lock);
	channel_enter(c, state);
}

static void
put_channel(struct buf *out, const struct channel *c)
{
	char when[CLOCK_SECOND_LEN];

	json_put_form(out, "{'kind':%s,'state':%s,'sent':%u,'failed':%u,'suppressed':%u",
		notice_words[c->kind], state_words[c->state], c->sent, c->failed,
		c->suppressed);
	clock_second(c->sent_ns, when);
	if (c->sent_ns)
		json_put_str(out, "last_sent", when);
	if (c->why[0])
		json_put_str(out, "why", c->why);
	json_put_close(out, '}');
}

void
notify_status(struct notify *n, struct buf *out)
{
	if (!n) {
		buf_str(out, "{\"to\":null,\"signed\":false,\"dropped\":0,\"kinds\":[]}\n");
		return;
	}
	json_put_form(out, "{'to':%t", span_str(n->host));
	json_put_bool(out, "signed", n->cfg->notify_secret_file);
	json_put_form(out, "'dropped':%u,'kinds':[", (uint64_t)notice_dropped());
	pthread_mutex_lock(&n->lock);
	for (unsigned k = 0; k < NOTICE_KINDS; k++)
		if (k == NOTICE_TEST || n->cfg->notify_events >> k & 1)
			put_channel(out, &n->channel[k]);
	pthread_mutex_unlock(&n->lock);
	buf_str(out, "]}\n");
}

/* ---- one message ---- */

static void plan_message(struct channel *c);
static void post_message(struct channel *c);

static void
say_failing(struct channel *c, const char *why, bool for_good)
{
	struct notify *n = c->all;

	if (n->said < (for_good ? FAILED : AWAY))
		log_event(for_good ? LOG_ERROR : LOG_WARN,
			for_good ? "notify.failed" : "notify.away", LS("to", n->host),
			LS("kind", notice_words[c->kind]), LS("why", why));
	n->said = for_good ? FAILED : n->said == FAILED ? FAILED : AWAY;
}

/* Ends a message, sent or dropped, and plans the next one. */
static void
sending_over(struct channel *c, bool sent, const char *why)
{
	struct notify *n = c->all;

	metric_inc(n->metrics, sent ? M_NOTIFY_SENT : M_NOTIFY_FAILED);
	pthread_mutex_lock(&n->lock);
	c->sent += sent;
	c->failed += !sent;
	if (sent)
		c->sent_ns = clock_wall_ns();
	snprintf(c->why, sizeof(c->why), "%s", sent ? "" : why);
	channel_enter(c, IDLE);
	pthread_mutex_unlock(&n->lock);
	if (!sent) {
		say_failing(c, why, true);
		webhook_also(&c->also, c->line); /* the next message includes this line */
	} else if (n->said) {
		n->said = WELL;
		log_event(LOG_INFO, "notify.back", LS("to", n->host));
	}
	if (c->next)
		plan_message(c);
}

static void
notify_again(struct channel *c, const char *why, uint64_t asked_us)
{
	c->wait_us = wait_doubled(c->wait_us, notify_times.retry_us, notify_times.most_us);
	uint64_t us = c->wait_us > asked_us ? c->wait_us : asked_us;
	if (clock_mono_us() + us - c->first_us > notify_times.give_up_us) {
		sending_over(c, false, why);
		return;
	}
	say_failing(c, why, false);
	pthread_mutex_lock(&c->all->lock);
	snprintf(c->why, sizeof(c->why), "%s", why);
	channel_enter(c, RETRIES);
	pthread_mutex_unlock(&c->all->lock);
	metric_inc(c->all->metrics, M_NOTIFY_RETRIED);
	timer_after(c->all->outbound->loop, &c->timer, us);
}

static uint64_t
retry_after_us(const struct http_answer *a)
{
	uint64_t s;

	if (span_u64(http_answer_field(a, "retry-after"), &s))
		return 0;
	return (s < RETRY_AFTER_MOST_S ? s : RETRY_AFTER_MOST_S) * 1000000;
}

static void
on_notify_answer(void *arg, const struct http_answer *a)
{
	struct channel *c = TAGGED(channel, arg);
	char why[WHY];

	c->call = NULL;
	if (a->err == ERR_CLOSED) /* the daemon stops; notify_free() counts the message */
		return;
	if (!a->err && a->status >= 200 && a->status < 300) {
		sending_over(c, true, "");
		return;
	}
	if (a->err)
		snprintf(why, sizeof(why), "%s", a->why);
	else
		snprintf(why, sizeof(why), "the webhook returned status %d%s", a->status,
			a->status >= 300 && a->status < 400 ? ", a redirect, which is not "
							      "followed"
							    : "");
	/* A response that is too long was still a response. */
	if (a->err ? a->err != ERR_LIMIT
		   : a->status >= 500 || a->status == 408 || a->status == 429)
		notify_again(c, why, a->err ? 0 : retry_after_us(a));
	else
		sending_over(c, false, why);
}

static bool
add_field(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "%s: %s", name, value);
	buf_putc(b, '\0');
	return !buf_failed(b);
}

/* Sends the message in c->body to the webhook. A message that is sent again keeps its id, but
 * gets a new timestamp and signature. */
static void
post_message(struct channel *c)
{
	const struct config *cfg = c->all->cfg;
	int64_t seconds = wall_now_ns() / 1000000000;
	char stamp[24], signature[WEBHOOK_SIGNATURES];
	struct buf field[3];
	const char *fields[4] = { "Content-Type: application/json" };
	struct http_call_options o = { .url = cfg->notify_url,
		.body = buf_view(&c->body),
		.fields = fields,
		.nfields = 3,
		.ca_file = cfg->notify_ca,
		.deadline_us = notify_times.deadline_us,
		.answer_bytes = CAP_NOTIFY_ANSWER };

	SCOPED_BUF(why, WHY - 1);
	for (size_t i = 0; i < COUNT_OF(field); i++)
		buf_init(&field[i], 0);
	snprintf(stamp, sizeof(stamp), "%" PRId64, seconds);
	bool ok = add_field(&field[0], "webhook-id", c->id) &&
		  add_field(&field[1], "webhook-timestamp", stamp);
	if (ok && cfg->notify_secret_file) {
		ok = !webhook_sign(cfg->notify_secret_file, c->id, seconds, o.body, signature,
			     &why) &&
		     add_field(&field[2], "webhook-signature", signature);
		o.nfields = 4;
	}
	for (size_t i = 0; i + 1 < o.nfields; i++)
		fields[i + 1] = buf_view(&field[i]).p;
	if (ok) {
		set_state(c, SENDS);
		c->call = http_call(c->all->outbound->client, &o, on_notify_answer, c);
	}
	if (!c->call) {
		char text[WHY];
		snprintf(text, sizeof(text), "%.*s", SPAN_ARG(buf_view(&why)));
		notify_again(c, text[0] ? text : "out of memory", 0);
	}
	for (size_t i = 0; i < COUNT_OF(field); i++)
		buf_free(&field[i]);
}

static void
notice_line(const struct notice *m, char out[NOTICE_TEXT])
{
	snprintf(out, NOTICE_TEXT, "%s%.*s", m->over ? "over: " : "", NOTICE_TEXT - 8, m->text);
}

static void
begin_sending(struct channel *c)
{
	struct notice *m = c->next;

	INVARIANT(!c->call); /* one message at a time */
	c->next = NULL;
	c->free_us = clock_mono_us() + notify_times.apart_us;
	c->first_us = clock_mono_us();
	c->wait_us = 0;
	unsigned char random[12];
	random_bytes(random, sizeof(random));
	snprintf(c->id, sizeof(c->id), "msg_");
	sodium_bin2hex(c->id + 4, sizeof(c->id) - 4, random, sizeof(random));
	notice_line(m, c->line);
	buf_clear(&c->body);
	webhook_body(&c->body, m, &c->also, c->all->cfg->node);
	memset(&c->also, 0, sizeof(c->also));
	free(m);
	if (buf_failed(&c->body))
		sending_over(c, false, "out of memory");
	else
		post_message(c);
}

static void
on_due(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	struct channel *c = TAGGED(channel, w->data);

	if (c->state == RETRIES)
		post_message(c);
	else if (c->next)
		begin_sending(c);
}

/* A test is sent without delay, because somebody waits for it. */
static void
plan_message(struct channel *c)
{
	uint64_t now = clock_mono_us();

	set_state(c, WAITS);
	timer_after(c->all->outbound->loop, &c->timer,
		c->kind != NOTICE_TEST && c->free_us > now ? c->free_us - now : 0);
}

/* ---- budgets whose end is known ---- */

static void
ends_again(struct notify *n)
{
	struct ev_loop *loop = n->outbound->loop;
	int64_t now = wall_now_ns(), first = 0;

	for (size_t i = 0; i < ENDS; i++)
		if (n->ends[i].at_ns && (!first || n->ends[i].at_ns < first))
			first = n->ends[i].at_ns;
	if (first)
		timer_after(loop, &n->ends_timer,
			first > now ? ((uint64_t)(first - now) + 999) / 1000 : 0);
	else
		ev_timer_stop(loop, &n->ends_timer);
}

/* Remembers a budget's end; for each name, the latest end counts. */
static void
remember_end(struct notify *n, const struct notice *m)
{
	struct end *e = NULL;

	for (size_t i = 0; i < ENDS && !(e && e->at_ns); i++)
		if (n->ends[i].at_ns && !strcmp(n->ends[i].name, m->name))
			e = &n->ends[i];
		else if (!e && !n->ends[i].at_ns)
			e = &n->ends[i];
	if (!e)
		return;
	if (!e->at_ns)
		e->since_ns = m->since_ns;
	if (e->at_ns < m->until_ns)
		e->at_ns = m->until_ns;
	snprintf(e->name, sizeof(e->name), "%s", m->name);
	ends_again(n);
}

static void
on_end(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	struct notify *n = TAGGED(notify, w->data);
	int64_t now = wall_now_ns();

	for (size_t i = 0; i < ENDS; i++) {
		struct end *e = &n->ends[i];
		if (!e->at_ns || e->at_ns > now)
			continue;
		const struct notice_of of = { .kind = NOTICE_BUDGET,
			.over = true,
			.what = "limit_renewed",
			.name = span_str(e->name),
			.since_ns = e->since_ns };
		notice_send(&of, NULL, 0,
			"the window in which the limit %s was spent has ended", e->name);
		e->at_ns = 0;
	}
	ends_again(n);
}

/* ---- input and creation ---- */

static void
on_notice(struct mail *mail, void *consumer)
{
	struct notify *n = TAGGED(notify, consumer);
	struct notice *m = CONTAINER_OF(mail, struct notice, mail);
	struct channel *c = &n->channel[m->kind];

	notice_taken();
	if (m->until_ns && !m->over)
		remember_end(n, m);
	if (c->next) {
		char line[NOTICE_TEXT];
		notice_line(c->next, line);
		webhook_also(&c->also, line);
		metric_inc(c->all->metrics, M_NOTIFY_SUPPRESSED);
		pthread_mutex_lock(&c->all->lock);
		c->suppressed++;
		pthread_mutex_unlock(&c->all->lock);
		free(c->next);
	}
	c->next = m;
	if (c->state == IDLE)
		plan_message(c);
}

static void
on_notify_wake(struct ev_loop *loop UNUSED, ev_async *w, int revents UNUSED)
{
	struct notify *n = TAGGED(notify, w->data);

	mailbox_drain(&n->mail, n);
}

static void
wake_notify(void *arg)
{
	struct notify *n = TAGGED(notify, arg);

	ev_async_send(n->outbound->loop, &n->wake);
}

bool
notify_testing(struct notify *n)
{
	SCOPED_LOCK(&n->lock);
	return n->channel[NOTICE_TEST].state != IDLE;
}

void
notify_test(const char *by)
{
	const struct notice_of of = { .kind = NOTICE_TEST, .what = "test" };
	const struct log_field numbers[] = { LS("by", by) };

	notice_send(&of, numbers, 1, "this is a test of the webhook; nothing is wrong");
}

/* Stores the receiver for status and log: HOST[:PORT] or unix:/SOCKET. The rest of the URL may
 * be a secret. */
static void
set_host(struct notify *n)
{
	const char *url = n->cfg->notify_url, *host = strstr(url, "://");
	size_t scheme = strlen("unix:");

	if (host)
		snprintf(n->host, sizeof(n->host), "%.*s", (int)strcspn(host + 3, "/?"),
			host + 3);
	else
		snprintf(n->host, sizeof(n->host), "%.*s",
			(int)(scheme + strcspn(url + scheme, ":")), url);
}

struct notify *
notify_new(const struct config *cfg, struct http_thread *o, struct metrics *m, struct buf *why)
{
	unsigned kinds = 1u << NOTICE_TEST | cfg->notify_events;
	char signature[WEBHOOK_SIGNATURES]; /* not sent; this checks that the secret is valid */
	struct notify *n;

	if (cfg->notify_secret_file &&
		webhook_sign(cfg->notify_secret_file, "msg_0", 0, SPAN_LIT(""), signature, why))
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	TAG(notify, n);
	n->cfg = cfg;
	n->outbound = o;
	n->metrics = m;
	pthread_mutex_init(&n->lock, NULL);
	set_host(n);
	for (unsigned k = 0; k < NOTICE_KINDS; k++) {
		struct channel *c = &n->channel[k];
		TAG(channel, c);
		c->all = n;
		c->kind = (enum notice_kind)k;
		buf_init(&c->body, CAP_NOTIFY_BODY);
		ev_timer_init(&c->timer, on_due, 0., 0.);
		c->timer.data = c;
	}
	ev_timer_init(&n->ends_timer, on_end, 0., 0.);
	n->ends_timer.data = n;
	ev_async_init(&n->wake, on_notify_wake);
	n->wake.data = n;
	ev_async_start(o->loop, &n->wake);
	mailbox_init(&n->mail, wake_notify, n);
	notice_take(&n->mail, kinds, on_notice);
	return n;
}

void
notify_free(struct notify **np)
{
	struct notify *n = *np;
	size_t lost = 0;

	if (!n)
		return;
	notice_take(NULL, 0, NULL);
	/* moves the notices to the channels, whose timers no longer run */
	mailbox_drain(&n->mail, n);
	for (unsigned k = 0; k < NOTICE_KINDS; k++) {
		struct channel *c = &n->channel[k];
		lost += c->next ? 1 : 0;
		lost += c->state == SENDS || c->state == RETRIES ? 1 : 0;
		ev_timer_stop(n->outbound->loop, &c->timer);
		free(c->next);
		buf_free(&c->body);
	}
	if (lost) {
		metric_add(n->metrics, M_NOTIFY_FAILED, lost);
		log_event(LOG_WARN, "notify.failed", LS("to", n->host), LI("messages", lost),
			LS("why", "the daemon stopped before the webhook accepted these "
				  "notices"));
	}
	ev_timer_stop(n->outbound->loop, &n->ends_timer);
	ev_async_stop(n->outbound->loop, &n->wake);
	pthread_mutex_destroy(&n->lock);
	TAG_CLEAR(notify, n);
	free(n);
	*np = NULL;
}
