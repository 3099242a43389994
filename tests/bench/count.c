/* Instructions for each request, for callgrind: one line of tests/bench/count, which runs this
 * program and reads callgrind's output. Plays some requests to warm up, then counts the
 * worker's turns of so many more.
 *
 *   count LINE POLICY RANKS REQUESTS      LINE: a name of `lines` below
 *
 * Without callgrind it prints how much the same requests copy, zero and allocate: the program
 * is linked with --wrap for this. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include "base/buf.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "base/random.h"
#include "base/redis/redis_find.h"
#include "gate/cache/cache.h"
#include "gate/engine/engine.h"
#include "net/worker.h"
#include "operator/telemetry/otlp.h"
#include "record/seal/store.h"
#include "support/fake_clock.h"
#include "support/jwt_make.h"
#include "support/spop_peer.h"

/* The Redis of a count: one client on a unix socket, texts by key that never expire, a clock
 * that does not advance. It knows the commands of quotas and of the epochs of Redis' data, and
 * ends the program at any other. */

enum { COUNT_REDIS_KEYS = 512 };

struct count_redis {
	int listening, fd; /* fd -1: its client has not connected yet */
	redisReader *reader;
	struct buf out;
	struct {
		char name[200], value[64];
	} key[COUNT_REDIS_KEYS];
	size_t keys;
};

/* NULL if the key does not exist and !make. */
static char *
count_redis_value(struct count_redis *r, const char *name, bool make)
{
	for (size_t i = 0; i < r->keys; i++)
		if (!strcmp(r->key[i].name, name))
			return r->key[i].value;
	if (!make)
		return NULL;
	INVARIANT(r->keys < COUNT_REDIS_KEYS && strlen(name) < sizeof(r->key[0].name));
	strcpy(r->key[r->keys].name, name);
	return strcpy(r->key[r->keys++].value, "");
}

static void
count_redis_bulk(struct count_redis *r, const char *s)
{
	if (s)
		buf_printf(&r->out, "$%zu\r\n%s\r\n", strlen(s), s);
	else
		buf_str(&r->out, "$-1\r\n");
}

static void
count_redis_answer(struct count_redis *r, const redisReply *c, int64_t wall_ns)
{
#define ARG(i) (c->element[i]->str)
	const char *what = ARG(0);
	bool nx = false;
	char *v = NULL, text[32];

	if (!strcasecmp(what, "INFO")) {
		count_redis_bulk(r, "redis_version:7.0.15\r\nrun_id:count\r\n"
				    "maxmemory_policy:noeviction\r\nrole:master\r\n");
	} else if (!strcasecmp(what, "TIME")) {
		buf_str(&r->out, "*2\r\n");
		snprintf(text, sizeof(text), "%lld", (long long)(wall_ns / 1000000000));
		count_redis_bulk(r, text);
		count_redis_bulk(r, "0");
	} else if (!strcasecmp(what, "SET")) {
		for (size_t i = 3; i < c->elements; i++)
			nx = nx || !strcasecmp(ARG(i), "NX");
		if (nx && count_redis_value(r, ARG(1), false)) {
			count_redis_bulk(r, NULL);
		} else {
			snprintf(count_redis_value(r, ARG(1), true), 64, "%s", ARG(2));
			buf_str(&r->out, "+OK\r\n");
		}
	} else if (!strcasecmp(what, "CLIENT") || !strcasecmp(what, "PING")) {
		buf_str(&r->out, "+OK\r\n");
	} else if (!strcasecmp(what, "GET")) {
		count_redis_bulk(r, count_redis_value(r, ARG(1), false));
	} else if (!strcasecmp(what, "MGET")) {
		buf_printf(&r->out, "*%zu\r\n", c->elements - 1);
		for (size_t i = 1; i < c->elements; i++)
			count_redis_bulk(r, count_redis_value(r, ARG(i), false));
	} else if (!strcasecmp(what, "HMGET")) { /* a field is a key "KEY FIELD" */
		buf_printf(&r->out, "*%zu\r\n", c->elements - 2);
		for (size_t i = 2; i < c->elements; i++) {
			char field[200];
			snprintf(field, sizeof(field), "%s %s", ARG(1), ARG(i));
			count_redis_bulk(r, count_redis_value(r, field, false));
		}
	} else if (!strcasecmp(what, "HINCRBY")) {
		char field[200];
		snprintf(field, sizeof(field), "%s %s", ARG(1), ARG(2));
		v = count_redis_value(r, field, true);
		snprintf(v, 64, "%lld", strtoll(v, NULL, 10) + strtoll(ARG(3), NULL, 10));
		buf_printf(&r->out, ":%s\r\n", v);
	} else if (!strcasecmp(what, "INCRBY") || !strcasecmp(what, "DECRBY")) {
		v = count_redis_value(r, ARG(1), true);
		long long by = strtoll(ARG(2), NULL, 10);
		snprintf(v, 64, "%lld", strtoll(v, NULL, 10) + (*what == 'D' ? -by : by));
		buf_printf(&r->out, ":%s\r\n", v);
	} else if (!strcasecmp(what, "EVAL")) { /* a correction: quota_redis.c */
		size_t keys = (size_t)strtoul(ARG(2), NULL, 10);
		for (size_t i = 1; i < keys; i++) {
			v = count_redis_value(r, ARG(3 + i), true);
			snprintf(v, 64, "%lld",
				strtoll(v, NULL, 10) +
					strtoll(ARG(3 + keys + 2 * i - 1), NULL, 10));
		}
		buf_printf(&r->out, ":%s\r\n", v ? v : "0");
	} else if (!strcasecmp(what, "DEL") || !strcasecmp(what, "EXPIRE") || !strcasecmp(what, "ZADD") ||
		   !strcasecmp(what, "ZREMRANGEBYSCORE") || !strcasecmp(what, "ZCARD")) {
		buf_str(&r->out, ":1\r\n");
	} else if (!strcasecmp(what, "ZCOUNT")) {
		buf_str(&r->out, ":0\r\n");
	} else if (!strcasecmp(what, "ZRANGE")) {
		buf_str(&r->out, "*0\r\n");
	} else {
		fprintf(stderr, "count: the Redis of a count does not know %s\n", what);
		exit(2);
	}
#undef ARG
}

