/* Identifiers of health systems. */
#include "base/ascii.h"
#include "detect/validate/check_sum.h"

/* CMS, NPI check digit: Luhn over 80840 and the number; the prefix adds 24. */
enum check_result
check_us_npi(struct candidate *c)
{
	char v[15] = "80840";

	return valid_if(
		sum_digits(c, v + 5, 10) && (v[5] == '1' || v[5] == '2') && luhn_valid(v, 15));
}

/* DEA Diversion Control, registration numbers: registrant type, then seven digits. */
enum check_result
check_us_dea(struct candidate *c)
{
	char v[9];

	if (!sum_chars(c, v, 9) || !strchr("ABCDEFGHJKLMPRSTUX", v[0]))
		return CHECK_NO;
	return valid_if(
		(sum_weighted(v + 2, "1010100") + 2 * sum_weighted(v + 2, "0101010")) % 10 ==
		(unsigned)(v[8] - '0'));
}

/* CMS, understanding the MBI: the grammar of the eleven places; no S, L, O, I, B, Z. */
enum check_result
check_us_mbi(struct candidate *c)
{
	static const char grammar[] = "CAXNAXNAANN";
	char v[11];

	if (!sum_chars(c, v, 11))
		return CHECK_NO;
	for (size_t i = 0; i < 11; i++) {
		bool letter = is_alpha(v[i]);
		if (letter && strchr("SLOIBZ", v[i]))
			return CHECK_NO;
		if (grammar[i] == 'A' ? !letter : grammar[i] != 'X' && letter)
			return CHECK_NO;
	}
	return v[0] == '0' ? CHECK_NO : CHECK_VALID;
}

/* Section 290 SGB V, GKV-Spitzenverband: the letter as two digits, weights 1 2 1 2 …, sum
 * of the products' digits mod 10. */
enum check_result
check_de_kvnr(struct candidate *c)
{
	char v[10], d[11];

	if (!sum_chars(c, v, 10))
		return CHECK_NO;
	unsigned letter = (unsigned)(v[0] - 'A') + 1, sum = 0;
	d[0] = (char)('0' + letter / 10);
	d[1] = (char)('0' + letter % 10);
	memcpy(d + 2, v + 1, 9);
	for (size_t i = 0; i < 10; i++) {
		unsigned x = (unsigned)(d[i] - '0') * (i % 2 ? 2 : 1);
		sum += x / 10 + x % 10;
	}
	return valid_if(sum % 10 == (unsigned)(d[10] - '0'));
}

/* Services Australia: weights 1 3 7 9 mod 10 at the ninth place; the tenth is the card's
 * issue, an eleventh the person on it. */
enum check_result
check_au_medicare(struct candidate *c)
{
	char d[11];

	if (!sum_digits(c, d, 10) && !sum_digits(c, d, 11))
		return CHECK_NO;
	return valid_if(d[0] >= '2' && d[0] <= '6' && d[9] != '0' &&
			sum_weighted(d, "13791379") % 10 == (unsigned)(d[8] - '0'));
}

/* HISO 10046: letters without I and O count from 1; the old form checks mod 11, the new
 * one with a letter mod 23, in the standard's first edition mod 24. */
enum check_result
check_nz_nhi(struct candidate *c)
{
	static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ";
	char v[7];
	unsigned sum = 0;

	if (!sum_chars(c, v, 7))
		return CHECK_NO;
	for (size_t i = 0; i < 6; i++) {
		const char *at = is_alpha(v[i]) ? strchr(letters, v[i]) : NULL;
		if (is_alpha(v[i]) && !at)
			return CHECK_NO;
		unsigned x = at ? (unsigned)(at - letters) + 1 : (unsigned)(v[i] - '0');
		sum += x * (unsigned)(7 - i);
	}
	if (is_digit(v[6]))
		return valid_if(sum % 11 && (11 - sum % 11) % 10 == (unsigned)(v[6] - '0'));
	const char *at = strchr(letters, v[6]);
	unsigned check = at ? (unsigned)(at - letters) + 1 : 0;
	return valid_if(at && (check == 23 - sum % 23 || check == 24 - sum % 24));
}

/* Ministry of Health of Ontario: Luhn over ten digits. */
enum check_result
check_luhn10(struct candidate *c)
{
	char d[10];

	return valid_if(sum_digits(c, d, 10) && luhn_valid(d, 10));
}
