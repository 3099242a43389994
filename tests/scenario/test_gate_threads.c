/* Two workers and a disk, each a thread of its own. One worker claims the decisions of the
 * other: some late, some never, some with a wrong length, while snapshots change. Meant for
 * ThreadSanitizer. In every build, nothing may be left in the end. */
#include <ev.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "budget/quota/quota_table.h"
#include "gate/engine/engine.h"

enum { REQUESTS = 1200, FLIGHT = 24 };

#define BODY                                                                                   \
	"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"to "                  \
	"a@example.com\"}]}"

struct crossing;

struct side {
	struct ev_loop *loop;
	ev_async wake;
	struct mailbox mail;
	struct metrics metrics;
	struct gate *gate;
	struct side *peer;
	pthread_t thread;
	unsigned seed, sent, done; /* owner: the thread */
	ev_timer pump;
	struct spop_arg args[8];
	struct spop_message message;
};

/* A request that is decided on one side and claimed on the other. */
struct crossing {
	struct mail mail;
	struct side *home, *at;
	struct gate_claim claim;
	struct buf fields; /* kept until the answer */
	char ticket[64];
	int64_t length;
	struct exchange *x;
	ev_timer later;
};

static struct side sides[2];
static struct gate_shared *shared;
static struct snapshot *snaps[2];
static struct config cfg = { .file = "tollgate.yaml",
	.node = "n",
	.workers = 2,
	.relay = true,
	.agent_deadline_us = 5000000,
	.ticket_ttl_us = 20000,
	.body_bytes = 1 << 20,
	.inflate_ratio = 100,
	.held_bytes = 256 << 20,
	.held_identity_bytes = 256 << 20 };
static atomic_uint records;

/* ---- the disk ---- */

static struct mailbox disk;
static pthread_t disk_thread;
static atomic_bool disk_stop;

static void
disk_deliver(struct mail *m, void *worker)
{
	struct audit_entry *e = CONTAINER_OF(m, struct audit_entry, mail);

	(void)worker;
	e->done(e, e->err);
}

static void
disk_write(struct mail *m, void *worker)
{
	struct audit_entry *e = CONTAINER_OF(m, struct audit_entry, mail);

	(void)worker;
	INVARIANT(e->fields.n && !buf_failed(&e->fields));
	unsigned n = atomic_fetch_add(&records, 1);
	e->err = n % 97 == 0 ? ERR_IO : 0;
	e->mail.run = disk_deliver;
	mailbox_send(e->reply_to, &e->mail);
}

bool
audit_has_room(const struct audit *a)
{
	(void)a;
	return true;
}

bool
audit_ready(const struct audit *a)
{
	(void)a;
	return true;
}

void
audit_append(struct audit *a, struct audit_entry *e)
{
	(void)a;
	e->mail.run = disk_write;
	mailbox_send(&disk, &e->mail);
}

static void *
disk_run(void *arg)
{
	while (!atomic_load(&disk_stop))
		if (mailbox_drain(&disk, NULL) == 0)
			usleep(100);
	return arg;
}

/* ---- the relay's side ---- */

static unsigned
chance(struct side *s, unsigned of)
{
	return (unsigned)rand_r(&s->seed) % of;
}

static void
home_again(struct mail *m, void *worker)
{
	struct crossing *c = CONTAINER_OF(m, struct crossing, mail);

	(void)worker;
	c->home->done++;
	free(c);
}

static void
crossed(struct crossing *c)
{
	c->mail.run = home_again;
	mailbox_send(&c->home->mail, &c->mail);
}

static void
finished(void *arg, int err)
{
	(void)err;
	crossed(arg);
}

static void
ruled(void *arg, const struct exchange_denial *d)
{
	struct crossing *c = arg;
	struct exchange_result res = { .end = d ? END_DENIED : END_COMPLETE,
		.status = 200,
		.output_begun = true,
		.usage = { .known = true, .input_tokens = 3, .output_tokens = 4 } };

	gate_finish(c->x, &res, finished, c);
}

static void
claimed(struct gate_claim *g, int err, struct exchange *x)
{
	struct crossing *c = g->arg;

	if (err) {
		crossed(c);
		return;
	}
	c->x = x;
	if (gate_plan(x)->body_mode == BODY_DEFER) {
		gate_body(x, SPAN_LIT(BODY), ruled, c);
		if (chance(c->at, 4) == 0) { /* the client disconnects at once */
			struct exchange_result res = { .end = END_CLIENT_ABORT };
			gate_finish(x, &res, finished, c);
		}
		return;
	}
	INVARIANT(gate_plan(x)->body_mode == BODY_SWAP && gate_plan(x)->body.n);
	ruled(c, NULL);
}

static void
claim_now(struct crossing *c)
{
	c->claim = (struct gate_claim){ .ticket = span_str(c->ticket),
		.method = SPAN_LIT("POST"),
		.content_length = c->length + (chance(c->at, 16) == 0),
		.done = claimed,
		.arg = c };
	gate_claim(c->at->gate, &c->claim);
}

