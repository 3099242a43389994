/* Finds people. Evidence for a name adds to its score: a title or cue before it, a given name
 * and a family name of the lists in this order, initials, verbs that follow people, or
 * other names in a list. Evidence against it lowers the score or rules it out: ordinary words,
 * months, products, "disease" after it.
 *
 * A run is examined word by word: try_name() determines the length of a possible name, counts
 * its parts (struct makeup), collects the evidence around it (struct evidence), and adds up the
 * score.
 *
 * Chinese, Japanese and Korean have no capitals, and the first two have no spaces. There a name is
 * a family name of the lists that is followed by a given name or an honorific, or preceded by a
 * cue (find_han()). */
#include "base/among.h"
#include "base/utf8.h"
#include "scan/detect/names/names_run.h"

enum { NAME_WORDS = 6 };

/* The composition of a possible name. */
struct makeup {
	size_t words; /* number of words without initials and particles */
	size_t initials;
	/* number of words in the lists of given names and of family names that are not ordinary
	 * words */
	size_t given, surname;
	size_t weak;	       /* number of words in the lists that are ordinary words too */
	size_t unknown;	       /* number of words in no list */
	bool given_first, surname_last, weak_first, weak_last;
	/* caps: number of words in capitals only; tiny: number of these words with at most
	 * three letters */
	size_t caps, tiny;
};

static bool
is_ordinary(const struct word *x)
{
	return x->flags & (W_COMMON | W_NEVER | W_NATION);
}

static bool
is_listed(const struct word *x)
{
	return x->flags & W_NAME;
}

/* Returns true if x can be part of a name. `evidence`: a title or cue announces the name. */
static bool
can_be_part(const struct names_sweep *w, const struct word *x, bool evidence)
{
	if (x->code || x->hump || x->first == LETTER_NONE)
		return false;
	if (x->initial)
		return true;
	if (x->caps && x->end - x->start < (is_listed(x) ? 4 : 5) && !evidence)
		return false; /* CABG, IBAN */
	if (x->flags & (W_ORG | W_FACILITY) && !is_listed(x))
		return false;
	if (is_listed(x))
		return true;
	if (x->flags & (W_COMMON | W_NEVER | W_TITLE | W_EPONYM | W_NATION | W_COUNTRY))
		return false;
	return evidence || x->first == LETTER_UPPER || (w->lower && is_listed(x));
}

/* Returns true if word k is a capitalized particle such as "El", "Ben" or "Di" between a listed
 * name and another word: Yusuf El Amrani. If the particle is an ordinary word, as "Den" is, the
 * other word must be a listed name too, unless the particle is one of the usual ones. */
static bool
is_capital_particle(const struct names_sweep *w, struct run *run, size_t k)
{
	static const char *const usual[] = { "El", "Al", "La", "De", "Van", "Bin", "Di", "Da", "Dos", "Le" };
	const struct word *x = &run->w[k];
	uint32_t no_name = W_NEVER | W_TITLE | W_COMMON;
	bool ordinary = x->flags & W_COMMON && !SPAN_IN(span_cut(w->text, x->start, x->end), usual);

	return k > 0 && k + 1 < run->n && x->flags & W_PARTICLE && x->end - x->start >= 2 &&
	       word_stands_out(w, x) && !x->comma && is_listed(&run->w[k - 1]) &&
	       word_stands_out(w, x + 1) && !x[1].code && !x[1].hump && !x[1].caps &&
	       !(x[1].flags & no_name) && (!ordinary || is_listed(x + 1));
}

/* Returns the number of words from i on that form one name. */
static size_t
name_length(const struct names_sweep *w, struct run *run, size_t i, bool evidence)
{
	size_t n = 0, solid = 0;

	for (; i + n < run->n && n < NAME_WORDS; n++) {
		const struct word *x = &run->w[i + n];
		bool small = !word_stands_out(w, x);
		if (small && !(x->flags & W_PARTICLE))
			break;
		if (n > 0 && is_capital_particle(w, run, i + n)) {
			solid = ++n + 1;
			if (run->w[i + n].comma || run->w[i + n].possessive)
				break;
			continue;
		}
		/* any word after "van der" is a part of the name */
		if (!small && !can_be_part(w, x, evidence) &&
			!(n > 0 && !x->code && !x->hump && !word_stands_out(w, x - 1)))
			break;
		/* "Anna However": an ordinary word continues a name only if it is a family name,
		 * or after a label any name */
		if (!small && n > 0 && x->flags & (W_COMMON | W_NEVER) &&
			!(x->flags & (evidence && n == 1 ? W_NAME : W_SURNAME)) &&
			word_stands_out(w, x - 1))
			break;
		if (!small)
			solid = n + 1;
		if (x->comma || x->possessive)
			break;
	}
	return solid;
}

