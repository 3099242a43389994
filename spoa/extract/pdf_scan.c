/* The scan of a PDF's objects: their strings, its object streams (ISO 32000-1 7.5.7), XMP.
 *
 * Each place where an object may begin is gone to ("obj", "trailer"), as a reader might be sent
 * there by an offset, also within another one: bytes may be looked at more than once, so their
 * number is capped. Of streams only those are inflated that hold objects or XMP. */
#define ZLIB_CONST
#include <zlib.h>

#include "base/ascii.h"
#include "base/scoped.h"
#include "extract/pdf_lex.h"
#include "extract/pdf.h"

enum {
	HEAD_BYTES = 1024, /* "%PDF-" is in it */
	TAIL_BYTES = 4096, /* "%%EOF" is in it */
	INFLATED_BYTES = 64 << 20,
	STEP_BYTES_PDF = 64 << 10,
	TIMES_OVER = 8, /* bytes looked at for each of the file */
	NEST_MAX = 100,
};

/* owner: the scan. */
struct scan {
	struct pdf_found *f;
	struct span file;
	size_t left; /* bytes that may still be looked at */
	size_t inflated;
	struct buf bytes; /* a string's */
	/* fonts whose letters no map of theirs names; collections of characters (9.7.3) whose
	 * letters readers know, and others */
	bool unnamed, known, unknown;
};

/* What an object's dictionary says of its stream. */
struct stream_dict {
	bool objects, xmp;
	bool flate, other; /* coded so */
	size_t length;	   /* 0: not said here */
};

/* What a dictionary says of a font: of several bytes a letter, and which letters they are. */
struct font_dict {
	bool composite, own, unicode;
};

/* What a dictionary says of the pages below it (7.7.3.2). Of two values the one that hides
 * more. */
struct pages_dict {
	size_t kids, count;
	bool counted;
};

/* What is open around a token. In a dictionary a value may be any token, also ">>" or a word:
 * so poppler reads it. */
struct nest {
	unsigned depth;
	bool value; /* a key was read */
	char open[NEST_MAX];
	struct {
		struct font_dict font;
		struct pages_dict pages;
	} dict[NEST_MAX];
};

/* Strings under these names are no text. */
static const char *const no_text_of[] = { "ID", "O", "U", "OE", "UE", "Perms", "Registry",
	"Ordering", "Panose", "CharSet", "Indexed", "DeviceRGB", "DeviceGray", "DeviceCMYK",
	"Lang" };

/* Adobe's collections, by their /Ordering. */
static const char *const known_orderings[] = { "Japan1", "GB1", "CNS1", "Korea1", "KR" };

/* date = "D:" digits with + - Z ' (7.9.4) */
static bool
is_pdf_date(struct span s)
{
	if (!span_starts(s, SPAN_LIT("D:")))
		return false;
	for (size_t i = 2; i < s.n; i++)
		if (!is_digit(s.p[i]) && !strchr("+-Z'", s.p[i]))
			return false;
	return s.n <= 24;
}

static void
put_found_string(struct scan *s, const char *key, struct span raw)
{
	if (SPAN_IN(span_str(key), no_text_of))
		return;
	buf_clear(&s->bytes);
	pdf_string_bytes(raw, &s->bytes);
	struct span bytes = span_trim(buf_view(&s->bytes), " \t\r\n");
	if (bytes.n < 2 || is_pdf_date(bytes))
		return;
	pdf_text(bytes, &s->f->text);
	buf_putc(&s->f->text, '\n');
}

/* names = name | "[" { name } "]", of /Filter; a reference is one that is not known. */
static void
read_filter(struct span at, struct stream_dict *d)
{
	struct pdf_token t;

	pdf_next(&at, &t);
	bool list = pdf_is(&t, PDF_MARK, "[");
	if (list)
		pdf_next(&at, &t);
	for (; t.kind == PDF_NAME; pdf_next(&at, &t)) {
		bool flate = !strcmp(t.name, "FlateDecode") || !strcmp(t.name, "Fl");
		d->other = d->other || !flate || d->flate;
		d->flate = d->flate || flate;
		if (!list)
			return;
	}
	d->other = d->other || !list || !pdf_is(&t, PDF_MARK, "]");
}

