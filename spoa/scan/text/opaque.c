/* Finds opaque runs in a text, determines their kind and counts them. Nothing is removed from
 * the text: detectors still scan it, so a text that is wrongly taken for binary data is at least
 * scanned as it is written. */
#include "scan/text/opaque.h"

#include "base/codec/digits.h"
#include "base/err.h"
#include "base/push.h"
#include "scan/media/media_file.h"
#include "scan/text/blob.h"

enum {
	URI_NAME = 4,
	URI_HEAD = 256, /* characters of a media type with its parameters */
	URI_PLAIN = 64, /* characters of data in a URI without base64 that only its media type
			 * declares to be no text */
	EDGE_MAX = 64,	/* spaces and quotes around a string that counts as whole */
	MAGIC_BYTES = 16,
	CODED_BYTES = 1024,
	MAGIC_SURE = 3, /* bytes of a signature that random data does not begin with by chance */
	MAGIC_HEX = 4,	/* bytes of a signature that none of many digests begins with by chance */
};

/* ---- kinds ---- */

static const char *
kind_of_file(struct span text, const struct blob_run *r, bool form, size_t least)
{
	char head[MAGIC_BYTES];

	return file_magic_media(
		span_of(head, blob_head(text, r, form, head, sizeof(head))), least);
}

static bool
run_is_coded(struct span text, const struct blob_run *r, bool form)
{
	char head[CODED_BYTES];

	return file_is_coded(
		span_of(head, blob_head(text, r, form, head, sizeof(head))), false);
}

static const char *
kind_of_type(struct span type)
{
	return span_istarts(type, SPAN_LIT("image/"))	? "image"
	       : span_istarts(type, SPAN_LIT("audio/")) ? "audio"
	       : span_istarts(type, SPAN_LIT("video/")) ? "video"
							: "file";
}

const char *
opaque_kind(struct span type, struct span bytes)
{
	const char *kind = file_magic_media(bytes, MAGIC_SURE);

	return kind ? kind : kind_of_type(type);
}

/* Returns true for text/plain, image/svg+xml, application/x-yaml and the like. A missing type
 * means text/plain (RFC 2397). */
static bool
is_text_type(struct span type)
{
	static const char *const ends[] = { "json", "xml", "yaml", "javascript", "ecmascript",
		"x-www-form-urlencoded" };

	if (!type.n || span_istarts(type, SPAN_LIT("text/")))
		return true;
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct span end = span_str(ends[i]);
		if (type.n > end.n && strchr("/+-.", type.p[type.n - end.n - 1]) &&
			span_ieq(span_cut(type, type.n - end.n, type.n), end))
			return true;
	}
	return false;
}

/* ---- data URIs ---- */

/* The head of a data URI. */
struct uri_head {
	char room[URI_HEAD];
	struct span type;
	bool base64;
	size_t end; /* offset at which the data begin */
};

/* Parses dataurl = "data:" [ type "/" subtype ] *( ";" parameter ) [ ";base64" ] "," data (RFC
 * 2397), in any letter case, with spaces and escapes. Returns false if the text is no such URI. */
static bool
read_head(struct span t, size_t at, struct uri_head *h)
{
	size_t n = 0, step;
	int c = blob_char(t, at += URI_NAME, &step);

	for (at += step; at < t.n && n < URI_HEAD; at += step) {
		c = blob_char(t, at, &step);
		if (c == ',')
			break;
		if (c > 0 && c < 128 && strchr("\r\n\t", c))
			continue;
		if (c <= 0 || c > 127 || (!digits_in[c] && !strchr(" ;=.\"'*!#$&^~", c)))
			return false;
		h->room[n++] = (char)c;
	}
	if (c != ',' || at >= t.n || n == URI_HEAD)
		return false;
	h->end = at + step;
	struct span rest = span_of(h->room, n), last = { NULL, 0 };
	h->type = span_trim(span_next(&rest, ';'), " ");
	while (rest.n)
		last = span_trim(span_next(&rest, ';'), " ");
	h->base64 = span_ieq(last, SPAN_LIT("base64"));
	return h->base64 || span_chr(h->type, '/') < h->type.n;
}

