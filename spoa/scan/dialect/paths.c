/* Finds the row of a path. Rows are compared from the last segment backwards, because clients'
 * base URLs add unknown segments in front. dialect.c interprets the row that is found. */
#include "base/among.h"
#include "base/err.h"
#include "scan/dialect/family.h"

#define OPEN "/{more}"

const char *const no_base[] = { "", NULL };

/* Removes the last segment from *path and returns it without its slash. False if none is
 * left. */
static bool
last_segment(struct span *path, struct span *segment)
{
	size_t at = span_behind(*path, '/');

	if (!at)
		return false;
	*segment = span_cut(*path, at, path->n);
	path->n = at - 1;
	return true;
}

/* Compares one segment of a path with one of a row. Sets *model if the row's segment is
 * {model}. Example: "gpt-4:generate" matches "{model}:generate" with the model "gpt-4". */
static bool
segment_matches(struct span segment, struct span pattern, struct span *model)
{
	struct span placeholder = SPAN_LIT("{model}");

	if (span_is(pattern, "{id}"))
		return segment.n > 0;
	if (!span_starts(pattern, placeholder))
		return span_eq(segment, pattern);
	struct span verb = span_cut(pattern, placeholder.n, pattern.n);
	if (segment.n <= verb.n || !span_ends(segment, verb))
		return false;
	*model = span_cut(segment, 0, segment.n - verb.n);
	return true;
}

/* Returns the number of segments of the row if the path ends with them, or 0. *base: the part
 * of the path before them. */
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
takes(const struct endpoint_row *r, struct span method)
{
	return !r->method || !method.n || span_is(method, r->method);
}

/* Returns true if the path is a base of the family, the row, and any further segments. An empty
 * base counts only if the family has no other base: in /threads/v1/chat/completions, "threads"
 * may be another server's prefix. */
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

/* ---- the rows of a family ---- */

static size_t
bucket_of(struct span segment, size_t behind)
{
	return (span_hash(segment) + behind) % ENDPOINT_BUCKETS;
}

void
endpoint_index_make(struct endpoint_index *x, const struct endpoint_row *rows)
{
	size_t n = 0;

	x->rows = rows;
	while (rows && rows[n].path)
		n++;
	INVARIANT(n <= ENDPOINTS_MOST); /* like all checks here: our own tables are at fault */
	while (n--) {
		struct span rest = span_str(rows[n].path), segment;
		size_t behind = 0;
		if (span_ends(span_str(rows[n].path), SPAN_LIT(OPEN))) {
			x->next[n] = x->open;
			x->open = (uint16_t)(n + 1);
			continue;
		}
		while (last_segment(&rest, &segment) && segment.p[0] == '{')
			behind++;
		INVARIANT(behind < ENDPOINT_BEHIND && segment.p[0] != '{');
		size_t at = bucket_of(segment, behind);
		x->next[n] = x->first[at];
		x->first[at] = (uint16_t)(n + 1);
	}
}

const struct endpoint_row *
endpoint_row_find(const struct dialect *d, const struct endpoint_index *x, struct span method,
	struct span path, bool whole, struct span *model)
{
	const struct endpoint_row *best = NULL, *r;
	struct span rest = path, segment;
	bool based = false; /* the best row has a base of the family in front */
	unsigned most = 0;

	for (size_t behind = 0; behind < ENDPOINT_BEHIND && last_segment(&rest, &segment);
		behind++)
		for (size_t i = x->first[bucket_of(segment, behind)]; i; i = x->next[i - 1]) {
			struct span base, named;
			r = &x->rows[i - 1];
			unsigned n = path_matches(path, span_str(r->path), &base, &named);
			if (n < most || n == 0 || (n == most && r > best) ||
				!takes(r, method) || (whole && !is_base(d, r, base)))
				continue;
			based = whole || is_base(d, r, base);
			most = n;
			best = r;
			*model = named;
		}
	for (size_t i = x->open; !based && i; i = x->next[i - 1]) {
		r = &x->rows[i - 1];
		if (!takes(r, method) || !opens(d, r, path))
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
