/* Finds places and nationalities: terms of the lists. The score is higher after "in" or "from"
 * and before the name of a larger place. */
#include "base/among.h"
#include "scan/detect/names/names_run.h"

static bool
is_state(struct span t, const struct word *x)
{
	static const char states[] =
		"AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT "
		"NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR "
		"VI GU ON QC BC AB MB SK NS NB NL PE YT NT NU NSW VIC QLD TAS ACT";
	size_t n = x->end - x->start;

	for (const char *p = states; x->caps && n >= 2 && n <= 3 && *p;
		p += strcspn(p, " "), p += *p == ' ')
		if (strcspn(p, " ") == n && !memcmp(p, t.p + x->start, n))
			return true;
	return false;
}

/* Returns true if a postcode precedes: "10115 Berlin". */
static bool
postcode_before(struct span t, size_t at)
{
	size_t i = span_back_set(t, at, at > 2 ? at - 2 : 0, " ,"), digits = 0;

	if (i == at)
		return false;
	for (; i > 0 && digits < 7 && is_digit(t.p[i - 1]); i--)
		digits++;
	return digits >= 4 && digits <= 6 && (i == 0 || !is_alnum(t.p[i - 1]));
}

static bool
zip_after(struct span t, size_t at)
{
	size_t i = span_past_set(span_cut(t, 0, at + 2), at, " ,");

	return i > at && span_past(span_cut(t, 0, i + 6), i, is_digit) == i + 5;
}

/* A place that was found at a word of the run. */
struct place {
	size_t n; /* words; 0: no place */
	uint32_t flags;
	float score;
};

static float
place_worth(uint32_t f, struct run *run, size_t i, size_t n)
{
	const struct word *x = &run->w[i];
	float score = f & W_COUNTRY ? 0.5f : f & W_REGION ? 0.38f : 0.34f;

	if (n > 1 && f & (W_CITY | W_REGION))
		score += 0.08f;
	if (n == 1 && x->flags & (W_COMMON | W_NEVER))
		score -= 0.25f;
	else if (n == 1 && x->flags & W_NAME && !(f & W_COUNTRY))
		score -= 0.08f;
	if (n == 1 && (x->end - x->start < 4 || (x->caps && x->end - x->start < 6)))
		score -= 0.1f;
	return score;
}

/* Returns the number of words of a larger place at word i: a state, a region, a country; 0 if
 * there is none. */
static size_t
larger_place(const struct names_sweep *w, struct run *run, size_t i, uint32_t *flags)
{
	if (i >= run->n)
		return 0;
	if (is_state(w->text, &run->w[i]))
		return 1;
	return run_phrase(run, i, W_REGION | W_COUNTRY, flags);
}

/* Returns true for "to Brandon" and "from Charlotte": a given name after a word that people
 * follow too. "in" is only used with places. */
static bool
said_of_people(const struct names_sweep *w, size_t from, const struct word *x)
{
	struct span cue = span_trim(span_cut(w->text, from, x->start), " :\"");

	if (!(x->flags & W_GIVEN) || x->flags & (W_COMMON | W_COUNTRY))
		return false;
	return cue.n < 2 || !(span_iends(cue, SPAN_LIT("in")) || memchr(cue.p, ' ', cue.n));
}

/* Returns true if the place has a line of its own, as in an address. */
static bool
own_line(struct span t, size_t start, size_t end)
{
	start = span_back_set(t, start, 0, " >");
	while (end < t.n && (t.p[end] == ' ' || is_digit(t.p[end])))
		end++;
	return start > 0 && t.p[start - 1] == '\n' && (end == t.n || t.p[end] == '\n');
}

bool
place_stands_out(struct span t, size_t start, size_t end)
{
	return postcode_before(t, start) || zip_after(t, end) || own_line(t, start, end);
}

/* Returns true for "lives in Punkaharju": after such words a place follows, whether it is in a
 * list or not. */