/* Answers the commands that have arrived. */
static void
count_redis_turn(struct count_redis *r, int64_t wall_ns)
{
	char bytes[65536];
	void *c;
	ssize_t n;

	if (r->fd < 0)
		r->fd = accept4(r->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (r->fd < 0)
		return;
	while ((n = recv(r->fd, bytes, sizeof(bytes), 0)) > 0)
		redisReaderFeed(r->reader, bytes, (size_t)n);
	while (redisReaderGetReply(r->reader, &c) == REDIS_OK && c) {
		count_redis_answer(r, c, wall_ns);
		freeReplyObject(c);
	}
	struct span s = buf_view(&r->out);
	INVARIANT(!s.n || send(r->fd, s.p, s.n, MSG_NOSIGNAL) == (ssize_t)s.n);
	buf_clear(&r->out);
}

/* The stage of a count: one worker as `serve` makes it (agent, gate, relay, Redis on one loop)
 * without its thread. This file plays both sides of HAProxy, the provider, Redis and the audit
 * thread between the turns of the worker's loop: only its turns are counted. The clock does not
 * advance, random bytes are a sequence, and no timer of the worker runs. */

/* cmocka's types and macros, which headers of the tests use */

/* The worker runs: its copies, zeroed bytes and allocations are counted. */
static bool watched;

/* ---- the audit thread ---- */

enum { COUNT_AUDIT = 64 };
static struct audit_entry *count_audit[COUNT_AUDIT];
static size_t count_audit_n;

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
	INVARIANT(count_audit_n < COUNT_AUDIT && !buf_failed(&e->fields));
	count_audit[count_audit_n++] = e;
}

static void
count_audit_deliver(struct mail *m, void *worker)
{
	struct audit_entry *e = CONTAINER_OF(m, struct audit_entry, mail);

	(void)worker;
	e->done(e, 0);
}

/* The audit thread passes records to telemetry after the commit: its part of that counts. The
 * work of the outbound thread does not. */
static struct otlp *count_otlp;

static void
count_audit_turn(bool counting)
{
	for (size_t i = 0; i < count_audit_n; i++) {
		struct audit_entry *e = count_audit[i];
		if (e->note && counting)
			CALLGRIND_TOGGLE_COLLECT;
		if (e->note)
			otlp_told(count_otlp, e);
		if (e->note && counting)
			CALLGRIND_TOGGLE_COLLECT;
		text_parts_free(&e->parts);
		if (!e->reply_to) {
			e->done(e, 0);
			continue;
		}
		e->mail.run = count_audit_deliver;
		mailbox_send(e->reply_to, &e->mail);
	}
	count_audit_n = 0;
}

/* ---- random bytes ---- */

static uint64_t count_random_state = 1;

void
random_bytes(void *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		count_random_state =
			count_random_state * 6364136223846793005ull + 1442695040888963407ull;
		((unsigned char *)out)[i] = (unsigned char)(count_random_state >> 32);
	}
}

/* ---- the stage ---- */

struct count_peer {
	int fd;
	int listening; /* a new connection there replaces fd; -1: no listener */
	struct buf in;
};

struct count_stage {
	char dir[64], config[96];
	struct worker w;
	struct snapshot *snap;
	struct gate_shared *shared;
	struct quota_table *table;
	struct redis_finder *finder;
	struct count_redis *redis;
	struct count_peer agent, edge, provider;
	uint64_t stream; /* of the next NOTIFY */
	struct buf token;
	bool counting;
	bool tells; /* console and telemetry are on */
	bool seals; /* there is an auditor */
	struct metrics metrics;
};

static int
count_listen(const struct count_stage *s, const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", s->dir, name);
	INVARIANT(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, 8) == 0);
	return fd;
}

