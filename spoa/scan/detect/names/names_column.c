/* Names of people in the cells of a column whose header may name them: CSV, Markdown, SQL, HTML.
 * The rule is that of a field behind a weak key (names_field.c). In addition, if most cells of
 * the column look like names, the others are names too. */
#include "base/effort.h"
#include "base/utf8.h"
#include "scan/detect/names/names.h"
#include "scan/detect/names/names_run.h"

enum { CELL_HAN = 5 }; /* characters of a name in Han, kana or Hangul at most */

uint32_t
names_key(const struct names_table *t, struct span key)
{
	bool label;
	size_t start = 0;
	char text[CONTEXT_BYTES + 2];

	if (key.n == 0 || key.n > CONTEXT_BYTES)
		return 0;
	memcpy(text, key.p, key.n);
	text[key.n] = ':';
	text[key.n + 1] = ' ';
	struct names_sweep k = { .t = t, .text = span_of(text, key.n + 2) };
	uint32_t f = words_before(&k, k.text.n, W_KEY | W_CUE | W_WEAK | W_BESIDE, &label, &start);
	/* "name" alone, or two words at the end of a longer key; not "file name" */
	return start == 0 || memchr(text + start, '_', key.n - start) ||
			       memchr(text + start, ' ', key.n - start) || f & W_BESIDE
		       ? f
		       : 0;
}

/* Returns true if the header has a key of personal data beside the column. */
static bool
is_person_table(const struct names_table *t, const struct columns *c, struct span name)
{
	bool own = false, beside = false;

	for (unsigned k = 0; k < c->names; k++) {
		bool same = c->name[k].p == name.p;
		own |= same;
		beside |= !same && c->name[k].n && names_key(t, c->name[k]) & W_BESIDE;
	}
	return own && beside;
}

/* CELL_LIKELY: a name if most cells are, such as "Tom Baker", whose words are ordinary words too. */
enum cell { CELL_OTHER, CELL_MAYBE, CELL_LIKELY, CELL_NAME };

/* The same as cell_kind(), for a cell in a script without capitals and spaces. */
static enum cell
cell_kind_han(const struct names_table *t, struct span cell)
{
	uint64_t h = HASH_SEED, folded;
	size_t i = 0, chars = 0;
	bool surname = false;
	unsigned n;

	for (; i < cell.n; i += n, chars++) {
		if (glyph_at_han(cell, i, &n, &folded) != LETTER_HAN)
			return CELL_OTHER;
		h = hash_step(h, folded);
		surname |= chars < 2 && names_flags(t, h) & W_SURNAME;
	}
	if (chars < 2 || chars > CELL_HAN)
		return CELL_OTHER;
	return surname && chars < CELL_HAN ? CELL_NAME : CELL_MAYBE;
}

static enum cell
cell_kind(const struct names_table *t, struct span cell, enum field_lead lead, bool beside)
{
	struct names_sweep w = { .t = t, .text = cell };
	struct field f;
	unsigned n;
	uint64_t folded;

	if (glyph_at_han(cell, 0, &n, &folded) == LETTER_HAN)
		return cell_kind_han(t, cell);
	field_read(&w, 0, &f);
	if (f.end + 1 < cell.n)
		return CELL_OTHER;
	if (field_is_name(&f, lead, beside))
		return CELL_NAME;
	if (!f.whole || f.ordinary == f.words)
		return CELL_OTHER;
	return f.words > 1 && !f.unknown ? CELL_LIKELY : CELL_MAYBE;
}

static int
keep_cell(const struct detect_rules *r, struct detect_scratch *s, size_t start, size_t end)
{
	struct finding f = { .entity = (uint16_t)(r->finders[FIND_PERSON] - 1),
		.start = start,
		.end = end,
		.score = 0.7f };

	return scratch_keep(s, f);
}

/* Returns true if most cells of the column so far look like names. */
static bool
is_name_column(const struct name_column *c)
{
	return c->names > 1 && 2 * c->names >= c->cells;
}

int
names_column_end(const struct detect_rules *r, struct detect_scratch *s)
{
	struct name_column *c = &s->name_column;
	int err = 0;

	for (size_t i = 0; i < c->n && !err && is_name_column(c); i++)
		err = keep_cell(r, s, c->start[i], c->end[i]);
	c->n = 0;
	return err;
}

int
names_cell(const struct detect_rules *r, struct detect_scratch *s, const struct detect_options *opt,
	struct span name, struct span cell, size_t start)
{
	struct name_column *c = &s->name_column;
	int err = 0;

	if (!r->names || !r->finders[FIND_PERSON] || !cell.n || (opt && opt->identifier) ||
		scan_threshold(r, opt, r->finders[FIND_PERSON] - 1) > 0.7f)
		return 0;
	if (name.p != c->name.p || name.n != c->name.n) {
		err = names_column_end(r, s);
		uint32_t f = names_key(r->names, name);
		*c = (struct name_column){ .name = name, .key = f & (W_KEY | W_CUE | W_WEAK) };
		c->weak = f & W_WEAK;
		c->beside = c->key && is_person_table(r->names, &s->columns, name);
	}
	if (!c->key || err)
		return err;
	effort_add(64 + cell.n);
	enum cell k = cell_kind(r->names, cell, c->weak ? LEAD_KEY : LEAD_SURE, c->beside);
	c->cells++;
	c->names += k >= CELL_LIKELY;
	if (k == CELL_NAME || (k != CELL_OTHER && is_name_column(c)))
		return keep_cell(r, s, start, start + cell.n);
	if (k != CELL_OTHER && c->n < NAME_CELLS) {
		c->start[c->n] = start;
		c->end[c->n++] = start + cell.n;
	}
	return 0;
}