/* ---- the parts of a name ---- */

static struct makeup
makeup_of(const struct names_sweep *w, struct run *run, size_t i, size_t n)
{
	struct makeup m = { 0 };

	for (size_t k = i; k < i + n; k++) {
		const struct word *x = &run->w[k];
		bool weak = is_listed(x) && is_ordinary(x);
		if (!word_stands_out(w, x) || (k > i && is_capital_particle(w, run, k)))
			continue;
		if (x->initial) {
			m.initials++;
			continue;
		}
		m.words++;
		m.caps += x->caps;
		m.tiny += x->caps && x->end - x->start <= 3;
		m.given += !weak && x->flags & W_GIVEN;
		m.surname += !weak && x->flags & W_SURNAME;
		m.weak += weak;
		m.unknown += !is_listed(x);
		if (m.words == 1) {
			m.given_first = !weak && x->flags & W_GIVEN;
			m.weak_first = weak && x->flags & W_GIVEN;
		}
		m.surname_last = !weak && x->flags & W_SURNAME;
		m.weak_last = weak && x->flags & W_SURNAME;
	}
	return m;
}

static float
worth_of_one(const struct makeup *m)
{
	if (m->unknown)
		return m->initials ? 0.25f : 0.1f;
	if (m->weak)
		return m->initials ? 0.35f : 0.15f;
	if (m->initials)
		return m->given || m->surname ? 0.6f : 0.25f;
	return m->given ? 0.5f : 0.28f;
}

static float
person_worth(const struct makeup *m)
{
	if (m->words == 0)
		return 0;
	if (m->words == 1)
		return worth_of_one(m);
	if (m->given_first)
		return m->surname_last ? 0.8f
		       : m->weak_last  ? 0.7f
		       : m->unknown    ? 0.62f
				       : 0.65f;
	if (m->surname_last)
		return m->weak_first ? 0.6f : m->surname + m->given > 1 ? 0.55f : 0.42f;
	if (m->weak_first && m->weak_last)
		return 0.35f;
	return m->given + m->surname ? 0.4f : m->weak_first ? 0.3f : 0.15f;
}

/* ---- names that were found ---- */

/* Returns true if the name is followed by "'s disease", " disease" or " Score". */
static bool
eponym_follows(const struct names_sweep *w, const struct word *last)
{
	size_t at = last->end;

	if (last->possessive)
		at += w->text.p[at] == '\'' ? 2 : 4;
	return word_after(w, at) & W_EPONYM;
}

static void
remember_person(struct names_sweep *w, struct run *run, size_t i, size_t n)
{
	for (size_t k = i; k < i + n; k++) {
		const struct word *x = &run->w[k];
		if (x->initial || !word_stands_out(w, x) || x->end - x->start < 3 ||
			x->flags & (W_COMMON | W_NEVER | W_PLACE | W_NATION | W_PARTICLE))
			continue;
		if (w->known->n < KNOWN_NAMES) {
			w->known->at[w->known->n] = (uint32_t)x->start;
			w->known->v[w->known->n++] = x->hash;
			known_mark(w, x->hash);
		}
	}
}

/* Returns true if only a separator of a list (", ", " and ") stands between the last name and
 * `start`. */
static bool
after_last_name(const struct names_sweep *w, size_t start)
{
	static const char *const list_gaps[] = { ", ", " and ", ", and ", " & ", " y ", " und ",
		" et ", " e ", " en ", " ve ", " i ", "; " };
	struct span gap = span_cut(w->text, w->last_end, start);

	return w->last_end < start && start - w->last_end < 8 && gap.n >= 2 &&
	       is_one_of(gap.p[0], " ,;") && SPAN_IN(gap, list_gaps);
}

/* Keeps a name, and raises its score and that of the name before it if both are in a list of
 * names. */
