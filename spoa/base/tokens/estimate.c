/* Estimates the tokens of a request, and learns how far the estimates were wrong.
 *
 * token_sum_text() adds a text to a sum. If a vocabulary is loaded, its tokens are counted
 * (bpe.c); otherwise its bytes are divided by the bytes per token of its script. Both
 * results are multiplied by the factors of the model's family, one for the average and one
 * for the upper limit. Sums are in thousandths of tokens and stop at the largest number.
 *
 * learned_add() compares an estimate with the tokens that the provider reported, and keeps
 * the average share and the share that 19 of 20 prompts do not exceed, for each model and
 * script. learned_apply() corrects later estimates by these shares. */
#include "base/tokens/estimate.h"

#include "base/fnv.h"
#include "base/tokens/bpe.h"

/* Bytes for a token of o200k_base, in hundredths, used if no rank file exists: on average, and
 * the fewest in 19 of 20 texts. Measured on chunks of 3 KB. */
static const struct {
	uint32_t mean, least;
} bytes_a_token[TEXT_SCRIPTS] = {
	[SCRIPT_PROSE] = { 430, 300 },
	[SCRIPT_SOURCE] = { 330, 200 },
	[SCRIPT_HAN] = { 340, 180 },
	[SCRIPT_ELSE] = { 450, 200 },
};

struct token_meter
token_meter_of(const struct encodings *e, const struct token_models *m, struct span model)
{
	struct token_meter out = { .family = token_family_of(m, model) };
	const struct token_family *f = out.family;

	out.ranks = encodings_find(e, span_str(f->encoding));
	out.own = out.ranks && f->exact;
	if (!out.ranks && f->otherwise)
		out.ranks = encodings_find(e, span_str(f->otherwise));
	return out;
}

static uint64_t
add_capped(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void
token_sum_text(const struct token_meter *m, struct span text, struct token_sum *sum)
{
	struct bpe_count n = { 0 };
	uint64_t mean, most;

	if (!text.n)
		return;
	enum text_script script = m->own ? SCRIPT_PROSE : text_script(text);
	if (m->ranks && bpe_count(m->ranks, text, &n) == 0) {
		mean = n.tokens * m->family->factor[script].mean;
		most = n.tokens * m->family->factor[script].most;
	} else {
		mean = text.n * 100 * m->family->factor[script].mean /
		       bytes_a_token[script].mean;
		most = text.n * 100 * m->family->factor[script].most /
		       bytes_a_token[script].least;
		n.bounded = true;
	}
	sum->mean = add_capped(sum->mean, mean);
	sum->most = add_capped(sum->most, most);
	sum->by_script[script] = add_capped(sum->by_script[script], mean);
	sum->estimated |= n.bounded || !m->own;
}

void
token_sum_add(struct token_sum *sum, const struct token_sum *other)
{
	sum->mean = add_capped(sum->mean, other->mean);
	sum->most = add_capped(sum->most, other->most);
	sum->bound = add_capped(sum->bound, other->bound);
	for (enum text_script s = 0; s < TEXT_SCRIPTS; s++)
		sum->by_script[s] = add_capped(sum->by_script[s], other->by_script[s]);
	sum->estimated |= other->estimated;
}

/* Uses the script whose bytes cost most. The upper limit is one token for each byte. */
void
token_sum_estimate(const struct token_meter *m, size_t bytes, struct token_sum *sum)
{
	uint64_t mean = 0, most = 0, bound = 0, n = (uint64_t)bytes * 100;

	for (enum text_script s = 0; s < TEXT_SCRIPTS; s++) {
		uint64_t factor = m->family->factor[s].most,
			 here = n * factor / bytes_a_token[s].least;
		most = here > most ? here : most;
		bound = factor > bound ? factor : bound;
	}
	mean = n * m->family->factor[SCRIPT_PROSE].mean / bytes_a_token[SCRIPT_PROSE].mean;
	sum->mean = add_capped(sum->mean, mean);
	sum->most = add_capped(sum->most, most);
	sum->bound = add_capped(sum->bound, bound * bytes);
	sum->estimated = true;
}

void
token_sum_plain(struct token_sum *sum, int64_t tokens)
{
	uint64_t take = tokens < 0 ? (uint64_t)-tokens * 1000 : 0;

	if (tokens >= 0) {
		sum->bound = add_capped(sum->bound, (uint64_t)tokens * 1000);
		sum->mean = add_capped(sum->mean, (uint64_t)tokens * 1000);
		sum->most = add_capped(sum->most, (uint64_t)tokens * 1000);
		return;
	}
	sum->mean -= take < sum->mean ? take : sum->mean;
	sum->most -= take < sum->most ? take : sum->most;
}

void
token_sum_bytes(struct token_sum *sum, size_t bytes, int32_t tokens_kb)
{
	token_sum_plain(sum, (int64_t)((bytes + 1023) / 1024) * tokens_kb);
}

int64_t
token_sum_tokens(uint64_t thousandths)
{
	uint64_t n = thousandths / 1000 + (thousandths % 1000 != 0);

	return n > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)n;
}

