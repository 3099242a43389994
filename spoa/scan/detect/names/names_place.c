/* Finds places, nationalities and street addresses. Places and nationalities are terms of the
 * lists; the score is higher after "in" or "from" and before the name of a larger place. A number
 * next to a street's name makes it an address: "418 Sycamore Lane, Apt 4B", "Hauptstraße 5",
 * "12 rue de Rivoli", "Calle Mayor 3", "ul. Długa 7". */
#include "base/among.h"
#include "scan/detect/names/names_run.h"

/* ---- places and nationalities ---- */

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

/* ---- street addresses ---- */

enum { NUMBER_BACK = 16, UNIT_MAX = 24 };

static bool
is_year(struct span t, size_t at)
{
	struct span s = span_cut(t, at, at + 4);

	return s.n == 4 && is_digit(s.p[2]) && is_digit(s.p[3]) &&
	       (!memcmp(s.p, "19", 2) || !memcmp(s.p, "20", 2));
}

/* Returns true if what follows a number's end makes it a count, a decimal or the beginning of a
 * longer number: "27 °C", "2,7", "16 000", "20 years". */
static bool
is_quantity(const struct names_sweep *w, size_t end)
{
	static const char *const signs[] = { "%", "°", "º", "€", "$", "£", "₽", "₴", "₹", "¥",
		"‰", "′", "٪" };
	struct span t = w->text, rest = span_cut(t, end, t.n);
	size_t digits = rest.n > 1 && strchr(".,:", rest.p[0])
				? span_past(span_cut(rest, 0, 6), 1, is_digit)
				: 0;
	struct word x;

	if (digits > 1 && digits < 5)
		return true;
	if (rest.n > 3 && rest.p[0] == ' ' && span_past(rest, 1, is_digit) == 4 &&
		!(rest.n > 6 && rest.p[4] == ' ' && is_digit(rest.p[5])))
		return true;
	rest = span_cut(rest, rest.n && strchr(" -", rest.p[0]) ? 1 : 0, rest.n);
	for (size_t i = 0; i < COUNT_OF(signs); i++)
		if (span_starts(rest, span_str(signs[i])))
			return true;
	return word_read(w, (size_t)(rest.p - t.p), &x) && x.flags & W_COUNTED;
}

/* Returns the end of a house number at `at`, or `at` if there is none: number = digits [letter]
 * [ ("-" | "/") digits [letter] ]. A house number does not begin with 0, and the years of
 * "Copyright 2014-2025" are none. */
static size_t
number_ahead(struct span t, size_t at)
{
	size_t i = at, n = 0;

	while (i < t.n && is_digit(t.p[i]) && n < 6) {
		i++;
		n++;
	}
	if (n == 0 || n > 5 || t.p[at] == '0')
		return at;
	if (n == 4 && i < t.n && t.p[i] == '-' && is_year(t, at) && is_year(t, i + 1))
		return at;
	if (i < t.n && is_alpha(t.p[i]) && !(i + 1 < t.n && is_alnum(t.p[i + 1])))
		i++;
	if (i + 1 < t.n && (t.p[i] == '-' || t.p[i] == '/') && is_digit(t.p[i + 1])) {
		for (i++, n = 0; i < t.n && n < 5 && is_digit(t.p[i]); n++)
			i++;
	}
	return i < t.n && is_digit(t.p[i]) ? at : i;
}

/* Returns true for "in 2019", where the number is a year. */
static bool
year_before(struct span t, size_t at)
{
	static const char *const words[] = { "in ", "since ", "by ", "of ", "until ", "from " };

	return (!memcmp(t.p + at, "19", 2) || !memcmp(t.p + at, "20", 2)) &&
	       SPAN_AMONG(span_cut(t, 0, at), words, span_iends);
}

