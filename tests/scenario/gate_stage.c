/* The stage of the gate's scenarios. The functions audit_*() of this file replace those of the
 * audit thread: they keep the records, and the test answers them. This object must be linked
 * explicitly, because a library would give way to the real functions, or replace them
 * everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scenario/gate_stage.h"

/* ---- the disk ---- */

struct audit_entry *disk_queue[AUDIT_MAX];
static size_t disk_line[AUDIT_MAX]; /* the index of each entry's record */
size_t disk_queued;
static bool disk_lost[4096]; /* true for records that the disk refused */
struct buf disk_text;	     /* all records, one per line */
size_t disk_records;
bool disk_ready;

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
	return disk_ready;
}

void
audit_append(struct audit *a, struct audit_entry *e)
{
	(void)a;
	assert_true(disk_queued < AUDIT_MAX);
	disk_line[disk_queued] = disk_records;
	disk_queue[disk_queued++] = e;
	if (buf_failed(&e->fields))
		return;
	size_t from = disk_text.n;
	buf_putc(&disk_text, '{');
	buf_span(&disk_text, buf_view(&e->fields));
	buf_str(&disk_text, "}\n");
	record_check(span_cut(buf_view(&disk_text), from, disk_text.n));
	disk_records++;
}

static void
disk_deliver(struct mail *m, void *worker)
{
	struct audit_entry *e = CONTAINER_OF(m, struct audit_entry, mail);

	(void)worker;
	e->done(e, e->err);
}

void
disk_answer_at(size_t i, int err)
{
	assert_true(i < disk_queued);
	struct audit_entry *e = disk_queue[i];
	memmove(&disk_queue[i], &disk_queue[i + 1],
		(disk_queued - i - 1) * sizeof(struct audit_entry *));
	if (err && disk_line[i] < COUNT_OF(disk_lost))
		disk_lost[disk_line[i]] = true;
	memmove(&disk_line[i], &disk_line[i + 1], (disk_queued - i - 1) * sizeof(size_t));
	disk_queued--;
	e->err = buf_failed(&e->fields) ? ERR_LIMIT : err;
	e->mail.run = disk_deliver;
	mailbox_send(e->reply_to, &e->mail);
}

/* ---- the stage ---- */

const char *const stage_people[STAGE_KEY_MAX] = { "alice", "bob", "carol", "dave", "eve2628" };

const char *stage_key_says[STAGE_KEY_MAX];

const char *stage_key_is_of[STAGE_KEY_MAX];

