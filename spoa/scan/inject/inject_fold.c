/* Folds characters for the injection model: letters of Unicode 15 by ranges, folded as in UTS
 * #39 for the scripts of attack texts. Changing a fold changes the features, so a model must be
 * trained again. */
#include "base/ascii.h"
#include "base/codec/letters.h"
#include "scan/inject/inject_walk.h"

/* clang-format off */
/* Ranges of letters and digits that resemble ASCII: the characters from `from` to `to` stand
 * for `n` characters that begin with `first`, repeated. */
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
	for (size_t i = 0; i < COUNT_OF(alike); i++)
		if (alike[i].from == cp)
			return (unsigned char)alike[i].to;
	return cp;
}

static enum letters_script
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
	/* ƀ Ɓ Ɖ Ɗ Ǝ Ə Ɠ Ƙ ƙ Ƴ ƴ ǝ Ǥ ǥ Ǿ ǿ ẟ Ỻ ỻ: the model was trained with these as letters of
	 * their own */
	static const uint16_t own[] = { 0x180, 0x181, 0x189, 0x18A, 0x18E, 0x18F, 0x193, 0x198,
		0x199, 0x1B3, 0x1B4, 0x1DD, 0x1E4, 0x1E5, 0x1FE, 0x1FF, 0x1E9F, 0x1EFA,
		0x1EFB };
	const char *base = letters_latin(*cp);

	if (!base)
		return false;
	for (size_t i = 0; *cp >= own[0] && i < COUNT_OF(own); i++)
		if (*cp == own[i])
			return true;
	if (is_alpha(base[0]) && to_lower(base[0]) != 'q')
		*cp = (unsigned char)to_lower(base[0]);
	return true;
}

static uint32_t
fold_lower(uint32_t cp)
{
	switch (cp) { /* the model was trained with these as letters of their own */
	case 0x0390:
	case 0x03AA:
	case 0x03AB:
	case 0x03B0:
	case 0x03CB: return cp;
	default: return cp >= 0x04C0 && cp < 0x04D0 ? cp : letters_plain(cp);
	}
}

enum letters_script
inject_fold(uint32_t *cp, const struct letters_block **near)
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
		for (size_t i = 0; i < COUNT_OF(dresses); i++)
			if (*cp >= dresses[i].from && *cp <= dresses[i].to) {
				*cp = (unsigned char)dresses[i].first +
				      (*cp - dresses[i].from) % dresses[i].n;
				break;
			}
	if (*cp < 0x80)
		return fold_ascii(cp);
	if (!*near || *cp < (*near)->from || *cp >= (*near)[1].from)
		*near = letters_block(*cp);
	enum letters_script script = (*near)->script;
	if (script == SCRIPT_DIGIT)
		*cp = '0';
	if (script == SCRIPT_LIKE)
		*cp = fold_lower(*cp);
	return script;
}
