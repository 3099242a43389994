/* Merges a piece of text: the two neighbors whose concatenation has the lowest rank become one,
 * the leftmost first, until no concatenation is a token. Short pieces use an array that is
 * searched for its minimum each time. Long ones use a list with a heap, which costs n log n for
 * any content.
 *
 * Example: with the tokens "ab" (rank 1) and "bc" (rank 2), "abc" becomes "ab" and "c". */
#include "base/tokens/bpe.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/tokens/ranks_key.h"

enum { SHORT_PIECE = 100 }; /* bytes */

struct out {
	int (*each)(void *arg, uint32_t id); /* NULL: tokens are only counted */
	void *arg;
	uint64_t tokens;
};

static int
emit_token(struct out *o, uint32_t id)
{
	o->tokens++;
	return o->each ? o->each(o->arg, id) : 0;
}

/* ---- short pieces ---- */

enum { LANES = 8, NEVER = INT32_MAX };
_Static_assert(RANKS_TOKENS_MAX <= 1u << 21 && SHORT_PIECE < 128, "a key holds both");

/* key: the rank of a part joined with the next one, times 128, plus the part's number. The
 * smallest key is the lowest rank, and the leftmost one of equal ranks. */
struct parts {
	const struct ranks *r;
	const char *p;
	size_t n; /* initial number of parts */
	uint32_t start[SHORT_PIECE + 1];
	int32_t key[SHORT_PIECE + LANES];
	uint8_t next[SHORT_PIECE], before[SHORT_PIECE];
};

static inline void
key_again(struct parts *s, size_t at)
{
	size_t next = s->next[at];
	uint32_t rank = RANK_NONE;

	if (next < s->n)
		rank = ranks_find(
			s->r, s->p + s->start[at], s->start[s->next[next]] - s->start[at]);
	s->key[at] = rank == RANK_NONE ? NEVER : (int32_t)(rank << 7 | (uint32_t)at);
}

