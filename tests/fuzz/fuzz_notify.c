/* A NOTIFY's payload, as SPOP carries it, through the whole gate: routes, limits, records, and
 * the relay's side if it is used. The first byte selects what the relay, the disk and the
 * client do. Records must be JSON. In the end, no memory is held and no request is left. */
#include <ev.h>
#include <jansson.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/log.h"
#include "budget/quota/quota_table.h"
#include "gate/engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { F_WORKER = 1, F_FORGET = 2, F_DISK = 4, F_REFUSE = 8, F_LATE = 16, F_BODY = 32 };

static struct mailbox mail[2], table_mail;
static struct gate *gates[2];
static struct gate_shared *shared;
static struct metrics metrics[2];
static struct config cfg = { .file = "tollgate.yaml",
	.node = "n",
	.workers = 2,
	.relay = true,
	.agent_deadline_us = 60000000,
	.ticket_ttl_us = 0, /* until the next tick */
	.body_bytes = 1 << 20,
	.inflate_ratio = 100,
	.held_bytes = 64 << 20,
	.held_identity_bytes = 64 << 20 };
static struct ev_loop *loop;

/* ---- the disk ---- */

static struct audit_entry *queue[64];
static size_t queued;

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
	struct buf b;

	(void)a;
	INVARIANT(queued < 64 && !buf_failed(&e->fields));
	queue[queued++] = e;
	buf_init(&b, 0);
	buf_printf(&b, "{");
	buf_span(&b, buf_view(&e->fields));
	buf_putc(&b, '}');
	json_error_t err;
	json_t *o =
		json_loadb(buf_view(&b).p, b.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &err);
	INVARIANT(json_is_object(o));
	json_decref(o);
	buf_free(&b);
}

static void
deliver(struct mail *m, void *worker)
{
	struct audit_entry *e = CONTAINER_OF(m, struct audit_entry, mail);

	(void)worker;
	e->done(e, e->err);
}

static void
turn(int disk_err)
{
	for (int i = 0; i < 6; i++) {
		mailbox_drain(&table_mail, NULL);
		for (int w = 0; w < 2; w++) {
			mailbox_drain(&mail[w], NULL);
			if (ev_is_active(&gates[w]->turn))
				ev_run(loop, EVRUN_NOWAIT);
		}
		while (queued) {
			struct audit_entry *e = queue[--queued];
			e->err = disk_err;
			e->mail.run = deliver;
			mailbox_send(e->reply_to, &e->mail);
		}
	}
}

/* ---- the stage ---- */

static const char policy[] =
	"tollgate: 1\nname: f\n"
	"on_failure: {unreadable: permit}\n"
	"identity: [none: {}]\n"
	"routes:\n"
	"  - {name: chat, match: {path: /v1/chat/completions}, dialect: openai, backend: o, "
	"response: [meter], record: {prompt: redacted}}\n"
	"  - {name: messages, match: {path: /v1/messages}, dialect: anthropic, backend: a}\n"
	"  - {name: rest, match: {path_prefix: /}, dialect: rest, backend: b, "
	"record: {prompt: redacted}}\n"
	"rules:\n"
	"  - {name: secrets, when: '\"secret\" in prompt.classes', deny: true}\n"
	"  - {name: hot, when: 'request.temperature > 1.5', deny: true, on_error: skip}\n"
	"  - {name: pii, when: '\"pii\" in prompt.classes', redact: {classes: [pii]}}\n"
	"default: permit\n"
	"limits:\n"
	"  - {name: r, per: [request.host], requests: 1000000, window: 1m}\n"
	"  - {name: t, per: [model.name], tokens: 1000000000, window: 1m}\n";

static void
start(void)
{
	static const unsigned char prompt_key[32] = "0123456789abcdef0123456789abcde";
	char file[] = "/tmp/tollgate-fuzz-XXXXXX";
	struct diag d;
	int fd = mkstemp(file);

	log_setup(LOG_LOGFMT, LOG_ERROR);
	INVARIANT(sodium_init() >= 0);
	INVARIANT(fd >= 0 && write(fd, policy, sizeof(policy) - 1) == sizeof(policy) - 1);
	time_t tomorrow = time(NULL) + 86400;
	char day[16];
	strftime(day, sizeof(day), "%Y-%m-%d", gmtime(&tomorrow));
	INVARIANT(
		dprintf(fd, "observe: {hosts: o.example, backend: old, until: %s}\n", day) > 0);
	close(fd);
	diag_init(&d);
	struct snapshot *snap = snapshot_load(NULL, file, 2, NULL, &d);
	if (!snap)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&d.text)));
	INVARIANT(snap);
	unlink(file);
	snap->cfg = &cfg;
	loop = ev_loop_new(EVFLAG_AUTO);
	shared = gate_shared_new(&cfg, (struct audit *)&queue, prompt_key);
	mailbox_init(&table_mail, NULL, NULL);
	struct quota_table *t = quota_table_new(&table_mail);
	for (unsigned i = 0; i < 2; i++) {
		mailbox_init(&mail[i], NULL, NULL);
		gates[i] = gate_new(loop, shared, i, snap, NULL, t, &mail[i], &metrics[i]);
	}
	diag_free(&d);
}

/* ---- one input ---- */

static bool answered, ruled, finished;
static char ticket[64], decision[16], via[16];
static struct exchange *claimed;