void
stage_write(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

void
stage_up(struct stage *s, const char *more)
{
	struct buf b;
	struct diag d;

	memset(s, 0, sizeof(*s));
	snprintf(s->dir, sizeof(s->dir), "/tmp/tollgate-gate-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->policy, sizeof(s->policy), "%s/policy.yaml", s->dir);
	snprintf(s->keys, sizeof(s->keys), "%s/keys.yaml", s->dir);
	assert_true(sodium_init() >= 0);
	buf_init(&b, 0);
	buf_str(&b, "keys:\n");
	for (size_t i = 0; i < STAGE_KEY_MAX; i++) {
		char id[APIKEY_ID_LEN + 1];
		unsigned char h[32];
		apikey_make(id, s->key[i], h);
		buf_printf(&b, "  - {id: \"%s\", person: %s, %s, sha256: \"", id,
			stage_key_is_of[i] ? stage_key_is_of[i] : stage_people[i],
			stage_key_says[i] ? stage_key_says[i] : "roles: [analyst]");
		buf_hex(&b, h, 32);
		buf_str(&b, "\"}\n");
	}
	buf_putc(&b, '\0');
	stage_write(s->keys, buf_view(&b).p);
	buf_clear(&b);
	buf_str(&b, "tollgate: 1\nname: t\n"
		    "identity:\n  - api_key: {keys: keys.yaml}\n  - none: {}\n");
	buf_str(&b, more);
	buf_putc(&b, '\0');
	stage_write(s->policy, buf_view(&b).p);
	buf_free(&b);

	s->cfg = (struct config){ .file = "tollgate.yaml",
		.node = "gw-1",
		.workers = 2,
		.relay = true,
		.agent_deadline_us = 800000,
		.ticket_ttl_us = 30000000,
		.body_bytes = 1 << 20,
		.inflate_ratio = 100,
		.held_bytes = 64 << 20,
		.held_identity_bytes = 32 << 20 };
	diag_init(&d);
	s->snap = snapshot_load(NULL, s->policy, 2, NULL, &d);
	if (!s->snap)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	diag_free(&d);
	assert_int_equal(snapshot_use(s->snap), 0); /* as `tollgate serve` does */
	s->snap->cfg = &s->cfg;
	s->loop = ev_loop_new(EVFLAG_AUTO);
	static const unsigned char prompt_key[32] = "0123456789abcdef0123456789abcde";
	s->shared = gate_shared_new(&s->cfg, (struct audit *)&disk_queue, prompt_key);
	mailbox_init(&s->table_mail, NULL, NULL);
	s->table = quota_table_new(&s->table_mail);
	for (unsigned i = 0; i < 2; i++) {
		mailbox_init(&s->mail[i], NULL, NULL);
		s->gate[i] = gate_new(s->loop, s->shared, i, s->snap, NULL, s->table,
			&s->mail[i], &s->metrics[i]);
		assert_non_null(s->gate[i]);
	}
	disk_queued = disk_records = 0;
	memset(disk_lost, 0, sizeof(disk_lost));
	disk_ready = true;
	buf_init(&disk_text, 0);
}

void
stage_turn(struct stage *s)
{
	for (unsigned i = 0; i < 2; i++) {
		while (mailbox_drain(&s->mail[i], NULL))
			;
		if (ev_is_active(&s->gate[i]->tick))
			ev_invoke(s->loop, &s->gate[i]->tick, EV_TIMER);
	}
}

void
stage_quota(struct stage *s)
{
	while (mailbox_drain(&s->table_mail, NULL))
		;
	stage_turn(s);
}

void
stage_disk(struct stage *s, int err)
{
	disk_answer_at(0, err);
	stage_turn(s);
}

void
stage_settle(struct stage *s)
{
	for (int i = 0; i < 20; i++) {
		stage_quota(s);
		while (disk_queued)
			stage_disk(s, 0);
	}
}

void
stage_pass(struct stage *s, uint64_t us)
{
	fake_pass_us(us);
	stage_turn(s);
}

size_t
stage_alive(const struct stage *s)
{
	return gate_alive(s->gate[0]) + gate_alive(s->gate[1]);
}

uint64_t
stage_count(const struct stage *s, enum metric m)
{
	return atomic_load(&s->metrics[0].v[m]) + atomic_load(&s->metrics[1].v[m]);
}

int64_t
stage_series(const struct stage *s, const char *name)
{
	const struct tallies *const all[] = { gate_tally(s->gate[0]), gate_tally(s->gate[1]) };
	struct series_sum *sum = series_sum_new();
	char want[256];
	struct buf b;

	buf_init(&b, 0);
	tally_write(sum, &b, all, 2, false);
	buf_putc(&b, '\0');
	int n = snprintf(want, sizeof(want), "\ntollgate_%s ", name);
	const char *at = strstr(buf_view(&b).p, want);
	int64_t value = at ? strtoll(at + n, NULL, 10) : -1;
	buf_free(&b);
	series_sum_free(&sum);
	return value;
}

int64_t
stage_charged(struct stage *s, const char *limit, const char *person)
{
	unsigned char h[32];
	char hex[25], joined[72];
	struct quota_request q = { .ndims = 1 };
	struct quota_dim *d = &q.dim[0];
	int n = snprintf(joined, sizeof(joined), "%zu:%s%c", strlen(person), person,
		!strcmp(limit, "tokens")  ? 't'
		: !strcmp(limit, "money") ? 'u'
					  : 'r');

	crypto_hash_sha256(h, (const unsigned char *)joined, (unsigned long long)n);
	sodium_bin2hex(hex, sizeof(hex), h, 12);
	*d = (struct quota_dim){ .limit = 1ull << 40, .span.window_s = 60, .name = limit };
	snprintf(d->key, sizeof(d->key), "tollgate:q:{%s:%s}", limit, hex);
	d->hash = span_hash(span_str(d->key));
	table_reserve(s->table, &q, table_ms(s->table, fake_mono));
	assert_int_equal(q.result, QUOTA_ADMITTED);
	return (int64_t)(d->limit - d->remaining);
}

/* Asserts that among the records that the disk took, each id has one decision and at most one
 * completion. */
static void
stage_each_is_decided_once(void)
{
	struct span rest = buf_view(&disk_text);
	json_t *seen = json_object();
	char key[64];

	for (size_t i = 0; i < disk_records; i++) {
		struct span line = span_next(&rest, '\n');
		json_t *o = json_loadb(line.p, line.n, 0, NULL);
		const char *type = json_string_value(json_object_get(o, "type"));
		const char *id = json_string_value(json_object_get(o, "id"));
		if (type && id && strcmp(type, "attempt") != 0 &&
			!(i < COUNT_OF(disk_lost) && disk_lost[i])) {
			snprintf(key, sizeof(key), "%.20s %.32s", type, id);
			if (json_object_get(seen, key))
				fail_msg("a second %s of one id: %.*s", type, SPAN_ARG(line));
			json_object_set_new(seen, key, json_true());
		}
		json_decref(o);
	}
	json_decref(seen);
}

void
stage_down(struct stage *s)
{
	char cmd[128];

	stage_settle(s);
	stage_turn(s);
	stage_each_is_decided_once();
	assert_int_equal(stage_alive(s), 0);
	assert_int_equal(gate_held_bytes(s->shared), 0);
	for (size_t i = 0; i < HOLD_SLOTS; i++) {
		assert_int_equal(atomic_load(&s->shared->holds.slot[i]), 0);
		assert_int_equal(atomic_load(&s->shared->holds.waiting[i]), 0);
		assert_int_equal(atomic_load(&s->shared->holds.owner[i]) & 0xffffff, 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(s->gate[i]->tickets.n, 0);
		assert_null(TAILQ_FIRST(&s->gate[i]->parked));
		assert_false(ev_is_active(
			&s->gate[i]->tick)); /* the timer is stopped while nothing is held */
		gate_free(&s->gate[i]);
	}
	quota_table_free(&s->table);
	gate_shared_free(&s->shared);
	assert_int_equal(atomic_load(&s->snap->refs), 1);
	snapshot_unref(&s->snap);
	ev_loop_destroy(s->loop);
	buf_free(&disk_text);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", s->dir);
	assert_int_equal(system(cmd), 0);
}

/* ---- records ---- */

/* Returns record i, counted from the oldest, which must be a JSON object. The caller calls
 * json_decref() on it. */
static json_t *
stage_record(size_t i)
{
	struct span rest = buf_view(&disk_text), line = { NULL, 0 };
	json_error_t err;

	assert_true(i < disk_records);
	for (size_t k = 0; k <= i; k++)
		line = span_next(&rest, '\n');
	json_t *o = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &err);
	if (!o)
		fail_msg("record %zu: %s: %.*s", i, err.text, SPAN_ARG(line));
	return o;
}

const char *
stage_field(size_t i, const char *path)
{
	static char out[4096];
	json_t *o = stage_record(i), *v = o;
	struct span rest = span_str(path);

	while (v && rest.n) {
		char name[64];
		struct span part = span_next(&rest, '.');
		snprintf(name, sizeof(name), "%.*s", SPAN_ARG(part));
		v = json_object_get(v, name);
	}
	out[0] = '\0';
	if (json_is_string(v)) {
		snprintf(out, sizeof(out), "%s", json_string_value(v));
	} else if (v) {
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		snprintf(out, sizeof(out), "%s", text);
		free(text);
	}
	json_decref(o);
	return out;
}

bool
stage_records_hold(const char *text)
{
	struct span s = buf_view(&disk_text);

	return s.n && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

void
call_answered(void *arg, const struct spop_action *a, size_t n)
{
	struct call *c = arg;

	assert_false(c->answered);
	c->answered = true;
	c->r = NULL;
	assert_true(n <= 40);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(a[i].scope, SPOP_SCOPE_TXN);
		snprintf(c->name[i], sizeof(c->name[i]), "%s", a[i].name);
		if (a[i].value.type == SPOP_INT64)
			snprintf(c->value[i], sizeof(c->value[i]), "%lld",
				(long long)a[i].value.i);
		else
			snprintf(c->value[i], sizeof(c->value[i]), "%.*s",
				SPAN_ARG(a[i].value.s));
	}
	c->n = n;
	/* The frame is freed when the ACK is sent. */
	buf_free(&c->frame);
}

const char *
call_var(const struct call *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->name[i], name))
			return c->value[i];
	return "";
}

