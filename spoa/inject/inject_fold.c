/* Characters as the injection model sees them: Unicode 15's letters by ranges, folded as
 * UTS #39 would compare them, as far as the scripts of attack texts need it. */
#include "base/ascii.h"
#include "base/search.h"
#include "codec/letters.h"
#include "inject/inject_walk.h"

/* clang-format off */
static const struct range {
	uint32_t from, to;
	enum inject_script script;
} ranges[] = { /* rising; what comes between them separates */
	{ 0x00AA, 0x00AA, SCRIPT_LATIN }, { 0x00AD, 0x00AD, SCRIPT_GONE },
	{ 0x0250, 0x02AF, SCRIPT_LATIN }, { 0x02B0, 0x02FF, SCRIPT_GONE },
	{ 0x0300, 0x036F, SCRIPT_GONE },  { 0x0370, 0x0482, SCRIPT_LIKE },
	{ 0x0483, 0x0489, SCRIPT_GONE },  { 0x048A, 0x052F, SCRIPT_LIKE },
	{ 0x0531, 0x0587, SCRIPT_LATIN }, { 0x0591, 0x05C7, SCRIPT_GONE },
	{ 0x05D0, 0x05F2, SCRIPT_SHORT }, { 0x0610, 0x061A, SCRIPT_GONE },
	{ 0x061C, 0x061C, SCRIPT_GONE },  { 0x0620, 0x063F, SCRIPT_SHORT },
	{ 0x0640, 0x0640, SCRIPT_GONE },  { 0x0641, 0x064A, SCRIPT_SHORT },
	{ 0x064B, 0x065F, SCRIPT_GONE },  { 0x0660, 0x0669, SCRIPT_DIGIT },
	{ 0x0670, 0x0670, SCRIPT_GONE },  { 0x0671, 0x06D3, SCRIPT_SHORT },
	{ 0x06D6, 0x06ED, SCRIPT_GONE },  { 0x06F0, 0x06F9, SCRIPT_DIGIT },
	{ 0x06FA, 0x08FF, SCRIPT_SHORT }, { 0x0900, 0x0963, SCRIPT_SHORT },
	{ 0x0966, 0x0DFF, SCRIPT_SHORT }, { 0x0E01, 0x0EFF, SCRIPT_SOLID },
	{ 0x0F00, 0x109F, SCRIPT_SOLID }, { 0x10A0, 0x10FF, SCRIPT_LATIN },
	{ 0x1100, 0x115E, SCRIPT_BLOCK }, { 0x115F, 0x1160, SCRIPT_GONE },
	{ 0x1161, 0x11FF, SCRIPT_BLOCK }, { 0x1200, 0x177F, SCRIPT_SHORT },
	{ 0x1780, 0x17B3, SCRIPT_SOLID }, { 0x17B4, 0x17B5, SCRIPT_GONE },
	{ 0x17B6, 0x17D3, SCRIPT_SOLID }, { 0x180B, 0x180F, SCRIPT_GONE },
	{ 0x1820, 0x1AAF, SCRIPT_SHORT }, { 0x1AB0, 0x1AFF, SCRIPT_GONE },
	{ 0x1B00, 0x1CFF, SCRIPT_SHORT }, { 0x1D00, 0x1DBF, SCRIPT_LATIN },
	{ 0x1DC0, 0x1DFF, SCRIPT_GONE },  { 0x1F00, 0x1FFF, SCRIPT_LIKE },
	{ 0x200B, 0x200F, SCRIPT_GONE },  { 0x2018, 0x2019, SCRIPT_GONE },
	{ 0x202A, 0x202E, SCRIPT_GONE },  { 0x2060, 0x206F, SCRIPT_GONE },
	{ 0x20D0, 0x20FF, SCRIPT_GONE },  { 0x2C60, 0x2C7F, SCRIPT_LATIN },
	{ 0x2DE0, 0x2DFF, SCRIPT_GONE },  { 0x2E80, 0x2FDF, SCRIPT_SOLID },
	{ 0x3005, 0x3007, SCRIPT_SOLID }, { 0x3041, 0x30FF, SCRIPT_SOLID },
	{ 0x3105, 0x312F, SCRIPT_SOLID }, { 0x3131, 0x3163, SCRIPT_BLOCK },
	{ 0x3164, 0x3164, SCRIPT_GONE },  { 0x3165, 0x318E, SCRIPT_BLOCK },
	{ 0x3400, 0x9FFF, SCRIPT_SOLID }, { 0xA000, 0xA63F, SCRIPT_SHORT },
	{ 0xA640, 0xA69F, SCRIPT_LIKE },  { 0xA720, 0xA7FF, SCRIPT_LATIN },
	{ 0xA800, 0xABFF, SCRIPT_SHORT }, { 0xAC00, 0xD7FB, SCRIPT_BLOCK },
	{ 0xF900, 0xFAFF, SCRIPT_SOLID }, { 0xFB1D, 0xFDFF, SCRIPT_SHORT },
	{ 0xFE00, 0xFE0F, SCRIPT_GONE },  { 0xFE20, 0xFE2F, SCRIPT_GONE },
	{ 0xFE70, 0xFEFC, SCRIPT_SHORT }, { 0xFEFF, 0xFEFF, SCRIPT_GONE },
	{ 0xFF66, 0xFF9F, SCRIPT_SOLID }, { 0xFFA0, 0xFFA0, SCRIPT_GONE },
	{ 0xFFA1, 0xFFDC, SCRIPT_BLOCK }, { 0xFFF9, 0xFFFB, SCRIPT_GONE },
	{ 0x20000, 0x3FFFD, SCRIPT_SOLID }, { 0xE0000, 0xE0FFF, SCRIPT_GONE },
};