static bool
is_announced(struct names_sweep *w, const struct word *x, struct run *run)
{
	bool label;
	size_t at;

	if (run->n > 3 || x->initial || x->code || x->hump ||
		x->flags & (W_COMMON | W_NEVER | W_TITLE | W_NATION))
		return false;
	return words_before(w, x->start, W_BEFORE, &label, &at) &&
	       memchr(w->text.p + at, ' ', x->start - 1 - at);
}

static struct place
place_at(struct names_sweep *w, struct run *run, size_t i)
{
	struct place p = { 0 };
	bool label;
	size_t at;
	uint32_t larger;

	p.n = run_phrase(run, i, W_PLACE, &p.flags);
	if (!p.n || run->w[i + p.n - 1].code)
		return (struct place){ 0 };
	const struct word *first = &run->w[i], *last = &run->w[i + p.n - 1];
	p.score = place_worth(p.flags, run, i, p.n);
	/* The term may be a part of a longer name: "Boston Consulting", "John London". */
	bool longer = i + p.n < run->n && !last->comma &&
		      (run->w[i + p.n].first == LETTER_UPPER ||
			      !word_stands_out(w, &run->w[i + p.n]));
	bool led = i > 0 && !first[-1].comma && first[-1].first == LETTER_UPPER;
	if (longer && run->w[i + p.n].first == LETTER_UPPER &&
		!is_state(w->text, &run->w[i + p.n]))
		p.score -= 0.2f;
	/* "Mercy Hospital, Toledo" */
	if (i > 1 && first[-1].comma && first[-1].flags & (W_FACILITY | W_STREET))
		p.score += 0.25f;
	if (led && !(first[-1].flags & (W_BEFORE | W_COMMON)))
		p.score -= 0.2f;
	uint32_t before = words_before(w, first->start, W_BEFORE | W_TITLE, &label, &at);
	if (before & W_BEFORE)
		p.score += said_of_people(w, at, first) ? 0.1f : 0.25f;
	else if (before & W_TITLE)
		p.score -= 0.3f;
	if (postcode_before(w->text, first->start))
		p.score += 0.35f;
	size_t more = last->comma || longer ? larger_place(w, run, i + p.n, &larger) : 0;
	if (more && (last->comma || is_state(w->text, &run->w[i + p.n]))) {
		p.score += 0.35f;
		p.n += more;
	}
	if (zip_after(w->text, run->w[i + p.n - 1].end))
		p.score += 0.2f;
	if (own_line(w->text, first->start, run->w[i + p.n - 1].end) && i == 0)
		p.score += 0.2f;
	return p;
}

static size_t
try_nation(struct names_sweep *w, struct run *run, size_t i)
{
	uint32_t f;
	bool label;
	size_t at, n = run_phrase(run, i, W_NATION, &f);

	if (!n || run->w[i].code)
		return 0;
	float score = 0.4f;
	if (n == 1 && f & (W_CITY | W_GIVEN | W_SURNAME))
		score -= 0.1f;
	if (words_before(w, run->w[i].start, W_BEFORE | W_CUE, &label, &at) && label)
		score += 0.3f;
	names_keep(w, FIND_NATION, run->w[i].start, run->w[i + n - 1].end, score);
	return n;
}

void
find_place(struct names_sweep *w, struct run *run)
{
	bool listed = run->any & (W_PLACE | W_NATION);

	if (!listed && !is_announced(w, &run->w[0], run))
		return;
	for (size_t i = 0; i < run->n && !w->err;) {
		struct place p = { 0 };
		if (word_stands_out(w, &run->w[i]))
			p = place_at(w, run, i);
		if (!p.n && i == 0 && is_announced(w, &run->w[0], run)) {
			for (p.n = 1; p.n < run->n && !run->w[p.n - 1].comma;)
				p.n++;
			p.score = 0.55f;
		}
		if (p.n)
			names_keep(w, FIND_PLACE, run->w[i].start, run->w[i + p.n - 1].end,
				p.score);
		size_t n = word_stands_out(w, &run->w[i]) ? try_nation(w, run, i) : 0;
		i += p.n ? p.n : n ? n : 1;
	}
}
