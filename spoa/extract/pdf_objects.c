/* Reads the objects of a PDF (ISO 32000-1) with libqpdf, for text and things that pdftotext does
 * not report. libqpdf finds, decrypts and decompresses the objects; this file knows what they
 * mean. The parts are: strings, streams, fonts and pages, the walk over all objects, and a copy of
 * the document in which hidden annotations and layers are shown.
 *
 * Each object is read one time, also if no other object refers to it. Objects of an older
 * revision, which a later one replaced, are read too: their strings are in the bytes that a
 * provider gets. */
#include <sodium.h>
#include <stdlib.h>

#include <qpdf/qpdf-c.h>

#include "base/ascii.h"
#include "base/random.h"
#include "base/scoped.h"
#include "extract/frame.h"
#include "extract/pdf.h"

enum {
	HEAD_BYTES = 1024, /* "%PDF-" must be in these first bytes */
	TAIL_BYTES = 4096, /* "%%EOF" must be in these last bytes */
	STREAM_BYTES = 64 << 20,
	VALUES_MAX = 4 << 20,	/* numbers, strings, arrays and so on, in all objects */
	NUMBER_MAX = 1 << 20,	/* highest number of an object */
	REVISIONS_MAX = 64,	/* older revisions that are read; a file with more is refused */
	NEST_MAX = 100,
	FONT_NONSYMBOLIC = 32,
	SHOWN_MAX = 10000,	/* appearances that are shown */
	STRINGS_BUCKETS = 1 << 14,
};

/* State of one scan. Lives on the stack of pdf_scan(). */
struct scan {
	struct pdf_found *f;
	qpdf_data q;
	size_t values, stream_bytes; /* that were looked at */
	size_t files, shown;	     /* attached PDFs; annotations that are shown in the copy */
	bool older;		     /* an older revision is read */
	bool unnamed;		     /* the copy has a font whose letters the file does not name */
	qpdf_oh numbers[2];	     /* maps of letters by their numbers, for such fonts; 0: not made */
	struct buf queue;	     /* numbers of objects: an array of int */
	struct buf queued, read;     /* bits by number: objects in the queue, streams that were read */
	/* hashes of strings that were found, to append each once: a table by hash; the last one
	 * in a place wins */
	unsigned char key[crypto_shorthash_KEYBYTES];
	uint64_t strings[STRINGS_BUCKETS];
};

/* ---- values of libqpdf ---- */

static bool
is_null(struct scan *s, qpdf_oh oh)
{
	return qpdf_oh_is_null(s->q, oh) || !qpdf_oh_is_initialized(s->q, oh);
}

/* Returns a value of a dictionary, or null. The caller releases it. */
static qpdf_oh
pdf_value(struct scan *s, qpdf_oh dict, const char *key)
{
	return qpdf_oh_get_key_if_dict(s->q, dict, key);
}

static bool
value_is_name(struct scan *s, qpdf_oh dict, const char *key, const char *name)
{
	qpdf_oh value = pdf_value(s, dict, key);
	bool is = qpdf_oh_is_name_and_equals(s->q, value, name);

	qpdf_oh_release(s->q, value);
	return is;
}

static bool
has_stream(struct scan *s, qpdf_oh dict, const char *key)
{
	qpdf_oh value = pdf_value(s, dict, key);
	bool is = qpdf_oh_is_stream(s->q, value);

	qpdf_oh_release(s->q, value);
	return is;
}

/* Returns the bytes of a string or name, valid until the next call of libqpdf; empty if the value
 * is neither. */
static struct span
bytes_of(struct scan *s, qpdf_oh oh)
{
	const char *p = NULL;
	size_t n = 0;

	if (qpdf_oh_is_string(s->q, oh))
		p = qpdf_oh_get_binary_string_value(s->q, oh, &n);
	else if (qpdf_oh_is_name(s->q, oh) && (p = qpdf_oh_get_name(s->q, oh)) && *p)
		n = strlen(++p);
	return p ? span_of(p, n) : span_of(NULL, 0);
}

/* Appends the value of a key, a string or name, as text. Returns false if it is neither. */
static bool
put_value(struct scan *s, qpdf_oh dict, const char *key, struct buf *out)
{
	qpdf_oh value = pdf_value(s, dict, key);
	struct span bytes = span_trim(bytes_of(s, value), " \t\r\n");

	if (bytes.n)
		pdf_text(bytes, false, out);
	qpdf_oh_release(s->q, value);
	return bytes.n != 0;
}

