/* The cost of a decision: rules, loading them, tokens; for comparison a SPOP round trip on the
 * same machine in the same run. Prints the figures, and none makes it fail.
 *
 *   policy [RULES]     rules of the measured policy, 200 by default */
#include <ev.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "net/agent_int.h"
#include "policy/identity/idcache.h"
#include "scan/text/body.h"
#include "support/jwt_make.h"
#include "support/policy_fix.h"
#include "support/spop_peer.h"

enum { ROUNDS = 7 };

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The best of ROUNDS, in microseconds a call. */
static double
best(void (*run)(void *arg, unsigned n), void *arg, unsigned n)
{
	double least = 1e18;

	for (int i = 0; i < ROUNDS; i++) {
		double from = now_us();
		run(arg, n);
		double us = (now_us() - from) / n;
		least = us < least ? us : least;
	}
	return least;
}

static void
row(const char *what, double us, const char *aim)
{
	printf("%-58s %10.2f   %s\n", what, us, aim);
}

/* ---- rules ---- */

/* One rule in ten uses a list or a map; the others compare, match and count. None matches, so
 * that all are evaluated. */
static void
put_rules(struct buf *b, unsigned n)
{
	static const char *const lists[] = { "identity.roles.exists(r, r.startsWith(\"x%u\"))",
		"prompt.classes.all(c, c == \"c%u\") && prompt.classes.size() > 9",
		"\"r%u\" in identity.roles && \"phi\" in prompt.classes",
		"has(identity.attributes.k%u) && identity.attributes.k%u == 1" };
	static const char *const plain[] = { "identity.team == \"team-%u\"",
		"model.name.startsWith(\"model-%u\") && identity.clearance < 3",
		"request.path.endsWith(\"/x%u\")", "prompt.tokens > 100000 + %u",
		"identity.department == \"d%u\" && identity.tier == \"free\"",
		"prompt.injection > 0.99 && route.name == \"r%u\"",
		"now.getHours(\"Europe/Berlin\") > 24 && identity.person == \"p%u\"",
		"identity.clearance > 10 + %u && target.external",
		"request.method == \"M%u\"" };

	buf_str(b, POLICY_HEAD "rules:\n");
	for (unsigned i = 0; i < n; i++) {
		char when[256];
		const char *form = i % 10 == 0 ? lists[i / 10 % 4] : plain[i % 9];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(when, sizeof(when), form, i, i);
#pragma GCC diagnostic pop
		buf_printf(b, "  - {name: r%u, when: '%s', deny: {reason: no}}\n", i, when);
	}
	buf_str(b, "default: permit\n");
	buf_putc(b, '\0');
}

static struct policy_fix fix;

static const struct policy *
load(unsigned rules, double *us)
{
	struct buf b;

	buf_init(&b, 0);
	put_rules(&b, rules);
	detect_fix();
	double from = now_us();
	const struct policy *p = fix_load(&fix, &fix_config, buf_view(&b).p);
	*us = now_us() - from;
	if (!p) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&fix.d.text)));
		exit(2);
	}
	buf_free(&b);
	return p;
}

struct decision {
	const struct policy *p;
	struct policy_facts facts;
	struct arena a;
};

static void
decide(void *arg, unsigned n)
{
	struct decision *d = arg;
	struct policy_verdict v;

	while (n--) {
		INVARIANT(policy_decide(d->p, &d->facts, &d->a, &v) == 0);
		INVARIANT(v.ruled.effect == RULE_PERMIT);
		arena_reset(&d->a);
	}
}

static void
bench_rules(unsigned rules)
{
	static const struct cel_value roles[3] = { { .type = CEL_STRING,
							   .s = { "analyst", 7 } },
		{ .type = CEL_STRING, .s = { "reader", 6 } },
		{ .type = CEL_STRING, .s = { "staff", 5 } } };
	struct identity id = { .method = "jwt",
		.person = SPAN_LIT("alice"),
		.team = SPAN_LIT("red"),
		.department = SPAN_LIT("sales"),
		.tier = SPAN_LIT("free"),
		.roles = roles,
		.nroles = 3,
		.clearance = 1,
		.verified = true };
	struct body body = { .model = SPAN_LIT("gpt-5-mini") };
	struct entity_set found = { { 0 } };
	char what[80];
	double us;
	struct decision d = { .p = load(rules, &us) };

	d.facts = (struct policy_facts){ .identity = &id,
		.route = &d.p->routes[0],
		.method = SPAN_LIT("POST"),
		.host = SPAN_LIT("gw"),
		.path = SPAN_LIT("/v1/chat/completions"),
		.now_wall_ns = 1790000000ll * 1000000000,
		.whole = true,
		.body = &body,
		.model = body.model,
		.entities = &found,
		.rules = detect_fix()->rules,
		.tokens = 500,
		.bytes = 2000 };
	arena_init(&d.a, 0, false);
	snprintf(what, sizeof(what), "a decision over %u rules, %u of them on lists and maps",
		rules, (rules + 9) / 10);
	row(what, best(decide, &d, 2000), "aim 10 for 200");
	fix_done(&fix);
	load(10000, &us);
	row("loading a policy of 10,000 rules", us, "aim 1,000,000");
	fix_done(&fix);
}