static void
person_found(struct names_sweep *w, size_t start, size_t end, float score)
{
	if (w->last_score >= 0.28f && score >= 0.28f && after_last_name(w, start)) {
		score += 0.25f;
		if (!w->last_kept)
			names_keep(w, FIND_PERSON, w->last_start, w->last_end,
				w->last_score + 0.25f);
	}
	names_keep(w, FIND_PERSON, start, end, score);
	w->last_start = start;
	w->last_end = end;
	w->last_score = score;
	w->last_kept = score >= w->threshold[FIND_PERSON];
}

/* Keeps a name on words [i, i + n) of the run. `again`: if the score is high enough, parts of the
 * name are searched for elsewhere. */
static void
name_found(struct names_sweep *w, struct run *run, size_t i, size_t n, float score, bool again)
{
	enum { SURE = 58 }; /* percent; from this score on, the name is searched for elsewhere */
	size_t end = run->w[i + n - 1].end;

	if (n && run->w[i + n - 1].initial && run->w[i + n - 1].dot)
		end++;
	if (again && score * 100 >= (float)SURE)
		remember_person(w, run, i, n);
	person_found(w, run->w[i].start, end, score);
}

/* Returns true for "Okonjo, Adaeze": a family name, a comma, a given name. */
static bool
last_first(const struct names_sweep *w, struct run *run, size_t i)
{
	const struct word *a = &run->w[i], *b = a + 1;

	return i + 1 < run->n && a->comma && !a->initial && can_be_part(w, a, true) &&
	       !(a->flags & W_PLACE && b->flags & W_PLACE) && b->flags & W_GIVEN &&
	       !is_ordinary(b) && !b->comma && !(a->flags & W_GIVEN && !(a->flags & W_SURNAME));
}

/* ---- evidence ---- */

/* The evidence around a possible name; a score of 0 means none. */
struct evidence {
	float title, cue;
	bool strong; /* the cue is a label or a phrase: "name:", "my name is" */
	bool label;  /* the cue is a label: "name:", "Patient" */
	bool who;    /* the label certainly names a person: "Patient" */
	/* the kind of the label before the field, and where the field begins */
	enum field_lead lead;
	size_t from;
};

/* Returns true if the cue at `at` reports speech, as in: the doctor asked: "Which one ..." */
static bool
is_speech(const struct names_sweep *w, size_t at)
{
	struct span cue = span_cut(w->text, at, w->text.n);

	return span_istarts(cue, SPAN_LIT("said")) || span_istarts(cue, SPAN_LIT("says")) ||
	       span_istarts(cue, SPAN_LIT("told")) || span_istarts(cue, SPAN_LIT("asked"));
}

/* Returns true if a label precedes the title at `at`, or is the word of the run before it, as in
 * "Kundin: Frau Vogel". */
static bool
label_before_title(struct names_sweep *w, const struct word *before, size_t at)
{
	bool label = false;
	size_t from;
	uint32_t f = words_before(w, at, W_CUE | W_LABEL, &label, &from);

	return f & W_LABEL || (f && label) || (before && before->flags & W_LABEL);
}

/* Returns true if the label at `start` is written as keys of data and programs are, before the
 * field at `from`: in small letters, as the name of a tag, or with a quote or an equals sign. */
static bool
is_key_style(struct span t, size_t start, size_t from)
{
	unsigned n;
	uint64_t folded;

	if (glyph_at(t, start, &n, &folded) == LETTER_LOWER ||
		(start > 0 && is_one_of(t.p[start - 1], "\"'<.@$_")))
		return true;
	const char *equals = memchr(t.p + start, '=', from - start);
	return span_back_set(t, from, start, "\"'`") < from || (equals && equals[-1] != ' ');
}

static enum field_lead
label_lead(const struct names_sweep *w, uint32_t flags, size_t start, size_t from)
{
	if (!(flags & W_WEAK))
		return LEAD_SURE;
	/* "the file of patient: Xu Zhijie" is prose, "patient: Foo" at the begin of a line is not */
	bool prose = start > 1 && w->text.p[start - 1] == ' ' && is_letter(w->text.p[start - 2]);
	if (is_key_style(w->text, start, from) && !(prose && flags & W_LABEL))
		return LEAD_KEY;
	return flags & W_LABEL ? LEAD_SURE : LEAD_LABEL;
}