/* Returns true for an object whose bit is not set, and sets it. */
static bool
set_bit(struct buf *bits, int number)
{
	size_t at = (size_t)number / 8, mask = 1u << number % 8;

	if (at >= bits->n) {
		size_t more = at + 4096 - bits->n;
		char *p = buf_reserve(bits, more);
		if (!p)
			return false;
		memset(p, 0, more);
		buf_commit(bits, more);
	}
	unsigned char *byte = (unsigned char *)bits->p + bits->start + at;
	bool was = *byte & mask;
	*byte |= (unsigned char)mask;
	return !was;
}

/* ---- strings ---- */

/* Strings under these keys are not text. */
static const char *const no_text_of[] = { "/ID", "/O", "/U", "/OE", "/UE", "/Perms", "/Registry",
	"/Ordering", "/Panose", "/CharSet", "/Indexed", "/Lookup", "/Lang", "/CheckSum" };

/* Returns true for date = "D:" digits with + - Z ' (7.9.4). */
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

/* Appends a line to the texts, unless it was appended before. */
static void
put_found_line(struct scan *s, struct span line)
{
	uint64_t hash;

	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)line.p, line.n, s->key);
	uint64_t *place = &s->strings[hash % STRINGS_BUCKETS];
	if (*place == hash)
		return;
	*place = hash;
	buf_span(&s->f->text, line);
	buf_putc(&s->f->text, '\n');
}

static void
put_found_string(struct scan *s, const char *key, struct span bytes)
{
	SCOPED_BUF(line, 0);

	bytes = span_trim(bytes, " \t\r\n");
	if (SPAN_IN(span_str(key), no_text_of) || bytes.n < 2 || is_pdf_date(bytes))
		return;
	/* a name that detectors know, as scan/media/ writes it for other formats */
	if (!strcmp(key, "/Author"))
		buf_str(&line, "author name: ");
	pdf_text(bytes, false, &line);
	put_found_line(s, buf_view(&line));
}

/* Appends the value of a form field behind its names (12.7.3.1): "Date of birth: 1980-01-31". And
 * the author of a note, or the signer, behind a name that detectors know. */
static void
put_field(struct scan *s, qpdf_oh dict)
{
	static const struct {
		const char *name, *label, *value;
	} fields[] = {
		{ "/T", NULL, "/V" },
		{ "/TU", NULL, "/V" },
		{ "/Contents", "author name: ", "/T" }, /* 12.5.6.2 */
		{ "/ByteRange", "author name: ", "/Name" }, /* 12.8.1 */
	};

	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		SCOPED_BUF(line, 0);
		if (!qpdf_oh_has_key(s->q, dict, fields[i].name))
			continue;
		if (fields[i].label)
			buf_str(&line, fields[i].label);
		else if (put_value(s, dict, fields[i].name, &line))
			buf_str(&line, ": ");
		if (line.n && put_value(s, dict, fields[i].value, &line))
			put_found_line(s, buf_view(&line));
	}
}

/* ---- streams ---- */

/* Decodes a stream. Returns false if it has an encoding that is not known. The caller frees
 * *bytes. */
static bool
stream_bytes(struct scan *s, qpdf_oh stream, unsigned char **bytes, struct span *out)
{
	QPDF_BOOL decoded = QPDF_FALSE;
	size_t n = 0;

	*bytes = NULL;
	qpdf_oh_get_stream_data(s->q, stream, qpdf_dl_generalized, &decoded, bytes, &n);
	*out = span_of((const char *)*bytes, *bytes ? n : 0);
	s->stream_bytes += out->n;
	if (s->stream_bytes > STREAM_BYTES)
		s->f->error = EXTRACT_TOO_LARGE;
	return decoded && !s->f->error;
}

/* Appends the bytes of a text or of XML as a text of its own, because its lines belong together. */
static void
put_text_frame(struct scan *s, struct span bytes)
{
	SCOPED_BUF(text, EXTRACT_TEXT_BYTES);
	SCOPED_BUF(values, EXTRACT_TEXT_BYTES);
	struct span plain;

	pdf_text(bytes, true, &text);
	plain = span_trim(buf_view(&text), " \t\r\n");
	if (span_starts(plain, SPAN_LIT("<")))
		pdf_xmp(plain, &values);
	if (buf_failed(&text) || buf_failed(&values)) {
		s->f->error = EXTRACT_TOO_LARGE;
		return;
	}
	if (plain.n)
		frame_put_text(&s->f->frames, FRAME_TEXT, 0, plain);
	if (values.n)
		frame_put_text(&s->f->frames, FRAME_TEXT, 0, buf_view(&values));
}