static struct count_peer
count_connect(const struct count_stage *s, const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct count_peer p = { .fd = socket(
					AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
		.listening = -1 };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", s->dir, name);
	INVARIANT(connect(p.fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	buf_init(&p.in, 0);
	return p;
}

__attribute__((format(printf, 3, 4))) static inline void
count_file(const struct count_stage *s, const char *name, const char *fmt, ...)
{
	char path[160];
	va_list ap;

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	FILE *f = fopen(path, "w");
	INVARIANT(f);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

/* The issuer, and the one token that every request carries. */
static void
count_issuer(struct count_stage *s)
{
	static const unsigned char seed[32] = "0123456789abcdef0123456789abcde";
	struct jwt_key k = { KEY_ED,
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32) };
	struct buf jwk;
	char claims[400];

	buf_init(&jwk, 0);
	put_jwk(&jwk, &k, "1", NULL);
	count_file(s, "jwks.json", "{\"keys\":[%.*s]}", SPAN_ARG(buf_view(&jwk)));
	count_file(s, "issuer.yaml",
		"issuer: https://idp.count\naudience: count\njwks: jwks.json\n");
	buf_free(&jwk);
	long long now = fake_wall / 1000000000;
	snprintf(claims, sizeof(claims),
		"{\"iss\":\"https://"
		"idp.count\",\"aud\":\"count\",\"sub\":\"alice\",\"iat\":%lld,"
		"\"exp\":%lld,\"roles\":[\"analyst\"],\"dept\":\"sales\",\"clearance\":1,"
		"\"team\":\"red\",\"plan\":\"free\"}",
		now, now + 3600);
	buf_init(&s->token, 0);
	put_jwt(&s->token, &k, SPAN_LIT("{\"alg\":\"EdDSA\",\"kid\":\"1\"}"), span_str(claims));
	EVP_PKEY_free(k.pkey);
}

/* One turn of all participants; only the worker's counts. */
static void
count_turn(struct count_stage *s)
{
	if (s->counting)
		CALLGRIND_TOGGLE_COLLECT;
	watched = s->counting;
	ev_run(s->w.loop, EVRUN_NOWAIT);
	watched = false;
	if (s->counting)
		CALLGRIND_TOGGLE_COLLECT;
	count_redis_turn(s->redis, fake_wall);
	count_audit_turn(s->counting);
}

static void
count_read(struct count_peer *p)
{
	char bytes[65536];
	ssize_t n;

	if (p->listening >= 0) {
		int fd = accept4(p->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			close(p->fd);
			p->fd = fd;
		}
		if (p->fd < 0)
			return;
	}
	while ((n = recv(p->fd, bytes, sizeof(bytes), 0)) > 0)
		buf_put(&p->in, bytes, (size_t)n);
	INVARIANT(n < 0 && errno == EAGAIN);
}

/* Runs turns until p has received `text`. */
static void
count_until(struct count_stage *s, struct count_peer *p, const char *text)
{
	for (int i = 0; i < 100000; i++) {
		count_read(p);
		if (p->in.n && memmem(p->in.p + p->in.start, p->in.n, text, strlen(text)))
			return;
		count_turn(s);
	}
	fprintf(stderr, "count: never \"%s\", but \"%.*s\"\n", text,
		SPAN_ARG(buf_view(&p->in)));
	exit(2);
}

static void
count_say(struct count_stage *s, const struct count_peer *p, struct span bytes)
{
	while (bytes.n) {
		ssize_t n = send(p->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		INVARIANT(n > 0 || errno == EAGAIN);
		if (n > 0)
			bytes = span_cut(bytes, (size_t)n, bytes.n);
		if (bytes.n)
			count_turn(s);
	}
}

static void
count_no_text(void *arg, struct buf *out)
{
	(void)arg;
	(void)out;
}

/* Starts the worker of this policy and opens its connections; prompts are counted with the
 * files in `ranks`. */
static void
count_up(struct count_stage *s, const char *policy, const char *ranks)
{
	static const unsigned char prompt_key[32] = "0123456789abcdef0123456789abcde";
	struct redis_options redis;
	char real[PATH_MAX];
	struct diag d;
	struct buf b;

	snprintf(s->dir, sizeof(s->dir), "/tmp/tollgate-count-XXXXXX");
	INVARIANT(mkdtemp(s->dir) && sodium_init() >= 0 && realpath(policy, real));
	count_issuer(s);
	count_file(s, "tollgate.yaml",
		"node: a\nworkers: 1\npolicy: %s\ndemo_issuer: issuer.yaml\n"
		"agent: {listen: unix@%s/agent.sock}\n"
		"relay: {listen: unix@%s/relay.sock, egress: unix@%s/inner.sock}\n"
		"redis: {url: \"unix:%s/redis.sock\", daemons: 1}\n"
		"backends: [openai, anthropic, local]\n"
		"tokens: {ranks: \"%s\"}\n%s%s",
		real, s->dir, s->dir, s->dir, s->dir, ranks,
		s->tells ? "admin: {listen: unix@/nowhere/admin.sock, console: true, tokens: "
			   "tokens}\n"
			   "telemetry: {otlp: {url: \"http://127.0.0.1:1\", ratio: 1}}\n"
			 : "",
		s->seals ? "audit: {journal: journal, key: key}\n"
			   "seal: {auditors: [{name: ann, public_key: "
			   "MCowBQYDK2VuAyEASGKsvQUceQj3Env7wcw6QyHQ55lbHk4d7h/B1xObxAk=}]}\n"
			 : "");
	snprintf(s->config, sizeof(s->config), "%s/tollgate.yaml", s->dir);
	diag_init(&d);
	s->snap = snapshot_load(s->config, NULL, 1, NULL, &d);
	if (!s->snap) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&d.text)));
		exit(2);
	}
	INVARIANT(snapshot_use(s->snap) == 0);
	s->redis = calloc(1, sizeof(*s->redis));
	*s->redis = (struct count_redis){ .listening = count_listen(s, "redis.sock"),
		.fd = -1,
		.reader = redisReaderCreate() };
	buf_init(&s->redis->out, 0);
	int agent = count_listen(s, "agent.sock"), relay = count_listen(s, "relay.sock");
	s->shared = gate_shared_new(s->snap->cfg, (struct audit *)&count_audit, prompt_key);
	gate_shared_cache(s->shared, cache_new(prompt_key, UINT64_C(64) << 20));
	if (s->seals) {
		struct buf why;
		buf_init(&why, 4096);
		struct seal_store *store = seal_store_open(s->snap->cfg, &why);
		INVARIANT(store);
		gate_shared_seals(s->shared, store->seals, store->shares, store->texts);
	}
	INVARIANT(s->shared && config_redis(s->snap->cfg, &redis) == 0);
	if (s->tells) {
		struct buf why;
		buf_init(&why, 0);
		count_otlp = otlp_new(s->snap->cfg, http_thread_new(NULL, NULL), &s->metrics,
			count_no_text, NULL, &why);
		INVARIANT(count_otlp);
		gate_shared_tell(s->shared);
	}
	s->finder = redis_finder_new(&redis);
	s->table = quota_table_new(&s->w.mail);
	INVARIANT(worker_init(&s->w, 0, s->snap->cfg, s->shared, s->snap, s->table, s->finder,
			  NULL) == 0);
	INVARIANT(worker_listen(&s->w, relay, -1) == 0);
	worker_accept(&s->w, &agent, 1);
	s->agent = count_connect(s, "agent.sock");
	s->edge = count_connect(s, "relay.sock");
	s->provider =
		(struct count_peer){ .fd = -1, .listening = count_listen(s, "inner.sock") };
	buf_init(&s->provider.in, 0);
	buf_init(&b, 0);
	peer_put_hello(&b, 262140, false);
	count_say(s, &s->agent, buf_view(&b));
	buf_free(&b);
	/* The worker learns Redis' epoch and the workers that count in it. */
	for (int i = 0; i < 2000; i++) {
		count_turn(s);
		fake_pass_us(5000);
	}
	count_read(&s->agent);
	buf_clear(&s->agent.in);
	ev_timer_stop(s->w.loop, &s->w.pulse);
}