static void
keep(char *to, size_t n, const struct spop_value *v)
{
	snprintf(to, n, "%.*s", SPAN_ARG(v->s));
}

static void
on_verdict(void *arg, const struct spop_action *a, size_t n)
{
	(void)arg;
	INVARIANT(!answered);
	answered = true;
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(a[i].name, "ticket"))
			keep(ticket, sizeof(ticket), &a[i].value);
		else if (!strcmp(a[i].name, "decision"))
			keep(decision, sizeof(decision), &a[i].value);
		else if (!strcmp(a[i].name, "via"))
			keep(via, sizeof(via), &a[i].value);
		if (a[i].value.type != SPOP_STRING)
			continue;
		struct span s = a[i].value.s;
		INVARIANT(
			s.n <= (strcmp(a[i].name, "error") ? CAP_VAR_BYTES : CAP_ERROR_BYTES));
		for (size_t k = 0; k < s.n; k++)
			INVARIANT((unsigned char)s.p[k] >= ' ' &&
				  (!strcmp(a[i].name, "error") || s.p[k] <= '~'));
	}
}

static void
on_claimed(struct gate_claim *c, int err, struct exchange *x)
{
	(void)c;
	INVARIANT((err == 0) == (x != NULL));
	claimed = x;
}

static void
on_ruled(void *arg, const struct exchange_denial *d)
{
	(void)arg;
	ruled = true;
	if (!d)
		return;
	json_t *o = json_loadb(d->body.p, d->body.n, 0, NULL);
	INVARIANT(d->status >= 400 && json_is_object(o));
	json_decref(o);
}

static void
on_done(void *arg, int err)
{
	(void)arg;
	(void)err;
	finished = true;
}

static void
relay(uint8_t flags, struct span method, int64_t length, struct span body)
{
	struct gate_claim c = { .ticket = span_str(ticket),
		.method = method,
		.content_length = length,
		.done = on_claimed };
	struct exchange_result res = { .end = END_CLIENT_ABORT };
	int disk_err = flags & F_DISK ? ERR_IO : 0;

	claimed = NULL;
	gate_claim(gates[flags & F_WORKER], &c);
	turn(0);
	if (!claimed)
		return;
	const struct exchange_plan *p = gate_plan(claimed);
	INVARIANT(p->head.path.n && p->head.nfields);
	if (flags & F_REFUSE)
		gate_refuse(claimed, 400, "malformed_body", "why", on_ruled, NULL);
	else if (p->body_mode == BODY_DEFER)
		gate_body(claimed, body, on_ruled, NULL);
	else if (p->body_mode == BODY_COPY)
		(void)gate_body_bytes(claimed, body, true);
	if (!(flags & F_LATE))
		turn(disk_err);
	gate_finish(claimed, &res, on_done, NULL);
	turn(disk_err);
	INVARIANT(finished);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct spop_message messages[CAP_SPOP_MESSAGES];
	static struct spop_arg args[CAP_SPOP_ARGS];
	size_t nm = CAP_SPOP_MESSAGES, na = CAP_SPOP_ARGS;
	struct span method = { NULL, 0 }, body = { NULL, 0 };

	if (!gates[0])
		start();
	if (size == 0)
		return 0;
	uint8_t flags = data[0];
	/* A copy of its own, freed with the answer as the frame is. */
	char *frame = malloc(size);
	memcpy(frame, data, size);
	if (spop_messages_read(span_of(frame + 1, size - 1), messages, &nm, args, &na) !=
		SPOP_OK) {
		free(frame);
		return 0;
	}
	answered = ruled = finished = false;
	ticket[0] = decision[0] = via[0] = '\0';
	for (size_t i = 0; i < na; i++) {
		if (span_is(args[i].name, "method"))
			method = args[i].value.s;
		if (span_is(args[i].name, "body"))
			body = args[i].value.s;
	}
	method = span_of(
		memcpy(malloc(method.n + 1), method.p ? method.p : "", method.n), method.n);
	body = span_of(memcpy(malloc(body.n + 1), body.p ? body.p : "", body.n), body.n);
	struct request *r = gate_notify(gates[0], messages, nm, 16384, on_verdict, NULL);
	INVARIANT((r == NULL) == answered);
	if (r && flags & F_FORGET) {
		gate_forget(r);
		free(frame);
		frame = NULL;
	}
	turn(flags & F_DISK && !(flags & F_REFUSE) ? ERR_IO : 0);
	INVARIANT(answered || (r && flags & F_FORGET));
	free(frame);
	/* A request without a ticket is direct or denied, and HAProxy forwards only a direct
	 * one. */
	INVARIANT(ticket[0] ? !strcmp(via, "relay") : strcmp(via, "relay") != 0);
	INVARIANT(!strcmp(via, "observe") == !strcmp(decision, "observed"));
	INVARIANT(strcmp(via, "direct") || strcmp(decision, "deny"));
	if (ticket[0] && flags & F_BODY)
		relay(flags, method, (int64_t)body.n, body);
	else if (ticket[0])
		relay(flags, method, -1, body);
	for (int w = 0; w < 2; w++)
		ev_invoke(loop, &gates[w]->tick, EV_TIMER);
	turn(0);
	INVARIANT(gate_alive(gates[0]) + gate_alive(gates[1]) == 0);
	INVARIANT(gate_held_bytes(shared) == 0);
	free((void *)(uintptr_t)method.p);
	free((void *)(uintptr_t)body.p);
	return 0;
}
