/* Key sets at a URL, against a real server: refresh, ETag, rotation, an unavailable issuer, and
 * how few fetches an unknown key causes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The clock plus the offset that the test adds; threads read it. */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define clock_mono_us real_mono_us
#include "base/clock.c"
#undef clock_mono_us
static _Atomic uint64_t passed_us;
uint64_t clock_mono_us(void);
uint64_t
clock_mono_us(void)
{
	return real_mono_us() + atomic_load(&passed_us);
}

#include "base/err.h"
#include "base/fetch/keyset.h"
#include "policy/identity/identity.h"
#include "support/http_rig.h"
#include "support/jwt_make.h"
#include "support/policy_fix.h"

enum mood { FINE, HANGS, FAILS, GARBAGE };
static _Atomic int mood;
static _Atomic unsigned
	version; /* number of the key with which the issuer signs, and its ETag */
static _Atomic unsigned bodies, unchanged;
static struct jwt_key issuer[3];

static bool
on_request(void *arg, struct rig_conn *c, const struct rig_request *q)
{
	char etag[32], fields[128];
	struct buf b;

	(void)arg;
	switch (atomic_load(&mood)) {
	case HANGS: http_rig_hang(c); return false;
	case FAILS: return http_rig_answer(c, 500, "", SPAN_LIT("down"));
	case GARBAGE: return http_rig_answer(c, 200, "", SPAN_LIT("{\"keys\":[]}"));
	}
	unsigned v = atomic_load(&version);
	snprintf(etag, sizeof(etag), "\"v%u\"", v);
	snprintf(fields, sizeof(fields), "ETag: %s\r\n", etag);
	if (memmem(q->head.p, q->head.n, etag, strlen(etag))) {
		atomic_fetch_add(&unchanged, 1);
		return http_rig_answer(c, 304, fields, SPAN_LIT(""));
	}
	atomic_fetch_add(&bodies, 1);
	buf_init(&b, 0);
	buf_str(&b, "{\"keys\":[");
	char kid[8];
	snprintf(kid, sizeof(kid), "k%u", v);
	put_jwk(&b, &issuer[v], kid, NULL);
	buf_str(&b, "]}");
	bool ok = http_rig_answer(c, 200, fields, buf_view(&b));
	buf_free(&b);
	return ok;
}

/* ---- the stage ---- */

struct stage {
	struct http_rig *rig;
	struct keysets *all;
	struct keyset *k;
	struct metrics metrics;
	char url[64];
};
static struct stage stage;

/* Waits until the condition holds, five seconds at most. */
#define WAIT_FOR(cond)                                                                         \
	do {                                                                                   \
		for (int ms = 0; !(cond) && ms < 5000; ms++)                                   \
			usleep(1000);                                                          \
		assert_true(cond);                                                             \
	} while (0)

static int
verify(unsigned key)
{
	unsigned char sig[1024];
	char kid[8];
	struct span text = SPAN_LIT("text");
	size_t n = jwt_sign(&issuer[key], text, sig);

	snprintf(kid, sizeof(kid), "k%u", key);
	return keyset_verify(stage.k, span_str(kid), JWS_EDDSA, text, span_of(sig, n));
}

static void
up(uint64_t refresh_us, uint64_t stale_us)
{
	atomic_store(&version, 0);
	atomic_store(&bodies, 0);
	atomic_store(&unchanged, 0);
	atomic_store(&passed_us, 0);
	stage.rig = http_rig_start(on_request, NULL, NULL, NULL);
	stage.all = keysets_new(&stage.metrics);
	assert_non_null(stage.all);
	snprintf(stage.url, sizeof(stage.url), "http://127.0.0.1:%u/keys", stage.rig->port);
	struct keyset_options o = {
		.url = stage.url, .refresh_us = refresh_us, .stale_us = stale_us
	};
	stage.k = keyset_open(stage.all, &o);
	assert_non_null(stage.k);
}

static void
down(void)
{
	keyset_close(&stage.k);
	keysets_stop(stage.all);
	keysets_free(&stage.all);
	http_rig_stop(&stage.rig);
	atomic_store(&mood, FINE);
}

/* ---- waiting ---- */

struct waiter {
	struct keyset_waiter w;
	_Atomic bool *done;
};
static struct mailbox box;
static uint64_t asked_since;

static void
run_mail(struct mail *m, void *consumer)
{
	(void)consumer;
	atomic_store(CONTAINER_OF(m, struct waiter, w.mail)->done, true);
}

static bool
ask(struct waiter *w, _Atomic bool *done)
{
	atomic_store(done, false);
	*w = (struct waiter){
		.w = { .mail = { .run = run_mail }, .to = &box, .since_us = asked_since },
		.done = done
	};
	return keyset_wait(stage.k, &w->w);
}