static bool
is_in(struct span s, const char *word)
{
	return s.n && memmem(s.p, s.n, word, strlen(word));
}

/* An attached file: text, or a PDF that the job reads. Other kinds are not inspected. */
static void
put_attachment(struct scan *s, struct span bytes)
{
	if (is_in(span_cut(bytes, 0, HEAD_BYTES), "%PDF-") && s->files < EXTRACT_FILES) {
		s->files++;
		frame_put_text(&s->f->frames, FRAME_FILE, 0, bytes);
	} else if (pdf_is_text(bytes) && !span_starts(bytes, SPAN_LIT("{\\rtf")) &&
		   !span_starts(bytes, SPAN_LIT("%!"))) {
		put_text_frame(s, bytes);
	} else {
		s->f->unread |= 1u << EXTRACT_ATTACHMENTS;
	}
}

/* The use of a stream, by the key that refers to it or by its type. */
enum stream_kind { STREAM_TEXT, STREAM_XMP, STREAM_FILE, STREAM_SOUND };

/* Reads a stream, unless it was read before. */
static void
read_stream(struct scan *s, qpdf_oh stream, enum stream_kind kind)
{
	static const enum extract_unread unread[] = { [STREAM_TEXT] = EXTRACT_FORMS,
		[STREAM_XMP] = EXTRACT_METADATA, [STREAM_FILE] = EXTRACT_ATTACHMENTS,
		[STREAM_SOUND] = EXTRACT_ANNOTATIONS };
	unsigned char *bytes = NULL;
	struct span data;

	if (!qpdf_oh_is_stream(s->q, stream) ||
		!set_bit(&s->read, qpdf_oh_get_object_id(s->q, stream)))
		return;
	if (kind == STREAM_SOUND || !stream_bytes(s, stream, &bytes, &data))
		s->f->unread |= 1u << unread[kind];
	else if (kind == STREAM_TEXT)
		put_text_frame(s, data);
	else if (kind == STREAM_XMP)
		pdf_xmp(data, &s->f->text);
	else
		put_attachment(s, data);
	free(bytes);
}

/* Reads streams by the key that refers to them: scripts (12.6.4.16), rich text and values of
 * fields (12.7.3), XFA (12.7.8), attached files (7.11.4), and sound and 3D, which are not
 * inspected. XFA is a stream, or an array of names and streams; /EF is a dictionary. */
static void
read_by_key(struct scan *s, const char *key, qpdf_oh value)
{
	static const struct {
		const char *key;
		enum stream_kind kind;
	} streams[] = {
		{ "/JS", STREAM_TEXT }, { "/RC", STREAM_TEXT }, { "/RV", STREAM_TEXT },
		{ "/V", STREAM_TEXT }, { "/DV", STREAM_TEXT }, { "/XFA", STREAM_TEXT },
		{ "/EF", STREAM_FILE }, { "/Sound", STREAM_SOUND }, { "/3DD", STREAM_SOUND },
	};
	static const char *const files[] = { "/F", "/UF", "/DOS", "/Mac", "/Unix" };
	size_t i = 0;

	while (i < COUNT_OF(streams) && strcmp(key, streams[i].key))
		i++;
	if (i == COUNT_OF(streams))
		return;
	read_stream(s, value, streams[i].kind);
	int items = qpdf_oh_is_array(s->q, value) ? qpdf_oh_get_array_n_items(s->q, value) : 0;
	for (int k = 0; k < items && k < VALUES_MAX; k++) {
		qpdf_oh item = qpdf_oh_get_array_item(s->q, value, k);
		read_stream(s, item, streams[i].kind);
		qpdf_oh_release(s->q, item);
	}
	for (size_t k = 0; k < COUNT_OF(files) && streams[i].kind == STREAM_FILE; k++) {
		qpdf_oh file = pdf_value(s, value, files[k]);
		read_stream(s, file, STREAM_FILE);
		qpdf_oh_release(s->q, file);
	}
}

static void
read_by_type(struct scan *s, qpdf_oh stream, qpdf_oh dict)
{
	if (value_is_name(s, dict, "/Type", "/Metadata") ||
		value_is_name(s, dict, "/Subtype", "/XML"))
		read_stream(s, stream, STREAM_XMP);
	else if (value_is_name(s, dict, "/Type", "/EmbeddedFile"))
		read_stream(s, stream, STREAM_FILE);
}

