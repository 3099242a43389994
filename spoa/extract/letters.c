/* Letters that were placed one by one: pdftotext puts a blank between those that are a little
 * apart, so that "DE 8 9 3 7 0" is many words. And letters that a font does not name. */
#include "base/ascii.h"
#include "extract/pdf.h"

enum {
	SHORT_WORD = 3, /* bytes, as some letters are nearer to each other */
	ROW_WORDS = 9,
	OTHERS_MOST = 36,  /* words after which a row has ended, so that each is looked at a few
			      times */
	ROW_BEGINS = 3,	   /* what is before the row may be short words, too */
	UNNAMED_LEAST = 8, /* as few as a value has */
};

/* The end of the row of short words at the front, of which three in four are one byte and the
 * last one is, or that and a sign; 0: none is there. */
static size_t
letters_row(struct span line)
{
	size_t words = 0, single = 0, since = 0, end = 0, at = 0;

	while (at < line.n && since++ < OTHERS_MOST) {
		size_t n = span_chr(span_cut(line, at, line.n), ' ');
		if (n == 0 || n > SHORT_WORD)
			break;
		words++;
		single += n == 1;
		if ((n == 1 || (n == 2 && !is_alpha(line.p[at + 1]))) && words >= ROW_WORDS &&
			single * 4 >= words * 3) {
			end = at + n;
			since = 0;
		}
		at += n + 1;
	}
	return end;
}

static void
put_letters_row(struct span row, struct buf *out)
{
	for (size_t begin = 0; begin < ROW_BEGINS && row.n; begin++) {
		for (size_t i = 0; i < row.n; i++)
			if (row.p[i] != ' ')
				buf_putc(out, row.p[i]);
		buf_putc(out, '\n');
		row = span_cut(row, span_chr(row, ' ') + 1, row.n);
	}
}

void
pdf_join_letters(struct span text, struct buf *out)
{
	while (text.n) {
		struct span line = span_next(&text, '\n');
		while (line.n) {
			size_t row = letters_row(line);
			if (row)
				put_letters_row(span_cut(line, 0, row), out);
			size_t skip = row ? row : span_chr(line, ' ');
			line = span_cut(line, skip + 1, line.n);
		}
	}
}

bool
pdf_letters_unnamed(struct span text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += (unsigned char)text.p[i] < ' ' && !strchr("\t\n\f\r", text.p[i]);
	return n >= UNNAMED_LEAST;
}