static bool
arrived(_Atomic bool *done)
{
	mailbox_drain(&box, NULL);
	return atomic_load(done);
}

/* ---- tests ---- */

static void
key_set_is_fetched_and_refreshed(void **state)
{
	(void)state;
	up(150000, 60000000);
	WAIT_FOR(verify(0) == 0);
	assert_int_equal(verify(1), ERR_NOTFOUND);
	/* Nothing new: a 304 without a body. */
	WAIT_FOR(atomic_load(&unchanged) >= 2);
	assert_int_equal(atomic_load(&bodies), 1);
	assert_int_equal(verify(0), 0);
	/* The next key is fetched by the refresh, and the old one is removed. */
	atomic_store(&version, 1);
	WAIT_FOR(verify(1) == 0);
	assert_int_equal(verify(0), ERR_NOTFOUND);
	down();
}

static void
unknown_key_causes_one_fetch(void **state)
{
	struct waiter w[20];
	_Atomic bool done[20];
	unsigned before;

	(void)state;
	mailbox_init(&box, NULL, NULL);
	up(3600000000u, 3600000000u);
	WAIT_FOR(verify(0) == 0);
	WAIT_FOR(!ask(
		&w[0], &done[0])); /* just fetched: another fetch would return the same set */
	before = atomic_load(&stage.rig->requests);
	atomic_store(&version, 1);
	atomic_fetch_add(&passed_us, KEYSET_AGAIN_US + 1);
	/* Twenty concurrent tokens cause one fetch. */
	for (int i = 0; i < 20; i++)
		assert_true(ask(&w[i], &done[i]) || atomic_load(&stage.rig->requests) > before);
	WAIT_FOR(verify(1) == 0);
	for (int i = 0; i < 20; i++)
		WAIT_FOR(arrived(&done[i]) || w[i].w.next == NULL);
	assert_int_equal(atomic_load(&stage.rig->requests), before + 1);
	/* No further fetch in the next ten seconds. */
	for (int i = 0; i < 100; i++)
		assert_false(ask(&w[0], &done[0]));
	assert_int_equal(atomic_load(&stage.rig->requests), before + 1);
	down();
}

static void
keys_of_an_unavailable_issuer_are_used_for_a_while(void **state)
{
	static const int moods[] = { FAILS, GARBAGE, HANGS };

	(void)state;
	for (size_t i = 0; i < sizeof(moods) / sizeof(moods[0]); i++) {
		struct buf ready;
		up(50000, 600000000);
		WAIT_FOR(verify(0) == 0);
		uint64_t failed = atomic_load(&stage.metrics.v[M_KEYS_FAILED]);
		atomic_store(&mood, moods[i]);
		if (moods[i] != HANGS)
			WAIT_FOR(atomic_load(&stage.metrics.v[M_KEYS_FAILED]) > failed);
		assert_int_equal(verify(0), 0);
		atomic_fetch_add(&passed_us, 599000000);
		assert_int_equal(verify(0), 0);
		atomic_fetch_add(&passed_us, 2000000);
		assert_int_equal(verify(0), ERR_CLOSED);
		buf_init(&ready, 0);
		assert_false(keysets_ready(stage.all, &ready));
		buf_free(&ready);
		/* The issuer is available again, and so is the key. */
		if (moods[i] != HANGS) {
			atomic_store(&mood, FINE);
			WAIT_FOR(verify(0) == 0);
		}
		down();
	}
}

static void
waiter_is_woken_when_the_fetch_ends(void **state)
{
	struct waiter w;
	_Atomic bool done;

	(void)state;
	mailbox_init(&box, NULL, NULL);
	atomic_store(&mood, HANGS);
	up(3600000000u, 3600000000u);
	WAIT_FOR(atomic_load(&stage.rig->requests) == 1);
	assert_int_equal(verify(0), ERR_CLOSED);
	assert_true(ask(&w, &done));
	assert_false(arrived(&done));
	keysets_stop(stage.all);
	assert_true(arrived(&done));
	assert_false(ask(&w, &done));
	down();
}

/* The issuer's response arrives after the old set was checked and before the wait begins. The
 * new set must be checked, and the wait not be refused because the fetch was recent. */
static void
response_between_check_and_wait_is_used(void **state)
{
	struct waiter w;
	_Atomic bool done;
	uint64_t before = clock_mono_us();

	(void)state;
	mailbox_init(&box, NULL, NULL);
	up(3600000000u, 3600000000u);
	WAIT_FOR(verify(0) == 0);
	usleep(20000); /* so that tried_us is later than the keys */
	asked_since = before;
	assert_true(ask(&w, &done));
	WAIT_FOR(arrived(&done));
	asked_since = clock_mono_us();
	assert_false(ask(&w, &done));
	asked_since = 0;
	assert_int_equal(atomic_load(&stage.rig->requests), 1);
	down();
}