/* ---- one request ---- */

struct count_request {
	const char *path; /* of the request */
	struct span body;
	const char *ends; /* how its response ends if it reaches the provider */
	const char *decision;
	bool relayed;
	struct span answer;	   /* a complete response; ends with "end":1} */
	const struct span *events; /* or a stream; the last is [DONE] */
	size_t nevents;
	/* the caller's cache control; the cache has the response once it was answered */
	const char *cache_control;
	bool replays, replayed;
	/* or a message of a WebSocket: `body` and `answer`, which ends with "end":1}. The first
	 * message opens it. */
	bool socket, open;
};

static void
count_arg(struct buf *b, const char *name, struct spop_value v)
{
	spop_put_string(b, span_str(name));
	spop_put_value(b, &v);
}

/* The NOTIFY that haproxy/spoe.cfg makes of the request. */
static void
count_notify(struct count_stage *s, const char *path, const char *cache, bool socket,
	struct span body, struct buf *b)
{
	struct buf h;
	char length[24];

	snprintf(length, sizeof(length), "%zu", body.n);
	buf_init(&h, 0);
#define FIELD(name, value) (spop_put_string(&h, span_str(name)), spop_put_string(&h, value))
	FIELD("host", SPAN_LIT("ai.example.com"));
	if (socket) {
		FIELD("connection", SPAN_LIT("Upgrade"));
		FIELD("upgrade", SPAN_LIT("websocket"));
		FIELD("sec-websocket-version", SPAN_LIT("13"));
	} else {
		FIELD("content-type", SPAN_LIT("application/json"));
		FIELD("content-length", span_str(length));
	}
	spop_put_string(&h, SPAN_LIT("authorization"));
	spop_put_varint(&h, 7 + s->token.n);
	buf_str(&h, "Bearer ");
	buf_span(&h, buf_view(&s->token));
	FIELD("accept", SPAN_LIT("application/json"));
	FIELD("user-agent", SPAN_LIT("OpenAI/Python 1.99.0"));
	if (cache)
		FIELD("cache-control", span_str(cache));
	FIELD("", SPAN_LIT(""));
#undef FIELD
#define STR(v) (struct spop_value){ .type = SPOP_STRING, .s = v }
#define INT(v)                                                                                 \
	(struct spop_value)                                                                    \
	{                                                                                      \
		.type = SPOP_INT64, .i = (int64_t)(v)                                          \
	}
	size_t at = spop_begin(b, SPOP_NOTIFY, SPOP_FIN, ++s->stream, 1);
	spop_put_string(b, SPAN_LIT("tollgate-request"));
	buf_putc(b, 16);
	count_arg(b, "v", INT(1));
	count_arg(b, "method", STR(socket ? SPAN_LIT("GET") : SPAN_LIT("POST")));
	count_arg(b, "path", STR(span_str(path)));
	count_arg(b, "query", STR(socket ? SPAN_LIT("model=gpt-realtime") : SPAN_LIT("")));
	count_arg(b, "ver", STR(SPAN_LIT("1.1")));
	count_arg(b, "src",
		(struct spop_value){ .type = SPOP_IPV4, .s = SPAN_LIT("\x0a\x01\x02\x03") });
	count_arg(b, "sport", INT(40000));
	count_arg(b, "hdrs", (struct spop_value){ .type = SPOP_BINARY, .s = buf_view(&h) });
	count_arg(b, "cl", INT(!socket));
	count_arg(b, "len", STR(socket ? SPAN_LIT("") : span_str(length)));
	count_arg(b, "te", INT(0));
	count_arg(b, "body_len", INT(body.n));
	count_arg(b, "body_size", INT(body.n));
	count_arg(b, "body", (struct spop_value){ .type = SPOP_BINARY, .s = body });
	count_arg(b, "eom", (struct spop_value){ .type = SPOP_BOOL, .b = true });
	count_arg(b, "tail", STR(socket ? SPAN_LIT("HTX_BLK_EOH") : SPAN_LIT("HTX_BLK_DATA")));
	spop_end(b, at);
#undef STR
#undef INT
	buf_free(&h);
}