/* Returns where the house number that ends before `at` begins ("12, ", "12 bis "), or `at`. */
static size_t
number_back(struct span t, size_t at)
{
	size_t i = at, digits = 0;

	i = span_back_set(t, at, at > 2 ? at - 2 : 0, " ,");
	if (i == at)
		return at;
	size_t end = i;
	if (i > 1 && is_alpha(t.p[i - 1]) && is_digit(t.p[i - 2]))
		i--;
	while (i > 0 && end - i < NUMBER_BACK &&
		(is_digit(t.p[i - 1]) || (digits && strchr("-/", t.p[i - 1])))) {
		digits += is_digit(t.p[i - 1]) != 0;
		i--;
	}
	if (digits == 0 || digits > 6 ||
		(i > 0 && (is_alnum(t.p[i - 1]) || strchr("$.#:_", t.p[i - 1]))))
		return at;
	i += t.p[i] == '-'; /* a list's dash, or the mark of a removed line in a diff */
	return !is_digit(t.p[i]) || (end - i == 4 && year_before(t, i)) ? at : i;
}

/* Returns the end of a unit at `at`, or `at`: [","] (Apt | Suite | Unit | Floor | "#" …) number. */
static size_t
unit_ahead(struct span t, size_t at)
{
	static const char *const units[] = { "apt", "apartment", "suite", "ste", "unit",
		"floor", "fl", "room", "rm", "flat", "bldg", "building", "lot", "wohnung",
		"appt", "appartamento", "apartamento", "piso", "puerta", "torre", "oficina", "int",
		"interno", "scala", "depto", "dpto", "dto", "edif", "bloco", "sala", "andar", "bus",
		"lgh", "سوئیت", "واحد", "پلاک", "شقة", "דירה", "m.", "#", "no" };
	size_t i = at;

	while (i < t.n && i - at < 3 && strchr(" ,\n", t.p[i]))
		i++;
	for (size_t k = 0; i > at && k < COUNT_OF(units); k++) {
		struct span u = span_str(units[k]);
		if (!span_ieq(span_cut(t, i, i + u.n), u))
			continue;
		size_t j = i + u.n, n = 0;
		while (j < t.n && j - i < UNIT_MAX && strchr(" .#", t.p[j]))
			j++;
		while (j + n < t.n && n < 6 && (is_alnum(t.p[j + n]) || t.p[j + n] == '-'))
			n++;
		if (n && (is_digit(t.p[j]) || n == 1 || is_digit(t.p[j + n - 1])))
			return j + n;
	}
	return at;
}

/* Keeps an address together with its unit. */
static void
keep_address(struct names_sweep *w, size_t start, size_t end, float score)
{
	end = unit_ahead(w->text, end);
	names_keep(w, FIND_STREET, start, end, score);
}

static bool
is_article(struct span t, size_t at)
{
	return span_ieq(span_cut(t, at, at + 4), SPAN_LIT("the ")) ||
	       span_ieq(span_cut(t, at, at + 2), SPAN_LIT("a "));
}

/* Returns true for "Chapter 5" and "Table 3", where the number counts something else. */
static bool
is_counted(const struct names_sweep *w, size_t at)
{
	return at > 0 && w->text.p[at - 1] == ' ' && word_ending(w, at - 1) & W_COUNTED;
}

/* Returns true if a word of run[from, to) is one of time, order, count or money. */
static bool
has_counted(const struct run *run, size_t from, size_t to)
{
	while (from < to && !(run->w[from].flags & W_COUNTED))
		from++;
	return from < to;
}

/* ---- what supports an address ---- */

enum { SUPPORT_WORDS = 4 };

/* Returns the end of a code of letters and digits at `at`, as in "SW1A 2AA" and "K1A 0B1", or
 * `at`. */
static size_t
mixed_code(struct span t, size_t at)
{
	size_t i = at, digits = 0, letters = 0;

	for (; i < t.n && i - at < 8; i++) {
		if (is_digit(t.p[i]))
			digits++;
		else if (is_upper(t.p[i]))
			letters++;
		else if (t.p[i] != ' ' || letters == 0 || digits == 0 || letters + digits > 4)
			break;
	}
	i -= i > at && t.p[i - 1] == ' ';
	return digits > 1 && letters > 1 && letters + digits > 4 && is_upper(t.p[at]) ? i : at;
}

