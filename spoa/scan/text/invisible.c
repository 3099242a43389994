/* Counts invisible characters that no spelling needs (condition prompt.invisible). Each exception
 * allows one character at one place, so that a row of them, in which bits may be hidden, counts.
 * Unicode 15.0: 23.2 (layout controls), 23.4 (variation selectors), 23.9 (tags); UTS #51 (emoji). */
#include "scan/text/invisible.h"

#include <string.h>

#include "base/ascii.h"
#include "base/effort.h"
#include "base/utf8.h"

struct range {
	uint32_t from, to;
};

#define IN_RANGES(cp, ranges) in_ranges(cp, ranges, sizeof(ranges) / sizeof(*(ranges)))

static bool
in_ranges(uint32_t cp, const struct range *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cp >= v[i].from && cp <= v[i].to)
			return true;
	return false;
}

static bool
is_selector(uint32_t cp)
{
	return (cp >= 0xFE00 && cp <= 0xFE0F) || (cp >= 0xE0100 && cp <= 0xE01EF);
}

/* clang-format off */
static const struct range invisible[] = {
	{ 0xAD, 0xAD }, { 0x34F, 0x34F }, { 0x61C, 0x61C }, { 0x115F, 0x1160 }, { 0x17B4, 0x17B5 },
	{ 0x180B, 0x180F }, { 0x200B, 0x200F }, { 0x202A, 0x202E }, { 0x2060, 0x206F },
	{ 0x3164, 0x3164 }, { 0xFE00, 0xFE0F }, { 0xFEFF, 0xFEFF }, { 0xFFA0, 0xFFA0 },
	{ 0xFFF0, 0xFFFB }, { 0x1D173, 0x1D17A }, { 0xE0000, 0xE0FFF },
};
/* Hebrew, Arabic, Syriac, Thaana, Mandaic */
static const struct range right_to_left[] = {
	{ 0x590, 0x8FF }, { 0xFB1D, 0xFDFF }, { 0xFE70, 0xFEFC }, { 0x10800, 0x10FFF },
};
/* Scripts with joiners: right to left, Indic with Sinhala, Thai, Lao, Tibetan, Burmese, Khmer,
 * Mongolian, and of South Asia. */
static const struct range joining[] = {
	{ 0x590, 0x109F }, { 0x1700, 0x18AF }, { 0x1900, 0x1CFF }, { 0xA800, 0xA8FF },
	{ 0xA900, 0xABFF }, { 0xFB1D, 0xFDFF }, { 0xFE70, 0xFEFC }, { 0x10800, 0x10FFF },
	{ 0x11000, 0x11FFF },
};
/* Scripts without spaces, in which one of zero width separates words. */
static const struct range unspaced[] = {
	{ 0xE00, 0x109F }, { 0x1780, 0x17FF }, { 0x1900, 0x1CFF }, { 0x3001, 0x30FF }, { 0x3400, 0x9FFF },
	{ 0xA980, 0xAADF }, { 0xF900, 0xFAFF }, { 0xFF01, 0xFF65 }, { 0x20000, 0x3FFFF },
};
static const struct range han[] = {
	{ 0x2E80, 0x2FDF }, { 0x3400, 0x9FFF }, { 0xF900, 0xFAFF }, { 0x20000, 0x3FFFF },
};
static const struct range symbols[] = {
	{ '#', '#' }, { '*', '*' }, { '0', '9' }, { 0xA9, 0xA9 }, { 0xAE, 0xAE }, { 0x203C, 0x203C },
	{ 0x2049, 0x2049 }, { 0x20E3, 0x20E3 }, { 0x2100, 0x2BFF }, { 0x3000, 0x303F },
	{ 0x3200, 0x32FF }, { 0xFF01, 0xFF1F }, { 0x1F000, 0x1FAFF },
};
/* Selectors belong to letters of these, too. */
static const struct range selected[] = {
	{ 0x1000, 0x109F }, { 0x1820, 0x18AA }, { 0xA840, 0xA873 }, { 0xAA60, 0xAA7F },
};
/* clang-format on */

enum { BLACK_FLAG = 0x1F3F4, TAGS_MOST = 6, NEAR = 48 };

/* The place of a character that may be counted. */
struct place {
	uint32_t before; /* the last visible character; 0: none */
	uint32_t last;	 /* the character directly before */
	uint32_t after;	 /* the next character; 0: none */
	size_t run;	 /* invisible characters since `before` */
	bool rtl;	 /* a letter that is written from right to left is near */
};

static bool
is_hyphenated(uint32_t cp)
{
	return cp < 0x80 ? is_alnum((char)cp) : cp >= 0xC0;
}

static bool
is_letter_beside(uint32_t cp)
{
	return cp < 0x80 ? is_alpha((char)cp) : cp >= 0xC0;
}