/* The next ACK: its ticket and decision, "" if they are absent. */
static void
count_ack(struct count_stage *s, char ticket[64], char decision[16])
{
	struct spop_frame f = { 0 };
	struct peer p = { .fd = -1 };
	size_t n;

	ticket[0] = decision[0] = '\0';
	for (int i = 0;; i++) {
		count_read(&s->agent);
		p.in = s->agent.in;
		if (peer_frame(&p, &f, &n))
			break;
		INVARIANT(i < 100000);
		count_turn(s);
	}
	INVARIANT(f.type == SPOP_ACK && f.stream == s->stream);
	struct spop_rd r = spop_rd_over(f.payload);
	while (r.p < r.end && !r.err) {
		r.p += 3; /* set-var, three arguments, the scope: SPOE.txt 3.4 */
		struct span name = spop_rd_string(&r);
		struct spop_value v = spop_rd_value(&r);
		if (span_is(name, "ticket"))
			snprintf(ticket, 64, "%.*s", SPAN_ARG(v.s));
		else if (span_is(name, "decision"))
			snprintf(decision, 16, "%.*s", SPAN_ARG(v.s));
	}
	INVARIANT(!r.err);
	buf_consume(&s->agent.in, n);
}

/* The request from HAProxy to the relay, and the provider's response. */
static void
count_relayed(struct count_stage *s, const struct count_request *q, const char *ticket)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"POST %s HTTP/1.1\r\nhost: ai.example.com\r\n"
		"content-type: application/json\r\naccept: application/json\r\n"
		"user-agent: OpenAI/Python 1.99.0\r\ncontent-length: %zu\r\n"
		"x-tollgate-ticket: %s\r\n\r\n",
		q->path, q->body.n, ticket);
	buf_span(&b, q->body);
	count_say(s, &s->edge, buf_view(&b));
	if (q->replayed) {
		count_until(s, &s->edge, "\"end\":1}");
		buf_clear(&s->edge.in);
		buf_free(&b);
		return;
	}
	count_until(s, &s->provider, q->ends);
	buf_clear(&s->provider.in);
	buf_clear(&b);
	buf_str(&b, "HTTP/1.1 200 OK\r\nserver: uvicorn\r\nx-request-id: req_1\r\n");
	if (!q->nevents) {
		buf_printf(&b, "content-type: application/json\r\ncontent-length: %zu\r\n\r\n",
			q->answer.n);
		buf_span(&b, q->answer);
		count_say(s, &s->provider, buf_view(&b));
		count_until(s, &s->edge, "\"end\":1}");
	} else {
		buf_str(&b, "content-type: text/event-stream\r\n"
			    "transfer-encoding: chunked\r\n\r\n");
		count_say(s, &s->provider, buf_view(&b));
		for (size_t i = 0; i < q->nevents; i++) {
			buf_clear(&b);
			buf_printf(
				&b, "%zx\r\n%.*s\r\n", q->events[i].n, SPAN_ARG(q->events[i]));
			if (i + 1 == q->nevents)
				buf_str(&b, "0\r\n\r\n");
			count_say(s, &s->provider, buf_view(&b));
			count_turn(s);
		}
		count_until(s, &s->edge, "[DONE]\n\n\r\n0\r\n\r\n");
	}
	buf_clear(&s->edge.in);
	buf_free(&b);
}