/* ---- fonts and pages ---- */

/* Adobe's collections of characters (9.7.3), whose letters readers know, by their /Ordering. */
static const char *const known_orderings[] = { "Japan1", "GB1", "CNS1", "Korea1", "KR" };

/* Returns true if the composite font (9.7.6) uses one of these collections. */
static bool
has_known_letters(struct scan *s, qpdf_oh font)
{
	qpdf_oh list = pdf_value(s, font, "/DescendantFonts");
	qpdf_oh inner = qpdf_oh_get_array_item(s->q, list, 0);
	qpdf_oh info = pdf_value(s, inner, "/CIDSystemInfo");
	qpdf_oh ordering = pdf_value(s, info, "/Ordering");
	bool known = SPAN_IN(bytes_of(s, ordering), known_orderings);

	qpdf_oh_release(s->q, list);
	qpdf_oh_release(s->q, inner);
	qpdf_oh_release(s->q, info);
	qpdf_oh_release(s->q, ordering);
	return known;
}

/* Returns true for the name of a font of which some letters are embedded: six letters and a plus
 * sign come first (9.9.2). */
static bool
is_subset(struct scan *s, qpdf_oh font)
{
	qpdf_oh value = pdf_value(s, font, "/BaseFont");
	struct span name = bytes_of(s, value);
	size_t n = 0;

	while (n < name.n && is_upper(name.p[n]))
		n++;
	qpdf_oh_release(s->q, value);
	return n == 6 && n < name.n && name.p[n] == '+';
}

/* Returns true if the letters of a font are those of the Latin alphabet (table 123). */
static bool
is_nonsymbolic(struct scan *s, qpdf_oh font)
{
	qpdf_oh descriptor = pdf_value(s, font, "/FontDescriptor");
	qpdf_oh flags = pdf_value(s, descriptor, "/Flags");
	bool is = qpdf_oh_is_integer(s->q, flags) &&
		  qpdf_oh_get_int_value(s->q, flags) & FONT_NONSYMBOLIC;

	qpdf_oh_release(s->q, descriptor);
	qpdf_oh_release(s->q, flags);
	return is;
}

/* Returns a map from the numbers of letters to private characters (9.10.3), for a font whose letters
 * the file does not name. The map repeats after 256 numbers, because the number of different letters
 * is enough to know. `wide`: numbers have two bytes. */
static qpdf_oh
map_of_numbers(struct scan *s, bool wide)
{
	SCOPED_BUF(map, 0);

	if (s->numbers[wide])
		return s->numbers[wide];
	buf_printf(&map, "/CMapName /N def\n1 begincodespacerange\n%s\nendcodespacerange\n",
		wide ? "<0000> <FFFF>" : "<00> <FF>");
	for (unsigned high = 0; wide && high < 256; high++)
		buf_printf(&map, "1 beginbfrange\n<%02X00> <%02XFF> <%04X>\nendbfrange\n", high,
			high, PDF_UNNAMED);
	if (!wide)
		buf_printf(&map, "1 beginbfrange\n<00> <FF> <%04X>\nendbfrange\n", PDF_UNNAMED);
	qpdf_oh stream = qpdf_oh_new_stream(s->q), null = qpdf_oh_new_null(s->q);
	qpdf_oh_replace_stream_data(s->q, stream, (const unsigned char *)map.p + map.start, map.n,
		null, null);
	qpdf_oh_release(s->q, null);
	return s->numbers[wide] = stream;
}

/* A font without a map from its letters to characters is a composite one that uses numbers of its
 * own, or a TrueType font of which some letters are embedded without an encoding. In the copy, its
 * letters are private characters: the job decides by them whether a page has more than symbols. */
static void
judge_font(struct scan *s, qpdf_oh font)
{
	bool wide = value_is_name(s, font, "/Subtype", "/Type0"), unnamed = false;

	if (s->older || has_stream(s, font, "/ToUnicode"))
		return;
	if (wide)
		unnamed = (has_stream(s, font, "/Encoding") ||
				  value_is_name(s, font, "/Encoding", "/Identity-H") ||
				  value_is_name(s, font, "/Encoding", "/Identity-V")) &&
			  !has_known_letters(s, font);
	else if (value_is_name(s, font, "/Subtype", "/TrueType"))
		unnamed = is_subset(s, font) && !is_nonsymbolic(s, font) &&
			  !qpdf_oh_has_key(s->q, font, "/Encoding");
	if (!unnamed)
		return;
	qpdf_oh_replace_key(s->q, font, "/ToUnicode", map_of_numbers(s, wide));
	s->unnamed = true;
}