static void
claim_later(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	claim_now(t->data);
}

static void
arrive(struct mail *m, void *worker)
{
	struct crossing *c = CONTAINER_OF(m, struct crossing, mail);

	(void)worker;
	switch (chance(c->at, 8)) {
	case 0: crossed(c); break; /* never claimed: the ticket expires */
	case 1:			   /* claimed at about the time of expiry */
		ev_timer_init(&c->later, claim_later, 0.015 + 0.001 * chance(c->at, 20), 0.);
		c->later.data = c;
		ev_timer_start(c->at->loop, &c->later);
		break;
	default: claim_now(c);
	}
}

/* ---- the agent's side ---- */

static void
answered(void *arg, const struct spop_action *a, size_t n)
{
	struct crossing *c = arg;

	buf_free(&c->fields);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(a[i].name, "ticket"))
			snprintf(c->ticket, sizeof(c->ticket), "%.*s", SPAN_ARG(a[i].value.s));
	if (!c->ticket[0]) {
		c->home->done++;
		free(c);
		return;
	}
	c->at = chance(c->home, 3) ? c->home->peer : c->home;
	c->mail.run = arrive;
	mailbox_send(&c->at->mail, &c->mail);
}

static void
send_one(struct side *s)
{
	struct crossing *c = calloc(1, sizeof(*c));
	bool whole = chance(s, 2);
	struct buf *b = &c->fields;
	char length[24];

	buf_init(b, 0);
	spop_put_string(b, SPAN_LIT("host"));
	spop_put_string(b, SPAN_LIT("h"));
	snprintf(length, sizeof(length), "%zu", sizeof(BODY) - 1);
	if (whole) {
		spop_put_string(b, SPAN_LIT("content-length"));
		spop_put_string(b, span_str(length));
	}
	spop_put_string(b, SPAN_LIT(""));
	spop_put_string(b, SPAN_LIT(""));
	c->home = s;
	c->length = whole ? (int64_t)sizeof(BODY) - 1 : -1;
	struct spop_value str = { .type = SPOP_STRING };
#define STR(v) (str.s = (v), str)
	s->args[0] = (struct spop_arg){ SPAN_LIT("method"), STR(SPAN_LIT("POST")) };
	s->args[1] =
		(struct spop_arg){ SPAN_LIT("path"), STR(SPAN_LIT("/v1/chat/completions")) };
	s->args[2] = (struct spop_arg){ SPAN_LIT("hdrs"), STR(buf_view(b)) };
	s->args[3] = (struct spop_arg){ SPAN_LIT("body"), STR(SPAN_LIT(BODY)) };
	s->args[4] = (struct spop_arg){ SPAN_LIT("body_len"),
		{ .type = SPOP_INT64, .i = sizeof(BODY) - 1 } };
	s->args[5] = (struct spop_arg){ SPAN_LIT("eom"), { .type = SPOP_BOOL, .b = whole } };
	s->args[6] = (struct spop_arg){ SPAN_LIT("tail"), STR(SPAN_LIT("HTX_BLK_DATA")) };
#undef STR
	s->message = (struct spop_message){ SPAN_LIT("tollgate-request"), s->args, 7 };
	s->sent++;
	struct request *r = gate_notify(s->gate, &s->message, 1, 16384, answered, c);
	if (r && chance(s, 16) == 0) {
		gate_forget(r);
		s->done++;
		buf_free(&c->fields);
		free(c);
	}
}

static void
pump(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct side *s = t->data;

	(void)revents;
	while (s->sent < REQUESTS && s->sent - s->done < FLIGHT)
		send_one(s);
	if (chance(s, 20) == 0)
		gate_snapshot(s->gate, snaps[chance(s, 2)]);
	(void)loop;
}

static void
on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	(void)loop;
	(void)revents;
	mailbox_drain(&((struct side *)w->data)->mail, NULL);
}

static void
wake(void *arg)
{
	struct side *s = arg;

	ev_async_send(s->loop, &s->wake);
}

static atomic_uint quiet;

static void *
side_run(void *arg)
{
	struct side *s = arg;
	bool said = false;

	while (atomic_load(&quiet) < 2) {
		ev_run(s->loop, EVRUN_ONCE);
		if (!said && s->done == REQUESTS && gate_alive(s->gate) == 0) {
			said = true;
			atomic_fetch_add(&quiet, 1);
		}
	}
	return NULL;
}

/* ---- the admin thread, which reads /metrics and /recent repeatedly ---- */

static pthread_t scraper;
static atomic_bool scrape_stop;
static uint64_t scraped; /* number of decisions read at the end */