/* Reads the label before the field at `from`. Returns its flags; 0: there is none. */
static uint32_t
label_at(struct names_sweep *w, size_t from, struct evidence *e, size_t *at)
{
	bool label = false;
	uint32_t f = words_before(w, from, W_TITLE | W_CUE | W_LABEL | W_KEY | W_WEAK, &label, at);
	bool tag = f && *at > 0 && w->text.p[*at - 1] == '<' &&
		   memchr(w->text.p + *at, '>', from - *at);

	label |= tag;
	if (!label && !(f & (W_TITLE | W_CUE | W_LABEL)))
		return 0;
	if (f & (W_CUE | W_LABEL | W_KEY)) {
		e->who |= (f & W_LABEL) != 0;
		e->label |= e->who || (label && !is_speech(w, *at));
		e->strong = label || memchr(w->text.p + *at, ' ', from - 1 - *at);
		e->cue = e->strong ? 0.45f : 0.35f;
		if (label && e->label)
			e->lead = label_lead(w, f, *at, from);
	}
	return f;
}

/* Collects titles inside the run and before it, and cues before it. */
static struct evidence
evidence_at(struct names_sweep *w, struct run *run, size_t i)
{
	size_t at = 0;
	const struct word *x = &run->w[i], *prev = i > 0 ? x - 1 : NULL;
	struct evidence e = { .from = prev ? x->start : past_particles(w, x->start) };

	if (prev && prev->flags & W_TITLE && !prev->comma &&
		(prev->dot || prev->end - prev->start > 1))
		e.title = 0.85f;
	e.label = e.who = prev && prev->flags & W_LABEL && !prev->comma;
	if (e.label || (prev && prev->flags & W_CUE &&
			       (prev->flags & W_COMMON || !is_listed(prev))))
		e.cue = 0.3f;
	/* If a word precedes in the run, the cue ends with that word, and no cue extends across
	 * a comma. */
	uint32_t f = prev && (prev->comma || !(prev->flags & W_LAST)) ? 0
								      : label_at(w, e.from, &e, &at);
	if (f & W_TITLE && (at + 1 < x->start))
		e.title = 0.85f;
	/* a weak key counts only for the whole text */
	bool whole = span_past_set(w->text, 0, " \t\r\n") >= e.from;
	if (w->key && i == 0 && (w->key == LEAD_SURE || whole)) {
		e.label = e.strong = true;
		e.cue = 0.5f;
		e.lead = w->key;
	}
	if (w->labeled && e.title > 0 && !e.label)
		e.label = label_before_title(w, i > 1 ? x - 2 : NULL, f & W_TITLE ? at : x[-1].start);
	if (e.label && (e.title > 0 || e.who) && !e.lead)
		e.lead = e.title > 0 ? LEAD_SURE : LEAD_LABEL;
	return e;
}

/* Returns true if the name has a line of its own, as in an address or a signature. */
static bool
own_line(struct span t, size_t start, size_t end)
{
	start = span_back_set(t, start, 0, " >");
	return (start == 0 || t.p[start - 1] == '\n') && end < t.n && t.p[end] == '\n';
}

/* ---- the score ---- */

/* Returns true if words [i, i + n) of the run cannot be a person, whatever other evidence there
 * is. */
static bool
no_person(const struct names_sweep *w, struct run *run, size_t i, size_t n,
	const struct makeup *m, const struct evidence *e)
{
	const struct word *x = &run->w[i], *last = x + n - 1;
	const struct word *next = i + n < run->n && !last->comma ? last + 1 : NULL;

	if (eponym_follows(w, last) || (next && next->flags & W_EPONYM))
		return true;
	if (e->title > 0)
		return false;
	if (next && next->flags & (W_ORG | W_FACILITY | W_STREET) && !is_listed(next))
		return true;
	if (m->words != 1)
		return false;
	/* "Patient: Smith" and "Name: Maria" are people, "Name: Python" is not. */
	bool named = (e->who && is_listed(x)) ||
		     (e->label && x->flags & W_GIVEN && !(x->flags & W_COMMON));
	return (x->flags & W_NEVER && !named) || (m->unknown && !m->initials && m->caps);
}

