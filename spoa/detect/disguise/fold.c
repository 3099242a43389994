/* Unicode as far as hiding a value in ASCII's neighbours goes. Decompositions and
 * digits are in fold_table.h; what is here are the classes (UAX #44: Cf, Pd, Zs, Mn,
 * Default_Ignorable_Code_Point) and look-alikes after UTS #39, chosen for letters that
 * common fonts draw as the Latin ones. */
#include "detect/disguise/fold.h"

#include "base/search.h"
#include "codec/utf8.h"
#include "detect/disguise/fold_table.h"

struct class_range {
	uint32_t first, last;
	enum fold_kind kind;
};

/* clang-format off */
static const struct class_range classes[] = { /* sorted */
	{ 0x0080, 0x009F, FOLD_DROP },  { 0x00A0, 0x00A0, FOLD_SPACE }, { 0x00AD, 0x00AD, FOLD_DROP },
	{ 0x00B7, 0x00B7, FOLD_DOT },   { 0x0300, 0x036F, FOLD_MARK },  { 0x0483, 0x0489, FOLD_MARK },
	{ 0x058A, 0x058A, FOLD_DASH },  { 0x05BE, 0x05BE, FOLD_DASH },  { 0x061C, 0x061C, FOLD_DROP },
	{ 0x06D4, 0x06D4, FOLD_DOT },   { 0x115F, 0x1160, FOLD_DROP },  { 0x1680, 0x1680, FOLD_SPACE },
	{ 0x17B4, 0x17B5, FOLD_DROP },  { 0x180B, 0x180F, FOLD_DROP },  { 0x1AB0, 0x1AFF, FOLD_MARK },
	{ 0x1DC0, 0x1DFF, FOLD_MARK },  { 0x2000, 0x200A, FOLD_SPACE }, { 0x200B, 0x200F, FOLD_DROP },
	{ 0x2010, 0x2015, FOLD_DASH },  { 0x2022, 0x2022, FOLD_DOT },   { 0x2024, 0x2024, FOLD_DOT },
	{ 0x2027, 0x2027, FOLD_DOT },   { 0x2028, 0x2029, FOLD_SPACE }, { 0x202A, 0x202E, FOLD_BIDI },
	{ 0x202F, 0x202F, FOLD_SPACE }, { 0x2043, 0x2043, FOLD_DASH },  { 0x205F, 0x205F, FOLD_SPACE },
	{ 0x2060, 0x2065, FOLD_DROP },  { 0x2066, 0x2069, FOLD_BIDI },  { 0x206A, 0x206F, FOLD_DROP },
	{ 0x20D0, 0x20FF, FOLD_MARK },  { 0x2212, 0x2212, FOLD_DASH },  { 0x2219, 0x2219, FOLD_DOT },
	{ 0x22C5, 0x22C5, FOLD_DOT },   { 0x2500, 0x2501, FOLD_DASH },  { 0x2796, 0x2796, FOLD_DASH },
	{ 0x2800, 0x2800, FOLD_SPACE }, { 0x2E17, 0x2E17, FOLD_DASH },  { 0x2E1A, 0x2E1A, FOLD_DASH },
	{ 0x2E3A, 0x2E3B, FOLD_DASH },  { 0x3000, 0x3000, FOLD_SPACE }, { 0x3002, 0x3002, FOLD_DOT },
	{ 0x301C, 0x301C, FOLD_DASH },  { 0x3030, 0x3030, FOLD_DASH },  { 0x30FB, 0x30FB, FOLD_DOT },
	{ 0x30FC, 0x30FC, FOLD_DASH },  { 0x3164, 0x3164, FOLD_DROP },  { 0xFE00, 0xFE0F, FOLD_DROP },
	{ 0xFE20, 0xFE2F, FOLD_MARK },  { 0xFE31, 0xFE32, FOLD_DASH },  { 0xFE58, 0xFE58, FOLD_DASH },
	{ 0xFEFF, 0xFEFF, FOLD_DROP },  { 0xFF61, 0xFF61, FOLD_DOT },   { 0xFF65, 0xFF65, FOLD_DOT },
	{ 0xFF70, 0xFF70, FOLD_DASH },  { 0xFFA0, 0xFFA0, FOLD_DROP },  { 0xFFF0, 0xFFFB, FOLD_DROP },
	{ 0x1BCA0, 0x1BCA3, FOLD_DROP }, { 0x1D173, 0x1D17A, FOLD_DROP },
	{ 0xE0000, 0xE001F, FOLD_DROP }, { 0xE0020, 0xE007E, FOLD_TAG }, { 0xE007F, 0xE0FFF, FOLD_DROP },
};