static size_t
number_after(struct span at)
{
	struct pdf_token t;
	uint64_t n;

	pdf_next(&at, &t);
	return t.kind == PDF_NUMBER && !span_u64(t.raw, &n) ? n : 0;
}

/* parameters = dictionary | null | "[" parameters "]", of /DecodeParms: those of another object
 * may predict. */
static bool
parameters_are_here(struct span at)
{
	struct pdf_token t;

	pdf_next(&at, &t);
	if (pdf_is(&t, PDF_MARK, "["))
		pdf_next(&at, &t);
	return pdf_is(&t, PDF_MARK, "<<") || pdf_is(&t, PDF_WORD, "null") ||
	       pdf_is(&t, PDF_MARK, "]");
}

/* A composite font (9.7.6) by its CIDs, or by a map of its own. */
static bool
encodes_by_itself(struct span at)
{
	struct pdf_token t;

	pdf_next(&at, &t);
	return t.kind != PDF_NAME || !strcmp(t.name, "Identity-H") ||
	       !strcmp(t.name, "Identity-V");
}

static void
read_font_key(const char *name, struct span after, struct font_dict *d)
{
	if (!strcmp(name, "Type0"))
		d->composite = true;
	else if (!strcmp(name, "Encoding"))
		d->own = encodes_by_itself(after);
	else if (!strcmp(name, "ToUnicode"))
		d->unicode = number_after(after) != 0;
}

/* SIZE_MAX: they are said elsewhere. */
static size_t
references_after(struct span at)
{
	struct pdf_token t;
	size_t n = 0;

	pdf_next(&at, &t);
	if (!pdf_is(&t, PDF_MARK, "["))
		return SIZE_MAX;
	while (t.kind != PDF_END && !pdf_is(&t, PDF_MARK, "]")) {
		pdf_next(&at, &t);
		n += pdf_is(&t, PDF_WORD, "R");
	}
	return n;
}

/* A reader that goes by /Count shows none of the /Kids beyond it, another one does. */
static void
read_pages_key(const char *name, struct span after, struct pages_dict *d)
{
	if (!strcmp(name, "Kids")) {
		size_t kids = references_after(after);
		d->kids = kids > d->kids ? kids : d->kids;
	} else if (!strcmp(name, "Count")) {
		struct pdf_token t;
		size_t count = number_after(after);
		for (int i = 0; i < 3; i++)
			pdf_next(&after, &t);
		if (pdf_is(&t, PDF_WORD, "R"))
			count = 0;
		d->count = d->counted && d->count < count ? d->count : count;
		d->counted = true;
	}
}

static void
read_stream_key(const char *name, struct span after, struct stream_dict *d)
{
	if (!strcmp(name, "First") || !strcmp(name, "ObjStm"))
		d->objects = true;
	else if (!strcmp(name, "Metadata") || !strcmp(name, "XML"))
		d->xmp = true;
	else if (!strcmp(name, "Filter"))
		read_filter(after, d);
	else if (!strcmp(name, "Predictor"))
		d->other = d->other || number_after(after) != 1;
	else if (!strcmp(name, "DecodeParms") || !strcmp(name, "DP"))
		d->other = d->other || !parameters_are_here(after);
	else if (!strcmp(name, "Length"))
		d->length = number_after(after);
}

/* From after "stream" on, past the end of its line; *ok: nothing else is there. */
static struct span
after_stream(struct span at, bool *ok)
{
	size_t n = 0;

	while (n < at.n && (at.p[n] == ' ' || at.p[n] == '\t'))
		n++;
	*ok = n < at.n && (at.p[n] == '\r' || at.p[n] == '\n');
	n += span_starts(span_cut(at, n, at.n), SPAN_LIT("\r\n")) ? 2 : 1;
	return span_cut(at, n, at.n);
}

/* Its end by /Length where "endstream" is there, else by that word. */
static struct span
stream_data(struct span at, size_t length)
{
	if (length && length < at.n) {
		struct span after = span_cut(at, length, at.n);
		struct pdf_token t;
		after = span_cut(after, 0, 64);
		pdf_next(&after, &t);
		if (pdf_is(&t, PDF_WORD, "endstream"))
			return span_cut(at, 0, length);
	}
	const char *end = at.n ? memmem(at.p, at.n, "endstream", 9) : NULL;
	return span_cut(at, 0, end ? (size_t)(end - at.p) : at.n);
}