static inline int32_t
least_key(const int32_t *key, size_t n)
{
	int32_t low[LANES], least;

	memcpy(low, key, sizeof(low));
	for (size_t i = LANES; i < n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			low[k] = key[i + k] < low[k] ? key[i + k] : low[k];
	least = low[0];
	for (size_t k = 1; k < LANES; k++)
		least = low[k] < least ? low[k] : least;
	return least;
}

static int
merge_short(const struct ranks *r, const char *p, size_t bytes, struct out *o)
{
	struct parts s;
	int err = 0;

	s.r = r;
	s.p = p;
	size_t parts = s.n = ranks_parts(r, p, bytes, s.start);
	for (size_t i = 0; i < s.n; i++) {
		s.next[i] = (uint8_t)(i + 1);
		s.before[i] = (uint8_t)(i - 1);
	}
	for (size_t i = 0; i < s.n + LANES; i++)
		s.key[i] = NEVER;
	for (size_t i = 0; i + 1 < s.n; i++)
		key_again(&s, i);
	for (int32_t low; (low = least_key(s.key, s.n)) != NEVER; parts--) {
		size_t at = (size_t)low & 127, gone = s.next[at], after = s.next[gone];
		s.key[gone] = NEVER;
		s.next[at] = (uint8_t)after;
		if (after < s.n)
			s.before[after] = (uint8_t)at;
		key_again(&s, at);
		if (at)
			key_again(&s, s.before[at]);
	}
	if (!o->each) {
		o->tokens += parts;
		return 0;
	}
	for (size_t i = 0; i < s.n && !err; i = s.next[i]) {
		uint32_t from = s.start[i];
		err = emit_token(o, ranks_find(r, p + from, s.start[s.next[i]] - from));
	}
	return err;
}

/* ---- long pieces ---- */

struct part {
	uint32_t start;
	/* numbers of the neighboring parts. The last part has the end as its next one; the
	 * first part has itself as the part before. */
	uint32_t next, before;
	uint32_t rank;	       /* rank of this part joined with the next part */
};

struct heap {
	uint64_t *v; /* rank << 32 | part */
	size_t n;
};

static void
heap_push(struct heap *h, uint64_t v)
{
	size_t i = h->n++;

	for (size_t up; i > 0 && h->v[up = (i - 1) / 2] > v; i = up)
		h->v[i] = h->v[up];
	h->v[i] = v;
}

static uint64_t
heap_pop(struct heap *h)
{
	uint64_t top = h->v[0], v = h->v[--h->n];
	size_t i = 0;

	for (size_t c; (c = 2 * i + 1) < h->n; i = c) {
		c += c + 1 < h->n && h->v[c + 1] < h->v[c];
		if (h->v[c] >= v)
			break;
		h->v[i] = h->v[c];
	}
	h->v[i] = v;
	return top;
}

/* Computes the rank of a part again. v has one more part at the end, which is never merged. */
static void
rank_again(const struct ranks *r, const char *p, size_t n, struct part *v, uint32_t at,
	struct heap *h)
{
	uint32_t next = v[at].next, from = v[at].start;

	v[at].rank =
		next < n ? ranks_find(r, p + from, v[v[next].next].start - from) : RANK_NONE;
	if (v[at].rank != RANK_NONE)
		heap_push(h, (uint64_t)v[at].rank << 32 | at);
}

/* There are at most n - 1 pushes at first and two for each of at most n - 1 merges. */
static void
merge_all(const struct ranks *r, const char *p, size_t n, struct part *v, struct heap *h)
{
	for (uint32_t i = 0; i + 1 < n; i++)
		rank_again(r, p, n, v, i, h);
	while (h->n) {
		uint64_t top = heap_pop(h);
		uint32_t at = (uint32_t)top, rank = (uint32_t)(top >> 32);
		/* Ignores stale entries: a part that was merged has no rank, and a part that
		 * grew has another one. */
		if (v[at].rank != rank)
			continue;
		uint32_t gone = v[at].next;
		v[at].next = v[gone].next;
		v[gone].rank = RANK_NONE;
		v[v[at].next].before = at;
		rank_again(r, p, n, v, at, h);
		if (at)
			rank_again(r, p, n, v, v[at].before, h);
	}
}

static int
merge_long(const struct ranks *r, const char *p, size_t bytes, struct out *o)
{
	size_t start_room = (bytes + 1) * sizeof(uint32_t), room = 0, heap_room = 0, n = 0;
	uint32_t *start = bytes < UINT32_MAX / 2 ? mem_get(start_room) : NULL;
	struct part *v = NULL;
	struct heap h = { NULL, 0 };
	int err = ERR_NOMEM;

	if (!start)
		goto out;
	n = ranks_parts(r, p, bytes, start);
	room = (n + 1) * sizeof(*v);
	heap_room = 3 * n * sizeof(*h.v);
	v = mem_get(room);
	h.v = mem_get(heap_room);
	if (!v || !h.v)
		goto out;
	for (uint32_t i = 0; i <= n; i++)
		v[i] = (struct part){ start[i], i + 1, i ? i - 1 : 0, RANK_NONE };
	merge_all(r, p, n, v, &h);
	err = 0;
	for (uint32_t i = 0; i < n && !err; i = v[i].next) {
		uint32_t from = v[i].start;
		if (o->each)
			err = emit_token(o, ranks_find(r, p + from, v[v[i].next].start - from));
		else
			o->tokens++;
	}
out:
	if (h.v)
		mem_put(h.v, heap_room);
	if (v)
		mem_put(v, room);
	if (start)
		mem_put(start, start_room);
	return err;
}

static int
merge_parts(const struct ranks *r, const struct ranks_word *w, struct out *o)
{
	uint32_t whole = ranks_find_word(r, w);

	if (whole != RANK_NONE)
		return emit_token(o, whole);
	return w->n <= SHORT_PIECE ? merge_short(r, w->p, w->n, o)
				   : merge_long(r, w->p, w->n, o);
}

/* ---- pieces ---- */

/* The numbers of tokens of pieces of 3 to 16 bytes that this text had before, because most words
 * of a text are repeated. */
enum { MEMO_PIECES = 1024, MEMO_FROM = 2048 /* bytes of a text from which the table pays off */ };
struct memo {
	uint64_t first, last; /* the bytes: all of up to 8, and 0 */
	uint32_t n;	      /* number of bytes; 0: the entry is unused */
	uint32_t tokens;
};

static int
merge_again(const struct ranks *r, const struct ranks_word *w, struct memo *memo, struct out *o)
{
	uint64_t before = o->tokens;

	if (w->n < 3 || w->n > 16)
		return merge_parts(r, w, o);
	struct memo *m = &memo[w->hash % MEMO_PIECES];
	uint64_t first = w->n > 8 ? load_64(w->p) : w->key,
		 last = w->n > 8 ? load_64(w->p + w->n - 8) : 0;
	if (m->n == w->n && m->first == first && m->last == last) {
		o->tokens += m->tokens;
		return 0;
	}
	int err = merge_parts(r, w, o);
	*m = (struct memo){ first, last, (uint32_t)w->n, (uint32_t)(o->tokens - before) };
	return err;
}

/* Each piece is found, and its memory prefetched, before the previous one is merged. `memo`:
 * NULL, or MEMO_PIECES zeroed entries. */
static int
each_piece(const struct ranks *r, struct span text, size_t most, struct memo *memo,
	struct out *o, bool *bounded)
{
	struct ranks_word w, next = { 0 };
	int err = 0;

	for (size_t at = 0; (at < text.n || next.n) && !err;) {
		w = next;
		next.n = 0;
		if (at < text.n) {
			size_t end = split_next(r->pattern, text, at);
			ranks_word(r, text.p + at, end - at, &next);
			at = end;
		}
		if (w.n > most) {
			o->tokens += w.n;
			*bounded = true;
		} else if (w.n) {
			err = memo ? merge_again(r, &w, memo, o) : merge_parts(r, &w, o);
		}
	}
	return err;
}

int
bpe_count(const struct ranks *r, struct span text, struct bpe_count *out)
{
	struct memo *memo = NULL;
	struct out o = { 0 };

	*out = (struct bpe_count){ 0 };
	if (text.n >= MEMO_FROM)
		memo = mem_get_zeroed(MEMO_PIECES * sizeof(*memo)); /* NULL: no table is used */
	int err = each_piece(r, text, BPE_PIECE_MAX, memo, &o, &out->bounded);
	if (memo)
		mem_put(memo, MEMO_PIECES * sizeof(*memo));
	out->tokens = o.tokens;
	return err;
}

int
bpe_encode(
	const struct ranks *r, struct span text, int (*each)(void *arg, uint32_t id), void *arg)
{
	struct out o = { each, arg, 0 };
	bool bounded;

	return each_piece(r, text, SIZE_MAX, NULL, &o, &bounded);
}
