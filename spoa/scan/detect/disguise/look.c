/* Classifies blocks of text. Each function below defines a class; the classes become lookup
 * tables at program start. */
#include "scan/detect/disguise/look.h"

#include "base/ascii.h"
#include "base/bits.h"

static bool
is_hidden(char c)
{
	return is_high(c) || is_one_of(c, "\\%&=^[") ||
	       ((unsigned char)c < ' ' && !is_space(c));
}

static bool
is_token(char c)
{
	return is_alnum(c) || is_one_of(c, "+/-_");
}

static bool
is_gap(char c)
{
	return is_high(c) || is_space(c) ||
	       (c > ' ' && c < 0x7F && !is_alnum(c) && !is_one_of(c, "$%@"));
}

static bool
is_sign(char c)
{
	return is_one_of(c, "\"'`\n*~<|([{@");
}

static bool
is_cross(char c)
{
	return is_one_of(to_lower(c), "uvxz");
}

static bool
is_blank(char c)
{
	return c == ' ';
}

static bool
is_a(char c)
{
	return to_lower(c) == 'a';
}

static bool
is_t_r_p(char c)
{
	return is_one_of(to_lower(c), "trp");
}

enum { HIDDEN, TOKEN, ALNUM, DIGIT, GAP, SIGN, CROSS, BLANK, A, T_R_P };

static struct block_sets sets;

__attribute__((constructor)) static void
fill_sets(void)
{
	block_sets_fill(
		&sets, (bool (*const[])(char)){ is_hidden, is_token, is_alnum, is_digit, is_gap,
			       is_sign, is_cross, is_blank, is_a, is_t_r_p, NULL });
}

void
look_over(const char *p, size_t n, struct look *l)
{
	for (size_t i = 0; i < n; i += BLOCK, l++) {
		uint64_t m[BLOCK_SETS], within = bits_below(n - i);
		block_classify(&sets, p + i, n - i, m);
		*l = (struct look){
			.hidden = m[HIDDEN],
			.token = m[TOKEN],
			.alnum = m[ALNUM],
			.digit = m[DIGIT],
			.gap = m[GAP],
			.sign = m[SIGN],
			.cross = m[CROSS],
			.blank = m[BLANK],
			.at = ~m[ALNUM] & within & look_on(m[A] | ~within, 1, 1) &
			      look_on(m[T_R_P] | ~within, 3, 2),
		};
	}
}