/* Returns how much the score is lowered because the words are a place: "Costa Rica", "Tulsa". */
static float
against_place(struct run *run, size_t i, size_t n, const struct makeup *m)
{
	uint32_t f;
	const struct word *last = &run->w[i + n - 1];

	if (m->words == 1)
		return !(run->w[i].flags & W_PLACE)  ? 0
		       : run->w[i].flags & W_COUNTRY ? 0.3f
						     : 0.12f;
	if (n > 1 && run_phrase(run, i, W_COUNTRY | W_REGION | W_CITY, &f) >= n)
		return f & W_COUNTRY ? 0.5f : 0.25f;
	return last->flags & W_COUNTRY && !(last->flags & W_SURNAME && m->given_first) ? 0.25f
										       : 0;
}

static float
score_of(const struct names_sweep *w, struct run *run, size_t i, size_t n,
	const struct makeup *m, const struct evidence *e)
{
	const struct word *x = &run->w[i], *last = x + n - 1;
	size_t after = last->possessive ? last->end + 2 : last->end;
	float score = person_worth(m);

	if (m->words == 0 || (m->tiny == m->words && e->cue == 0))
		return 0; /* "ms. A", "NS NB NL" */
	if (e->title > 0)
		return e->title + (m->unknown ? 0 : 0.1f);
	score -= against_place(run, i, n, m);
	if (e->cue > 0 && (m->words > 1 || !m->weak || e->strong))
		score += m->words == 1 && m->unknown ? e->cue + 0.05f : e->cue;
	else if (word_after(w, after) & W_AFTER)
		score += 0.1f;
	if (last->possessive && m->given)
		score += 0.08f;
	if (m->words > 1 && own_line(w->text, x->start, last->end))
		score += 0.2f;
	if (m->words == 1 && m->given && last->end < w->text.n && w->text.p[last->end] == ':' &&
		sentence_begins(w->text, x->start))
		score += 0.1f; /* a speaker in a dialog */
	if (w->lower && e->cue == 0)
		score -= 0.1f;
	if (m->caps && (m->words == 1 || m->caps < m->words) && e->cue == 0)
		score -= 0.2f;
	if (m->words == 1 && m->given && last->end - x->start < 4 && e->cue == 0)
		score -= 0.06f; /* Ai, Eva, Max */
	return score;
}

/* Examines the field behind a label. Returns the number of words of the run that the field takes
 * if it is a name, or 0. If the label may name something else than a person, and the field is no
 * name, the label counts no longer. */
static size_t
try_field(struct names_sweep *w, struct run *run, size_t i, struct evidence *e)
{
	struct field f;
	size_t n = 0;

	field_read(w, e->from, &f);
	bool name = field_is_name(&f, e->lead, false) ||
		    (e->lead != LEAD_SURE && f.whole && field_beside(w, &f) &&
			    field_is_name(&f, e->lead, true));
	if (name) {
		while (i + n < run->n && run->w[i + n].start < f.end)
			n++;
		if (f.words > f.unknown || f.words > 1)
			remember_person(w, run, i, n);
		person_found(w, f.from, f.end, 0.6f + 0.05f * (float)(f.given + f.surname));
	} else if (e->lead == LEAD_KEY || (e->lead == LEAD_LABEL && !e->who && (f.whole || f.words < 2))) {
		float title = e->title;
		*e = (struct evidence){ .title = title };
	}
	return n;
}