/* The second half of the handshake, from the relay on. */
static void
count_socket_opens(struct count_stage *s, const struct count_request *q, const char *ticket)
{
	static const char field[] = "sec-websocket-key: ";
	char accept[WS_ACCEPT_BYTES];
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"GET %s?model=gpt-realtime HTTP/1.1\r\nhost: ai.example.com\r\nupgrade: "
		"websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
		"%sdGhlIHNhbXBsZSBub25jZQ==\r\nx-tollgate-ticket: %s\r\n\r\n",
		q->path, field, ticket);
	count_say(s, &s->edge, buf_view(&b));
	count_until(s, &s->provider, "\r\n\r\n");
	struct span head = buf_view(&s->provider.in);
	const char *key = memmem(head.p, head.n, field, sizeof(field) - 1);
	INVARIANT(key);
	ws_accept(span_of(key + sizeof(field) - 1, WS_KEY_BYTES - 1), accept);
	buf_clear(&s->provider.in);
	buf_clear(&b);
	buf_printf(&b,
		"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: "
		"websocket\r\nsec-websocket-accept: %s\r\n\r\n",
		accept);
	count_say(s, &s->provider, buf_view(&b));
	count_until(s, &s->edge, "\r\n\r\n");
	buf_clear(&s->edge.in);
	buf_free(&b);
}

/* A mask of zeros: the received bytes can be searched. The daemon masks its own messages to the
 * provider. */
static void
count_message(struct count_stage *s, const struct count_request *q)
{
	static const unsigned char mask[4];
	struct buf b;

	buf_init(&b, 0);
	ws_put(&b, WS_TEXT, true, q->body, mask);
	count_say(s, &s->edge, buf_view(&b));
	for (int i = 0; s->provider.in.n < q->body.n; i++) {
		INVARIANT(i < 100000);
		count_turn(s);
		count_read(&s->provider);
	}
	buf_clear(&s->provider.in);
	buf_clear(&b);
	ws_put(&b, WS_TEXT, true, q->answer, NULL);
	count_say(s, &s->provider, buf_view(&b));
	count_until(s, &s->edge, "\"end\":1}");
	buf_clear(&s->edge.in);
	buf_free(&b);
}

/* One complete request. `decision`: the expected decision. */
static void
count_one(struct count_stage *s, struct count_request *q)
{
	char ticket[64], decision[16];
	struct buf b;

	if (q->open) {
		count_message(s, q);
		goto settles;
	}
	buf_init(&b, 0);
	count_notify(s, q->path, q->cache_control, q->socket,
		q->socket ? SPAN_LIT("") : q->body, &b);
	count_say(s, &s->agent, buf_view(&b));
	buf_free(&b);
	count_ack(s, ticket, decision);
	if (strcmp(decision, q->decision) || (ticket[0] != '\0') != q->relayed) {
		fprintf(stderr, "count: decided %s, %s\n", decision,
			ticket[0] ? "by the relay" : "direct");
		exit(2);
	}
	if (q->socket)
		count_socket_opens(s, q, ticket);
	else if (q->relayed)
		count_relayed(s, q, ticket);
	q->replayed = q->replays;
	q->open = q->socket;
settles: /* the steps after it: settlements, completions */
	for (int i = 0; i < 6; i++)
		count_turn(s);
}

enum { WARM = 50, EVENTS = 100 };

/* ---- memory ---- */

static uint64_t copied, zeroed, mallocs;

/* clang-format off */
#define WRAPPED(X) \
	X(void *, memcpy,  (void *to, const void *from, size_t n), (to, from, n), copied += n) \
	X(void *, memmove, (void *to, const void *from, size_t n), (to, from, n), copied += n) \
	X(void *, __memcpy_chk,  (void *to, const void *from, size_t n, size_t room), (to, from, n, room), copied += n) \
	X(void *, __memmove_chk, (void *to, const void *from, size_t n, size_t room), (to, from, n, room), copied += n) \
	X(void *, memset,  (void *to, int c, size_t n), (to, c, n), zeroed += n) \
	X(void *, __memset_chk,  (void *to, int c, size_t n, size_t room), (to, c, n, room), zeroed += n) \
	X(void *, malloc,  (size_t n), (n), mallocs++) \
	X(void *, calloc,  (size_t n, size_t size), (n, size), (mallocs++, zeroed += n * size)) \
	X(void *, realloc, (void *p, size_t n), (p, n), mallocs++) \
	X(void, sodium_memzero, (void *p, size_t n), (p, n), zeroed += n) \
	X(void, explicit_bzero, (void *p, size_t n), (p, n), zeroed += n) \
	X(void, __explicit_bzero_chk, (void *p, size_t n, size_t room), (p, n, room), zeroed += n)