/* Returns the end of data that are not base64, which is the end of the URI. */
static size_t
plain_end(struct span t, size_t at)
{
	while (at < t.n && (unsigned char)t.p[at] > ' ' && !strchr("\"'<>`\\", t.p[at]))
		at++;
	return at;
}

/* Returns true if the percent-encoded bytes are no text. */
static bool
is_plain_noise(struct span t, size_t at, size_t end)
{
	char window[BLOB_WINDOW];
	size_t all = 0, n, step;
	bool text = true;

	while (at < end && text) {
		for (n = 0; at < end && n < sizeof(window); at += step)
			window[n++] = (char)blob_char(t, at, &step);
		text = blob_is_text(span_of(window, n));
		all += n;
	}
	return !text && all >= OPAQUE_LEAST;
}

/* Reads the data URI at `at` and returns the end of its data. *kind is NULL if the data are
 * text. */
static size_t
read_uri(const struct opaque_reader *r, size_t at, const char **kind)
{
	struct uri_head h;
	struct span t = r->text;

	*kind = NULL;
	if (!read_head(t, at, &h))
		return at + URI_NAME;
	if (!h.base64) {
		size_t end = plain_end(t, h.end);
		if (is_plain_noise(t, h.end, end) ||
			(!is_text_type(h.type) && end - h.end >= URI_PLAIN))
			*kind = kind_of_type(h.type);
		return end;
	}
	while (h.end < t.n && strchr(" \t\r\n", t.p[h.end]))
		h.end++;
	struct blob_run run = blob_run_at(t, h.end, r->form);
	run.in = IN64;
	if (run.digits * 6 / 8 < OPAQUE_LEAST)
		return run.end;
	const char *file = kind_of_file(t, &run, r->form, 1);
	bool text = is_text_type(h.type);
	if (!text || run_is_coded(t, &run, r->form) ||
		!blob_reads(t, &run, r->form, false, r->depth))
		*kind = !text ? kind_of_type(h.type) : file ? file : "unknown";
	return run.end;
}

/* Returns the next place from `at` on where "data:" begins, or with the mark % "data%3A"; t.n if
 * there is none. */
static size_t
next_uri(struct span t, size_t at, char mark)
{
	for (size_t n, colon = at + URI_NAME; colon < t.n; colon++) {
		const char *p = memchr(t.p + colon, mark, t.n - colon);
		if (!p)
			break;
		colon = (size_t)(p - t.p);
		struct span name = span_cut(t, colon - URI_NAME, colon);
		if (span_ieq(name, SPAN_LIT("data")) && blob_char(t, colon, &n) == ':')
			return colon - URI_NAME;
	}
	return t.n;
}

/* ---- the reader ---- */

void
opaque_open(struct opaque_reader *r, struct span text, bool form, unsigned depth)
{
	struct span inner = span_trim(text, " \t\r\n");
	char first = inner.n ? inner.p[0] : 0, last = inner.n ? inner.p[inner.n - 1] : 0;

	*r = (struct opaque_reader){ .text = text, .form = form, .depth = depth };
	r->json = (first == '{' && last == '}') || (first == '[' && last == ']');
	r->colon = next_uri(text, 0, ':');
	r->percent = next_uri(text, 0, '%');
}

/* Returns true if text[from, to) has only spaces and quotes, at most EDGE_MAX bytes. */
static bool
is_edge(struct span t, size_t from, size_t to)
{
	size_t n;

	if (to - from > EDGE_MAX)
		return false;
	for (; from < to; from += n) {
		int c = blob_char(t, from, &n);
		if (c <= 0 || c > 127 || !strchr(" \t\r\n\"'`", c))
			return false;
	}
	return true;
}

static bool
is_whole_run(const struct opaque_reader *r, const struct blob_run *run)
{
	struct span t = r->text;
	size_t n;

	if (is_edge(t, 0, run->start) && is_edge(t, run->end, t.n))
		return true;
	return r->json && run->start && t.p[run->start - 1] == '"' && run->end < t.n &&
	       blob_char(t, run->end, &n) == '"';
}

