/* Remembers replaced values. If a stream or an MCP message repeats a value in a text that is
 * read alone, the value is replaced again. */
#include "answer/guard/guard_private.h"
#include "base/ascii.h"
#include "base/fnv.h"

enum { KNOWN_BYTES = 64 << 10 }; /* limit of all values and replacements */
enum { HEAD_BYTES = 16 };

static struct known **
head_of(const struct guard *g, const char *p)
{
	uint32_t h = fnv32_bytes(FNV32_BASIS, p, g->head_bytes);

	return &g->heads[(h ^ h >> 15) % HEADS];
}

static void
add_head(struct guard *g, struct known *k)
{
	struct known **head = head_of(g, k->value.p);

	k->same = *head;
	*head = k;
}

void
guard_known_add(struct guard *g, struct span value, struct span with)
{
	struct known *k;

	if (!(g->report.streamed || g->plan.messages.is) || value.n < 4 ||
		g->known_bytes + value.n + with.n > KNOWN_BYTES)
		return;
	SLIST_FOREACH(k, &g->known, all)
	if (span_eq(k->value, value))
		return;
	k = arena_new(&g->life, struct known);
	if (!k)
		return;
	k->value = arena_dup(&g->life, value);
	k->with = arena_dup(&g->life, with);
	if (!k->value.p || !k->with.p)
		return;
	g->known_bytes += value.n + with.n;
	if (!g->known_least || value.n < g->known_least)
		g->known_least = value.n;
	SLIST_INSERT_HEAD(&g->known, k, all);
	if (value.n < g->head_bytes)
		g->head_bytes = 0;
	else if (g->head_bytes)
		add_head(g, k);
}

static void
put_known_text(struct buf *out, struct json_scan *at, bool json, struct span text)
{
	if (json)
		json_scan_all(at, text);
	buf_span(out, text);
}

/* Builds the hash lists. The hash covers as many bytes as the shortest value has, since
 * thousands of values may begin alike. Returns false if memory is out. */
static bool
index_known(struct guard *g)
{
	struct known *k;

	if (g->head_bytes)
		return true;
	if (!g->heads)
		g->heads = arena_array(&g->life, HEADS, sizeof(g->heads[0]));
	if (!g->heads)
		return false;
	memset(g->heads, 0, HEADS * sizeof(g->heads[0]));
	g->head_bytes = g->known_least < HEAD_BYTES ? g->known_least : HEAD_BYTES;
	SLIST_FOREACH(k, &g->known, all)
	add_head(g, k);
	return true;
}

/* In an MCP message, a name inside a longer word does not count. */
static bool
is_apart(const struct guard *g, struct span text, size_t at, const struct known *k)
{
	size_t end = at + k->value.n;

	return !g->plan.messages.is ||
	       !((at && is_alnum(text.p[at - 1]) && is_alnum(text.p[at])) ||
		       (end < text.n && is_alnum(text.p[end]) && is_alnum(text.p[end - 1])));
}

/* Returns the offset of the first known value from `from` on, and the longest value there;
 * text.n: none. */
static size_t
known_at(const struct guard *g, struct span text, size_t from, const struct known **which)
{
	*which = NULL;
	for (size_t at = from; at + g->known_least <= text.n; at++) {
		for (const struct known *k = *head_of(g, text.p + at); k; k = k->same)
			if (k->value.n <= text.n - at &&
				!memcmp(text.p + at, k->value.p, k->value.n) &&
				is_apart(g, text, at, k) &&
				(!*which || (*which)->value.n < k->value.n))
				*which = k;
		if (*which)
			return at;
	}
	return text.n;
}

void
guard_known_put(
	struct guard *g, struct buf *out, struct json_scan *at, bool json, struct span text)
{
	const struct known *k = NULL;
	size_t from = 0, to;

	if (!SLIST_EMPTY(&g->known) && !index_known(g)) {
		guard_no_memory(g);
		return;
	}
	while (!SLIST_EMPTY(&g->known) && text.n - from >= g->known_least &&
		(to = known_at(g, text, from, &k)) < text.n) {
		put_known_text(out, at, json, span_cut(text, from, to));
		guard_put_json(out, at, json, k->with);
		g->report.redactions++;
		from = to + k->value.n;
	}
	put_known_text(out, at, json, span_cut(text, from, text.n));
}
