/* Reads the segments of a request target, and refuses spellings that another server would read
 * as a different path (RFC 3986 section 6.2.2). */
#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/uri.h"
#include "base/err.h"
#include "scan/text/opaque.h"
#include "scan/text/table.h"

int
refuse_path(struct body_refusal *why, size_t at, const char *what)
{
	return refuse(
		why, 400, "ambiguous_path", at, "the path is not in its normal form: %s", what);
}

static int
check_path(struct span path, bool separators, struct body_refusal *why)
{
	const char *end = path.p + path.n;

	if (!path.n || path.p[0] != '/')
		return refuse_path(why, 0, "it does not begin with /");
	for (const char *p = path.p; p < end; p++) {
		size_t at = (size_t)(p - path.p);
		if (*p == '%') {
			int byte = uri_escape_at(p, end);
			if (byte < 0)
				return refuse_path(why, at, "it has an invalid percent escape");
			if ((byte == '/' && !separators) || byte == '\\')
				return refuse_path(why, at, "it has an encoded separator");
			if (byte < 0x20 || byte == 0x7f)
				return refuse_path(
					why, at, "it has an encoded control character");
			if (uri_unreserved((char)byte))
				return refuse_path(why, at,
					"it has an unnecessary percent escape of an unreserved "
					"character");
			p += 2;
		} else if (*p == '\\') {
			return refuse_path(why, at, "it has a backslash");
		} else if (!uri_unreserved(*p) &&
			   !is_one_of(*p, "/!$&'()*+,;=:@")) { /* neither pchar (RFC 3986 3.3)
								* nor separator */
			return refuse_path(
				why, at, "it has a byte that must be percent-encoded");
		}
	}
	return 0;
}

static int
add_target_segment(struct seglist *l, enum seg_role role, enum seg_form form, uint32_t key,
	size_t start, struct span piece, struct body_refusal *why)
{
	int err = seglist_piece(l, role, form, key, start, piece);

	if (err == ERR_SYNTAX)
		return refuse(why, 400, "invalid_query", start,
			"the query has an invalid percent escape");
	if (err == ERR_ENCODING)
		return refuse(why, 400, "invalid_encoding", start,
			"the URL is not UTF-8 after decoding");
	if (err)
		refuse(why, 413, "request_too_complex", start,
			"the gateway has no memory to read the URL");
	return err;
}

static int
read_path(struct span path, struct seglist *l, struct body_refusal *why)
{
	struct span rest = span_cut(path, 1, path.n);
	int err = 0;

	while (!err && rest.n) {
		bool slash = span_chr(rest, '/') < rest.n;
		struct span one = span_next(&rest, '/');
		size_t at = (size_t)(one.p - path.p);
		if (!one.n && slash)
			return refuse_path(why, at, "it has an empty segment");
		/* Segments with a parameter ("..;x") are refused too, because some servers
		 * remove the parameter first. */
		struct span name = span_cut(one, 0, span_chr(one, ';'));
		if (span_is(name, ".") || span_is(name, ".."))
			return refuse_path(why, at, "it has a dot segment");
		err = add_target_segment(
			l, ROLE_PATH, SEG_PERCENT, SEGMENT_NO_KEY, at, one, why);
	}
	return err;
}

/* Returns true if the value is not read. A value with ';' is always read, because some servers
 * end the parameter there and the rest would be another one. */
static bool
is_left_out(const char *const *names, const struct seglist *l, const struct uri_pair *pair)
{
	if (!names || span_chr(pair->value, ';') < pair->value.n)
		return false;
	while (*names && !span_is(l->v[l->n - 1].text, *names))
		names++;
	return *names != NULL;
}

static int
read_query(size_t base, struct span query, const char *const *left_out, struct seglist *l,
	struct body_refusal *why)
{
	struct span rest = query;
	struct uri_pair pair;
	int err = 0;

	for (size_t i = 0; i < query.n; i++)
		if (!is_visible(query.p[i]) || query.p[i] == '#')
			return refuse(why, 400, "invalid_query", base + i,
				"the query has a byte that must be percent-encoded");
	while (!err && uri_pair_next(&rest, &pair)) {
		uint32_t name = (uint32_t)l->n;
		size_t at = base + (size_t)(pair.name.p - query.p);
		err = add_target_segment(
			l, ROLE_KEY, SEG_FORM, SEGMENT_NO_KEY, at, pair.name, why);
		if (!err && pair.has_value && !is_left_out(left_out, l, &pair))
			err = add_target_segment(l, ROLE_QUERY, SEG_FORM, name,
				at + pair.name.n + 1, pair.value, why);
	}
	return err;
}

int
target_read(const struct http_head *h, const char *const *left_out, bool separators,
	struct arena *a, struct segment **segments, size_t *n, struct unread *unread,
	struct body_refusal *why)
{
	struct seglist l = { .a = a };
	size_t inspected = h->path.n + h->query.n;

	*segments = NULL;
	*n = 0;
	*why = (struct body_refusal){ 0 };
	if (h->path.n + h->query.n > CAP_TARGET_BYTES)
		return refuse(
			why, 400, "target_too_long", 0, "the path and query are too long");
	int err = check_path(h->path, separators, why);
	if (!err)
		err = read_path(h->path, &l, why);
	if (!err && h->has_query)
		err = read_query(h->path.n + 1, h->query, left_out, &l, why);
	if (err)
		return err;
	if (opaque_count(l.v, l.n, a, unread, &inspected))
		return refuse_room(why, "the gateway has no memory to read the URL");
	*segments = l.v;
	*n = l.n;
	return 0;
}