struct spop_value
note_str(struct span s)
{
	return (struct spop_value){ .type = SPOP_STRING, .s = s };
}

void
put_field(struct buf *b, struct span name, struct span value)
{
	spop_put_string(b, name);
	spop_put_string(b, value);
}

static void
note_fields(const struct stage *s, const struct note *n, size_t body_n, struct buf *b)
{
	char line[200];

	if (n->person) {
		size_t who = 0;
		while (strcmp(stage_people[who], n->person))
			who++;
		snprintf(line, sizeof(line), "Bearer %.80s", s->key[who]);
		put_field(b, SPAN_LIT("authorization"), span_str(line));
	}
	if (!n->no_host)
		put_field(b, SPAN_LIT("host"), SPAN_LIT("gw.example"));
	for (size_t i = 0; i < COUNT_OF(n->headers) && n->headers[i]; i++) {
		struct span value = span_str(n->headers[i]);
		struct span name = span_next(&value, ':');
		put_field(b, name, span_trim(value, " "));
	}
	if (n->body && !n->no_length) {
		put_field(b, SPAN_LIT("content-type"), SPAN_LIT("application/json"));
		snprintf(line, sizeof(line), "%zu", body_n);
		put_field(
			b, SPAN_LIT("content-length"), span_str(n->length ? n->length : line));
	}
	put_field(b, SPAN_LIT(""), SPAN_LIT(""));
}