static bool
run_is_opaque(const struct opaque_reader *r, const struct blob_run *run)
{
	if (run->digits < OPAQUE_INSIDE && !is_whole_run(r, run))
		return false;
	if (run->digits < OPAQUE_WHOLE &&
		!kind_of_file(r->text, run, r->form, run->in == IN16 ? MAGIC_HEX : MAGIC_SURE))
		return false;
	bool mixed = run->in == IN64 && run->any & IN_DECIMAL;
	if (!mixed && blob_repeats(r->text, run))
		return false;
	return run_is_coded(r->text, run, r->form) ||
	       !blob_reads(r->text, run, r->form, true, r->depth);
}

bool
opaque_next(struct opaque_reader *r, struct opaque *out)
{
	struct span t = r->text;
	struct blob_run run;

	while (r->at < t.n) {
		if (r->colon < r->at)
			r->colon = next_uri(t, r->at, ':');
		if (r->percent < r->at)
			r->percent = next_uri(t, r->at, '%');
		size_t uri = r->colon < r->percent ? r->colon : r->percent;
		while (blob_run_next(t, &r->at, uri, r->form, &run)) {
			if (!run_is_opaque(r, &run))
				continue;
			const char *file = kind_of_file(t, &run, r->form, 1);
			*out = (struct opaque){ run.start, run.end, false,
				file ? file : "unknown" };
			return true;
		}
		if (uri == t.n)
			break;
		r->at = read_uri(r, uri, &out->kind);
		if (out->kind) {
			out->start = uri;
			out->end = r->at;
			out->uri = true;
			return true;
		}
	}
	return false;
}

bool
opaque_is_sealed(struct span t)
{
	if (!t.n)
		return false;
	struct blob_run r = blob_run_at(t, 0, false);

	return r.digits >= SEALED_LEAST && r.end == t.n && r.in == IN64 &&
	       !kind_of_file(t, &r, false, MAGIC_SURE) && !blob_reads(t, &r, false, true, 0);
}

bool
opaque_is_noise(struct span t)
{
	struct blob_run r = blob_run_at(t, 0, false);

	r.in = IN64;
	return r.end < t.n || !blob_reads(t, &r, false, false, 0);
}

/* ---- counting ---- */

int
opaque_add(struct unread *u, struct arena *a, const struct media *m, size_t bytes)
{
	if (!ARENA_PUSH(a, u->media, u->nmedia, u->room, 8, *m))
		return ERR_NOMEM;
	u->bytes += bytes;
	return 0;
}

int
opaque_note(struct unread *u, struct arena *a, const char *kind, size_t bytes)
{
	return opaque_add(u, a,
		&(struct media){ .kind = span_str(kind), .segment = SEGMENT_NO_KEY }, bytes);
}

/* Adds one run of a segment's text. The data are known if they are a data URI or the whole text. */
static int
count_run(const struct segment *v, size_t i, const struct opaque *o, struct unread *u,
	struct arena *a)
{
	struct media m = { .kind = span_str(o->kind),
		.start = v[i].start,
		.end = v[i].end,
		.segment = (uint32_t)i };

	struct span all = span_trim(v[i].text, " \t\r\n");
	bool whole = v[i].text.p + o->start == all.p && o->end - o->start == all.n;
	if ((o->uri || whole) && v[i].form != SEG_FORM && v[i].role != ROLE_KEY) {
		m.data = span_cut(v[i].text, o->start, o->end);
		m.base64 = true;
	}
	return opaque_add(u, a, &m, o->end - o->start);
}

int
opaque_count(
	const struct segment *v, size_t n, struct arena *a, struct unread *u, size_t *inspected)
{
	struct opaque_reader r;
	struct opaque o;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		const struct segment *s = &v[i];
		if (s->counted || s->form == SEG_NUMBER || s->text.n < OPAQUE_LEAST)
			continue;
		if (s->sealed && opaque_is_sealed(s->text)) {
			u->sealed++;
			u->sealed_bytes += s->text.n;
			*inspected -= s->text.n;
			continue;
		}
		opaque_open(&r, s->text, s->form == SEG_FORM, 0);
		while (!err && opaque_next(&r, &o)) {
			err = count_run(v, i, &o, u, a);
			*inspected -= o.end - o.start;
		}
	}
	return err;
}