static void
read_ordering(struct scan *s, struct span after)
{
	struct pdf_token t;

	pdf_next(&after, &t);
	buf_clear(&s->bytes);
	if (t.kind == PDF_STRING)
		pdf_string_bytes(t.raw, &s->bytes);
	if (SPAN_IN(buf_view(&s->bytes), known_orderings))
		s->known = true;
	else
		s->unknown = true;
}

/* A head of two bytes (RFC 1950 2.2), then deflate; what is after it, a checksum or none, no
 * reader of PDF minds. */
static enum extract_error
inflate_stream(struct scan *s, struct span in, struct buf *out)
{
	unsigned head =
		in.n < 2 ? 0u : (unsigned)(unsigned char)in.p[0] << 8 | (unsigned char)in.p[1];

	if ((head >> 8 & 15) != Z_DEFLATED || head % 31 || head & 0x20)
		return EXTRACT_DAMAGED;
	z_stream z = { .next_in = (const Bytef *)in.p + 2, .avail_in = (uInt)in.n - 2 };
	int r = inflateInit2(&z, -MAX_WBITS);
	enum extract_error error = r == Z_OK ? EXTRACT_READ : EXTRACT_MEMORY;

	while (!error && r == Z_OK) {
		char *to = buf_reserve(out, STEP_BYTES_PDF);
		if (!to) {
			error = EXTRACT_MEMORY;
			break;
		}
		z.next_out = (Bytef *)to;
		z.avail_out = STEP_BYTES_PDF;
		r = inflate(&z, Z_NO_FLUSH);
		buf_commit(out, STEP_BYTES_PDF - z.avail_out);
		s->inflated += STEP_BYTES_PDF - z.avail_out;
		if (s->inflated > INFLATED_BYTES)
			error = EXTRACT_TOO_LARGE;
		else if (r != Z_OK && r != Z_STREAM_END)
			error = EXTRACT_DAMAGED;
	}
	inflateEnd(&z);
	return error;
}

static void read_objects(struct scan *s, struct span in, bool many);

/* A stream that holds objects or XMP. What is packed ends where it says, whatever is written
 * of its length: "endstream" may be among its bytes. */
static void
read_stream(struct scan *s, const struct stream_dict *d, struct span at)
{
	SCOPED_BUF(plain, 0);
	bool ok;
	struct span data = after_stream(at, &ok);

	if (!ok)
		s->f->error = EXTRACT_DAMAGED;
	else if (d->other && d->objects)
		s->f->error = EXTRACT_UNSUPPORTED;
	else if (d->other)
		s->f->unread |= 1u << EXTRACT_METADATA;
	else if (d->flate)
		s->f->error = inflate_stream(s, data, &plain);
	if (d->other || s->f->error)
		return;
	data = d->flate ? buf_view(&plain) : stream_data(data, d->length);
	s->left += plain.n;
	if (d->objects) {
		pdf_names(data, s->f);
		read_objects(s, data, true);
	} else {
		pdf_xmp(data, &s->f->text);
	}
}

/* The token's place in what is around it. */
static void
nest_token(struct scan *s, struct nest *n, const struct pdf_token *t, struct span after)
{
	bool opens = pdf_is(t, PDF_MARK, "<<") || pdf_is(t, PDF_MARK, "[");
	char in = n->depth ? n->open[n->depth - 1] : 0;
	struct font_dict *font = &n->dict[n->depth ? n->depth - 1 : 0].font;
	struct pages_dict *pages = &n->dict[n->depth ? n->depth - 1 : 0].pages;

	if (opens && n->depth == NEST_MAX) {
		s->f->error = EXTRACT_DAMAGED;
	} else if (opens) {
		n->value = false;
		memset(&n->dict[n->depth], 0, sizeof(n->dict[0]));
		n->open[n->depth++] = t->raw.p[0];
	} else if (in == '[') {
		n->depth -= pdf_is(t, PDF_MARK, "]");
	} else if (in == '<') {
		if (t->kind == PDF_NAME)
			read_font_key(t->name, after, font);
		if (t->kind == PDF_NAME && !n->value)
			read_pages_key(t->name, after, pages);
		if (!n->value && pdf_is(t, PDF_MARK, ">>")) {
			n->depth--;
			s->unnamed |= font->composite && font->own && !font->unicode;
			if (pages->counted && pages->count < pages->kids)
				s->f->error = EXTRACT_DAMAGED;
		}
		n->value = !n->value && t->kind == PDF_NAME;
	}
}

