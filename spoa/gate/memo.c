/* The store is a struct cache: least recently used results leave first. */
#include "gate/memo.h"

#include <sodium.h>
#include <string.h>

#include "base/scoped.h"
#include "gate/cache/cache.h"
#include "gate/gate_private.h"

_Static_assert((int)MEMO_KEY == (int)CACHE_KEY_BYTES, "the cache's key");

static struct cache *
memo_of_request(const struct request *r)
{
	return r->gate ? r->gate->shared->memo : NULL;
}

bool
memo_on(const struct request *r)
{
	return memo_of_request(r);
}

/* Returns the place of the segment's hash; NULL: the segment is not one of the request's, or
 * memory is exhausted. */
static struct memo_text *
hash_place(struct request *r, const struct segment *s)
{
	const struct body *b = &r->in.body;
	size_t n = r->in.ntarget + (r->in.have_body ? b->nsegments : 0), i = n;

	if (s >= r->in.target && s < r->in.target + r->in.ntarget)
		i = (size_t)(s - r->in.target);
	else if (r->in.have_body && s >= b->segments && s < b->segments + b->nsegments)
		i = r->in.ntarget + (size_t)(s - b->segments);
	if (i >= n)
		return NULL;
	if (r->scan.ntexts < n) { /* again when the body has been read */
		r->scan.texts = arena_array(&r->arena, n, sizeof(*r->scan.texts));
		r->scan.ntexts = r->scan.texts ? n : 0;
	}
	return r->scan.texts ? &r->scan.texts[i] : NULL;
}

static void
memo_hash(const struct request *r, struct span text, unsigned char out[MEMO_KEY])
{
	crypto_generichash(out, MEMO_KEY, (const unsigned char *)text.p, text.n,
		r->snap->memo_key, sizeof(r->snap->memo_key));
}

bool
memo_key(struct request *r, const struct segment *s, const struct memo_of *of,
	unsigned char key[MEMO_KEY])
{
	crypto_generichash_state h;
	struct memo_text own, *t;
	struct {
		uint64_t by;
		uint32_t roles, kind, what, zero;
	} head = { (uint64_t)(uintptr_t)of->by, of->roles, of->kind, of->what, 0 };

	if (of->text.n < MEMO_LEAST || !memo_of_request(r))
		return false;
	t = s && s->text.p == of->text.p && s->text.n == of->text.n ? hash_place(r, s) : NULL;
	if (!t)
		t = &own, own.of.p = NULL;
	/* a body may be read again: its segments have other texts then */
	if (t->of.p != of->text.p || t->of.n != of->text.n)
		memo_hash(r, of->text, t->hash);
	t->of = of->text;
	crypto_generichash_init(&h, r->snap->memo_key, sizeof(r->snap->memo_key), MEMO_KEY);
	crypto_generichash_update(&h, (const unsigned char *)&head, sizeof(head));
	crypto_generichash_update(&h, t->hash, sizeof(t->hash));
	crypto_generichash_update(&h, (const unsigned char *)of->before.p, of->before.n);
	crypto_generichash_final(&h, key, MEMO_KEY);
	return true;
}

/* ---- searches ---- */

/* The stored form: a struct text_found, then its findings. */
bool
memo_search(const struct request *r, const unsigned char key[MEMO_KEY], struct arena *a,
	struct text_found *out)
{
	struct text_found f = { .nscores = 0 };
	size_t n = 0;

	SCOPED_BUF(b, 0);
	bool known = cache_get(memo_of_request(r), key, &b) && b.n >= sizeof(f);
	if (known) {
		memcpy(&f, b.p, sizeof(f));
		n = f.found.n * sizeof(*f.found.v);
		f.found.v = arena_alloc(a, n);
		known = f.found.v && b.n == sizeof(f) + n;
	}
	if (known && n)
		memcpy(f.found.v, b.p + sizeof(f), n);
	if (known)
		*out = f;
	metric_inc(r->gate->metrics, known ? M_MEMO_HITS : M_MEMO_MISSES);
	return known;
}

void
memo_searched(
	const struct request *r, const unsigned char key[MEMO_KEY], const struct text_found *f)
{
	struct text_found head = *f;

	head.found.v = NULL;
	SCOPED_BUF(b, 0);
	buf_put(&b, &head, sizeof(head));
	if (f->found.n)
		buf_put(&b, f->found.v, f->found.n * sizeof(*f->found.v));
	if (!buf_failed(&b))
		cache_put(memo_of_request(r), key, buf_view(&b), UINT64_MAX);
}

/* ---- tokens ---- */

void
memo_tokens(struct request *r, const struct segment *s, const struct token_meter *m,
	struct span text, struct token_sum *sum)
{
	const struct memo_of of = { .what = MEMO_TOKENS, .by = m->family, .text = text };
	struct token_sum one = { 0 };
	unsigned char key[MEMO_KEY];

	if (!m->ranks || !memo_key(r, s, &of, key)) {
		token_sum_text(m, text, sum);
		return;
	}
	SCOPED_BUF(b, 0);
	if (cache_get(memo_of_request(r), key, &b) && b.n == sizeof(one)) {
		memcpy(&one, b.p, sizeof(one));
	} else {
		token_sum_text(m, text, &one);
		cache_put(memo_of_request(r), key, span_of((const char *)&one, sizeof(one)),
			UINT64_MAX);
	}
	token_sum_add(sum, &one);
}

/* ---- texts without what is sought ---- */

bool
memo_is_clean(const struct request *r, const unsigned char key[MEMO_KEY])
{
	SCOPED_BUF(b, 0);

	return cache_get(memo_of_request(r), key, &b);
}

void
memo_is_now_clean(const struct request *r, const unsigned char key[MEMO_KEY])
{
	cache_put(memo_of_request(r), key, SPAN_LIT("clean"), UINT64_MAX);
}