/* A reader that uses /Count shows no /Kids beyond that number, and another reader shows them
 * (7.7.3.2). */
static void
judge_pages(struct scan *s, qpdf_oh pages)
{
	qpdf_oh kids = pdf_value(s, pages, "/Kids"), count = pdf_value(s, pages, "/Count");

	if (qpdf_oh_is_array(s->q, kids) && qpdf_oh_is_integer(s->q, count) &&
		qpdf_oh_get_int_value(s->q, count) < qpdf_oh_get_array_n_items(s->q, kids))
		s->f->error = EXTRACT_DAMAGED;
	qpdf_oh_release(s->q, kids);
	qpdf_oh_release(s->q, count);
}

/* ---- the walk ---- */

static void walk(struct scan *s, qpdf_oh oh, const char *key, unsigned depth);

/* Looks at a value, or puts the object that it refers to into the queue. */
static void
walk_child(struct scan *s, qpdf_oh oh, const char *key, unsigned depth)
{
	int id[2] = { qpdf_oh_get_object_id(s->q, oh), 0 };
	bool direct = id[0] <= 0;

	if (!direct && is_null(s, oh))
		return;
	if (!direct && !set_bit(&s->queued, id[0]))
		return;
	if (direct || qpdf_oh_is_string(s->q, oh)) {
		walk(s, oh, key, depth);
	} else {
		id[1] = qpdf_oh_get_generation(s->q, oh);
		buf_put(&s->queue, id, sizeof(id));
	}
}

static void
walk_dict(struct scan *s, qpdf_oh dict, unsigned depth)
{
	SCOPED_BUF(keys, 0);

	qpdf_oh_begin_dict_key_iter(s->q, dict);
	while (qpdf_oh_dict_more_keys(s->q)) {
		const char *key = qpdf_oh_dict_next_key(s->q);
		buf_put(&keys, key, strlen(key) + 1);
	}
	put_field(s, dict);
	judge_font(s, dict);
	judge_pages(s, dict);
	for (struct span rest = buf_view(&keys); rest.n && !s->f->error;) {
		struct span key = span_next(&rest, 0);
		qpdf_oh value = qpdf_oh_get_key(s->q, dict, key.p);
		read_by_key(s, key.p, value);
		walk_child(s, value, key.p, depth);
		qpdf_oh_release(s->q, value);
	}
}

/* Looks at a value and all values in it. `key`: the key of the nearest dictionary, or "". */
static void
walk(struct scan *s, qpdf_oh oh, const char *key, unsigned depth)
{
	if (++s->values > VALUES_MAX)
		s->f->error = EXTRACT_TOO_LARGE;
	else if (depth > NEST_MAX)
		s->f->error = EXTRACT_DAMAGED;
	if (s->f->error || buf_failed(&s->f->text) || buf_failed(&s->f->frames))
		return;
	if (qpdf_oh_is_string(s->q, oh)) {
		put_found_string(s, key, bytes_of(s, oh));
	} else if (qpdf_oh_is_array(s->q, oh)) {
		int n = qpdf_oh_get_array_n_items(s->q, oh);
		for (int i = 0; i < n && !s->f->error; i++) {
			qpdf_oh item = qpdf_oh_get_array_item(s->q, oh, i);
			walk_child(s, item, key, depth + 1);
			qpdf_oh_release(s->q, item);
		}
	} else if (qpdf_oh_is_dictionary(s->q, oh)) {
		walk_dict(s, oh, depth + 1);
	} else if (qpdf_oh_is_stream(s->q, oh)) {
		qpdf_oh dict = qpdf_oh_get_dict(s->q, oh);
		read_by_type(s, oh, dict);
		walk_dict(s, dict, depth + 1);
		qpdf_oh_release(s->q, dict);
	}
}

static void
walk_queue(struct scan *s)
{
	while (s->queue.n && !s->f->error) {
		int id[2];
		memcpy(id, s->queue.p + s->queue.start, sizeof(id));
		buf_consume(&s->queue, sizeof(id));
		qpdf_oh oh = qpdf_get_object_by_id(s->q, id[0], id[1]);
		walk(s, oh, "", 0);
		qpdf_oh_release(s->q, oh);
	}
}

