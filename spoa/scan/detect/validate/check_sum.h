/* Arithmetic of check digits and dates, for the validators. Digits are ASCII
 * bytes; nothing here is NUL-terminated but weights. */
#ifndef SCAN_DETECT_VALIDATE_CHECK_SUM_H
#define SCAN_DETECT_VALIDATE_CHECK_SUM_H

#include "scan/detect/validate/check.h"

/* The candidate's digits, exactly n, not all the same and not inside a UUID. */
bool sum_digits(const struct candidate *c, char *d, size_t n);
/* Its letters (as capitals) and digits, exactly n, not inside a UUID. */
bool sum_chars(const struct candidate *c, char *v, size_t n);
/* Sum of digit times weight; a weight is a character from '0' on: ':' is 10,
 * ';' 11, '=' 13, '?' 15, 'A' 17, 'C' 19. */
unsigned sum_weighted(const char *d, const char *weights);
uint64_t sum_number(const char *d, size_t n);
unsigned sum_two(const char *d);
/* A day of the Gregorian calendar; years below 100 have a 29 February. */
bool sum_date(unsigned year, unsigned month, unsigned day);
/* ISO/IEC 7064 hybrid system MOD 11,10. */
bool sum_iso7064_11_10(const char *d, size_t n);
bool sum_verhoeff(const char *d, size_t n);
/* 0-9, A is 10. */
unsigned sum_base36(char x);
/* Machine readable travel documents: weights 7, 3, 1; the last is the check digit. */
bool sum_icao(const char *v, size_t n);
/* BIP 173: the checksum of a bech32 text whose human-readable part ends at the 1 at
 * `one`; 1 is right there, 0x2bc830a3 in bech32m (BIP 350). False: a character that is
 * none of its alphabet. */
bool sum_bech32(struct span s, size_t one, uint32_t *sum);
/* Base58Check (Bitcoin wiki): the n bytes, at most SUM_BASE58_MAX, that the text encodes end
 * with the first four of the double SHA-256 of the others. */
enum { SUM_BASE58_MAX = 82 };
#define SUM_BASE58 "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
bool sum_base58check(struct span s, const char *alphabet, size_t n);

static inline enum check_result
valid_if(bool yes)
{
	return yes ? CHECK_VALID : CHECK_NO;
}

#endif