/* Returns the end of a postal code at `at`, or `at`: ["D-"] digits [(" " | "-") digits]. A code of
 * four digits is one only before a town: "1010 Wien". */
static size_t
code_ahead(struct span t, size_t at)
{
	size_t i = span_past(span_cut(t, 0, at + 3), at, is_upper), n, mixed = mixed_code(t, at);

	if (mixed > at)
		return mixed;
	i += i > at && i < t.n && t.p[i] == '-';
	size_t from = i;
	i = span_past(span_cut(t, 0, i + 8), i, is_digit);
	n = i - from;
	if (i + 1 < t.n && n >= 2 && strchr(" -", t.p[i]) && is_digit(t.p[i + 1])) {
		size_t end = span_past(span_cut(t, 0, i + 5), i + 1, is_digit);
		n += end - i - 1;
		i = end;
	}
	if (n < 4 || n > 8 || (i < t.n && is_alnum(t.p[i])))
		return at;
	return n > 4 || (i + 1 < t.n && t.p[i] == ' ' && is_upper(t.p[i + 1])) ? i : at;
}

/* Returns true if run[0, n) has a town, region or country of the lists that is not the name of a
 * list's row, "Dallas 44". */
static bool
town_in(const struct names_sweep *w, struct run *run)
{
	struct span t = w->text;
	uint32_t f;

	for (size_t i = 0; i < run->n; i++) {
		size_t n = run->w[i].flags & (W_COMMON | W_NEVER) ? 0
								 : run_phrase(run, i, W_PLACE, &f);
		size_t at = n ? run->w[i + n - 1].end : 0;
		if (n && !(at + 1 < t.n && t.p[at] == ' ' && is_digit(t.p[at + 1]) &&
				 code_ahead(t, at + 1) == at + 1))
			return true;
	}
	return false;
}

/* Returns true if the parts of an address that follow the street come at `at`: after a comma or a
 * new line a town of the lists, or a postal code, with a few capitalized words before it. */
static bool
town_ahead(struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	bool apart = false;
	struct run run;

	at = unit_ahead(t, at);
	for (size_t k = 0; k < SUPPORT_WORDS; k++) {
		size_t from = at;
		while (at < t.n && at - from < 6 && strchr(" ,;-\r\n>?|", t.p[at]))
			apart |= t.p[at++] != ' ';
		size_t code = code_ahead(t, at);
		if (at == from || code > at)
			return code > at;
		if (!word_read(w, at, &run.w[0]) || run.w[0].code ||
			(run.w[0].first == LETTER_LOWER && !w->lower))
			return false;
		run_read(w, &run);
		if (has_counted(&run, 0, run.n))
			return false;
		if (apart && town_in(w, &run))
			return true;
		at = run.w[run.n - 1].end;
	}
	return false;
}

/* Returns true if a word that announces an address precedes: "Address: ", "lives at ". */
static bool
address_announced(struct names_sweep *w, size_t at)
{
	bool label;
	size_t from;

	return words_before(w, at, W_BEFORE, &label, &from) &&
	       (label || memchr(w->text.p + from, ' ', at - 1 - from));
}

/* Returns true if a word for "number" stands before `at`. */
static bool
number_sign_before(struct span t, size_t at)
{
	static const char *const signs[] = { " no", ".no", " nr", " n°", " nº", "№", "#" };
	size_t i = span_back_set(t, at, at > 3 ? at - 3 : 0, " .:");

	return SPAN_AMONG(span_cut(t, 0, i), signs, span_iends);
}

/* Returns true if the address has a line of its own, marks of a quotation aside. */
static bool
own_line_at(struct span t, size_t start, size_t end)
{
	start = span_back_set(t, start, 0, " >?|*");
	end = span_past_set(t, end, " ,");
	return (start == 0 || t.p[start - 1] == '\n') && (end == t.n || t.p[end] == '\n');
}