/* Returns the highest number of an object: that of a new object is one more. */
static int
highest_number(struct scan *s)
{
	qpdf_oh null = qpdf_oh_new_null(s->q), added = qpdf_make_indirect_object(s->q, null);
	int number = qpdf_oh_get_object_id(s->q, added) - 1;

	qpdf_oh_release(s->q, null);
	qpdf_oh_release(s->q, added);
	return number;
}

/* Looks at the trailer, the objects that it leads to, and then those that nothing refers to. */
static void
walk_all(struct scan *s)
{
	qpdf_oh trailer = qpdf_get_trailer(s->q);
	int highest = highest_number(s);

	buf_clear(&s->queued);
	buf_clear(&s->read);
	walk(s, trailer, "", 0);
	qpdf_oh_release(s->q, trailer);
	walk_queue(s);
	if (highest > NUMBER_MAX)
		s->f->error = s->f->error ? s->f->error : EXTRACT_TOO_LARGE;
	for (int i = 1; i <= highest && !s->f->error; i++) {
		if (!set_bit(&s->queued, i))
			continue;
		qpdf_oh oh = qpdf_get_object_by_id(s->q, i, 0);
		walk(s, oh, "", 0);
		qpdf_oh_release(s->q, oh);
		walk_queue(s);
	}
}

/* ---- the copy that shows what is hidden ----
 *
 * pdftotext prints what a reader draws. In the copy, all layers are switched on, and each page
 * has all appearances of its annotations (12.5.5): of hidden ones, and those for other states
 * than the present one. Letters that the file does not name are private characters there. */

enum { ANNOTATION_HIDDEN = 2 | 32, ANNOTATION_PRINT = 4 }; /* 12.5.3 */

static void
set_flags(struct scan *s, qpdf_oh annotation)
{
	qpdf_oh print = qpdf_oh_new_integer(s->q, ANNOTATION_PRINT);

	qpdf_oh_replace_key(s->q, annotation, "/F", print);
	qpdf_oh_release(s->q, print);
}

/* Adds an annotation with this appearance to the list. */
static void
add_appearance(struct scan *s, qpdf_oh list, qpdf_oh annotation, qpdf_oh stream)
{
	if (!qpdf_oh_is_stream(s->q, stream) || s->shown++ >= SHOWN_MAX)
		return;
	qpdf_oh copy = qpdf_oh_parse(s->q, "<</Type/Annot/Subtype/Stamp/AP<<>>>>");
	qpdf_oh appearances = pdf_value(s, copy, "/AP");
	qpdf_oh rect = pdf_value(s, annotation, "/Rect");

	qpdf_oh_replace_key(s->q, appearances, "/N", stream);
	qpdf_oh_replace_key(s->q, copy, "/Rect", rect);
	set_flags(s, copy);
	qpdf_oh_append_item(s->q, list, copy);
	qpdf_oh_release(s->q, copy);
	qpdf_oh_release(s->q, appearances);
	qpdf_oh_release(s->q, rect);
}

/* Adds the appearances of a key for each state but `now`. */
static void
add_states(struct scan *s, qpdf_oh list, qpdf_oh annotation, qpdf_oh states, struct span now)
{
	SCOPED_BUF(keys, 0);
	SCOPED_BUF(present, 0);

	buf_span(&present, now);
	if (!qpdf_oh_is_dictionary(s->q, states))
		return;
	qpdf_oh_begin_dict_key_iter(s->q, states);
	while (qpdf_oh_dict_more_keys(s->q)) {
		const char *key = qpdf_oh_dict_next_key(s->q);
		buf_put(&keys, key, strlen(key) + 1);
	}
	for (struct span rest = buf_view(&keys); rest.n;) {
		struct span key = span_next(&rest, 0);
		qpdf_oh stream = qpdf_oh_get_key(s->q, states, key.p);
		if (!span_eq(span_cut(key, 1, key.n), buf_view(&present)))
			add_appearance(s, list, annotation, stream);
		qpdf_oh_release(s->q, stream);
	}
}

static void
show_annotation(struct scan *s, qpdf_oh list, qpdf_oh annotation)
{
	static const char *const keys[] = { "/N", "/D", "/R" };
	qpdf_oh appearances = pdf_value(s, annotation, "/AP");
	qpdf_oh flags = pdf_value(s, annotation, "/F"), state = pdf_value(s, annotation, "/AS");

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		qpdf_oh value = pdf_value(s, appearances, keys[i]);
		if (i)
			add_appearance(s, list, annotation, value);
		add_states(s, list, annotation, value,
			i ? span_of(NULL, 0) : bytes_of(s, state));
		qpdf_oh_release(s->q, value);
	}
	if (qpdf_oh_is_integer(s->q, flags) &&
		qpdf_oh_get_int_value(s->q, flags) & ANNOTATION_HIDDEN) {
		set_flags(s, annotation);
		s->shown++;
	}
	qpdf_oh_release(s->q, appearances);
	qpdf_oh_release(s->q, flags);
	qpdf_oh_release(s->q, state);
}