void
call_send(struct stage *s, unsigned w, const struct note *n, struct call *c)
{
	size_t body_n = n->body_n ? n->body_n : n->body ? strlen(n->body) : 0, k = 0;
	struct buf fields;

	memset(c, 0, sizeof(*c));
	buf_init(&fields, 0);
	note_fields(s, n, body_n, &fields);
	/* One allocation, freed with the answer, so that AddressSanitizer sees later reads. */
	buf_init(&c->frame, 0);
	struct span cert = span_str(n->certificate ? n->certificate : "");
	assert_non_null(buf_reserve(&c->frame, fields.n + body_n + cert.n + 1));
	buf_span(&c->frame, buf_view(&fields));
	buf_put(&c->frame, n->body ? n->body : "", body_n);
	buf_span(&c->frame, cert);
	struct span hdrs = span_of(buf_view(&c->frame).p, fields.n);
	struct span body = span_of(hdrs.p + hdrs.n, body_n);
	const char *path = n->path ? n->path : CHAT;
#define ARG(what, ...) c->args[k++] = (struct spop_arg){ SPAN_LIT(what), __VA_ARGS__ }
	ARG("method", note_str(span_str(n->method ? n->method : "POST")));
	ARG("path", note_str(span_str(path)));
	if (n->query)
		ARG("query", note_str(span_str(n->query)));
	ARG("ver", note_str(SPAN_LIT("1.1")));
	ARG("src", { .type = SPOP_IPV4, .s = SPAN_LIT("\x0a\x01\x02\x03") });
	if (!n->no_origin)
		ARG("origin", n->origin ? note_str(span_str(n->origin))
					: (struct spop_value){ .type = SPOP_NULL });
	ARG("hdrs", { .type = SPOP_BINARY, .s = hdrs });
	ARG("body_len",
		{ .type = SPOP_INT64, .i = n->body_len ? n->body_len : (int64_t)body_n });
	ARG("body", { .type = SPOP_BINARY, .s = body });
	ARG("eom", { .type = SPOP_BOOL, .b = !n->partial });
	ARG("tail", note_str(span_str(n->tail  ? n->tail
				      : body_n ? "HTX_BLK_DATA"
					       : "HTX_BLK_EOH")));
	if (cert.n)
		ARG("cert", { .type = SPOP_BINARY, .s = span_of(body.p + body.n, cert.n) });
#undef ARG
	c->message =
		(struct spop_message){ span_str(n->message ? n->message : "tollgate-request"),
			c->args, k };
	c->r = NULL;
	buf_free(&fields);
	struct request *r = gate_notify(
		s->gate[w], &c->message, 1, n->room ? n->room : 16384, call_answered, c);
	assert_int_equal(r == NULL, c->answered);
	c->r = r;
}

