/* What may be shown on a terminal is listed, not what may not: letters, as text/ and detect/
 * know them. */
#include "cmd/plain.h"

#include "codec/letters.h"
#include "codec/utf8.h"

/* Columns that a character takes; 0: it is not shown. */
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

/* Beyond 16 bits: RFC 8259 7, a surrogate pair. */
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

void
plain_lines(struct buf *out, struct span s)
{
	while (s.n) {
		plain_put(out, span_next(&s, '\n'), SIZE_MAX);
		buf_putc(out, '\n');
	}
}
