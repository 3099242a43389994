/* Reasoning that a provider signed, and something in it that is to be replaced: under
 * another text the signature does not hold, so a block goes back whole or not at all, as
 * on_failure.signed says. Without one the others of its turn would not hold either. */
#include "gate/steps/steps.h"

#include "answer/translate/answer.h"
#include "base/err.h"

/* The block that the segment is in; NULL. */
static struct signed_block *
block_of(struct request *r, const struct segment *s)
{
	size_t low = 0, high = r->in.body.nreasoning;

	if (request_in_target(r, s))
		return NULL;
	size_t at = (size_t)(s - r->in.body.segments);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct signed_block *b = &r->in.body.reasoning[mid];
		if (at >= b->first && at < b->last)
			return b;
		if (at < b->first)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* Marks the signed blocks in which something would be replaced. */
static void
mark(struct request *r, const struct hit *v, size_t n, bool *credential)
{
	for (size_t i = 0; i < n; i++) {
		struct signed_block *b = block_of(r, v[i].segment);
		if (b && !b->written_here) {
			b->dropped = true;
			*credential |= v[i].kind == HIT_CREDENTIAL;
		}
	}
}

/* Nothing inside the marked blocks is replaced. */
static void
spare(struct request *r, struct hit *v, size_t *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		const struct signed_block *b = block_of(r, v[i].segment);
		if (!b || !b->dropped)
			v[kept++] = v[i];
	}
	*n = kept;
}

/* Drops all signed blocks of the turns that have a marked one. Turns rise. False: the provider wants
 * them back. */
static bool
drop_turns(struct request *r)
{
	struct signed_block *v = r->in.body.reasoning;
	size_t n = r->in.body.nreasoning;

	for (size_t i = 0, end; i < n; i = end) {
		bool drop = false;
		for (end = i; end < n && v[end].turn == v[i].turn; end++)
			drop |= v[end].dropped && !v[end].written_here;
		if (drop && v[i].pending)
			return false;
		for (size_t k = i; drop && k < end; k++) {
			r->found.reasoning_dropped += !v[k].written_here;
			v[k].dropped = true;
		}
	}
	return true;
}

/* Returns true if the member `signature` of the block is the one that a translation writes. A text that
 * quotes it has backslashes before its quotes. */
static bool
is_signed_here(struct span block)
{
	static const char key[] = "\"signature\"", value[] = "\"" TRANSLATED_SIGNATURE "\"";
	const char *at;

	while ((at = memmem(block.p, block.n, key, sizeof(key) - 1))) {
		block = span_cut(block, (size_t)(at - block.p) + sizeof(key) - 1, block.n);
		struct span rest = block;
		while (rest.n && strchr(" \t\r\n:", rest.p[0]))
			rest = span_cut(rest, 1, rest.n);
		if (span_starts(rest, span_str(value)))
			return true;
	}
	return false;
}

/* Drops reasoning that a translation has given to the caller as signed. No provider signed it, so none
 * takes it, and none misses it. Returns how many blocks. */
static size_t
drop_translated(struct request *r)
{
	size_t n = 0;

	for (size_t i = 0; r->found.route->translates && i < r->in.body.nreasoning; i++) {
		struct signed_block *b = &r->in.body.reasoning[i];
		struct span raw = span_cut(r->in.raw, b->start, b->end);
		b->written_here = is_signed_here(raw);
		b->dropped |= b->written_here;
		n += b->written_here;
	}
	r->found.reasoning_dropped += n;
	return n;
}

int
request_settle_reasoning(struct request *r)
{
	enum signed_reasoning says = request_on_failure(r)->signed_reasoning;
	struct overlay *o = &r->scan.overlay;
	bool credential = false;
	size_t marked = 0;

	if (!r->in.have_body || r->in.body.nreasoning == 0)
		return 0;
	size_t translated = drop_translated(r);
	for (size_t i = 0; r->found.pin.drops && i < r->in.body.nreasoning; i++)
		r->in.body.reasoning[i].dropped = true;
	mark(r, o->hits, o->nhits, &credential);
	mark(r, o->wholes, o->nwholes, &credential);
	for (size_t i = 0; i < r->in.body.nreasoning; i++)
		marked += r->in.body.reasoning[i].dropped && !r->in.body.reasoning[i].written_here;
	if (marked == 0 && translated == 0)
		return 0;
	if (marked == 0) {
		spare(r, o->hits, &o->nhits);
		spare(r, o->wholes, &o->nwholes);
		return 0;
	}
	/* Credentials never leave, whatever the policy says. */
	if (says == SIGNED_DENY || (says == SIGNED_LEAVE && credential) ||
		(says == SIGNED_DROP && !drop_turns(r)))
		return ERR_BAD_STATE;
	spare(r, o->hits, &o->nhits);
	spare(r, o->wholes, &o->nwholes);
	if (says == SIGNED_LEAVE) {
		r->found.reasoning_left = marked;
		for (size_t i = 0; i < r->in.body.nreasoning; i++)
			r->in.body.reasoning[i].dropped = r->in.body.reasoning[i].written_here;
	}
	return 0;
}
