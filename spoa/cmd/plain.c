/* Prints text of callers on a terminal. A name of a person or a model may contain escape
 * sequences, which a terminal would obey, so an allow list decides what is printed: ASCII,
 * and letters as scan/text/ knows them. Everything else becomes '?' or a JSON escape. */
#include "cmd/plain.h"

#include "base/scoped.h"
#include "base/codec/letters.h"
#include "base/utf8.h"

enum { INDENT_MAX = 40 };

/* Returns the number of columns that a character takes; 0: the character is not printed. */
static size_t
columns_of(uint32_t cp)
{
	if (cp < 0x80)
		return cp >= ' ' && cp != 0x7f;
	const struct letters_block *b = letters_block(cp);
	if (letters_latin(cp))
		return 1;
	switch (letters_fold(cp).kind) {
	case FOLD_NONE:
	case FOLD_LIKE: break;
	default: return 0;
	}
	if (b->word != WORD_LETTER && b->word != WORD_ALONE)
		return 0;
	return b->script == SCRIPT_SOLID || b->script == SCRIPT_BLOCK ? 2 : 1;
}

size_t
plain_put(struct buf *out, struct span s, size_t columns)
{
	size_t used = 0, step;

	for (size_t i = 0; i < s.n; i += step) {
		size_t len = utf8_sequence(s.p + i, s.n - i);
		size_t wide = len ? columns_of(utf8_value(s.p + i, len)) : 0;
		step = len ? len : 1;
		if (used + (wide ? wide : 1) > columns)
			break;
		if (wide)
			buf_put(out, s.p + i, len);
		else
			buf_putc(out, '?');
		used += wide ? wide : 1;
	}
	return used;
}

void
plain_word(struct buf *out, struct span s)
{
	size_t from = out->n;

	plain_put(out, s.n ? s : SPAN_LIT("-"), SIZE_MAX);
	for (size_t i = from; i < out->n; i++)
		if (out->p[out->start + i] == ' ')
			out->p[out->start + i] = '_';
}

/* Writes \uXXXX. A character beyond 16 bits becomes a surrogate pair (RFC 8259, 7). */
static void
put_escaped(struct buf *out, uint32_t cp)
{
	if (cp > 0xffff) {
		cp -= 0x10000;
		buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xd800 + (cp >> 10)),
			(unsigned)(0xdc00 + (cp & 0x3ff)));
	} else {
		buf_printf(out, "\\u%04x", (unsigned)cp);
	}
}

void
plain_json(struct buf *out, struct span s)
{
	size_t step;

	for (size_t i = 0; i < s.n; i += step) {
		size_t len = utf8_sequence(s.p + i, s.n - i);
		uint32_t cp = len ? utf8_value(s.p + i, len) : 0xfffd;
		step = len ? len : 1;
		if (len && columns_of(cp))
			buf_put(out, s.p + i, len);
		else
			put_escaped(out, cp);
	}
}

static void
begin_line(struct buf *out, size_t depth)
{
	buf_putc(out, '\n');
	for (size_t i = 0; i < depth && i < INDENT_MAX; i++)
		buf_str(out, "  ");
}

/* Copies a JSON string that begins at s.p[i], which is its opening quote. A newline inside
 * the string also breaks the line on the terminal. Returns the position behind the string. */
static size_t
put_string(struct buf *out, struct span s, size_t i)
{
	size_t step;

	buf_putc(out, s.p[i++]);
	for (; i < s.n && s.p[i] != '"'; i += step) {
		size_t len = utf8_sequence(s.p + i, s.n - i);
		bool escape = s.p[i] == '\\' && i + 1 < s.n;
		step = escape ? 2 : len ? len : 1;
		if (escape || (s.p[i] >= ' ' && s.p[i] < 0x7f))
			buf_put(out, s.p + i, step);
		else
			put_escaped(out, len ? utf8_value(s.p + i, len) : 0xfffd);
		if (escape && s.p[i + 1] == 'n' && i + 2 < s.n && s.p[i + 2] != '"')
			buf_putc(out, '\n');
	}
	if (i < s.n)
		buf_putc(out, s.p[i++]);
	return i;
}

void
plain_tree(struct buf *out, struct span s)
{
	size_t depth = 0, i = 0;

	while (i < s.n) {
		char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : '\0';
		if (c == '"') {
			i = put_string(out, s, i);
			continue;
		}
		if ((c == '}' || c == ']') && depth)
			begin_line(out, --depth);
		buf_putc(out, c >= ' ' && c < 0x7f ? c : '?');
		i++;
		if (c == ':') {
			buf_putc(out, ' ');
		} else if (c == ',') {
			begin_line(out, depth);
		} else if ((c == '{' && next == '}') || (c == '[' && next == ']')) {
			buf_putc(out, next);
			i++;
		} else if (c == '{' || c == '[') {
			begin_line(out, ++depth);
		}
	}
	buf_putc(out, '\n');
}

void
plain_lines(struct buf *out, struct span s)
{
	while (s.n) {
		plain_put(out, span_next(&s, '\n'), SIZE_MAX);
		buf_putc(out, '\n');
	}
}

void
plain_print(FILE *to, struct span lines)
{
	SCOPED_BUF(shown, 0);
	plain_lines(&shown, lines);
	fprintf(to, "%.*s", SPAN_ARG(buf_view(&shown)));
}

void
plain_print_json(struct span s)
{
	SCOPED_BUF(shown, 0);
	plain_json(&shown, s);
	printf("%.*s\n", SPAN_ARG(buf_view(&shown)));
}