/* Examines a name that begins at word i. Returns the number of words it takes, or 0. */
static size_t
try_name(struct names_sweep *w, struct run *run, size_t i)
{
	const struct word *x = &run->w[i];
	struct evidence e = evidence_at(w, run, i);
	bool titled = x->flags & W_TITLE && i + 1 < run->n && !x->comma &&
		      (x->dot || !(x->flags & W_GIVEN) || x[1].flags & W_GIVEN);
	size_t n = e.lead && !titled ? try_field(w, run, i, &e) : 0;
	bool evident = e.title > 0 || e.cue > 0;

	if (n)
		return n;
	if (titled)
		return 0; /* the name begins after the title */
	if (x->flags & W_CUE && !is_listed(x) && e.title == 0)
		return 0; /* "Estimada Lucía" */
	if (x->flags & W_LABEL && i + 1 < run->n && !x->comma && e.title == 0)
		return 0; /* "Kunde Petra Müller" */
	if (!is_listed(x) && !x->initial && is_ordinary(x) && e.title == 0)
		return 0;
	if (w->labeled && !e.label && !(w->last_kept && after_last_name(w, x->start)))
		return 0;
	if (last_first(w, run, i) && (evident || sentence_begins(w->text, x->start))) {
		n = i + 2 < run->n && run->w[i + 2].initial ? 3 : 2;
		name_found(w, run, i, n, (x->flags & W_SURNAME ? 0.65f : 0.5f) + e.cue, true);
		return n;
	}
	n = name_length(w, run, i, evident);
	if (n == 0)
		return 0;
	struct makeup m = makeup_of(w, run, i, n);
	if (no_person(w, run, i, n, &m, &e))
		return n;
	/* A single unlisted word after "name:" may belong to a program, so it is not searched
	 * for elsewhere. */
	name_found(w, run, i, n, score_of(w, run, i, n, &m, &e),
		m.words > m.unknown || m.words > 1 || e.title > 0);
	return n;
}

/* ---- finding names in a run ---- */

bool
no_person_in(struct names_sweep *w, const struct run *run)
{
	const struct word *first = &run->w[0], *last = &run->w[run->n - 1];
	bool label;
	size_t start, from = past_particles(w, first->start);

	if (w->labeled && !w->key && !w->last_kept &&
		!(run->any & (W_LABEL | W_CUE | W_LAST)) &&
		!words_before(w, from, W_TITLE | W_CUE | W_LABEL | W_KEY, &label, &start))
		return true;
	/* The score is at most 0.25, and a neighbor in a list adds nothing to a score below
	 * 0.28. */
	return !(run->any & (W_NAME | W_TITLE | W_CUE | W_LABEL | W_LAST)) && !run->initials &&
	       !w->key && w->threshold[FIND_PERSON] > 0.26f &&
	       !own_line(w->text, first->start, last->end) &&
	       !words_before(
		       w, from, W_TITLE | W_CUE | W_LABEL | W_KEY, &label, &start);
}

/* Returns true if the small words at i begin a name: after a title, as in "Frau von der Leyen",
 * or before the run (titled_from()). "Notre Dame de Paris" is no such name. */
static bool
titled_particles(const struct names_sweep *w, const struct run *run, size_t i)
{
	const struct word *x = &run->w[i], *title = i > 0 ? x - 1 : NULL;
	uint32_t not = W_COMMON | W_NEVER | W_NATION | W_COUNTRY | W_PLACE;

	if (!(x->flags & W_PARTICLE) ||
		(title && (!(title->flags & W_TITLE) || title->comma)) ||
		(i > 1 && !(title[-1].flags & (W_TITLE | W_CUE))))
		return false;
	while (i < run->n && !word_stands_out(w, &run->w[i]))
		i++;
	uint32_t f = i < run->n ? run->w[i].flags : not ;
	return !(f & not ) || (f & W_SURNAME && (title || !(f & W_PLACE)));
}

void
find_person(struct names_sweep *w, struct run *run)
{
	for (size_t i = 0; i < run->n && !w->err;) {
		bool begins = word_stands_out(w, &run->w[i]) || titled_particles(w, run, i);
		size_t n = begins ? try_name(w, run, i) : 0;
		i += n ? n : 1;
	}
}

/* Returns where "El" begins if that particle precedes a known "Amrani" at `at`, or `at`. */
static size_t
capital_particle_before(struct names_sweep *w, size_t at)
{
	bool label;
	size_t start;

	return words_before(w, at, W_PARTICLE, &label, &start) && !label && at - start > 2 &&
			       is_upper(w->text.p[start])
		       ? start
		       : at;
}

void
find_known(struct names_sweep *w, const struct word *word)
{
	if (!known_maybe(w, word->hash))
		return;
	for (size_t i = 0; i < w->known->n; i++)
		if (w->known->v[i] == word->hash) {
			/* T.I.M. is not Tim */
			if (!word->code && !eponym_follows(w, word) &&
				!memchr(w->text.p + word->start, '.', word->end - word->start))
				names_keep(w, FIND_PERSON, capital_particle_before(w, word->start),
					word->end, 0.6f);
			return;
		}
}

/* ---- Chinese, Japanese and Korean ---- */