/* Returns true if the last word of run[0, n) is a unit with its number: "Suite 162". */
static bool
has_unit(struct span t, const struct run *run, size_t n, size_t end)
{
	size_t before = n > 1 ? run->w[n - 2].end : run->w[0].start - 1;

	return run->w[n - 1].start > 0 && unit_ahead(t, before) == end;
}

static bool
is_supported(struct names_sweep *w, size_t start, size_t end)
{
	struct span t = w->text;

	return own_line_at(t, start, end) || unit_ahead(t, end) > end ||
	       number_sign_before(t, start) ||
	       number_sign_before(t, span_back(t, end, start, is_digit)) || town_ahead(w, end) ||
	       address_announced(w, start);
}

/* Finds streets whose suffix is a word: "Lane", "Ave". Short suffixes have many other meanings. */
static void
by_suffix(struct names_sweep *w, struct run *run)
{
	/* Suffixes with hardly any other meaning. */
	static const char *const sure[] = { "Street", "Avenue", "Road", "Lane", "Boulevard",
		"Drive", "Ave", "Blvd", "Rd", "Ln", "Parkway", "Pkwy", "Highway", "Hwy",
		"Terrace", "Crescent" };
	size_t from = 0;

	for (size_t i = 0; i < run->n; i++) {
		const struct word *x = &run->w[i];
		struct span s = span_of(w->text.p + x->start, x->end - x->start);
		if (i > 0 && run->w[i - 1].comma)
			from = i;
		if (!(x->flags & W_STREET))
			continue;
		bool certain = SPAN_IN(s, sure);
		/* The number precedes the run, or the words between are numbers: "5th Street" */
		size_t first = run->w[from].start, at = number_back(w->text, first);
		if (i == from) { /* 40th Street: the name is no capitalized word */
			size_t b = first;
			while (b > 0 && first - b < 6 &&
				(is_alnum(w->text.p[b - 1]) || w->text.p[b - 1] == ' '))
				b--;
			while (b < first && !is_digit(w->text.p[b]))
				b++;
			if (first - b < 4 || w->text.p[first - 1] != ' ' ||
				!is_alpha(w->text.p[first - 2]))
				continue;
			at = number_back(w->text, b);
			if (at == b)
				continue;
		}
		bool numbered =
			at < first && !is_article(w->text, first) && !is_counted(w, at);
		size_t end = x->end + (x->dot && s.n <= 4 && x->end + 1 < w->text.n);
		bool doubtful = memchr(w->text.p + at, ',', first - at) || w->text.p[at] == '0' ||
				(first - at == 5 && is_year(w->text, at)) || /* "(c) 2013 Ann Court" */
				run->w[from].first == LETTER_OTHER;
		if (numbered && (certain || !doubtful || is_supported(w, at, end)))
			keep_address(w, at, end, certain ? 0.8f : i > from ? 0.65f : 0.4f);
		else if (certain && i > from)
			names_keep(w, FIND_STREET, first, end, 0.42f);
		from = i + 1;
	}
}

/* Finds streets by the ending of a word, "Hauptstraße", "Keizersgracht", or of a run, "Lange
 * Straße". */
