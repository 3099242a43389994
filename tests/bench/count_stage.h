/* The stage of a count: one worker as `serve` makes it (agent, gate, relay, Redis on one loop)
 * without its thread. This file plays both sides of HAProxy, the provider, Redis and the audit
 * thread between the turns of the worker's loop: only its turns are counted. The clock does not
 * advance, random bytes are a sequence, and no timer of the worker runs. */
#ifndef BENCH_COUNT_STAGE_H
#define BENCH_COUNT_STAGE_H

#include <errno.h>
#include <sys/un.h>
#include <valgrind/callgrind.h>

/* cmocka's types and macros, which headers of the tests use */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/codec/ws.h"
#include "base/random.h"
#include "base/redis/redis_find.h"
#include "bench/count_redis.h"
#include "gate/cache/cache.h"
#include "gate/engine/engine.h"
#include "net/worker.h"
#include "operator/telemetry/otlp.h"
#include "record/seal/store.h"
#include "support/fake_clock.h"
#include "support/jwt_make.h"
#include "support/spop_peer.h"

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

static inline void
count_audit_deliver(struct mail *m, void *worker)
{
	struct audit_entry *e = CONTAINER_OF(m, struct audit_entry, mail);

	(void)worker;
	e->done(e, 0);
}

/* The audit thread passes records to telemetry after the commit: its part of that counts. The
 * work of the outbound thread does not. */
static struct otlp *count_otlp;

static inline void
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

static inline int
count_listen(const struct count_stage *s, const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", s->dir, name);
	INVARIANT(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, 8) == 0);
	return fd;
}

static inline struct count_peer
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
static inline void
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
static inline void
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

static inline void
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
static inline void
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

static inline void
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

static inline void
count_no_text(void *arg, struct buf *out)
{
	(void)arg;
	(void)out;
}

/* Starts the worker of this policy and opens its connections; prompts are counted with the
 * files in `ranks`. */
static inline void
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

static inline void
count_arg(struct buf *b, const char *name, struct spop_value v)
{
	spop_put_string(b, span_str(name));
	spop_put_value(b, &v);
}

/* The NOTIFY that haproxy/spoe.cfg makes of the request. */
static inline void
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
static inline void
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
static inline void
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
static inline void
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
static inline void
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
static inline void
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

#endif