static bool
is_break(uint32_t cp)
{
	return cp && cp < 0x80 && strchr("/.-_:@=&?,;", (int)cp);
}

/* Returns true if the spelling of the text needs the character. */
static bool
is_spelled(uint32_t cp, const struct place *p)
{
	bool alone = p->run == 0;

	if (cp == 0xAD)
		return alone && is_hyphenated(p->before) &&
		       (p->after == '\n' || p->after == '\r' || is_hyphenated(p->after));
	if (cp == 0xFEFF)
		return p->last == 0;
	if (cp == 0x200B) /* also where a URL or a path may be broken */
		return alone && (IN_RANGES(p->before, unspaced) || IN_RANGES(p->after, unspaced) ||
					is_break(p->before));
	if (cp == 0x2060) /* no break between a number or a sign and its neighbor */
		return alone && p->before && p->after && !(is_letter_beside(p->before) && is_letter_beside(p->after));
	if (cp == 0x2061) /* applies a function, in formulas that were copied */
		return alone && is_letter_beside(p->before) && (p->after == '(' || is_letter_beside(p->after));
	if (cp == 0x200D && IN_RANGES(p->after, symbols))
		return (alone || (p->run == 1 && is_selector(p->last))) &&
		       IN_RANGES(p->before, symbols);
	if (cp == 0x200C || cp == 0x200D || cp == 0x34F)
		return alone && (IN_RANGES(p->before, joining) || (cp == 0x34F && p->before > 0x300));
	if (cp == 0x200E || cp == 0x200F || cp == 0x61C || (cp >= 0x202A && cp <= 0x202E) ||
		(cp >= 0x2066 && cp <= 0x2069))
		return alone && (p->rtl || IN_RANGES(p->after, right_to_left));
	if (is_selector(cp))
		return alone && (IN_RANGES(p->before, han) ||
					(cp < 0x10000 && (IN_RANGES(p->before, symbols) ||
								 IN_RANGES(p->before, selected))));
	if (cp >= 0x180B && cp <= 0x180F)
		return alone && p->before >= 0x1800 && p->before <= 0x18AF;
	if (cp == 0x115F || cp == 0x1160 || cp == 0x17B4 || cp == 0x17B5)
		return alone && ((p->before >= 0x1100 && p->before <= 0x17FF) ||
					(p->after >= 0x1100 && p->after <= 0x11FF));
	return cp >= 0xE0020 && cp <= 0xE007F && p->before == BLACK_FLAG && p->run < TAGS_MOST;
}

/* Returns true if an invisible character may begin with the byte. */
static bool
may_be_invisible(unsigned char lead)
{
	switch (lead) {
	case 0xC2:
	case 0xCD:
	case 0xD8:
	case 0xE1:
	case 0xE2:
	case 0xE3:
	case 0xEF:
	case 0xF0:
	case 0xF3: return true;
	default: return false;
	}
}

static uint32_t
character_at(struct span t, size_t at, size_t *len)
{
	*len = at < t.n ? utf8_sequence(t.p + at, t.n - at) : 0;
	return *len ? utf8_value(t.p + at, *len) : 0;
}

/* Returns the offset of the first byte beyond ASCII from `at` on, or t.n. */
static size_t
next_high(struct span t, size_t at)
{
	enum { AT_ONCE = 256 }; /* a loop without an exit, which compilers vectorize */

	for (; t.n - at >= AT_ONCE; at += AT_ONCE) {
		unsigned char any = 0;
		for (size_t i = 0; i < AT_ONCE; i++)
			any |= (unsigned char)t.p[at + i];
		if (any & 0x80)
			break;
	}
	while (at < t.n && !is_high(t.p[at]))
		at++;
	return at;
}

size_t
invisible_count(struct span t, size_t from)
{
	struct place p = { .before = 0 };
	size_t n = 0, rtl_at = 0, len;
	bool rtl = false;

	for (size_t at = 0; at < t.n; at += len ? len : 1) {
		size_t high = next_high(t, at);
		if (high > at) {
			p.before = p.last = (unsigned char)t.p[high - 1];
			p.run = 0;
			at = high;
			if (at == t.n)
				break;
		}
		uint32_t cp = character_at(t, at, &len);
		if (!may_be_invisible((unsigned char)t.p[at]) || !len || !IN_RANGES(cp, invisible)) {
			if (cp >= 0x590 && (cp < 0x900 || cp > 0xFB00) && IN_RANGES(cp, right_to_left)) {
				rtl = true;
				rtl_at = at;
			}
			p.before = p.last = cp;
			p.run = 0;
			continue;
		}
		size_t next_len;
		p.after = character_at(t, at + len, &next_len);
		p.rtl = rtl && at - rtl_at <= NEAR;
		n += at >= from && !is_spelled(cp, &p);
		p.last = cp;
		p.run++;
	}
	effort_add(t.n / 16);
	return n;
}