/* ---- tokens ---- */

struct tokens {
	const struct policy *p;
	struct identity_keys *keys;
	struct identity_cache *cache;
	struct credentials c;
	struct jwt_key key;
	struct buf token;
	struct span text;
	unsigned char der[1024];
	size_t nder;
};

static void
verify(void *arg, unsigned n)
{
	struct tokens *t = arg;

	while (n--) {
		struct arena a;
		struct identity id;
		const char *why = "";
		bool hit;
		arena_init(&a, 0, true);
		int err = identity_verify(t->p, t->keys, t->cache, &t->c,
			1790000000ll * 1000000000, &a, &id, &why, &hit);
		if (err) {
			fprintf(stderr, "bench: %s\n", why);
			exit(2);
		}
		arena_reset(&a);
	}
}

/* OpenSSL's time for the same signature. */
static void
openssl_verify(void *arg, unsigned n)
{
	struct tokens *t = arg;

	while (n--) {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();
		INVARIANT(
			EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, t->key.pkey) == 1);
		INVARIANT(EVP_DigestVerify(ctx, t->der, t->nder,
				  (const unsigned char *)t->text.p, t->text.n) == 1);
		EVP_MD_CTX_free(ctx);
	}
}

static void
put_file(const char *dir, const char *name, struct span text)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	INVARIANT(f && fwrite(text.p, 1, text.n, f) == text.n);
	fclose(f);
}

static void
bench_tokens(void)
{
	char dir[] = "/tmp/tollgate-bench-XXXXXX", path[64], cmd[64];
	struct tokens t = { .key = jwt_key_new(KEY_EC, 0) };
	struct buf b;
	struct diag d;

	INVARIANT(mkdtemp(dir));
	buf_init(&b, 0);
	buf_str(&b, "{\"keys\":[");
	put_jwk(&b, &t.key, "e", NULL);
	buf_str(&b, "]}");
	put_file(dir, "jwks.json", buf_view(&b));
	buf_clear(&b);
	put_file(dir, "p.yaml",
		SPAN_LIT("tollgate: 1\nname: t\nidentity:\n  - jwt: {issuer: i, audience: a, "
			 "jwks: jwks.json, claims: {person: sub, roles: roles, team: team}}\n"
			 "routes: [{name: r, match: {path_prefix: /}, backend: b}]\n"));
	snprintf(path, sizeof(path), "%s/p.yaml", dir);
	diag_init(&d);
	t.p = fix_load_file(&fix, NULL, path);
	t.keys = t.p ? identity_keys_load(t.p, false, NULL, &d) : NULL;
	INVARIANT(t.keys);
	buf_str(&b, "Bearer ");
	put_jwt(&t.token, &t.key, SPAN_LIT("{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"JWT\"}"),
		SPAN_LIT(
			"{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"alice\",\"roles\":[\"analyst\","
			"\"reader\"],\"team\":\"red\",\"iat\":1789999990,\"exp\":1790000300,"
			"\"email\":\"alice@example.org\"}"));
	buf_span(&b, buf_view(&t.token));
	struct span token = buf_view(&t.token);
	size_t dot = token.n;
	while (token.p[dot - 1] != '.')
		dot--;
	t.text = span_cut(token, 0, dot - 1);
	t.nder = jwt_sign_raw(&t.key, t.text, t.der);
	struct http_field f[] = { { SPAN_LIT("host"), SPAN_LIT("gw") },
		{ SPAN_LIT("content-type"), SPAN_LIT("application/json") },
		{ SPAN_LIT("authorization"), buf_view(&b) } };
	struct http_head h = { .fields = f, .nfields = 3 };
	t.c.head = &h;
	double own = best(openssl_verify, &t, 500), first = best(verify, &t, 500);
	row("an ES256 signature, OpenSSL alone", own, "");
	row("a token's first verification", first, "aim 2.00 times OpenSSL");
	printf("%-58s %10.2f   times\n", "", first / own);
	t.cache = identity_cache_new(64);
	verify(&t, 1);
	row("a token found in the cache", best(verify, &t, 200000), "aim 1");
	identity_cache_free(&t.cache);
	identity_keys_free(&t.keys);
	fix_done(&fix);
	EVP_PKEY_free(t.key.pkey);
	buf_free(&t.token);
	buf_free(&b);
	diag_free(&d);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	INVARIANT(system(cmd) == 0);
}

