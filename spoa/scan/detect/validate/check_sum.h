/* Arithmetic of check digits and dates, for the validators. Digits are ASCII bytes. Only
 * weights are NUL-terminated. */
#ifndef SCAN_DETECT_VALIDATE_CHECK_SUM_H
#define SCAN_DETECT_VALIDATE_CHECK_SUM_H

#include "scan/detect/validate/check.h"

/* Copies the candidate's digits to d. Returns false unless these are exactly n digits, not all
 * equal and not inside a UUID. */
bool sum_digits(const struct candidate *c, char *d, size_t n);
/* Copies the candidate's letters, as capitals, and digits to v. Returns false unless these are
 * exactly n characters, not inside a UUID. */
bool sum_chars(const struct candidate *c, char *v, size_t n);
/* Returns the sum of digit times weight. A weight is a character from '0' on: ':' is 10, ';'
 * 11, '=' 13, '?' 15, 'A' 17, 'C' 19. */
unsigned sum_weighted(const char *d, const char *weights);
/* Returns the number that n digits, or two digits, represent. */
uint64_t sum_number(const char *d, size_t n);
unsigned sum_two(const char *d);
/* Returns true for a day of the Gregorian calendar. Years below 100 have a 29 February. */
bool sum_date(unsigned year, unsigned month, unsigned day);
/* Return true if the last digit is the check digit of ISO/IEC 7064 hybrid system MOD 11,10, or of
 * Verhoeff's scheme. */
bool sum_iso7064_11_10(const char *d, size_t n);
bool sum_verhoeff(const char *d, size_t n);
/* Returns the value of a digit or capital letter in base 36: A is 10. */
unsigned sum_base36(char x);
/* Returns true if the last character is the check digit of machine readable travel documents:
 * weights 7, 3, 1. */
bool sum_icao(const char *v, size_t n);
/* Sets *sum to the checksum of a bech32 text (BIP 173) whose human-readable part ends at the 1
 * at `one`. The correct checksum is 1, and 0x2bc830a3 for bech32m (BIP 350). Returns false if a
 * character is not in the alphabet. */
bool sum_bech32(struct span s, size_t one, uint32_t *sum);
/* Returns true if the text encodes n bytes, at most SUM_BASE58_MAX, in Base58Check (Bitcoin
 * wiki): the last four are the first four of the double SHA-256 of the others. */
enum { SUM_BASE58_MAX = 82 };
#define SUM_BASE58 "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
bool sum_base58check(struct span s, const char *alphabet, size_t n);

static inline enum check_result
valid_if(bool yes)
{
	return yes ? CHECK_VALID : CHECK_NO;
}

#endif