static void
by_ending(struct names_sweep *w, struct run *run)
{
	struct span t = w->text;

	for (size_t i = 0; i < run->n; i++) {
		const struct word *x = &run->w[i];
		bool whole = x->flags & W_STREET_END;
		if (x->code || x->flags & (whole ? W_COMMON | W_COUNTED : W_COMMON | W_GIVEN | W_COUNTED))
			continue;
		size_t tail = names_street_end(w->t, span_cut(t, x->start, x->end));
		if (!tail && !whole)
			continue;
		size_t first = i;
		while (first > 0 && !run->w[first - 1].comma && i - first < 3 &&
			!(run->w[first - 1].flags & (W_COMMON | W_TITLE)))
			first--;
		if (!tail && first == i)
			continue;
		size_t at = x->end + (x->dot ? 1 : 0);
		while (at < t.n && at < x->end + 3 && strchr(" ,", t.p[at]))
			at++;
		size_t from = run->w[first].start, end = number_ahead(t, at),
		       front = number_back(t, from);
		bool numbered = end > at && at > x->end && !is_quantity(w, end);
		/* Authors have such names, too: "Hutter, 1980". */
		bool doubtful = tail < 5 && !whole &&
				(memchr(t.p + x->end, ',', at - x->end) ||
					(tail < 4 && x->first != LETTER_UPPER));
		if (numbered && (!doubtful || is_supported(w, from, end)))
			keep_address(w, from, end, tail >= 4 || whole ? 0.8f : 0.6f);
		else if (front < from &&
			 ((tail >= 5 && t.p[from - 1] == ' ' && is_digit(t.p[from - 2])) ||
				 is_supported(w, front, x->end)))
			keep_address(w, front, x->end, tail >= 5 || whole ? 0.7f : 0.5f);
		else if (tail >= 5)
			names_keep(w, FIND_STREET, from, x->end, 0.4f);
	}
}

/* Finds streets whose kind follows the name, with a number after "No": "Bağdat Caddesi No: 118". */
static void
by_kind_behind(struct names_sweep *w, struct run *run)
{
	static const uint32_t kind = W_STREET_END | W_STREET_WEAK;
	struct span t = w->text;

	for (size_t i = 1; i < run->n; i++) {
		const struct word *x = &run->w[i];
		if ((x->flags & kind) != kind || run->w[i - 1].comma)
			continue;
		size_t at = span_past_set(span_cut(t, 0, x->end + 3), x->end, ". ,");
		if (span_ieq(span_cut(t, at, at + 2), SPAN_LIT("no")))
			at = span_past_set(span_cut(t, 0, at + 5), at + 2, ":. ");
		size_t end = at > x->end ? number_ahead(t, at) : at, first = i;
		while (first > 0 && i - first < 4 && !run->w[first - 1].comma)
			first--;
		if (end > at && !is_quantity(w, end))
			keep_address(w, run->w[first].start, end, 0.8f);
	}
}

bool
street_leads(struct names_sweep *w, size_t at)
{
	bool label;
	size_t from;

	return words_before(w, past_particles(w, at), W_STREET_START, &label, &from) != 0;
}

/* Returns true for OAuth and iOS, but not for McDonald, where the second letter is small. */
static bool
has_inner_capital(struct span s)
{
	return s.n > 2 && is_upper(s.p[1]) && is_lower(s.p[s.n - 1]);
}

/* Returns the end of the house number behind a date that is part of a street's name, "al.
 * Konstytucji 3 Maja 28"; otherwise `end`. */
static size_t
past_date(const struct names_sweep *w, size_t end)
{
	struct word x;

	if (!word_read(w, end + 1, &x) || !(x.flags & W_COUNTED) || x.end >= w->text.n)
		return end;
	size_t at = number_ahead(w->text, x.end + 1);
	return w->text.p[x.end] == ' ' && at > x.end + 1 && !is_quantity(w, at) ? at : end;
}

/* Returns true if the word that begins the street's name has other meanings, as "am" and "place"
 * have. The dot of an abbreviation leaves one meaning: "av. Paulista", "r. Augusta". */
static bool
is_weak(struct span t, uint32_t flags, size_t from, size_t name)
{
	enum { ABBREVIATION = 5 };

	return flags & W_STREET_WEAK &&
	       !(name - from <= ABBREVIATION && memchr(t.p + from, '.', name - from));
}

/* Finds "12 rue de Rivoli", "Via Roma, 12", "ul. Długa 7": a word that begins a street's name
 * precedes the run or is its first word. */
