/* Generates tables of each kind and shape with random values. */
#include "support/table_docs.h"

enum { DOC_COLUMNS = 8 };

const struct doc_kind doc_kinds[DOC_KINDS] = {
	{ "comma", "", ",", "\n", "" },
	{ "comma, quoted", "\"", "\",\"", "\"\n", "" },
	{ "comma, CRLF", "", ",", "\r\n", "" },
	{ "semicolon", "", ";", "\n", "" },
	{ "semicolon, quoted", "\"", "\";\"", "\"\n", "" },
	{ "tab", "", "\t", "\n", "" },
	{ "Markdown", "| ", " | ", " |\n", "|---|---|---|---|---|---|---|---|\n" },
	{ "database output", " ", " | ", "\n", "---+---+---+---+---+---+---+---\n" },
	{ "two spaces", "", "   ", "\n", "" },
};

const struct doc_shape doc_shapes[DOC_SHAPES] = {
	{ "alone", "", "", 2, false, false },
	{ "below a sentence", "Here are the rows, as asked:\n", "That is all.\n", 2, false,
		false },
	{ "between paragraphs", "Dear all,\n\nsee below.\n\n", "\nRegards\n", 2, false, false },
	{ "in a code fence", "Rows:\n\n```\n", "```\nThat is all.\n", 2, false, false },
	{ "before another table", "", "\n", 2, false, true },
	{ "directly before another table", "", "", 2, false, true },
	{ "with rows of 700 bytes", "", "", 600, false, false },
	{ "with rows of 1900 bytes", "", "", 1800, false, false },
	{ "with rows of over 2 KB", "", "", 2200, true, false },
};

static uint32_t
doc_roll(uint64_t *state, uint32_t below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33) % below;
}

static void
doc_cell(struct buf *b, uint64_t *random, unsigned column, unsigned note)
{
	static const char letters[] = "CFGHJKLMNPRTVWXYZ",
			  marks[] = "abcdefghkmnpqrstuvw23456789";
	static const char *const cards[] = { "4111111111111111", "5555555555554444",
		"4012888888881881" };

	switch (column) {
	case 0:
		buf_printf(b, "%c%08u", letters[doc_roll(random, sizeof(letters) - 1)],
			10000000 + doc_roll(random, 89999999));
		break;
	case 1:
		buf_printf(b, "%03u-%02u-%04u", 100 + doc_roll(random, 500),
			10 + doc_roll(random, 89), 1000 + doc_roll(random, 8999));
		break;
	case 2: buf_printf(b, "%u", 10000000 + doc_roll(random, 89999999)); break;
	case 3:
		for (unsigned i = 0; i < 12; i++)
			buf_putc(b, marks[doc_roll(random, sizeof(marks) - 1)]);
		break;
	case 4: buf_str(b, cards[doc_roll(random, COUNT_OF(cards))]); break;
	case 5: buf_printf(b, "a%u@example.org", doc_roll(random, 100000)); break;
	case 6:
		buf_printf(b, "415-%03u-%04u", 200 + doc_roll(random, 700),
			1000 + doc_roll(random, 8999));
		break;
	default:
		buf_str(b, "ok");
		for (unsigned i = 2; i < note; i += 6)
			buf_str(b, " words");
	}
}

static void
doc_table(struct buf *b, uint64_t *random, const struct doc_kind *k, size_t rows, unsigned note,
	bool backwards)
{
	static const char *const names[DOC_COLUMNS] = { "passport number", "ssn",
		"medical record number", "password", "card", "e-mail", "phone", "note" };

	for (size_t row = 0; row <= rows; row++) {
		buf_str(b, k->begin);
		for (unsigned c = 0; c < DOC_COLUMNS; c++) {
			unsigned column = backwards ? DOC_COLUMNS - 1 - c : c;
			buf_str(b, c ? k->cut : "");
			if (row == 0)
				buf_str(b, names[column]);
			else
				doc_cell(b, random, column, note);
		}
		buf_str(b, k->end);
		buf_str(b, row == 0 ? k->ruler : "");
	}
}

void
doc_put(struct buf *b, uint64_t *random, const struct doc_kind *k, const struct doc_shape *s,
	size_t rows)
{
	buf_str(b, s->before);
	doc_table(b, random, k, rows, s->note, false);
	buf_str(b, s->after);
	if (s->second)
		doc_table(b, random, k, rows, s->note, true);
}