static void
show_page(struct scan *s, qpdf_oh page)
{
	qpdf_oh list = pdf_value(s, page, "/Annots");
	int n = qpdf_oh_is_array(s->q, list) ? qpdf_oh_get_array_n_items(s->q, list) : 0;

	for (int i = 0; i < n && s->shown < SHOWN_MAX; i++) {
		qpdf_oh annotation = qpdf_oh_get_array_item(s->q, list, i);
		if (qpdf_oh_is_dictionary(s->q, annotation))
			show_annotation(s, list, annotation);
		qpdf_oh_release(s->q, annotation);
	}
	qpdf_oh_release(s->q, list);
}

/* Returns true if the document has layers, and removes the settings that switch some of them off
 * (8.11.4.2). */
static bool
show_layers(struct scan *s)
{
	qpdf_oh root = qpdf_get_root(s->q), layers = pdf_value(s, root, "/OCProperties");
	bool has = !is_null(s, layers);

	if (has)
		qpdf_oh_remove_key(s->q, root, "/OCProperties");
	qpdf_oh_release(s->q, root);
	qpdf_oh_release(s->q, layers);
	return has;
}

/* Appends FRAME_SHOWN if the document has something that is hidden, or letters without a name. */
static void
show_hidden(struct scan *s)
{
	bool layers = show_layers(s);
	int pages = qpdf_get_num_pages(s->q);
	enum extract_unread why = layers      ? EXTRACT_LAYERS
				  : s->unnamed ? EXTRACT_FONTS
					       : EXTRACT_ANNOTATIONS;

	for (int i = 0; i < pages && i < EXTRACT_PAGES && s->shown < SHOWN_MAX; i++) {
		qpdf_oh page = qpdf_get_page_n(s->q, (size_t)i);
		show_page(s, page);
		qpdf_oh_release(s->q, page);
	}
	if (pages >= 0 && !layers && !s->shown && !s->unnamed)
		return;
	if (pages < 0 || s->shown >= SHOWN_MAX || qpdf_init_write_memory(s->q) & QPDF_ERRORS) {
		s->f->unread |= 1u << why;
		return;
	}
	qpdf_set_stream_data_mode(s->q, qpdf_s_preserve);
	qpdf_set_object_stream_mode(s->q, qpdf_o_disable);
	qpdf_set_preserve_encryption(s->q, QPDF_FALSE);
	qpdf_set_static_ID(s->q, QPDF_TRUE);
	if (qpdf_write(s->q) & QPDF_ERRORS)
		s->f->unread |= 1u << why;
	else
		frame_put_text(&s->f->frames, FRAME_SHOWN, layers || s->shown,
			span_of((const char *)qpdf_get_buffer(s->q),
				qpdf_get_buffer_length(s->q)));
}

/* ---- documents ---- */

/* Returns the meaning of an error of libqpdf. */
static enum extract_error
error_of_qpdf(struct scan *s)
{
	qpdf_error e = qpdf_get_error(s->q);
	const char *text = e ? qpdf_get_error_full_text(s->q, e) : "";

	switch (e ? qpdf_get_error_code(s->q, e) : qpdf_e_success) {
	case qpdf_e_password: return EXTRACT_ENCRYPTED;
	case qpdf_e_unsupported: return strstr(text, "ncrypt") ? EXTRACT_ENCRYPTED : EXTRACT_UNSUPPORTED;
	default: return strstr(text, "bad_alloc") ? EXTRACT_MEMORY : EXTRACT_DAMAGED;
	}
}

/* Looks at the warnings of libqpdf. It continues after most errors of a file, as readers do. After
 * some errors, readers differ: if a key has two values, for example. */
