/* Computes how likely it is that a value was drawn at random. Two models give the probability of each
 * character after the previous one. In the first model, the value is a name: its letters come in the
 * pairs that occur in words, and letters, digits and signs seldom alternate. In the second model, each
 * character is drawn independently from the value's own alphabet. The difference of the logarithms is
 * the evidence, in bits. The value needs no digit and no capital letter; a longer value gives more
 * evidence. */
#include <math.h>

#include "base/ascii.h"
#include "base/effort.h"
#include "scan/detect/validate/check_value.h"

/* From policies/detectors/letter_pairs.txt: the information of a letter after another, in half bits. */
static const unsigned char pairs[26][26] = {
#include "scan/detect/validate/letter_pairs.inc"
};

enum { LOWER, UPPER, DIGIT, OTHER, CLASSES };

/* The information of a class of characters after another, in bits, in the names of programs. */
static const float class_changes[CLASSES][CLASSES] = {
	/* to:      lower  upper  digit  other */
	[LOWER] = { 0.2f, 3.5f, 4.3f, 3.5f },
	[UPPER] = { 1.5f, 0.6f, 4.3f, 3.0f },
	[DIGIT] = { 3.0f, 3.5f, 0.6f, 2.0f },
	[OTHER] = { 1.2f, 1.5f, 2.0f, 1.5f },
};

static int
chance_class(char c)
{
	return is_lower(c) ? LOWER : is_upper(c) ? UPPER : is_digit(c) ? DIGIT : OTHER;
}

/* Returns the information of `c` after `last` in a name, in bits, if its class `kind` is known. `even` is
 * the information of a character that is drawn from that class. */
static float
bits_in_names(char last, char c, int kind, float even)
{
	/* aaaa, 1234, ABCD: people type such sequences to fill in something. */
	if (chance_class(last) == kind && (c == last || c == last + 1))
		return 1.0f;
	if ((kind == LOWER || kind == UPPER) && is_alpha(last))
		return (float)pairs[to_lower(last) - 'a'][to_lower(c) - 'a'] / 2;
	return even;
}

float
value_chance(struct span s)
{
	enum { ENOUGH = 96 };
	size_t n[CLASSES] = { 0 };
	float share[CLASSES], even[CLASSES], bits = 0;
	bool hex = true;

	s = span_cut(s, 0, ENOUGH);
	effort_add(64 + 4 * s.n);
	for (size_t i = 0; i < s.n; i++) {
		n[chance_class(s.p[i])]++;
		hex &= is_hex(s.p[i]);
	}
	for (int k = 0; k < CLASSES; k++)
		share[k] = n[k] ? -log2f((float)n[k] / (float)s.n) : 0;
	even[LOWER] = even[UPPER] = log2f(hex ? 6 : 26);
	even[DIGIT] = log2f(10);
	even[OTHER] = 1;
	for (size_t i = 1; i < s.n; i++) {
		int from = chance_class(s.p[i - 1]), to = chance_class(s.p[i]);
		bits += class_changes[from][to] + bits_in_names(s.p[i - 1], s.p[i], to, even[to]);
		bits -= share[to] + even[to];
	}
	return bits;
}