static const struct { uint16_t cp; char c; } likes[] = { /* sorted */
	{ 0x0131, 'i' }, { 0x0138, 'k' }, { 0x017F, 's' }, { 0x0184, 'b' }, { 0x01C0, 'l' }, { 0x01C3, '!' },
	{ 0x0251, 'a' }, { 0x0261, 'g' }, { 0x0269, 'i' }, { 0x026A, 'i' }, { 0x026F, 'w' },
	{ 0x0280, 'r' }, { 0x028B, 'u' },
	{ 0x028F, 'y' }, { 0x0299, 'b' }, { 0x029C, 'h' }, { 0x029F, 'l' },
	{ 0x0391, 'A' }, { 0x0392, 'B' }, { 0x0395, 'E' }, { 0x0396, 'Z' }, { 0x0397, 'H' }, { 0x0399, 'I' },
	{ 0x039A, 'K' }, { 0x039C, 'M' }, { 0x039D, 'N' }, { 0x039F, 'O' }, { 0x03A1, 'P' }, { 0x03A4, 'T' },
	{ 0x03A5, 'Y' }, { 0x03A7, 'X' }, { 0x03B1, 'a' }, { 0x03B3, 'y' }, { 0x03B5, 'e' }, { 0x03B9, 'i' },
	{ 0x03BA, 'k' }, { 0x03BD, 'v' }, { 0x03BF, 'o' }, { 0x03C1, 'p' }, { 0x03C3, 'o' }, { 0x03C5, 'u' },
	{ 0x03C7, 'x' }, { 0x03F2, 'c' }, { 0x03F3, 'j' }, { 0x03F9, 'C' }, { 0x03FA, 'M' },
	{ 0x0405, 'S' }, { 0x0406, 'I' }, { 0x0408, 'J' }, { 0x0410, 'A' }, { 0x0412, 'B' }, { 0x0415, 'E' },
	{ 0x0417, '3' }, { 0x041A, 'K' }, { 0x041C, 'M' }, { 0x041D, 'H' }, { 0x041E, 'O' }, { 0x0420, 'P' },
	{ 0x0421, 'C' }, { 0x0422, 'T' }, { 0x0423, 'Y' }, { 0x0425, 'X' }, { 0x042C, 'b' }, { 0x0430, 'a' },
	{ 0x0431, '6' }, { 0x0433, 'r' }, { 0x0435, 'e' }, { 0x0437, '3' }, { 0x0438, 'u' }, { 0x043A, 'k' },
	{ 0x043C, 'm' }, { 0x043D, 'h' }, { 0x043E, 'o' }, { 0x043F, 'n' }, { 0x0440, 'p' }, { 0x0441, 'c' },
	{ 0x0442, 't' }, { 0x0443, 'y' }, { 0x0445, 'x' }, { 0x044C, 'b' }, { 0x0455, 's' }, { 0x0456, 'i' },
	{ 0x0458, 'j' }, { 0x0461, 'w' }, { 0x0474, 'V' }, { 0x0475, 'v' }, { 0x04AE, 'Y' }, { 0x04AF, 'y' },
	{ 0x04BB, 'h' }, { 0x04BD, 'e' }, { 0x04C0, 'I' }, { 0x04CF, 'l' }, { 0x0501, 'd' }, { 0x050C, 'G' },
	{ 0x051A, 'Q' }, { 0x051B, 'q' }, { 0x051C, 'W' }, { 0x051D, 'w' },
	{ 0x054D, 'U' }, { 0x0555, 'O' }, { 0x0561, 'w' }, { 0x0563, 'q' }, { 0x0566, 'q' }, { 0x0570, 'h' },
	{ 0x0575, 'j' }, { 0x0578, 'n' }, { 0x057D, 'u' }, { 0x0581, 'g' }, { 0x0584, 'f' }, { 0x0585, 'o' },
	{ 0x13A0, 'D' }, { 0x13A1, 'R' }, { 0x13A2, 'T' }, { 0x13A5, 'i' }, { 0x13A9, 'Y' }, { 0x13AA, 'A' },
	{ 0x13AB, 'J' }, { 0x13AC, 'E' }, { 0x13B3, 'W' }, { 0x13B7, 'M' }, { 0x13BB, 'H' }, { 0x13C0, 'G' },
	{ 0x13C3, 'Z' }, { 0x13CF, 'b' }, { 0x13D2, 'R' }, { 0x13D4, 'W' }, { 0x13D5, 'S' }, { 0x13D9, 'V' },
	{ 0x13DA, 'S' }, { 0x13DE, 'L' }, { 0x13DF, 'C' }, { 0x13E2, 'P' }, { 0x13E6, 'K' }, { 0x13E7, 'd' },
	{ 0x13F3, 'G' }, { 0x13F4, 'B' },
	{ 0x1D00, 'a' }, { 0x1D04, 'c' }, { 0x1D05, 'd' }, { 0x1D07, 'e' }, { 0x1D0A, 'j' }, { 0x1D0B, 'k' },
	{ 0x1D0D, 'm' }, { 0x1D0F, 'o' }, { 0x1D18, 'p' }, { 0x1D1B, 't' }, { 0x1D1C, 'u' }, { 0x1D20, 'v' },
	{ 0x1D21, 'w' }, { 0x1D22, 'z' },
	{ 0x2044, '/' }, { 0x2215, '/' }, { 0x2223, '|' }, { 0x2236, ':' }, { 0x2C82, 'B' }, { 0x2C9E, 'O' },
	{ 0x2CA2, 'P' }, { 0x2CA4, 'C' }, { 0xA4D0, 'B' }, { 0xA4D1, 'P' }, { 0xA4D3, 'D' },
	{ 0xA4D4, 'T' }, { 0xA4D6, 'G' }, { 0xA4D7, 'K' }, { 0xA4D9, 'J' }, { 0xA4DA, 'C' }, { 0xA4DC, 'Z' },
	{ 0xA4DD, 'F' }, { 0xA4DF, 'M' }, { 0xA4E0, 'N' }, { 0xA4E1, 'L' }, { 0xA4E2, 'S' }, { 0xA4E3, 'R' },
	{ 0xA4E6, 'V' }, { 0xA4E7, 'H' }, { 0xA4EA, 'W' }, { 0xA4EB, 'X' }, { 0xA4EC, 'Y' }, { 0xA4EE, 'A' },
	{ 0xA4F0, 'E' }, { 0xA4F2, 'I' }, { 0xA4F3, 'O' }, { 0xA4F4, 'U' }, { 0xA731, 's' },
};
/* clang-format on */

