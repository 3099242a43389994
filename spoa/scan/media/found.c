/* Collects the results of metadata readers: texts of several encodings as UTF-8, flaws and
 * image sizes. Each function enforces a limit of base/caps.h; beyond the limit the file has the
 * flaw FILE_BOMB. */
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/inflate.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "scan/media/reader.h"

enum {
	PADDING_MAX = 16, /* bytes allowed after a file's end, in addition to spaces and NULs */
	LOOK_MAX = 4 * CAP_MEDIA_TEXT_BYTES,
};

void
media_flaw(struct media *m, enum file_flaw flaw)
{
	if (m->out->flaw == FILE_SOUND)
		m->out->flaw = flaw;
}

bool
media_part(struct media *m)
{
	if (++m->parts <= CAP_MEDIA_PARTS)
		return true;
	media_flaw(m, FILE_BOMB);
	return false;
}

bool
media_look(struct media *m, size_t n)
{
	if (n <= LOOK_MAX - m->looked_at) {
		m->looked_at += n;
		return true;
	}
	media_flaw(m, FILE_BOMB);
	return false;
}

void
media_append(struct media *m, struct media_pieces *to, struct span s)
{
	while (to->room - to->n < s.n) {
		char *p = arena_grow(m->a, to->p, to->room, &to->room, 1, 4096);
		m->nomem |= !p;
		if (!p)
			return;
		to->p = p;
	}
	if (s.n)
		memcpy(to->p + to->n, s.p, s.n);
	to->n += s.n;
}

void
media_points(struct media *m, uint64_t width, uint64_t height)
{
	struct file_facts *f = m->out;

	if (width > UINT32_MAX || height > UINT32_MAX) {
		media_flaw(m, FILE_TOO_MANY_POINTS);
		return;
	}
	if (width * height > CAP_MEDIA_POINTS)
		media_flaw(m, FILE_TOO_MANY_POINTS);
	if (width * height >= (uint64_t)f->width * f->height) {
		f->width = (uint32_t)width;
		f->height = (uint32_t)height;
	}
}

void
media_after(struct media *m, size_t end)
{
	struct span rest = span_cut(m->bytes, end, m->bytes.n);

	while (rest.n && strchr("\r\n ", rest.p[0])) /* strchr() also finds the NUL */
		rest = span_cut(rest, 1, rest.n);
	if (rest.n <= PADDING_MAX)
		return;
	media_flaw(m, file_kind_of(rest) != FILE_OTHER || zip_end(rest) != SIZE_MAX
			      ? FILE_TWO_KINDS
			      : FILE_TRAILING);
}

/* ---- texts ---- */

static void
text_push(struct media *m, struct span s)
{
	struct file_facts *f = m->out;

	s = span_trim(s, " \t\r\n");
	if (!s.n)
		return;
	if (f->ntexts >= CAP_MEDIA_TEXTS || s.n > CAP_MEDIA_TEXT_BYTES - m->text_bytes) {
		media_flaw(m, FILE_BOMB);
		return;
	}
	m->text_bytes += s.n;
	if (!ARENA_PUSH(m->a, f->texts, f->ntexts, m->room, 8, s))
		m->nomem = true;
}

/* Returns true if UTF-16 is little-endian. Many programs write the wrong byte order without a
 * mark. Therefore, if at least half of the characters have a NUL where ASCII has it in the
 * other order, the other order is used. */
static bool
utf16_is_little(struct span s, enum media_charset c)
{
	size_t nul[2] = { 0 };

	if (span_starts(s, SPAN_LIT("\xff\xfe")) || span_starts(s, SPAN_LIT("\xfe\xff")))
		return s.p[0] == '\xff';
	for (size_t i = 0; i + 1 < s.n; i += 2) {
		nul[0] += !s.p[i] && s.p[i + 1];
		nul[1] += s.p[i] && !s.p[i + 1];
	}
	bool little = c == MEDIA_UTF16LE;
	return little != (nul[!little] >= s.n / 4 && nul[!little] > nul[little]);
}

static void
put_utf16(struct buf *b, struct span s, enum media_charset c)
{
	bool little = utf16_is_little(s, c);

	while (s.n >= 2) {
		uint32_t cp = utf16_next(&s, little);
		/* a byte order mark, which may precede each of several texts */
		if (cp != 0xfeff)
			buf_utf8(b, cp);
	}
}

/* Converts to UTF-8. The result is a view of s if s is UTF-8 already, else of b. */
static struct span
text_utf8(struct span s, enum media_charset c, struct buf *b)
{
	if (c == MEDIA_UTF8 && utf8_valid(s))
		return s;
	if (c != MEDIA_UTF8 && c != MEDIA_LATIN1)
		put_utf16(b, s, c);
	else
		for (size_t i = 0; i < s.n; i++)
			buf_utf8(b, (unsigned char)s.p[i]);
	return buf_view(b);
}

struct span
media_kept(struct media *m, const struct buf *b, struct span s)
{
	if (buf_failed(b))
		media_flaw(m, FILE_BOMB);
	struct span kept = buf_failed(b) ? SPAN_LIT("") : arena_dup(m->a, s);
	m->nomem |= !kept.p;
	return kept;
}