void
find_street_start(struct names_sweep *w, struct run *run)
{
	struct span t = w->text;
	bool label, own = run->w[0].flags & W_STREET_START && run->n > 1 && !run->w[0].comma;
	size_t at = past_particles(w, run->w[0].start), k = 1, from = 0;
	uint32_t f = own ? 0
			 : words_before(w, at, W_STREET_START | W_STREET_WEAK, &label, &from);

	if (own) {
		f = run->w[0].flags;
		from = run->w[0].start;
		at = run->w[1].start;
	} else if (!(f & W_STREET_START) || label) {
		return;
	}
	size_t most = run->w[0].first == LETTER_OTHER ? 4 : 7;
	while (k < run->n && !run->w[k - 1].comma && k < most)
		k++;
	const struct word *x = &run->w[k - 1];
	size_t i = x->end;
	/* In "via TLS 2", "via OAuth 2", "via X.509" and "OS X 10" the words belong to programs. */
	bool small = from + 1 < t.n && !is_upper(t.p[from + 1]);
	if ((x->caps && small) || has_inner_capital(span_cut(t, x->start, x->end)) ||
		(x->initial && (!small || x->dot)))
		return;
	while (i < t.n && i < x->end + 6 &&
		(strchr(" ,.º°", t.p[i]) || (t.p[i] == 'n' && i > x->end)))
		i++;
	size_t end = past_date(w, number_ahead(t, i)), front = number_back(t, from);
	bool behind = end > i && i > x->end && !x->code && !is_quantity(w, end) &&
		      !(front < from && t.p[x->end] == ','); /* "12 rue Say, 75009 Paris" */
	if (!behind)
		end = x->end;
	/* Without capitals, "شارع فيه 12 متجرا" is a sentence if a word follows the number. */
	bool open = run->w[0].first == LETTER_OTHER && end + 1 < t.n && t.p[end] == ' ' &&
		    is_letter(t.p[end + 1]);
	if ((open || is_weak(t, f, from, behind ? at : from)) &&
		(has_counted(run, 0, k) ||
			!(has_unit(t, run, k, end) || is_supported(w, front, end))))
		return;
	if (behind || front < from)
		keep_address(w, front, end, behind ? 0.75f : 0.7f);
}

/* Finds "92 Eusebio Dávila 57, 28001 Madrid": a number on either side of words that are in no
 * dictionary. The same shape is a list of results, so a town or code has to follow. */
static void
by_numbers(struct names_sweep *w, struct run *run)
{
	struct span t = w->text;
	const struct word *x = &run->w[run->n - 1];
	size_t at = run->w[0].start, front = number_back(t, at), proper = 0;

	if (front == at || run->n > 5 || x->end >= t.n || t.p[x->end] != ' ' ||
		memchr(t.p + front, ',', at - front) ||
		(front > 1 && t.p[front - 1] == ',' && is_digit(t.p[front - 2])))
		return;
	size_t end = number_ahead(t, x->end + 1);
	if (end == x->end + 1 || is_quantity(w, end))
		return;
	bool named = (run->any & W_STREET_START && !(run->any & W_STREET_WEAK)) ||
		     has_unit(t, run, run->n, end);
	for (size_t i = 0; i < run->n; i++) {
		const struct word *y = &run->w[i];
		if (y->comma || y->flags & (W_NEVER | W_COUNTED) || y->caps || y->initial ||
			(!named && !w->lower && y->first != LETTER_UPPER &&
				(i == 0 || y->first != LETTER_LOWER)))
			return;
		proper += !(y->flags & W_COMMON);
	}
	bool ends = end + 2 < t.n && (t.p[end] == '\n' || t.p[end] == ',') &&
		    !is_digit(t.p[end + 2]) && !is_lower(t.p[end + 2]);
	if (named || (proper * 2 >= run->n && (ends || is_supported(w, front, end))))
		keep_address(w, front, end, 0.55f);
}

void
find_street(struct names_sweep *w, struct run *run)
{
	by_numbers(w, run);
	if (run->any & W_STREET)
		by_suffix(w, run);
	by_ending(w, run);
	by_kind_behind(w, run);
	find_street_start(w, run);
}