/* Look-alikes of ASCII in rows: `n` of them from `from` on, beginning with 'a' or '0', again
 * and again. */
static const struct dress {
	uint32_t from, to;
	char first;
	unsigned n;
} dresses[] = {
	{ 0x1D7CE, 0x1D7FF, '0', 10 }, { 0x1D400, 0x1D6A3, 'a', 26 },
	{ 0x1F110, 0x1F129, 'a', 26 }, { 0x1F130, 0x1F149, 'a', 26 },
	{ 0x1F150, 0x1F169, 'a', 26 }, { 0x1F170, 0x1F189, 'a', 26 },
	{ 0x1F1E6, 0x1F1FF, 'a', 26 }, { 0x1FBF0, 0x1FBF9, '0', 10 },
	{ 0x249C, 0x24B5, 'a', 26 },   { 0x24B6, 0x24E9, 'a', 26 },
	{ 0x2460, 0x2468, '1', 9 },    { 0x2080, 0x2089, '0', 10 },
};

static const struct pair {
	uint16_t from;
	char to;
} alike[] = {
	{ 0x03B1, 'a' }, { 0x03B2, 'b' }, { 0x03B3, 'y' }, { 0x03B5, 'e' }, { 0x03B6, 'z' },
	{ 0x03B7, 'n' }, { 0x03B9, 'i' }, { 0x03BA, 'k' }, { 0x03BC, 'm' }, { 0x03BD, 'v' },
	{ 0x03BF, 'o' }, { 0x03C1, 'p' }, { 0x03C3, 'o' }, { 0x03C4, 't' }, { 0x03C5, 'u' },
	{ 0x03C7, 'x' }, { 0x03C9, 'w' }, { 0x03F2, 'c' }, { 0x0430, 'a' }, { 0x0432, 'b' },
	{ 0x0433, 'r' }, { 0x0435, 'e' }, { 0x0438, 'u' }, { 0x043A, 'k' }, { 0x043C, 'm' },
	{ 0x043D, 'h' }, { 0x043E, 'o' }, { 0x043F, 'n' }, { 0x0440, 'p' }, { 0x0441, 'c' },
	{ 0x0442, 't' }, { 0x0443, 'y' }, { 0x0445, 'x' }, { 0x044C, 'b' }, { 0x0451, 'e' },
	{ 0x0455, 's' }, { 0x0456, 'i' }, { 0x0457, 'i' }, { 0x0458, 'j' }, { 0x0475, 'v' },
	{ 0x04BB, 'h' }, { 0x04CF, 'l' }, { 0x0501, 'd' }, { 0x051B, 'q' }, { 0x051D, 'w' },
};
/* clang-format on */

uint32_t
inject_look_alike(uint32_t cp)
{
	for (size_t i = 0; i < sizeof(alike) / sizeof(alike[0]); i++)
		if (alike[i].from == cp)
			return (unsigned char)alike[i].to;
	return cp;
}

