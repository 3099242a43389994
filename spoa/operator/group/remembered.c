/* The names of daemons in a file of lines. The list is short, so it is searched from its begin. */
#include "operator/group/remembered.h"

#include <inttypes.h>
#include <string.h>

#include "base/ascii.h"

enum { AGAIN_S = 3600 };

static size_t
remembered_place(const struct remembered *r, struct span node)
{
	size_t i = 0;

	while (i < r->n && !span_is(node, r->v[i].node))
		i++;
	return i;
}

static size_t
oldest_place(const struct remembered *r)
{
	size_t at = 0;

	for (size_t i = 1; i < r->n; i++)
		if (r->v[i].seen_s < r->v[at].seen_s)
			at = i;
	return at;
}

bool
remembered_see(struct remembered *r, struct span node, int64_t now_s)
{
	size_t at = remembered_place(r, node);

	if (!chain_node_valid(node))
		return false;
	if (at < r->n && now_s < r->v[at].seen_s + AGAIN_S && now_s >= r->v[at].seen_s - AGAIN_S)
		return false;
	if (at == REMEMBERED_MAX)
		at = oldest_place(r);
	else if (at == r->n)
		r->n++;
	span_copy(node, r->v[at].node, sizeof(r->v[at].node));
	r->v[at].seen_s = now_s;
	return true;
}

bool
remembered_forget(struct remembered *r, struct span node)
{
	size_t at = remembered_place(r, node);

	if (at == r->n)
		return false;
	r->v[at] = r->v[--r->n];
	return true;
}

void
remembered_trim(struct remembered *r, int64_t now_s)
{
	for (size_t i = r->n; i-- > 0;)
		if (r->v[i].seen_s < now_s - REMEMBERED_S)
			r->v[i] = r->v[--r->n];
}

void
remembered_read(struct remembered *r, struct span text)
{
	while (text.n) {
		struct span seconds = span_next(&text, '\n'), node = span_next(&seconds, ' ');
		uint64_t s;
		if (span_u64(seconds, &s) == 0 && s < INT64_MAX / 2)
			remembered_see(r, node, (int64_t)s);
	}
}

void
remembered_write(const struct remembered *r, struct buf *out)
{
	for (size_t i = 0; i < r->n; i++)
		buf_printf(out, "%s %" PRId64 "\n", r->v[i].node, r->v[i].seen_s);
}