enum { GIVEN_CHARS = 3, CUE_CHARS = 6, HONOUR_CHARS = 4 };

/* The first characters at a place. */
struct chars {
	size_t at[CUE_CHARS + 1];     /* offset of each character, and the end of the last */
	uint64_t hash[CUE_CHARS + 1]; /* hash of the first n characters */
	size_t n;
};

/* Reads up to `max` characters of Han from `at` on. */
static struct chars
chars_ahead(struct span t, size_t at, size_t max)
{
	struct chars c = { .at = { at }, .hash = { HASH_SEED } };
	unsigned n;
	uint64_t folded;

	while (c.n < max && at < t.n && glyph_at_han(t, at, &n, &folded) == LETTER_HAN) {
		at += n;
		c.hash[c.n + 1] = hash_step(c.hash[c.n], folded);
		c.at[++c.n] = at;
	}
	return c;
}

/* Returns false if no cue can end before `at`. A cue in other letters is always possible. */
static bool
may_end_cue(const struct names_sweep *w, size_t at)
{
	unsigned n;
	uint64_t folded;

	if (at == 0)
		return false;
	if (glyph_at_han(w->text, utf8_before(w->text.p, at), &n, &folded) != LETTER_HAN)
		return true;
	return names_flags_small(w->t, hash_step(HASH_SEED, folded)) & W_LAST;
}

/* Moves back over one colon, quote, equals sign or space, fullwidth forms included. */
static size_t
before_mark(struct span t, size_t i)
{
	const char *p = t.p + i;

	if (i >= 3 && (!memcmp(p - 3, "\xef\xbc\x9a", 3) || !memcmp(p - 3, "\xe3\x80\x80", 3)))
		return i - 3;
	return i > 0 && (p[-1] == ':' || p[-1] == ' ' || p[-1] == '"' || p[-1] == '=') ? i - 1
										       : i;
}

/* Returns true if a cue ends before `at`, directly or with up to three such marks between. */
static bool
cue_before(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t folded[CUE_CHARS];
	size_t i = before_mark(t, before_mark(t, before_mark(t, at)));

	if (!may_end_cue(w, i))
		return false;
	for (size_t k = 0; k < CUE_CHARS && i > 0; k++) {
		uint64_t h = HASH_SEED;
		unsigned n;
		i = utf8_before(t.p, i);
		if (glyph_at_han(t, i, &n, &folded[k]) == LETTER_NONE)
			folded[k] = names_hashed_mark(t.p[i]);
		for (size_t j = k + 1; j-- > 0;)
			h = folded[j] ? hash_step(h, folded[j]) : h;
		if (names_flags_small(w->t, h) & W_CUE)
			return true;
	}
	return false;
}

/* Returns true if a label in letters of another script is before `at`: "Patient: 山田太郎". */
static bool
labeled_han(struct names_sweep *w, size_t at)
{
	bool label;
	size_t start;

	return words_before(w, at, W_CUE | W_LABEL, &label, &start) &&
	       (label || (start > 0 && w->text.p[start - 1] == '<'));
}

static bool
honour_after(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t folded, h = HASH_SEED;
	unsigned n;

	if (at < t.n && t.p[at] == ' ')
		at++;
	for (size_t k = 0; k < HONOUR_CHARS && at < t.n; k++, at += n) {
		if (glyph_at_han(t, at, &n, &folded) != LETTER_HAN)
			return false;
		h = hash_step(h, folded);
		if (k == 0 && !names_han(w->t, HAN_HONOUR, h))
			return false;
		if (names_flags_small(w->t, h) & W_HONORIFIC)
			return true;
	}
	return false;
}

static void
found(struct names_sweep *w, size_t start, size_t end, float score)
{
	names_keep(w, FIND_PERSON, start, end, score);
}

/* Returns the end of the longest given name of the lists at `at`, or `at`. */
static size_t
given_at(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t one, pair, folded, next;
	unsigned n, next_n;

	if (at >= t.n || glyph_at_han(t, at, &n, &folded) != LETTER_HAN)
		return at;
	one = hash_step(HASH_SEED, folded);
	if (at + n < t.n && glyph_at_han(t, at + n, &next_n, &next) == LETTER_HAN &&
		names_han(w->t, HAN_TWO, pair = hash_step(one, next))) {
		struct chars c = chars_ahead(t, at, GIVEN_CHARS);
		for (size_t k = c.n; k > 1; k--)
			if (names_flags(w->t, c.hash[k]) & W_GIVEN)
				return c.at[k];
	}
	if (names_han(w->t, HAN_GIVEN, one) && names_flags(w->t, one) & W_GIVEN)
		return at + n;
	return at;
}