static enum inject_script
fold_ascii(uint32_t *cp)
{
	uint32_t c = *cp | 0x20;

	if (c >= 'a' && c <= 'z') {
		*cp = c;
		return SCRIPT_LATIN;
	}
	if (*cp >= '0' && *cp <= '9')
		return SCRIPT_DIGIT;
	return *cp == '\'' ? SCRIPT_GONE : SCRIPT_NONE;
}

static bool
fold_latin(uint32_t *cp)
{
	/* ƀ Ɓ Ɖ Ɗ Ǝ Ə Ɠ Ƙ ƙ Ƴ ƴ ǝ Ǥ ǥ Ǿ ǿ ẟ Ỻ ỻ: letters of their own to the model */
	static const uint16_t own[] = { 0x180, 0x181, 0x189, 0x18A, 0x18E, 0x18F, 0x193, 0x198,
		0x199, 0x1B3, 0x1B4, 0x1DD, 0x1E4, 0x1E5, 0x1FE, 0x1FF, 0x1E9F, 0x1EFA,
		0x1EFB };
	const char *base = letters_latin(*cp);

	if (!base)
		return false;
	for (size_t i = 0; *cp >= own[0] && i < sizeof(own) / sizeof(own[0]); i++)
		if (*cp == own[i])
			return true;
	if (is_alpha(base[0]) && to_lower(base[0]) != 'q')
		*cp = (unsigned char)to_lower(base[0]);
	return true;
}

static uint32_t
fold_lower(uint32_t cp)
{
	if ((cp >= 0x0391 && cp <= 0x03A9) || (cp >= 0x0410 && cp <= 0x042F))
		return cp + 32;
	if (cp >= 0x0400 && cp <= 0x040F)
		return cp + 80;
	if ((cp >= 0x0460 && cp <= 0x0481) || (cp >= 0x048A && cp <= 0x04BF) ||
		(cp >= 0x04D0 && cp <= 0x052F))
		return cp | 1;
	if (cp >= 0x0531 && cp <= 0x0556)
		return cp + 48;
	switch (cp) {
	case 0x0386: return 0x03B1;
	case 0x0388:
	case 0x03AD: return 0x03B5;
	case 0x0389:
	case 0x03AE: return 0x03B7;
	case 0x038A:
	case 0x03AF:
	case 0x03CA: return 0x03B9;
	case 0x038C:
	case 0x03CC: return 0x03BF;
	case 0x038E:
	case 0x03CD: return 0x03C5;
	case 0x038F:
	case 0x03CE: return 0x03C9;
	case 0x03AC: return 0x03B1;
	case 0x03C2: return 0x03C3;
	}
	return cp;
}

/* The first range that ends at cp or after. */
static size_t
range_of(uint32_t cp)
{
	return SEARCH_FIRST(sizeof(ranges) / sizeof(ranges[0]), mid, cp > ranges[mid].to);
}

enum inject_script
inject_fold(uint32_t *cp, size_t *near)
{
	if (*cp < 0x80)
		return fold_ascii(cp);
	if (fold_latin(cp))
		return SCRIPT_LATIN;
	if (*cp >= 0xFF01 && *cp <= 0xFF5E)
		*cp -= 0xFEE0;
	else if (*cp >= 0xE0020 && *cp <= 0xE007E)
		*cp -= 0xE0000;
	else if ((*cp >= 0x2080 && *cp < 0x2500) || *cp >= 0x1D400)
		for (size_t i = 0; i < sizeof(dresses) / sizeof(dresses[0]); i++)
			if (*cp >= dresses[i].from && *cp <= dresses[i].to) {
				*cp = (unsigned char)dresses[i].first +
				      (*cp - dresses[i].from) % dresses[i].n;
				break;
			}
	if (*cp < 0x80)
		return fold_ascii(cp);
	if (*cp < ranges[*near].from || *cp > ranges[*near].to) {
		size_t found = range_of(*cp);
		if (found == sizeof(ranges) / sizeof(ranges[0]) || *cp < ranges[found].from)
			return SCRIPT_NONE;
		*near = found;
	}
	enum inject_script script = ranges[*near].script;
	if (script == SCRIPT_DIGIT)
		*cp = '0';
	if (script == SCRIPT_LIKE)
		*cp = fold_lower(*cp);
	return script;
}
