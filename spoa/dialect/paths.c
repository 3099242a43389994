/* Paths against the rows of a family. Apart from dialect.c: what a row says is read there,
 * which row it is, here. */
#include "dialect/family.h"

#define OPEN "/{more}"

/* Cuts the last segment off *path, without its slash; false: there is none. */
static bool
last_segment(struct span *path, struct span *segment)
{
	size_t at = path->n;

	while (at && path->p[at - 1] != '/')
		at--;
	if (!at)
		return false;
	*segment = span_cut(*path, at, path->n);
	path->n = at - 1;
	return true;
}

static bool
ends_blind(struct span s, struct span suffix)
{
	return s.n > suffix.n && span_ends(s, suffix);
}

/* One segment of a path against one of a row. *model: where it names one. */
static bool
segment_matches(struct span segment, struct span pattern, struct span *model)
{
	struct span placeholder = SPAN_LIT("{model}");

	if (span_is(pattern, "{id}"))
		return segment.n > 0;
	if (!span_starts(pattern, placeholder))
		return span_eq(segment, pattern);
	struct span verb = span_cut(pattern, placeholder.n, pattern.n);
	if (!ends_blind(segment, verb))
		return false;
	*model = span_cut(segment, 0, segment.n - verb.n);
	return true;
}

/* How many segments a row has that the path ends with; 0: it does not. *base: what is
 * before them. */
static unsigned
path_matches(struct span path, struct span pattern, struct span *base, struct span *model)
{
	struct span mine, theirs;
	unsigned n = 0;

	*model = (struct span){ NULL, 0 };
	while (last_segment(&pattern, &mine)) {
		if (!last_segment(&path, &theirs) || !segment_matches(theirs, mine, model))
			return 0;
		n++;
	}
	*base = path;
	return n;
}

static bool
is_base(const struct dialect *d, const struct endpoint_row *r, struct span base)
{
	struct span rest, model;

	if (r->flags & E_ROOT)
		return base.n == 0;
	for (const char *const *b = d->bases; b && *b; b++) {
		if (!**b ? base.n == 0
			 : path_matches(base, span_str(*b), &rest, &model) && rest.n == 0)
			return true;
	}
	return false;
}

static bool
is_open(const struct endpoint_row *r)
{
	return span_ends(span_str(r->path), SPAN_LIT(OPEN));
}

static bool
takes(const struct endpoint_row *r, struct span method)
{
	return !r->method || !method.n || span_is(method, r->method);
}

/* A base of the family, the row, and whatever comes after it. No base counts only where the
 * family has no other: /threads/v1/chat/completions has one of somebody's own. */
static bool
opens(const struct dialect *d, const struct endpoint_row *r, struct span path)
{
	struct span row = span_str(r->path), base, segment, model;
	bool bare = r->flags & E_ROOT || !d->bases[1];

	row.n -= strlen(OPEN);
	do {
		if (path_matches(path, row, &base, &model) && (base.n || bare) &&
			is_base(d, r, base))
			return true;
	} while (last_segment(&path, &segment) && segment.n);
	return false;
}

const struct endpoint_row *
endpoint_row_find(const struct dialect *d, struct span method, struct span path, bool whole,
	struct span *model)
{
	const struct endpoint_row *best = NULL;
	bool based = false; /* best: a base of the family is before it */
	unsigned most = 0;

	char last = path.n ? path.p[path.n - 1] : 0;

	for (const struct endpoint_row *r = d->endpoints; r && r->path; r++) {
		struct span base, named;
		size_t end = strlen(r->path) - 1;
		if (r->path[end] != last && (r->path[end] != '}' || is_open(r)))
			continue;
		unsigned n = path_matches(path, span_str(r->path), &base, &named);
		if (n <= most || !takes(r, method) || (whole && !is_base(d, r, base)))
			continue;
		based = whole || is_base(d, r, base);
		most = n;
		best = r;
		*model = named;
	}
	for (const struct endpoint_row *r = d->endpoints; !based && r && r->path; r++) {
		if (!is_open(r) || !takes(r, method) || !opens(d, r, path))
			continue;
		*model = (struct span){ NULL, 0 };
		return r;
	}
	return best;
}

bool
endpoint_is_among(const char *const *paths, struct span path)
{
	struct span base, model;

	for (; paths && *paths; paths++)
		if (path_matches(path, span_str(*paths), &base, &model))
			return true;
	return false;
}