/* A word that is no value ends an object. */
static bool
is_value_word(const struct pdf_token *t)
{
	return pdf_is(t, PDF_WORD, "R") || pdf_is(t, PDF_WORD, "true") ||
	       pdf_is(t, PDF_WORD, "false") || pdf_is(t, PDF_WORD, "null");
}

/* Tokens of one object, or of `many` to the end: strings are put, a stream is read. */
static void
read_objects(struct scan *s, struct span in, bool many)
{
	struct stream_dict d = { 0 };
	struct nest nest; /* places are made as they are opened: objects are many */
	char key[PDF_NAME_BYTES + 1] = "";
	struct span at = in;
	struct pdf_token t;

	nest.depth = 0;
	nest.value = false;
	do {
		struct span before = at;
		pdf_next(&at, &t);
		size_t n = before.n - at.n;
		if (n > s->left) {
			s->f->error = EXTRACT_DAMAGED;
			return;
		}
		s->left -= n;
		if (t.kind == PDF_NAME) {
			memcpy(key, t.name, sizeof(key));
			read_stream_key(key, at, &d);
			if (!strcmp(key, "Ordering"))
				read_ordering(s, at);
		} else if (t.kind == PDF_STRING) {
			put_found_string(s, key, t.raw);
		} else if (t.kind == PDF_WORD && !many && !nest.depth) {
			if (pdf_is(&t, PDF_WORD, "stream") && (d.objects || d.xmp))
				read_stream(s, &d, at);
			if (!is_value_word(&t))
				return;
		}
		nest_token(s, &nest, &t, at);
	} while (t.kind != PDF_END && !s->f->error && !buf_failed(&s->f->text));
}

/* Each place after this word. */
static void
read_each(struct scan *s, const char *word)
{
	size_t n = strlen(word);
	struct span at = s->file;

	while (at.n && !s->f->error && !buf_failed(&s->f->text)) {
		const char *found = memmem(at.p, at.n, word, n);
		if (!found)
			return;
		bool ends = found > s->file.p && is_alpha(found[-1]); /* "endobj" */
		at = span_cut(at, (size_t)(found - at.p) + n, at.n);
		if (!ends)
			read_objects(s, at, false);
	}
}

static bool
is_in(struct span s, const char *word)
{
	return s.n && memmem(s.p, s.n, word, strlen(word));
}

void
pdf_scan(struct span file, struct pdf_found *f)
{
	struct scan s = { .f = f, .file = file };

	*f = (struct pdf_found){ 0 };
	buf_init(&f->text, EXTRACT_TEXT_BYTES);
	buf_init(&s.bytes, 0);
	s.left = file.n * TIMES_OVER;
	if (!is_in(span_cut(file, 0, HEAD_BYTES), "%PDF-"))
		f->error = EXTRACT_UNSUPPORTED;
	else if (!is_in(span_cut(file, file.n > TAIL_BYTES ? file.n - TAIL_BYTES : 0, file.n),
			 "%%EOF"))
		f->error = EXTRACT_DAMAGED;
	if (!f->error)
		pdf_names(file, f);
	if (!f->error)
		read_each(&s, "obj");
	if (!f->error)
		read_each(&s, "trailer");
	/* Which font has which collection is not followed: one unknown one is enough. */
	if (s.unnamed && (s.unknown || !s.known))
		f->unread |= 1u << EXTRACT_FONTS;
	if (!f->error && buf_failed(&f->text))
		f->error = EXTRACT_TOO_LARGE;
	buf_free(&s.bytes);
}