/* ---- SPOP ---- */

static void
on_notify(void *ctx, struct agent_call *call, const struct spop_message *m, size_t n)
{
	struct spop_action a = { SPOP_SCOPE_TXN, "decision", peer_str("permit") };

	(void)ctx;
	(void)m;
	(void)n;
	agent_ack(call, &a, 1);
}

static void
on_gone(void *ctx, struct agent_call *call)
{
	(void)ctx;
	(void)call;
}

struct side {
	int fd;
	_Atomic bool over;
};

static void
on_check(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct side *s = w->data;

	(void)revents;
	if (s->over)
		ev_break(loop, EVBREAK_ALL);
}

static void *
serve(void *arg)
{
	static const struct agent_ops ops = { on_notify, on_gone, NULL };
	struct side *s = arg;
	struct metrics m = { { 0 } };
	struct ev_loop *loop = ev_loop_new(0);
	struct agent *ag = agent_new(loop, &ops, &m);
	ev_timer check;

	INVARIANT(agent_conn_new(ag, s->fd) == 0);
	ev_timer_init(&check, on_check, 0.05, 0.05);
	check.data = s;
	ev_timer_start(loop, &check);
	ev_run(loop, 0);
	agent_free(&ag);
	ev_loop_destroy(loop);
	return NULL;
}

struct spop {
	struct peer p;
	struct buf notify;
};

static void
await_frame(struct peer *p)
{
	struct spop_frame f;
	size_t n;

	while (!peer_frame(p, &f, &n)) {
		char chunk[4096];
		ssize_t r = recv(p->fd, chunk, sizeof(chunk), 0);
		INVARIANT(r > 0);
		buf_put(&p->in, chunk, (size_t)r);
	}
	buf_consume(&p->in, n);
}

static void
round_trips(void *arg, unsigned n)
{
	struct spop *s = arg;

	while (n--) {
		struct span out = buf_view(&s->notify);
		INVARIANT(send(s->p.fd, out.p, out.n, MSG_NOSIGNAL) == (ssize_t)out.n);
		await_frame(&s->p);
	}
}

static void
bench_spop(void)
{
	struct spop s = { .p = { .fd = -1 } };
	struct side side = { 0 };
	struct buf hello, body;
	int fds[2];
	pthread_t t;

	INVARIANT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	INVARIANT(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
	s.p.fd = fds[0];
	side.fd = fds[1];
	INVARIANT(pthread_create(&t, NULL, serve, &side) == 0);
	buf_init(&hello, 0);
	buf_init(&body, 0);
	buf_init(&s.notify, 0);
	peer_put_hello(&hello, 65532, false);
	struct span out = buf_view(&hello);
	INVARIANT(send(s.p.fd, out.p, out.n, 0) == (ssize_t)out.n);
	await_frame(&s.p);
	for (int i = 0; i < 2048; i++)
		buf_putc(&body, 'x');
	peer_put_notify(&s.notify, 1, 1, buf_view(&body));
	row("a SPOP round trip of 2 KB, agent answering at once", best(round_trips, &s, 2000),
		"");
	side.over = true;
	pthread_join(t, NULL);
	close(s.p.fd);
	buf_free(&s.p.in);
	buf_free(&s.notify);
	buf_free(&body);
	buf_free(&hello);
}

int
main(int argc, char **argv)
{
	INVARIANT(sodium_init() >= 0);
	printf("%-58s %10s\n", "best of 7 runs", "us");
	bench_rules(argc > 1 ? (unsigned)atoi(argv[1]) : 200);
	bench_tokens();
	bench_spop();
	return 0;
}
