/* Handles the parts of a JSON body that cannot be inspected: images, audio, files. A part
 * becomes opaque or stays text when it ends, because its "type" may be its last member. */
#include "base/among.h"
#include "scan/text/opaque.h"
#include "scan/text/walk.h"

enum {
	OPAQUE_MIN = 256,   /* shorter base64 is scanned as text, whatever part it belongs to */
	DATA_URI_HEAD = 64, /* room for "data:image/png;base64," */
};

/* Returns where the base64 of "data:image/png;base64,…" begins. Returns 0 if the text is no such
 * URI; then the whole text may be base64. */
static size_t
data_uri_head(struct span s)
{
	size_t comma = span_chr(span_cut(s, 0, DATA_URI_HEAD), ',');

	if (comma >= DATA_URI_HEAD || comma >= s.n || !span_istarts(s, SPAN_LIT("data:")) ||
		!span_ends(span_cut(s, 0, comma), SPAN_LIT(";base64")))
		return 0;
	return comma + 1;
}

/* URL parsers skip spaces and control characters before a URL, and tabs and line breaks inside
 * it (WHATWG URL 4.4). */
bool
walk_is_data_uri(struct span text)
{
	const char *scheme = "data:";

	for (size_t i = 0; i < text.n && *scheme; i++) {
		char c = text.p[i];
		if (c == '\t' || c == '\r' || c == '\n' ||
			(*scheme == 'd' && (unsigned char)c <= ' '))
			continue;
		if (to_lower(c) != *scheme++)
			return false;
	}
	return !*scheme;
}

bool
walk_may_be_opaque(struct span text)
{
	struct span data = span_cut(text, data_uri_head(text), text.n);

	return text.n >= OPAQUE_MIN &&
	       span_is_alnum(span_cut(data, 0, span_back_set(data, data.n, 0, "=")), "+/-_") &&
	       opaque_is_noise(data);
}

/* Removes the data of an opaque part from the segment's text; the head of a data URI stays. */
static void
cut_opaque(struct walk *w, struct segment *s)
{
	size_t head = data_uri_head(s->text);
	struct span raw = span_cut(w->raw, s->start, s->end);

	w->out->inspected_bytes -= s->text.n - head;
	s->end = s->start + (uint32_t)(s->escaped ? json_raw_offset(raw, head) : head);
	s->text.n = head;
	s->opaque = true;
}

int
walk_image(struct walk *w)
{
	size_t i = w->segs.n - 1;
	struct segment *s = &w->segs.v[i];
	struct media m = { .kind = SPAN_LIT("image"),
		.start = s->start,
		.end = s->end,
		.segment = (uint32_t)i,
		.data = s->text,
		.base64 = true };

	if (!s->candidate)
		return 0;
	s->candidate = false;
	s->counted = true;
	cut_opaque(w, s);
	return opaque_add(&w->out->unread, w->a, &m, m.end - m.start) ? walk_no_memory(w) : 0;
}

/* Returns true if another member of a part also holds opaque data. If only the part's known data
 * were inspected, that member would not be. */
static bool
hides_another(const struct segment *s)
{
	struct opaque_reader r;
	struct opaque o;

	if (s->text.n < OPAQUE_FILE)
		return false;
	opaque_open(&r, s->text, false, 0);
	return opaque_next(&r, &o);
}

/* Returns the file that a part holds: its declared type, and its data if exactly one member has
 * them. */
static struct media
part_media(const struct walk *w, const struct frame *f, const char *kind, size_t end)
{
	static const char *const type_keys[] = { "media_type", "mimeType", "mime_type",
		"mediaType", "format" };
	struct media m = { .kind = span_str(kind),
		.start = f->start,
		.end = end,
		.segment = SEGMENT_NO_KEY,
		.part = w->depth && !w->frames[w->depth].object,
		.typed = f->type.p != NULL,
		.base64 = true };
	bool several = false;

	for (size_t i = f->first; i < w->segs.n && !several; i++) {
		const struct segment *s = &w->segs.v[i];
		if (SPAN_IN(segment_key(w->segs.v, s), type_keys))
			m.type = s->text;
		if (!s->data)
			several |= hides_another(s);
		if (!s->data || !s->text.n)
			continue;
		several |= m.data.p != NULL;
		m.data = s->text;
		m.segment = (uint32_t)i;
	}
	if (several)
		m.data = (struct span){ NULL, 0 };
	return m;
}

static const char *
media_type_kind(struct span type)
{
	static const char *const kinds[] = { "image", "audio", "video" };

	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (span_istarts(type, span_str(kinds[i])))
			return kinds[i];
	return "file";
}

static const char *
row_kind(const struct part_row *p, struct span source)
{
	if (!p->by_source)
		return p->kind;
	if (span_is(source, "text") || span_is(source, "content"))
		return NULL;
	return span_chr(source, '/') < source.n ? media_type_kind(source) : p->kind;
}

const struct part_row *
walk_part_row(const struct part_row *rows, struct span name)
{
	for (const struct part_row *p = rows; p && p->types; p++)
		for (const char *const *type = p->types; *type; type++)
			if (span_is(name, *type))
				return p;
	return NULL;
}

/* If several keys of a part without "type" have a row, a key whose parts cannot be inspected
 * takes precedence. */
void
walk_part_key(const struct walk *w, struct frame *f, struct span key)
{
	const struct part_row *p = walk_part_row(w->t->keyed, key);

	if (p && (!f->keyed || p->kind))
		f->keyed = p;
}

/* Returns true if the part only refers to its image or file. Such a part is counted as a
 * reference. */
static bool
is_elsewhere(const struct walk *w, const struct frame *f)
{
	bool inside = w->contents > f->contents;

	for (size_t i = f->first; i < w->segs.n && !inside; i++)
		inside = w->segs.v[i].candidate || walk_is_data_uri(w->segs.v[i].text) ||
			 walk_may_be_opaque(w->segs.v[i].text);
	return w->refs > f->refs && !inside;
}

int
walk_part_end(struct walk *w, const struct frame *f, size_t end)
{
	const struct part_row *p = f->type.p ? walk_part_row(w->t->parts, f->type) : NULL;

	if (!p)
		p = f->keyed;
	const char *kind = p ? row_kind(p, f->source) : "unknown";
	bool known = kind && strcmp(kind, "unknown");

	if (known && is_elsewhere(w, f))
		return 0;
	struct media m = kind ? part_media(w, f, kind, end) : (struct media){ 0 };
	for (size_t i = f->first; i < w->segs.n; i++) {
		struct segment *s = &w->segs.v[i];
		if (s->candidate && known)
			cut_opaque(w, s);
		s->candidate = false;
		s->counted |= kind != NULL;
	}
	if (!kind || !opaque_add(&w->out->unread, w->a, &m, end - f->start))
		return 0;
	return walk_no_memory(w);
}