static void *
scrape(void *arg)
{
	const struct tallies *const all[] = { gate_tally(sides[0].gate),
		gate_tally(sides[1].gate) };
	struct series_sum *sum = series_sum_new();
	bool last = false;
	(void)arg;
	while (!last) {
		struct buf b;
		last = atomic_load(&scrape_stop);
		buf_init(&b, 0);
		tally_write(sum, &b, all, 2, false);
		buf_putc(&b, '\0');
		scraped = 0;
		for (const char *p = buf_view(&b).p;
			(p = strstr(p, "\ntollgate_route_decisions_total{")); p++)
			scraped += strtoull(strstr(p, "} ") + 2, NULL, 10);
		buf_clear(&b);
		recent_write(&all[0]->recent, &b);
		recent_write(&all[1]->recent, &b);
		buf_free(&b);
		usleep(1000);
	}
	series_sum_free(&sum);
	return NULL;
}

static void
two_workers_agree_while_policies_change(void **state)
{
	static const unsigned char key[32] = "0123456789abcdef0123456789abcde";
	char file[] = "/tmp/tollgate-threads-XXXXXX";
	struct diag d;
	int fd = mkstemp(file);
	static const char policy[] =
		"tollgate: 1\nname: t\non_failure: {audit: permit}\nidentity: [none: {}]\n"
		"routes: [{name: chat, match: {path: /v1/chat/completions}, dialect: openai, "
		"backend: o, response: [meter]}]\n"
		"rules: [{name: pii, when: '\"pii\" in prompt.classes', redact: {classes: "
		"[pii]}}]\n"
		"default: permit\n"
		"limits:\n"
		"  - {name: r, per: [identity.person], requests: 50, window: 1h}\n"
		"  - {name: t, per: [identity.person], tokens: 1000000000, window: 1h}\n";

	(void)state;
	log_setup(LOG_LOGFMT, LOG_ERROR);
	assert_true(sodium_init() >= 0);
	assert_int_equal(write(fd, policy, sizeof(policy) - 1), sizeof(policy) - 1);
	close(fd);
	diag_init(&d);
	for (int i = 0; i < 2; i++) {
		snaps[i] = snapshot_load(NULL, file, 2, NULL, &d);
		if (!snaps[i])
			fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
		snaps[i]->cfg = &cfg;
	}
	unlink(file);
	shared = gate_shared_new(&cfg, (struct audit *)&disk, key);
	mailbox_init(&disk, NULL, NULL);
	struct quota_table *table = quota_table_new(&sides[0].mail);
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = &sides[i];
		s->seed = 7 + i;
		s->peer = &sides[1 - i];
		s->loop = ev_loop_new(EVFLAG_AUTO);
		ev_async_init(&s->wake, on_wake);
		s->wake.data = s;
		ev_async_start(s->loop, &s->wake);
		mailbox_init(&s->mail, wake, s);
		ev_timer_init(&s->pump, pump, 0.001, 0.001);
		s->pump.data = s;
		ev_timer_start(s->loop, &s->pump);
		s->gate = gate_new(
			s->loop, shared, i, snaps[i], NULL, table, &s->mail, &s->metrics);
		assert_non_null(s->gate);
	}
	pthread_create(&disk_thread, NULL, disk_run, NULL);
	for (int i = 0; i < 2; i++)
		pthread_create(&sides[i].thread, NULL, side_run, &sides[i]);
	pthread_create(&scraper, NULL, scrape, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(sides[i].thread, NULL);
	atomic_store(&scrape_stop, true);
	pthread_join(scraper, NULL);
	/* Messages without a reply may still be on their way to the table. */
	for (int k = 0; k < 3; k++)
		for (int i = 0; i < 2; i++)
			mailbox_drain(&sides[i].mail, NULL);
	atomic_store(&disk_stop, true);
	pthread_join(disk_thread, NULL);
	assert_true(atomic_load(&records) > REQUESTS);
	assert_int_equal(gate_held_bytes(shared), 0);
	uint64_t decided = 0;
	static const enum metric kinds[] = { M_DECIDE_PERMIT, M_DECIDE_REDACT, M_DECIDE_DENY };
	for (size_t i = 0; i < 6; i++)
		decided += atomic_load(&sides[i / 3].metrics.v[kinds[i % 3]]);
	assert_true(decided > REQUESTS);
	assert_int_equal(scraped, decided);
	assert_true(atomic_load(&sides[0].metrics.v[M_HANDOVERS]) > 0);
	assert_true(atomic_load(&sides[0].metrics.v[M_QUOTA_REFUSED]) +
			    atomic_load(&sides[1].metrics.v[M_QUOTA_REFUSED]) >
		    0);
	assert_true(atomic_load(&sides[0].metrics.v[M_TICKET_EXPIRED]) > 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(gate_alive(sides[i].gate), 0);
		assert_int_equal(sides[i].gate->tickets.n, 0);
		gate_free(&sides[i].gate);
		ev_loop_destroy(sides[i].loop);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(atomic_load(&snaps[i]->refs), 1);
		snapshot_unref(&snaps[i]);
	}
	quota_table_free(&table);
	gate_shared_free(&shared);
	diag_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_workers_agree_while_policies_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