/* clang-format on */

#define X(type, name, params, args, counts)                                                    \
	type __real_##name params;                                                             \
	type __wrap_##name params;                                                             \
	type __wrap_##name params                                                              \
	{                                                                                      \
		if (watched)                                                                   \
			(void)(counts);                                                        \
		return __real_##name args;                                                     \
	}
WRAPPED(X)
#undef X

/* ---- requests ---- */

static const char story[] =
	"The harbour master kept two books. In the first he wrote what the ships said they "
	"carried, and in the second what he saw when the hatches were opened. For most of the "
	"year the two agreed, and he was glad of it, because the second book was long work and "
	"his eyes were not what they had been. But in the autumn, when the grain came down the "
	"river and the wine came up the coast, there was always a week in which the books told "
	"different stories. He did not shout about it. He asked the captain to sit down, "
	"poured "
	"some tea, and read both pages aloud, slowly, as if he had never seen either of them "
	"before. Most captains remembered something by the second cup. A barrel had been "
	"counted "
	"twice, a sack had been given to a cousin, a crate had gone over the side in the storm "
	"that everybody on the quay remembered well. ";

/* A chat of about so many bytes. */
static struct buf
chat(size_t bytes, const char *last, bool streams)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, "{\"model\":\"gpt-4o-mini\",\"temperature\":0.2,\"max_tokens\":300,");
	if (streams)
		buf_str(&b, "\"stream\":true,\"stream_options\":{\"include_usage\":true},");
	buf_str(&b,
		"\"messages\":[{\"role\":\"system\",\"content\":\"You are a careful editor who "
		"answers in plain words.\"},{\"role\":\"user\",\"content\":\"");
	while (b.n < bytes)
		buf_put(&b, story,
			b.n + sizeof(story) < bytes ? sizeof(story) - 1 : bytes - b.n);
	buf_str(&b, last);
	buf_str(&b, "\"}]}");
	return b;
}

/* A tools/call of about so many bytes, and the reply of the server. */
static struct buf
call(size_t bytes, const char *last)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{"
		    "\"name\":\"write_note\",\"arguments\":{\"folder\":12,\"text\":\"");
	while (b.n < bytes)
		buf_put(&b, story,
			b.n + sizeof(story) < bytes ? sizeof(story) - 1 : bytes - b.n);
	buf_str(&b, last);
	buf_str(&b, "\"}}}");
	return b;
}

static struct buf
result(void)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":"
		"\"text\",\"text\":\"%s\"}],\"isError\":false},\"end\":1}",
		story);
	return b;
}

/* A message that adds to a realtime turn, and the provider's reply to it. */
static struct buf
item(size_t bytes, const char *type)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"{\"type\":\"conversation.item.%s\",\"item\":{\"type\":\"message\",\"role\":"
		"\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"",
		type);
	while (b.n < bytes)
		buf_put(&b, story,
			b.n + sizeof(story) < bytes ? sizeof(story) - 1 : bytes - b.n);
	buf_str(&b, "\"}]},\"end\":1}");
	return b;
}

static struct buf
whole_answer(void)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1790000000,"
		"\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":"
		"{\"role\":\"assistant\",\"content\":\"%s\",\"refusal\":null},\"logprobs\":"
		"null,"
		"\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":420,"
		"\"completion_tokens\":170,\"total_tokens\":590},\"system_fingerprint\":\"fp_"
		"1\","
		"\"end\":1}",
		story);
	return b;
}

/* 100 events: the role, one for each word, a finish, the usage, the end. */
static struct span *
stream_answer(struct buf *b)
{
	static struct span events[EVENTS];
	size_t at[EVENTS + 1];
	struct span words = span_of(story, sizeof(story) - 1);

#define HEAD                                                                                   \
	"data: "                                                                               \
	"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,"  \
	"\"model\":\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":\"fp_1\",\"choices\":["
	for (size_t i = 0; i < EVENTS; i++) {
		at[i] = b->n;
		if (i == 0)
			buf_str(b, HEAD "{\"index\":0,\"delta\":{\"role\":\"assistant\","
					"\"content\":\"\"},"
					"\"logprobs\":null,\"finish_reason\":null}]}\n\n");
		else if (i == EVENTS - 3)
			buf_str(b, HEAD "{\"index\":0,\"delta\":{},\"logprobs\":null,"
					"\"finish_reason\":\"stop\"}]}\n\n");
		else if (i == EVENTS - 2)
			buf_str(b, HEAD
				"],\"usage\":{\"prompt_tokens\":420,\"completion_tokens\":96,"
				"\"total_tokens\":516}}\n\n");
		else if (i == EVENTS - 1)
			buf_str(b, "data: [DONE]\n\n");
		else
			buf_printf(b,
				HEAD "{\"index\":0,\"delta\":{\"content\":\"%.*s \"},"
				     "\"logprobs\":null,\"finish_reason\":null}]}\n\n",
				SPAN_ARG(span_next(&words, ' ')));
	}
#undef HEAD
	at[EVENTS] = b->n;
	for (size_t i = 0; i < EVENTS; i++)
		events[i] = span_cut(buf_view(b), at[i], at[i + 1]);
	return events;
}

