/* The cost of tollgate's transport without tollgate. This program takes the daemon's place in a
 * stack (`tollgate serve -c FILE`), with the daemon's own agent, relay and sockets, and without
 * any engine behind them. Every NOTIFY is permitted at once; BENCH_VIA selects the path.
 *
 *   BENCH_VIA=direct   an agent that only ACKs
 *   BENCH_VIA=relay    and a relay that only copies: it plays the gate, whose
 *                      decisions come through the worker's mailbox as the real ones
 *                      do, and sends a head that is the same for every request
 *
 * The admin port answers everything with the counters, in the daemon's format. */
#include <ev.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/agent.h"
#include "net/listen.h"
#include "net/relay.h"

enum { WORKERS_MAX = 64, DEADLINE_S = 600 };

static bool via_relay;
static const struct config *cfg;

struct worker {
	pthread_t thread;
	struct ev_loop *loop;
	ev_async wake;
	struct mailbox mail;
	struct metrics metrics;
	struct agent *agent;
	struct relay *relay;
};
static struct worker workers[WORKERS_MAX];
static unsigned nworkers;

/* ---- the gate that permits everything ---- */

struct exchange {
	struct worker *w;
	struct exchange_plan plan;
	struct mail mail;
	void (*done)(void *arg, int err);
	void *done_arg;
};

static struct http_field head_fields[] = {
	{ { "host", 4 }, { "bench", 5 } },
	{ { "content-type", 12 }, { "application/json", 16 } },
};

static void
claimed(struct mail *m, void *consumer)
{
	struct gate_claim *c = CONTAINER_OF(m, struct gate_claim, mail);
	struct worker *w = consumer;
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->w = w;
	x->plan = (struct exchange_plan){
		.head = { .method = SPAN_LIT("POST"),
			.path = SPAN_LIT("/v1/chat/completions"),
			.fields = head_fields,
			.nfields = sizeof(head_fields) / sizeof(head_fields[0]) },
		.body_mode = c->content_length >= 0 ? BODY_COPY : BODY_NONE,
		.content_length = c->content_length,
		.body_cap_bytes = 1u << 20,
		.deadline_us = clock_mono_us() + DEADLINE_S * 1000000ull,
		.dialect = dialect_find(SPAN_LIT("openai")),
		.id = SPAN_LIT("bench"),
	};
	metric_inc(&w->metrics, M_VIA_RELAY);
	c->done(c, 0, x);
}

void
gate_claim(struct gate *g, struct gate_claim *c)
{
	struct worker *w = (struct worker *)(void *)g;

	c->mail.run = claimed;
	mailbox_send(&w->mail, &c->mail);
}

const struct exchange_plan *
gate_plan(const struct exchange *x)
{
	return &x->plan;
}

bool
gate_hold(struct exchange *x, size_t n)
{
	(void)x;
	(void)n;
	return true;
}

int
gate_body_bytes(struct exchange *x, struct span bytes, bool last)
{
	(void)x;
	(void)bytes;
	(void)last;
	return 0;
}

/* Never called: no body is deferred. */
void
gate_body(struct exchange *x, struct span bytes,
	void (*verdict)(void *, const struct exchange_denial *), void *arg)
{
	(void)x;
	(void)bytes;
	(void)verdict;
	(void)arg;
	abort();
}

void
gate_refuse(struct exchange *x, int status, const char *code, const char *why,
	void (*verdict)(void *, const struct exchange_denial *), void *arg)
{
	(void)x;
	(void)verdict;
	(void)arg;
	fprintf(stderr, "noop: %d %s: %s\n", status, code, why);
	abort();
}

struct span
gate_response_fields(struct exchange *x)
{
	(void)x;
	return (struct span){ NULL, 0 };
}

void
gate_sent(struct exchange *x)
{
	(void)x;
}

bool
gate_keep(struct exchange *x)
{
	(void)x;
	return true;
}

void
gate_heard(struct exchange *x, bool streamed)
{
	(void)x;
	(void)streamed;
}

