/* Computes the distance of the first digit from the beginning of a match, from the pattern's
 * tree. Example: "ab?\d" has its first digit within 3 bytes. */
#include "scan/detect/prefilter/offset.h"

/* Returns the maximum width of n in bytes, at most OFFSET_MAX. */
static size_t
width_of(const struct regex_node *n)
{
	size_t w = 0, c;

	if (n->kind == REGEX_SET)
		return 1;
	if (n->kind == REGEX_LOOK)
		return 0;
	for (const struct regex_node *x = n->child; x; x = x->next) {
		c = width_of(x);
		w = n->kind == REGEX_ALT ? (c > w ? c : w) : w + c;
		w = w < OFFSET_MAX ? w : OFFSET_MAX;
	}
	if (n->kind == REGEX_REPEAT)
		w = n->max && w > OFFSET_MAX / n->max ? OFFSET_MAX : w * n->max;
	return w;
}

/* Returns the maximum number of bytes up to the first digit that every match of n, or its
 * look-ahead, has; 0: some match has none. */
static size_t
digit_in(const struct regex_node *n)
{
	size_t w = 0, digit;

	switch (n->kind) {
	case REGEX_SET:
		return !(n->set[0] & ~(UINT64_C(0x3FF) << '0')) &&
		       !(n->set[1] | n->set[2] | n->set[3]);
	case REGEX_LOOK: return n->negative || n->behind ? 0 : digit_in(n->child);
	case REGEX_REPEAT: return n->min ? digit_in(n->child) : 0;
	case REGEX_ALT:
		for (const struct regex_node *x = n->child; x; x = x->next) {
			if (!(digit = digit_in(x)))
				return 0;
			w = digit > w ? digit : w;
		}
		return w;
	default:
		for (const struct regex_node *x = n->child; x; x = x->next) {
			if ((digit = digit_in(x)))
				return w + digit;
			w += width_of(x);
		}
		return 0;
	}
}

uint16_t
pattern_digit_offset(const struct regex_node *tree)
{
	size_t w = digit_in(tree);

	return (uint16_t)(w < OFFSET_MAX ? w : 0);
}