/* ---- lines ---- */

static const struct line {
	const char *name;
	size_t bytes;
	const char *last; /* the prompt's last words */
	const char *decision;
	bool relayed, streams, calls, tells;
	bool replays; /* the next two need a policy with a cache */
	const char *cache_control;
	bool seals;
	bool socket; /* each request is a message of one WebSocket */
	bool over;   /* a limit admits the first request and refuses the others */
} lines[] = {
	{ "direct", 2048, "Please be short.", "permit", false, false, false, false, false, NULL,
		false, false, false },
	{ "relay", 2048, "Please be short.", "permit", true, false, false, false, false, NULL,
		false, false, false },
	{ "telemetry", 2048, "Please be short.", "permit", true, false, false, true, false,
		NULL, false, false, false },
	{ "stream", 2048, "Please be short.", "permit", true, true, false, false, false, NULL,
		false, false, false },
	{ "long", 200000, "Please be short.", "permit", true, false, false, false, false, NULL,
		false, false, false },
	{ "deny", 2048, "key AKIAQ3EGRIXPFUSLKQLT", "deny", false, false, false, false, false,
		NULL, false, false, false },
	{ "over", 2048, "Please be short.", "deny", false, false, false, false, false, NULL,
		false, false, true },
	{ "hit", 2048, "Please be short.", "permit", true, false, false, false, true, NULL,
		false, false, false },
	{ "miss", 2048, "Please be short.", "permit", true, false, false, false, false,
		"no-cache", false, false, false },
	{ "sealed", 2048, "Please be short.", "permit", true, false, false, false, false, NULL,
		true, false, false },
	{ "tools", 2048, "Please be short.", "defer", true, false, true, false, false, NULL,
		false, false, false },
	{ "socket", 2048, "Please be short.", "permit", true, false, false, false, false, NULL,
		false, true, false },
};

int
main(int argc, char **argv)
{
	static struct count_stage s;
	const struct line *l = lines;
	long requests = argc == 5 ? strtol(argv[4], NULL, 10) : 0;

	while (argc == 5 && l < lines + COUNT_OF(lines) && strcmp(l->name, argv[1]))
		l++;
	if (requests <= 0 || l == lines + COUNT_OF(lines)) {
		fprintf(stderr, "count: usage: count LINE POLICY RANKS REQUESTS\n");
		return 2;
	}
	struct buf body = l->socket  ? item(l->bytes, "create")
			  : l->calls ? call(l->bytes, l->last)
				     : chat(l->bytes, l->last, l->streams);
	struct buf answer = l->socket  ? item(l->bytes, "created")
			    : l->calls ? result()
				       : whole_answer(),
		   events;
	char ends[64];
	snprintf(ends, sizeof(ends), l->calls ? "%s\"}}}" : "%s\"}]}", l->last);
	buf_init(&events, 0);
	struct count_request q = { .path = l->socket  ? "/v1/realtime"
					   : l->calls ? "/mcp"
						      : "/v1/chat/completions",
		.socket = l->socket,
		.body = buf_view(&body),
		.ends = ends,
		.decision = l->decision,
		.relayed = l->relayed,
		.answer = buf_view(&answer),
		.events = stream_answer(&events),
		.nevents = l->streams ? EVENTS : 0,
		.cache_control = l->cache_control,
		.replays = l->replays };
	s.tells = l->tells;
	s.seals = l->seals;
	count_up(&s, argv[2], argv[3]);
	if (l->over) {
		q.decision = "permit";
		count_one(&s, &q);
		q.decision = l->decision;
	}
	for (int i = 0; i < WARM; i++)
		count_one(&s, &q);
	CALLGRIND_START_INSTRUMENTATION;
	s.counting = true;
	for (long i = 0; i < requests; i++)
		count_one(&s, &q);
	s.counting = false;
	CALLGRIND_STOP_INSTRUMENTATION;
	if (!RUNNING_ON_VALGRIND)
		printf("zeroed %llu\nmallocs %llu\ncopied %llu\n",
			(unsigned long long)zeroed / (unsigned long long)requests,
			(unsigned long long)mallocs / (unsigned long long)requests,
			(unsigned long long)copied / (unsigned long long)requests);
	fflush(stdout);
	_exit(0); /* open descriptors end with the process */
}