static void
finished(struct mail *m, void *consumer)
{
	struct exchange *x = CONTAINER_OF(m, struct exchange, mail);

	(void)consumer;
	if (x->done)
		x->done(x->done_arg, 0);
	free(x);
}

void
gate_finish(struct exchange *x, const struct exchange_result *r, void (*done)(void *, int),
	void *arg)
{
	(void)r;
	x->done = done;
	x->done_arg = arg;
	x->mail.run = finished;
	mailbox_send(&x->w->mail, &x->mail);
}

void
gate_claim_gone(struct gate_claim *c)
{
	(void)c;
}

/* The provider's error passes; nobody counts it. */
void
gate_failed(struct exchange *x UNUSED, int status UNUSED, struct span type UNUSED,
	struct span coding UNUSED, struct span document UNUSED)
{
}

/* ---- calls that a relay which only copies does not make ---- */

void
gate_unhold(struct exchange *x UNUSED, size_t n UNUSED)
{
	abort();
}

bool
gate_aside(struct exchange *x UNUSED, void (*go)(void *) UNUSED, void (*back)(void *) UNUSED,
	void *arg UNUSED)
{
	abort();
}

void
gate_again(struct exchange *x UNUSED, const struct attempt_end *e UNUSED,
	void (*next)(void *, enum again what) UNUSED, void *arg UNUSED)
{
	abort();
}

void
gate_stands(struct exchange *x UNUSED, uint64_t sent_us UNUSED)
{
	abort();
}

struct span
gate_cost_field(struct exchange *x UNUSED, const struct usage *u UNUSED)
{
	abort();
}

void
gate_replay(struct exchange *x UNUSED, struct buf *to UNUSED)
{
	abort();
}

int
gate_answer(
	struct exchange *x UNUSED, const struct guard_head *h UNUSED, struct guard **out UNUSED)
{
	abort();
}

bool
gate_hear(struct exchange *x UNUSED, void (*back)(void *arg) UNUSED, void *arg UNUSED)
{
	return false;
}

bool
gate_lead(struct exchange *x UNUSED, struct http_field *fields UNUSED, size_t n UNUSED)
{
	abort();
}

struct span
gate_session(struct exchange *x UNUSED, struct span id UNUSED)
{
	abort();
}

void
gate_refused(struct exchange *x UNUSED, const struct http_head *h UNUSED)
{
	abort();
}

int
gate_socket_begin(struct exchange *x UNUSED, const struct socket_calls *calls UNUSED)
{
	abort();
}

enum socket_goes
gate_message(struct exchange *x UNUSED, bool from_client UNUSED, bool binary UNUSED,
	struct span message UNUSED)
{
	abort();
}

const struct socket_end *
gate_socket_end(const struct exchange *x UNUSED)
{
	abort();
}

bool
gate_socket_over(struct exchange *x UNUSED)
{
	abort();
}

bool
gate_socket_rests(const struct exchange *x UNUSED)
{
	abort();
}

/* ---- the agent that only ACKs ---- */

static struct spop_action
set(const char *name, const char *value)
{
	return (struct spop_action){ SPOP_SCOPE_TXN, name,
		{ .type = SPOP_STRING, .s = span_str(value) } };
}

static void
on_notify(void *ctx, struct agent_call *call, const struct spop_message *messages, size_t n)
{
	struct worker *w = ctx;
	struct spop_action a[4] = { set("decision", "permit") };
	size_t k = 1;

	(void)messages;
	(void)n;
	a[k++] = set("via", via_relay ? "relay" : "direct");
	if (via_relay) {
		a[k++] = set("ticket", "copy-00000000000000000000000000000000");
		a[k++] = set("node", cfg->node);
	} else {
		metric_inc(&w->metrics, M_VIA_DIRECT);
	}
	agent_ack(call, a, k);
}

static void
on_gone(void *ctx, struct agent_call *call)
{
	(void)ctx;
	(void)call;
}

/* ---- workers ---- */

static void
wake(void *arg)
{
	struct worker *w = arg;

	ev_async_send(w->loop, &w->wake);
}

static void
on_wake(struct ev_loop *loop, ev_async *a, int events)
{
	struct worker *w = a->data;

	(void)loop;
	(void)events;
	mailbox_drain(&w->mail, w);
}

