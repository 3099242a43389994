/* Finds organizations and facilities: a run of capitalized words that ends with "GmbH", "Ltd" or
 * "Hospital", or begins with "Hospital" or "Clínica". */
#include "scan/detect/names/names_run.h"

/* Returns the index of the word with which the name begins: after a comma or a possessive, and
 * not with an ordinary word that only begins the sentence. */
static size_t
name_begins(const struct names_sweep *w, struct run *run, size_t end)
{
	size_t i = 0;

	for (size_t k = 0; k < end; k++)
		if (run->w[k].comma || run->w[k].possessive)
			i = k + 1;
	while (i + 1 < end && !word_stands_out(w, &run->w[i]))
		i++;
	if (i + 1 < end && run->w[i].flags & W_COMMON &&
		!(run->w[i].flags & (W_NAME | W_CITY)) &&
		sentence_begins(w->text, run->w[i].start) && i + 2 < end)
		i++;
	return i;
}

/* Counts the capitalized words among [from, to), and those of them that are no ordinary words. */
static void
count_caps(const struct names_sweep *w, struct run *run, size_t from, size_t to, size_t *caps,
	size_t *proper)
{
	*caps = *proper = 0;
	for (size_t k = from; k < to; k++) {
		if (!word_stands_out(w, &run->w[k]) && run->w[k].first != LETTER_UPPER)
			continue;
		++*caps;
		*proper += !(run->w[k].flags & W_COMMON);
	}
}

/* Returns the score of an organization whose words are [from, at) and whose suffix is the n
 * words at `at`. "and Sons" and "& Co" are parts of a name too. */
static float
organisation_worth(
	const struct names_sweep *w, struct run *run, size_t from, size_t at, size_t n)
{
	const struct word *x = &run->w[at];
	struct span s = span_of(w->text.p + x->start, x->end - x->start);
	size_t caps, proper;
	/* Legal forms that are no words: "Ltd", "GmbH" */
	bool legal = !(x->flags & (W_COMMON | W_NAME)) || s.n <= 4 || n > 1 ||
		     span_chr(s, '.') < s.n;

	count_caps(w, run, from, at, &caps, &proper);
	if (caps == 0)
		return 0;
	if (x->caps && s.n <= 3 && (!proper || (x[-1].caps && x[-1].end - x[-1].start <= 3)))
		return 0.2f;
	if (legal)
		return proper ? 0.75f : 0.6f;
	return proper ? 0.45f + (caps > 1 ? 0.1f : 0) : caps > 1 ? 0.35f : 0.25f;
}

static float
facility_worth(const struct names_sweep *w, struct run *run, size_t from, size_t at, size_t n)
{
	size_t caps, proper;
	const struct word *x = &run->w[at + n - 1];
	struct span s = span_of(w->text.p + x->start, x->end - x->start);
	static const char *const weak[] = { "Health", "Manor", "Dental", "Surgery", "Imaging",
		"Rehab", "Rehabilitation", "Physicians", "Prison", "Airport", "Healthcare",
		"Radiology", "Diagnostics", "Orthopedics", "Pediatrics", "Dermatology",
		"Practice" };

	count_caps(w, run, from, at, &caps, &proper);
	if (caps == 0)
		return n > 1 ? 0.25f : 0.1f;
	if (n == 1 && SPAN_IN(s, weak))
		return proper ? 0.5f : 0.2f;
	return proper ? 0.75f : 0.6f;
}

/* Finds names that end with a term of `kind`. */
static void
by_suffix(struct names_sweep *w, struct run *run, uint32_t kind)
{
	for (size_t i = 1; i < run->n && !w->err; i++) {
		uint32_t f;
		size_t n = run->w[i - 1].comma && kind == W_FACILITY
				   ? 0
				   : run_phrase(run, i, kind, &f);
		if (!n || (run->w[i].first != LETTER_UPPER && n == 1))
			continue;
		/* In "Smith, Inc" the comma belongs to the name. */
		bool comma = run->w[i - 1].comma;
		size_t from = comma ? name_begins(w, run, i - 1) : name_begins(w, run, i);
		if (comma) {
			from = i - 1;
			while (from > 0 && !run->w[from - 1].comma)
				from--;
		}
		float score = kind == W_ORG ? organisation_worth(w, run, from, i, n)
					    : facility_worth(w, run, from, i, n);
		if (comma && score < 0.7f)
			continue;
		size_t last = i + n - 1, end = run->w[last].end;
		if (kind == W_FACILITY && last + 2 < run->n &&
			!word_stands_out(w, &run->w[last + 1]) && !run->w[last].comma &&
			run->w[last + 1].first != LETTER_NONE &&
			run->w[last + 2].first == LETTER_UPPER) {
			last += 2;
			end = run->w[last].end;
		}
		struct span tail = span_cut(w->text, run->w[last].start, run->w[last].end);
		if (run->w[last].dot && (tail.n <= 4 || span_chr(tail, '.') < tail.n))
			end++;
		if (score > 0)
			names_keep(w, kind == W_ORG ? FIND_ORGANISATION : FIND_FACILITY,
				run->w[from].start, end, score);
		i = last;
	}
}

/* Finds names such as "Hospital Clínico San Carlos", "Klinikum Rechts der Isar", "Hospice of the
 * Valley". */
static void
by_prefix(struct names_sweep *w, struct run *run)
{
	for (size_t i = 0; i + 1 < run->n && !w->err; i++) {
		uint32_t f;
		size_t caps, proper, n = run_phrase(run, i, W_FACILITY_START, &f), end;
		size_t all = run_phrase(run, i, W_FACILITY, &f);
		n = n > all ? n : all;
		if (!n || i + n >= run->n || run->w[i + n - 1].comma)
			continue;
		for (end = i + n; end < run->n && !run->w[end - 1].comma;)
			end++;
		count_caps(w, run, i + n, end, &caps, &proper);
		bool saint = run->w[i].end - run->w[i].start <= 5 && !all;
		if (!proper || saint)
			continue;
		names_keep(w, FIND_FACILITY, run->w[i].start, run->w[end - 1].end,
			all && word_stands_out(w, &run->w[i + n]) &&
					!(run->w[i].flags & W_FACILITY_START)
				? 0.3f
				: 0.6f);
		i = end;
	}
}

void
find_organisation(struct names_sweep *w, struct run *run)
{
	if (run->n < 2)
		return;
	if (w->threshold[FIND_FACILITY] < 1.0f && run->any & (W_FACILITY | W_FACILITY_START)) {
		by_suffix(w, run, W_FACILITY);
		by_prefix(w, run);
	}
	if (w->threshold[FIND_ORGANISATION] < 1.0f && run->any & W_ORG)
		by_suffix(w, run, W_ORG);
}