void
call_forget(struct call *c)
{
	assert_false(c->answered);
	gate_forget(c->r);
	c->r = NULL;
	buf_free(&c->frame);
}

void
call_do(struct stage *s, const struct note *n, struct call *c)
{
	call_send(s, 0, n, c);
	stage_settle(s);
	assert_true(c->answered);
}

static void
pass_claimed(struct gate_claim *c, int err, struct exchange *x)
{
	struct pass *p = c->arg;

	assert_false(p->claimed);
	p->claimed = true;
	p->err = err;
	p->x = x;
}

void
pass_send(struct stage *s, unsigned w, struct pass *p, const char *ticket, const char *method,
	int64_t length)
{
	memset(p, 0, sizeof(*p));
	snprintf(p->ticket, sizeof(p->ticket), "%s", ticket);
	snprintf(p->method, sizeof(p->method), "%s", method);
	p->claim = (struct gate_claim){ .ticket = span_str(p->ticket),
		.method = span_str(p->method),
		.content_length = length,
		.done = pass_claimed,
		.arg = p };
	gate_claim(s->gate[w], &p->claim);
	assert_false(p->claimed); /* the callback does not run inside the call */
}

int
pass_claim(struct stage *s, unsigned w, struct pass *p, const struct call *c, int64_t length)
{
	pass_send(s, w, p, call_var(c, "ticket"), "POST", length);
	stage_turn(s);
	stage_turn(s);
	assert_true(p->claimed);
	return p->err;
}

void
pass_ruled(void *arg, const struct exchange_denial *d)
{
	struct pass *p = arg;

	assert_false(p->ruled);
	p->ruled = true;
	if (!d)
		return;
	p->denied = true;
	p->denial = *d;
	snprintf(p->denial_body, sizeof(p->denial_body), "%.*s", SPAN_ARG(d->body));
	snprintf(p->denial_fields, sizeof(p->denial_fields), "%.*s", SPAN_ARG(d->fields));
}

void
pass_done(void *arg, int err)
{
	struct pass *p = arg;

	assert_false(p->done);
	p->done = true;
	p->done_err = err;
	p->x = NULL;
}

void
pass_finish(struct pass *p, enum exchange_end end, int status, int64_t in, int64_t out)
{
	struct exchange_result res = { .end = end, .status = status };

	if (in >= 0)
		res.usage = (struct usage){
			.known = true, .input_tokens = in, .output_tokens = out
		};
	res.output_begun = end == END_COMPLETE && status < 300;
	gate_finish(p->x, &res, pass_done, p);
	assert_false(p->done); /* the callback does not run inside the call */
}