static void *
run(void *arg)
{
	struct worker *w = arg;

	ev_run(w->loop, 0);
	return NULL;
}

static void
worker_begin(struct worker *w, const int *agent_fds, int relay_fd)
{
	const struct agent_ops ops = { on_notify, on_gone, w };
	const struct relay_options options = {
		.egress = cfg->relay_egress.path,
		.read_us = cfg->relay_read_us,
		.response_us = cfg->relay_response_us,
		.idle_us = cfg->relay_idle_us,
		.pool = cfg->relay_pool,
	};

	w->loop = ev_loop_new(EVFLAG_AUTO);
	ev_async_init(&w->wake, on_wake);
	w->wake.data = w;
	ev_async_start(w->loop, &w->wake);
	mailbox_init(&w->mail, wake, w);
	w->agent = agent_new(w->loop, &ops, &w->metrics);
	w->relay = relay_new(w->loop, (struct gate *)(void *)w, &options, &w->metrics);
	if (!w->agent || !w->relay)
		abort();
	for (size_t i = 0; i < cfg->nagent; i++)
		agent_listen(w->agent, agent_fds[i]);
	relay_listen(w->relay, relay_fd, false);
	if (pthread_create(&w->thread, NULL, run, w))
		abort();
}

/* ---- start ---- */

static int
open_or_die(const struct address *a, mode_t mode)
{
	struct buf why;

	buf_init(&why, 0);
	int fd = listen_open(a, mode, NULL, &why);
	if (fd < 0) {
		fprintf(stderr, "noop: %.*s\n", (int)why.n, buf_view(&why).p);
		exit(2);
	}
	buf_free(&why);
	return fd;
}

static void
answer(int fd, struct metrics *const *blocks)
{
	char request[4096];
	struct buf out;

	if (read(fd, request, sizeof(request)) <= 0)
		return;
	buf_init(&out, 0);
	buf_str(&out, "HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n");
	metrics_write(&out, blocks, nworkers);
	for (struct span s = buf_view(&out); s.n;) {
		ssize_t n = write(fd, s.p, s.n);
		if (n <= 0)
			break;
		s = span_cut(s, (size_t)n, s.n);
	}
	buf_free(&out);
}

int
main(int argc, char **argv)
{
	const char *via = getenv("BENCH_VIA");
	struct metrics *blocks[WORKERS_MAX];
	struct arena a;
	struct diag d;
	int fds[CONFIG_LISTENERS_MAX];

	if (argc != 4 || strcmp(argv[1], "serve") || strcmp(argv[2], "-c") || !via) {
		fprintf(stderr, "usage: BENCH_VIA=direct|relay %s serve -c FILE\n", argv[0]);
		return 2;
	}
	via_relay = strcmp(via, "relay") == 0;
	signal(SIGPIPE, SIG_IGN);
	arena_init(&a, 0, false);
	diag_init(&d);
	cfg = config_load(&a, argv[3], &d);
	if (!cfg || !cfg->relay || !cfg->has_admin_tcp) {
		fprintf(stderr, "noop: %.*s\n", (int)d.text.n, buf_view(&d.text).p);
		return 2;
	}
	long cores = cfg->workers ? (long)cfg->workers : sysconf(_SC_NPROCESSORS_ONLN);
	nworkers = (unsigned)(cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : cores);
	for (size_t i = 0; i < cfg->nagent; i++)
		fds[i] = open_or_die(&cfg->agent[i], 0660);
	int relay_fd = open_or_die(&cfg->relay_listen, 0660);
	int admin_fd = open_or_die(&cfg->admin_tcp, 0600);
	fcntl(admin_fd, F_SETFL, fcntl(admin_fd, F_GETFL) & ~O_NONBLOCK);
	for (unsigned i = 0; i < nworkers; i++) {
		blocks[i] = &workers[i].metrics;
		worker_begin(&workers[i], fds, relay_fd);
	}
	for (;;) {
		int fd = accept(admin_fd, NULL, NULL);
		if (fd >= 0) {
			answer(fd, blocks);
			close(fd);
		}
	}
}