static void
judge_warnings(struct scan *s)
{
	static const char *const readers_agree[] = { "object has offset 0",
		"reported number of objects", "invalid /ID", "/Length key",
		"recovered stream length", "attempting to recover stream length",
		"expected endstream", "expected endobj", "file is damaged",
		"can't find startxref", "xref not found", "can't find PDF header", "expected n n obj",
		"Attempting to reconstruct cross-reference table",
		"not found in file after regenerating", "invalid xref entry",
		"extraneous whitespace seen before xref", "followed by carriage return only",
		"treating as string", "EOF after endobj" };

	while (qpdf_more_warnings(s->q)) {
		qpdf_error e = qpdf_next_warning(s->q);
		const char *text = qpdf_get_error_message_detail(s->q, e);
		/* a value of another type than expected */
		bool known = qpdf_get_error_code(s->q, e) == qpdf_e_object;
		for (size_t i = 0; i < COUNT_OF(readers_agree) && !known; i++)
			known = strstr(text, readers_agree[i]);
		if (strstr(text, "bad_alloc"))
			s->f->error = s->f->error ? s->f->error : EXTRACT_MEMORY;
		else if (!known)
			s->f->unread |= 1u << EXTRACT_ERRORS;
	}
}

/* Returns the number of pages that the document states. */
static long long
page_count(struct scan *s)
{
	qpdf_oh root = qpdf_get_root(s->q), pages = pdf_value(s, root, "/Pages");
	qpdf_oh count = pdf_value(s, pages, "/Count");
	long long n = qpdf_oh_is_integer(s->q, count) ? qpdf_oh_get_int_value(s->q, count) : 0;

	qpdf_oh_release(s->q, root);
	qpdf_oh_release(s->q, pages);
	qpdf_oh_release(s->q, count);
	return n;
}

/* Reads all objects of the file. An older revision that cannot be read is left out. Returns
 * true if it was read. */
static bool
read_document(struct scan *s, struct span file, bool older)
{
	s->q = qpdf_init();
	s->older = older;
	s->unnamed = false;
	memset(s->numbers, 0, sizeof(s->numbers));
	qpdf_set_suppress_warnings(s->q, QPDF_TRUE);
	qpdf_silence_errors(s->q);
	qpdf_set_attempt_recovery(s->q, !older);
	bool read = !(qpdf_read_memory(s->q, "file", file.p, file.n, "") & QPDF_ERRORS);

	if (read && page_count(s) > EXTRACT_PAGES)
		s->f->error = EXTRACT_TOO_MANY_PAGES;
	if (read && !s->f->error)
		walk_all(s);
	if (read && !older && !s->f->error)
		show_hidden(s);
	/* the warnings first, because one of them may be the reason of an error */
	if (read || !older)
		judge_warnings(s);
	enum extract_error error = qpdf_has_error(s->q) ? error_of_qpdf(s) : EXTRACT_READ;
	if (!older && !s->f->error)
		s->f->error = error;
	qpdf_cleanup(&s->q);
	return read;
}

/* Reads the older revisions of the file (7.5.6): the bytes up to each "%%EOF" but the last. */
static void
read_revisions(struct scan *s, struct span file)
{
	int n = 0;

	for (size_t at = 0; !s->f->error;) {
		struct span rest = span_cut(file, at, file.n);
		const char *end = rest.n ? memmem(rest.p, rest.n, "%%EOF", 5) : NULL;
		if (!end)
			return;
		at = (size_t)(end - file.p) + 5;
		if (!is_in(span_cut(file, at, file.n), "%%EOF"))
			return;
		n += read_document(s, span_cut(file, 0, at), true);
		if (n > REVISIONS_MAX)
			s->f->error = EXTRACT_TOO_LARGE;
	}
}

void
pdf_scan(struct span file, struct pdf_found *f)
{
	struct scan *s = calloc(1, sizeof(*s));

	*f = (struct pdf_found){ 0 };
	buf_init(&f->text, EXTRACT_TEXT_BYTES);
	buf_init(&f->frames, EXTRACT_SCAN_BYTES);
	if (!s) {
		f->error = EXTRACT_MEMORY;
		return;
	}
	s->f = f;
	random_bytes(s->key, sizeof(s->key));
	if (!is_in(span_cut(file, 0, HEAD_BYTES), "%PDF-"))
		f->error = EXTRACT_UNSUPPORTED;
	else if (!is_in(span_cut(file, file.n > TAIL_BYTES ? file.n - TAIL_BYTES : 0, file.n),
			 "%%EOF"))
		f->error = EXTRACT_DAMAGED;
	if (!f->error)
		read_document(s, file, false);
	if (!f->error)
		read_revisions(s, file);
	if (!f->error && (buf_failed(&f->text) || buf_failed(&f->frames)))
		f->error = EXTRACT_TOO_LARGE;
	buf_free(&s->queue);
	buf_free(&s->queued);
	buf_free(&s->read);
	free(s);
}