static void
equal_urls_share_one_key_set(void **state)
{
	(void)state;
	up(3600000000u, 3600000000u);
	struct keyset_options o = {
		.url = stage.url, .refresh_us = 3600000000u, .stale_us = 3600000000u
	};
	struct keyset *again = keyset_open(stage.all, &o);
	assert_ptr_equal(again, stage.k);
	o.stale_us--;
	struct keyset *other = keyset_open(stage.all, &o);
	assert_ptr_not_equal(other, stage.k);
	keyset_close(&other);
	WAIT_FOR(verify(0) == 0);
	keyset_close(&stage.k);
	/* a reload: the new snapshot takes a reference, the old one releases it */
	stage.k = again;
	usleep(20000);
	assert_int_equal(verify(0), 0);
	down();
}

/* A verified token is taken from the cache until its key is removed from the set, or the set is
 * too old. Then the token is verified again. */
static void
cached_token_ends_with_its_key(void **state)
{
	char text[512], sock[] = "/tmp/tollgate-keyset-XXXXXX", path[64];
	struct policy_fix fix;
	struct diag d;
	struct buf token;
	struct identity_cache *cache = identity_cache_new(16);
	struct metrics metrics = { { 0 } };

	(void)state;
	(void)fix_config;
	atomic_store(&version, 0);
	atomic_store(&passed_us, 0);
	assert_non_null(mkdtemp(sock));
	snprintf(path, sizeof(path), "%s/s", sock);
	struct http_rig *rig = http_rig_start(on_request, NULL, NULL, path);
	snprintf(text, sizeof(text),
		POLICY_HEAD "identity:\n  - jwt: {issuer: i, audience: a, jwks: "
			    "\"unix:%s:/keys\", refresh: 1s, max_stale: 10m}\n",
		path);
	const struct policy *p = fix_load(&fix, NULL, text);
	if (!p)
		fail_msg("%.*s", SPAN_ARG(buf_view(&fix.d.text)));
	struct keysets *all = keysets_new(&metrics);
	diag_init(&d);
	struct identity_keys *keys = identity_keys_load(p, false, all, &d);
	assert_non_null(keys);
	buf_init(&token, 0);
	buf_str(&token, "Bearer ");
	struct buf t;
	buf_init(&t, 0);
	put_jwt(&t, &issuer[0], SPAN_LIT("{\"alg\":\"EdDSA\",\"kid\":\"k0\"}"),
		SPAN_LIT("{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"x\",\"exp\":1790000300}"));
	buf_span(&token, buf_view(&t));
	buf_free(&t);
	struct http_field f = { SPAN_LIT("authorization"), buf_view(&token) };
	struct http_head h = { .fields = &f, .nfields = 1 };
	bool hit = false;
#define ASK()                                                                                  \
	({                                                                                     \
		struct credentials c = { .head = &h };                                         \
		struct arena a;                                                                \
		struct identity id;                                                            \
		const char *why;                                                               \
		arena_init(&a, 0, false);                                                      \
		int err = identity_verify(                                                     \
			p, keys, cache, &c, 1790000000ll * 1000000000, &a, &id, &why, &hit);   \
		arena_reset(&a);                                                               \
		err;                                                                           \
	})
	WAIT_FOR(ASK() == 0);
	assert_int_equal(ASK(), 0);
	assert_true(hit);
	atomic_store(&version, 1); /* the next refresh gets another key */
	WAIT_FOR(ASK() == IDENTITY_MISSED);
	assert_false(hit);
	atomic_store(&version, 0);
	WAIT_FOR(ASK() == 0);
	atomic_store(&mood, FAILS);
	atomic_fetch_add(&passed_us, 601000000);
	WAIT_FOR(ASK() == IDENTITY_KEYLESS);
	atomic_store(&mood, FINE);
	identity_keys_free(&keys);
	keysets_stop(all);
	keysets_free(&all);
	http_rig_stop(&rig);
	identity_cache_free(&cache);
	fix_done(&fix);
	diag_free(&d);
	buf_free(&token);
	unlink(path);
	rmdir(sock);
}

static int
setup(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		issuer[i] = jwt_key_new(KEY_ED, 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		EVP_PKEY_free(issuer[i].pkey);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_set_is_fetched_and_refreshed),
		cmocka_unit_test(unknown_key_causes_one_fetch),
		cmocka_unit_test(keys_of_an_unavailable_issuer_are_used_for_a_while),
		cmocka_unit_test(waiter_is_woken_when_the_fetch_ends),
		cmocka_unit_test(response_between_check_and_wait_is_used),
		cmocka_unit_test(equal_urls_share_one_key_set),
		cmocka_unit_test(cached_token_ends_with_its_key),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