void
media_text(struct media *m, struct span s, enum media_charset c)
{
	SCOPED_BUF(b, CAP_MEDIA_TEXT_BYTES);

	if (!media_look(m, s.n))
		return;
	s = text_utf8(s, c, &b);
	if (b.n || buf_failed(&b))
		s = media_kept(m, &b, s);
	while (s.n)
		text_push(m, span_next(&s, '\0'));
}

/* Reads a sign and degrees ("+48.8584") from the beginning of *s. Degrees have two or three
 * digits, and then a fraction. Returns false if there are none. */
static bool
take_degrees(struct span *s, size_t digits, double *out)
{
	char number[32];
	size_t n = 1;

	if (!s->n || !strchr("+-", s->p[0]))
		return false;
	while (n < s->n && n < sizeof(number) - 1 && (is_digit(s->p[n]) || s->p[n] == '.'))
		n++;
	struct span head = span_cut(*s, 0, n);
	if (span_chr(head, '.') != 1 + digits || n < digits + 3)
		return false;
	span_copy(head, number, sizeof(number));
	*out = strtod(number, NULL);
	*s = span_cut(*s, n, s->n);
	return true;
}

/* Parses a position in the form of ISO 6709: "+48.8584+002.2945/". */
static bool
take_position(struct span s, double *latitude, double *longitude)
{
	return take_degrees(&s, 2, latitude) && take_degrees(&s, 3, longitude);
}

/* Returns true if a field of this name holds the name of a person. */
static bool
is_person_field(struct span name)
{
	static const char *const fields[] = { "album artist", "albumartist", "artist", "author",
		"by-line", "composer", "contact", "creator", "credit", "lyricist", "owner",
		"performer", "photographer", "writer" };

	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (span_ieq(name, span_str(fields[i])))
			return true;
	return false;
}

/* Returns the last part of a name of QuickTime or Android: "com.apple.quicktime.author". */
static struct span
plain_name(struct span name)
{
	if (span_istarts(name, SPAN_LIT("com.")))
		for (size_t dot; (dot = span_chr(name, '.')) < name.n;)
			name = span_cut(name, dot + 1, name.n);
	return name;
}

/* `name` is UTF-8. */
static void
put_named(struct media *m, struct span name, struct span s, enum media_charset c)
{
	SCOPED_BUF(b, CAP_MEDIA_TEXT_BYTES);
	SCOPED_BUF(text, CAP_MEDIA_TEXT_BYTES);

	double latitude, longitude;

	s = text_utf8(s, c, &text);
	if (!text.failed && take_position(s, &latitude, &longitude)) {
		media_position(m, latitude, longitude);
		return;
	}
	b.failed = text.failed;
	name = plain_name(name);
	buf_span(&b, name);
	buf_str(&b, is_person_field(name) ? " name" : "");
	buf_str(&b, name.n && s.n ? ": " : "");
	buf_span(&b, s);
	for (size_t i = 0; i < b.n; i++)
		if (!b.p[i])
			b.p[i] = '\n';
	text_push(m, media_kept(m, &b, buf_view(&b)));
}

void
media_named(struct media *m, struct span name, struct span s, enum media_charset c)
{
	SCOPED_BUF(b, CAP_MEDIA_TEXT_BYTES);

	if (!media_look(m, s.n) || !media_look(m, name.n))
		return;
	name = span_trim(text_utf8(name, c, &b), " ");
	if (buf_failed(&b))
		media_flaw(m, FILE_BOMB);
	else
		put_named(m, name, s, c);
}

void
media_field(struct media *m, const char *name, struct span s, enum media_charset c)
{
	if (!*name)
		media_text(m, s, c);
	else if (media_look(m, s.n))
		put_named(m, span_str(name), s, c);
}

void
media_position(struct media *m, double latitude, double longitude)
{
	char place[64];
	int n = snprintf(place, sizeof(place), "%.6f, %.6f", latitude, longitude);

	media_field(m, "gps position", span_of(place, (size_t)n), MEDIA_UTF8);
}

void
media_iso6709(struct media *m, struct span s, enum media_charset c)
{
	double latitude, longitude;

	if (c == MEDIA_UTF8 && take_position(s, &latitude, &longitude))
		media_position(m, latitude, longitude);
	else
		media_text(m, s, c);
}

bool
media_inflate(struct media *m, struct span s, struct span *out)
{
	SCOPED_BUF(b, CAP_MEDIA_TEXT_BYTES - m->inflated + 1);
	int err = inflate_all(SPAN_LIT("deflate"), s, CAP_INFLATE_RATIO, &b);

	m->inflated += b.n - (b.n > CAP_MEDIA_TEXT_BYTES - m->inflated);
	if (err) {
		media_flaw(m, err == ERR_LIMIT ? FILE_BOMB : FILE_DAMAGED);
		m->nomem |= err == ERR_NOMEM;
		return false;
	}
	*out = arena_dup(m->a, buf_view(&b));
	m->nomem |= !out->p;
	return out->p != NULL;
}