/* ---- learning ---- */

enum { PROBES = 8, SHARE_MIN = 400, SHARE_MAX = 4000, FINE = 64 /* fractions of an average */ };

/* Hashes name and script. A multiplication spreads the keys when a slot is chosen. */
uint64_t
learned_key(struct span model, enum text_script script)
{
	uint64_t h = fnv64_step(span_hash(model), (uint64_t)script);

	return h ? h : 1;
}

/* Returns the slot; NULL if there is none and, with `make`, no room. */
static struct learned_slot *
learned_slot_of(const struct token_learned *l, uint64_t key, bool make)
{
	size_t at = (size_t)(key * 0x9E3779B97F4A7C15u >> 40);

	for (size_t i = 0; i < PROBES; i++) {
		struct learned_slot *s =
			(struct learned_slot *)(uintptr_t)&l->slot[(at + i) % LEARNED_SLOTS];
		uint64_t now = atomic_load_explicit(&s->key, memory_order_relaxed);
		if (now == key)
			return s;
		if (now)
			continue;
		if (!make)
			return NULL;
		if (atomic_compare_exchange_strong_explicit(
			    &s->key, &now, key, memory_order_relaxed, memory_order_relaxed) ||
			now == key)
			return s;
	}
	return NULL;
}

static int64_t
times(int64_t tokens, uint32_t thousandths)
{
	return token_sum_tokens((uint64_t)tokens > UINT64_MAX / thousandths
					? UINT64_MAX
					: (uint64_t)tokens * thousandths);
}

void
learned_apply(const struct token_learned *l, uint64_t key, int64_t *mean, int64_t *most)
{
	const struct learned_slot *s = learned_slot_of(l, key, false);
	uint32_t share = s ? atomic_load_explicit(&s->mean, memory_order_relaxed) : 0;
	int64_t before = *mean;

	if (!share || *mean <= 0)
		return;
	*mean = times(before, (share + FINE / 2) / FINE);
	/* A few reports show an estimate that is too low, but not one that is too high. */
	int64_t high = times(before, atomic_load_explicit(&s->most, memory_order_relaxed));
	if (high > *most ||
		atomic_load_explicit(&s->seen, memory_order_relaxed) >= LEARNED_ENOUGH)
		*most = high;
	if (*most < *mean)
		*most = *mean;
}

static uint32_t
learned_share(int64_t part, int64_t whole)
{
	double v = (double)part * 1000 / (double)whole;

	return v < SHARE_MIN ? SHARE_MIN : v > SHARE_MAX ? SHARE_MAX : (uint32_t)v;
}

void
learned_add(struct token_learned *l, uint64_t key, int64_t mean, int64_t most, int64_t used)
{
	/* In a short prompt, the error is mostly the overhead, which does not grow with the
	 * prompt. */
	struct learned_slot *s =
		mean >= LEARNED_FROM && used > 0 ? learned_slot_of(l, key, true) : NULL;

	if (!s)
		return;
	uint32_t seen = atomic_load_explicit(&s->seen, memory_order_relaxed);
	uint32_t now = learned_share(used, mean),
		 high = seen ? atomic_load_explicit(&s->most, memory_order_relaxed)
			     : learned_share(most, mean);
	int64_t average = seen ? (int64_t)atomic_load_explicit(&s->mean, memory_order_relaxed)
			       : (int64_t)now * FINE;
	/* a moving average over the last 16 values; over fewer, a plain one */
	int64_t weight = seen < 15 ? (int64_t)seen + 1 : 16;
	average += ((int64_t)now * FINE - average) / weight;
	/* 19 of 20 values are below: rises by 19 steps for a value above, otherwise falls by one
	 * step */
	uint32_t step = high / 400 + 1;
	if (now > high)
		high = high + 19 * step < now ? high + (now - high) / 4 + 19 * step
					      : high + 19 * step;
	else
		high -= step < high - SHARE_MIN ? step : 0;
	atomic_store_explicit(&s->mean, (uint32_t)average, memory_order_relaxed);
	atomic_store_explicit(&s->most, high, memory_order_relaxed);
	if (seen < UINT32_MAX)
		atomic_store_explicit(&s->seen, seen + 1, memory_order_relaxed);
}