/* Decides about the family name [at, to) by the text after it. Returns the end of the name, or
 * `at` if there is none. */
static size_t
name_at(struct names_sweep *w, size_t at, size_t to, size_t chars)
{
	struct span t = w->text;
	size_t given = to < t.n && t.p[to] == ' ' ? to + 1 : to, end = given_at(w, given);
	bool cue;

	cue = w->key || cue_before(w, at) || labeled_han(w, at);
	if (w->labeled && !cue)
		return at;
	if (end == given && honour_after(w, to)) {
		found(w, at, to, chars > 1 ? 0.6f : 0.5f);
		return to;
	}
	if (end > given) {
		bool blank = given > to;
		float score = chars > 1 ? 0.6f : end - given > 3 ? 0.45f : 0.25f;
		score += (cue ? 0.35f : 0) + (honour_after(w, end) ? 0.3f : 0) -
			 (blank && !cue ? 0.1f : 0);
		found(w, at, end, score);
		return end;
	}
	if (!cue)
		return at;
	/* The given name is in no list, but a name is announced. Take up to two more characters
	 * if no more follow. */
	struct chars rest = chars_ahead(t, to, GIVEN_CHARS);
	if (rest.n >= 1 && rest.n < GIVEN_CHARS) {
		found(w, at, rest.at[rest.n], 0.6f);
		return rest.at[rest.n];
	}
	if (rest.n == GIVEN_CHARS && chars == 1) {
		found(w, at, rest.at[2], 0.55f);
		return rest.at[2];
	}
	return at;
}

static void
place_in(struct names_sweep *w, size_t at, const struct chars *c)
{
	for (size_t k = c->n; k > 1; k--) {
		uint32_t f = names_flags(w->t, c->hash[k]);
		if (!(f & W_PLACE))
			continue;
		names_keep(w, FIND_PLACE, at, c->at[k], f & W_COUNTRY ? 0.45f : 0.36f);
		return;
	}
}

/* Looks for a name or place that begins at `at`. `one` is the hash of its first character and
 * `pair` that of its first two; pair 0: no term begins with these. Returns the end of the name,
 * or `at`. */
static size_t
begins_at(struct names_sweep *w, size_t at, unsigned n, uint64_t one, uint64_t pair)
{
	size_t end = at;

	if (w->threshold[FIND_PERSON] < 1.0f) {
		if (pair && names_flags(w->t, pair) & W_SURNAME)
			end = name_at(w, at, past_glyph(w->text, at + n), 2);
		if (end == at && names_han(w->t, HAN_SURNAME, one) &&
			names_flags(w->t, one) & W_SURNAME)
			end = name_at(w, at, at + n, 1);
	}
	if (pair && w->threshold[FIND_PLACE] < 1.0f) {
		struct chars c = chars_ahead(w->text, at, CUE_CHARS);
		place_in(w, at, &c);
	}
	return end;
}

size_t
find_han(struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	unsigned n, next_n;
	uint64_t folded, next;
	enum letter k = glyph_at_han(t, at, &n, &folded), next_k;

	while (k == LETTER_HAN && !w->err) {
		uint64_t one = hash_step(HASH_SEED, folded), pair = 0;
		next_k = LETTER_NONE;
		if (at + n < t.n &&
			(next_k = glyph_at_han(t, at + n, &next_n, &next)) == LETTER_HAN)
			pair = hash_step(one, next);
		bool two = pair && names_han(w->t, HAN_TWO, pair);
		size_t end = at;
		if (two || names_han(w->t, HAN_SURNAME, one))
			end = begins_at(w, at, n, one, two ? pair : 0);
		if (end > at) {
			at = end;
			k = at < t.n ? glyph_at_han(t, at, &n, &folded) : LETTER_NONE;
			continue;
		}
		at += n;
		k = next_k;
		n = next_n;
		folded = next;
	}
	return at;
}