/* Below U+3400, a bit for every sixteen code points of which one is in the tables:
 * most letters of the world are not. */
static const uint64_t cells[] = {
	0x9EFF4B6011880F00,
	0x1000A04209F31DFF,
	0x4040404040400000,
	0x0004202040404040,
	0xFC00000000600210,
	0x4800010000000000,
	0x0820FB0020100003,
	0x40000000FE7F0030,
	0x0000100E00DFE3F7,
	0x038000000001FBC0,
	0x0000000000000001,
	0x0000000A00000780,
	0x000000000040800B,
};

enum {
	CELLS_END = 0x3400,
	RANGES = sizeof(fold_ranges) / sizeof(fold_ranges[0]),
	CLASSES = sizeof(classes) / sizeof(classes[0]),
	LIKES = sizeof(likes) / sizeof(likes[0]),
};

static struct folded
fold_one(enum fold_kind kind, char c)
{
	return (struct folded){ kind, c != 0, { c, 0 } };
}

static struct folded
by_class(uint32_t cp)
{
	size_t lo = SEARCH_FIRST(CLASSES, mid, cp > classes[mid].last);
	if (lo == CLASSES || cp < classes[lo].first)
		return fold_one(FOLD_NONE, 0);
	switch (classes[lo].kind) {
	case FOLD_TAG: return fold_one(FOLD_TAG, (char)(cp - 0xE0000));
	case FOLD_DASH: return fold_one(FOLD_DASH, '-');
	case FOLD_SPACE: return fold_one(FOLD_SPACE, ' ');
	case FOLD_DOT: return fold_one(FOLD_DOT, '.');
	default: return fold_one(classes[lo].kind, 0);
	}
}

static struct folded
by_range(uint32_t cp)
{
	size_t lo = SEARCH_FIRST(
		RANGES, mid, cp >= fold_ranges[mid].first + fold_ranges[mid].count);
	if (lo == RANGES || cp < fold_ranges[lo].first)
		return fold_one(FOLD_NONE, 0);
	const struct fold_range *r = &fold_ranges[lo];
	return fold_one(FOLD_ASCII, (char)(r->ascii + (char)(r->step * (cp - r->first))));
}

/* Circled numbers of two digits: U+2469 and on, U+24EB and on. Digits in brackets, with a
 * full stop or a comma: U+2474, U+2488, U+1F100 and on. */
static struct folded
by_number(uint32_t cp)
{
	static const struct {
		uint32_t first, last, number;
	} runs[] = {
		{ 0x2469, 0x2473, 10 },
		{ 0x2474, 0x247C, 1 },
		{ 0x2488, 0x2490, 1 },
		{ 0x24EB, 0x24F4, 11 },
		{ 0x1F101, 0x1F10A, 0 },
	};

	if (cp == 0x1F100)
		return fold_one(FOLD_ASCII, '0');
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		if (cp < runs[i].first || cp > runs[i].last)
			continue;
		uint32_t v = runs[i].number + cp - runs[i].first;
		char tens = (char)('0' + v / 10), ones = (char)('0' + v % 10);
		return v < 10 ? fold_one(FOLD_ASCII, ones)
			      : (struct folded){ FOLD_ASCII, 2, { tens, ones } };
	}
	return fold_one(FOLD_NONE, 0);
}

static struct folded
by_likeness(uint32_t cp)
{
	size_t lo = SEARCH_FIRST(LIKES, mid, cp > likes[mid].cp);
	return lo < LIKES && likes[lo].cp == cp ? fold_one(FOLD_LIKE, likes[lo].c)
						: fold_one(FOLD_NONE, 0);
}

static bool
is_nothing(uint32_t cp)
{
	if (cp < CELLS_END)
		return !(cells[cp / 1024] >> (cp / 16 % 64) & 1);
	/* Han, Hangul: nothing in them. */
	return cp < 0xA4D0 || (cp >= 0xAC00 && cp < 0xD7A4);
}

struct folded
fold_char(uint32_t cp)
{
	return is_nothing(cp) ? fold_one(FOLD_NONE, 0) : fold_search(cp);
}

size_t
fold_nothing(const char *p, size_t n)
{
	const unsigned char *b = (const unsigned char *)p;
	size_t i = 0;

	for (;;) {
		if (n - i >= 3 && b[i] >= 0xE1 && b[i] < 0xED && (b[i + 1] & 0xC0) == 0x80 &&
			(b[i + 2] & 0xC0) == 0x80) {
			if (!is_nothing((b[i] & 0xFu) << 12 | (b[i + 1] & 0x3Fu) << 6 |
					(b[i + 2] & 0x3Fu)))
				return i;
			i += 3;
		} else if (n - i >= 2 && b[i] >= 0xC2 && b[i] < 0xE0 &&
			   (b[i + 1] & 0xC0) == 0x80) {
			if (!is_nothing((b[i] & 0x1Fu) << 6 | (b[i + 1] & 0x3Fu)))
				return i;
			i += 2;
		} else if (n - i >= 3 && b[i] == 0xE0 && b[i + 1] >= 0xA0 && b[i + 1] < 0xC0 &&
			   (b[i + 2] & 0xC0) == 0x80) {
			if (!is_nothing((b[i + 1] & 0x3Fu) << 6 | (b[i + 2] & 0x3Fu)))
				return i;
			i += 3;
		} else {
			return i;
		}
	}
}

struct folded
fold_search(uint32_t cp)
{
	struct folded f = by_class(cp);
	if (f.kind == FOLD_NONE)
		f = by_range(cp);
	if (f.kind == FOLD_NONE)
		f = by_number(cp);
	if (f.kind == FOLD_NONE)
		f = by_likeness(cp);
	return f;
}

/* Overlong: C0 and C1 lead bytes, E0 80-9F, F0 80-8F. */
static size_t
fold_overlong(const char *p, size_t n, uint32_t *cp)
{
	unsigned char a = (unsigned char)p[0];
	size_t want = a == 0xC0 || a == 0xC1 ? 2 : a == 0xE0 ? 3 : a == 0xF0 ? 4 : 0;

	if (!want || want > n)
		return 0;
	uint32_t v = want == 2 ? a & 1u : 0;
	for (size_t i = 1; i < want; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		v = v << 6 | ((unsigned char)p[i] & 0x3Fu);
	}
	*cp = v;
	return want;
}

uint32_t
fold_decode(const char *p, size_t n, size_t *bytes, bool *valid)
{
	size_t len = utf8_sequence(p, n);
	uint32_t cp = (unsigned char)p[0];

	*valid = len > 0;
	*bytes = len ? len : 1;
	if (len == 0) {
		size_t long_form = fold_overlong(p, n, &cp);
		if (long_form)
			*bytes = long_form;
		return cp;
	}
	return utf8_value(p, len);
}
