/* The same of the Americas, Asia, Africa and Oceania, and identifiers of health systems. */
#include "base/ascii.h"
#include "scan/detect/validate/check_sum.h"

/* 49 CFR 565.15: letters to digits, weights, mod 11 at the ninth place, 10 is X. */
enum check_result
check_vin(struct candidate *c)
{
	static const char values[] = "12345678?12345?7?923456789";
	char v[17], x[17];
	unsigned letters = 0, digits = 0;

	if (!sum_chars(c, v, 17))
		return CHECK_NO;
	for (size_t i = 0; i < 17; i++) {
		x[i] = is_digit(v[i]) ? v[i] : values[v[i] - 'A'];
		if (x[i] == '?')
			return CHECK_NO;
		letters += is_alpha(v[i]);
		digits += is_digit(v[i]);
	}
	/* Below 30 or so letters and digits mix; the last four places are digits. */
	return valid_if(letters >= 3 && digits >= 5 && span_is_digits(span_of(v + 13, 4)) &&
			v[8] == "0123456789X"[sum_weighted(x, "8765432:098765432") % 11]);
}

/* RENAPO, instructivo normativo CURP: 0-9, A-N, Ñ, O-Z count 0 to 36. */
enum check_result
check_mx_curp(struct candidate *c)
{
	char v[18];
	unsigned sum = 0;

	if (!sum_chars(c, v, 18) || !sum_date(0, sum_two(v + 6), sum_two(v + 8)))
		return CHECK_NO;
	for (size_t i = 0; i < 17; i++) {
		unsigned x = sum_base36(v[i]);
		sum += (v[i] > 'N' ? x + 1 : x) * (unsigned)(18 - i);
	}
	return valid_if((10 - sum % 10) % 10 == (unsigned)(v[17] - '0'));
}

/* SAT: date, and a check character mod 11 that registers do not always hold to. */
enum check_result
check_mx_rfc(struct candidate *c)
{
	/* 0-9, A-N, &, O-Z, blank, Ñ count 0 to 38. */
	static const char order[] = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ ";
	char v[13];
	unsigned sum = 0;

	if (!sum_chars(c, v, 13)) {
		if (!sum_chars(c, v + 1, 12))
			return CHECK_NO;
		v[0] = ' ';
	}
	if (!sum_date(0, sum_two(v + 6), sum_two(v + 8)))
		return CHECK_NO;
	for (size_t i = 0; i < 12; i++)
		sum += (unsigned)(strchr(order, v[i]) - order) * (unsigned)(13 - i);
	unsigned r = (11 - sum % 11) % 11;
	return v[12] == (r == 10 ? 'A' : (char)('0' + r)) ? CHECK_VALID : CHECK_SHAPE;
}

enum check_result
check_mx_rfc_strict(struct candidate *c)
{
	return valid_if(check_mx_rfc(c) == CHECK_VALID);
}

/* GSTN: state, PAN, and a check character by Luhn over base 36. */
enum check_result
check_in_gstin(struct candidate *c)
{
	char v[15];
	unsigned sum = 0;

	if (!sum_chars(c, v, 15) || sum_two(v) == 0 || (sum_two(v) > 38 && sum_two(v) < 96))
		return CHECK_NO;
	for (size_t i = 0; i < 14; i++) {
		unsigned x = sum_base36(v[i]) * (i % 2 ? 2 : 1);
		sum += x / 36 + x % 36;
	}
	return valid_if((36 - sum % 36) % 36 == sum_base36(v[14]));
}

/* GB 11643-1999: area, date, ISO 7064 MOD 11-2. */
enum check_result
check_cn_id(struct candidate *c)
{
	char v[18];

	if (!sum_chars(c, v, 18))
		return CHECK_NO;
	unsigned area = sum_two(v) / 10, year = (unsigned)sum_number(v + 6, 4);
	if (area < 1 || area > 9 || area == 9 || sum_two(v) % 10 > 7 || year < 1850 ||
		year > 2099 || !sum_date(year, sum_two(v + 10), sum_two(v + 12)))
		return CHECK_NO;
	return valid_if("10X98765432"[sum_weighted(v, "79:584216379:5842") % 11] == v[17]);
}

/* Household Registration of Taiwan: the letter as two digits, weights 1 9 8 … 1 1. */
enum check_result
check_tw_id(struct candidate *c)
{
	static const unsigned char letters[26] = { 10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19,
		20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33 };
	char v[10];

	if (!sum_chars(c, v, 10))
		return CHECK_NO;
	unsigned x = letters[v[0] - 'A'], sum = x / 10 + x % 10 * 9;
	if (is_alpha(v[1])) /* residents' certificates until 2021 */
		v[1] = (char)('0' + letters[v[1] - 'A'] % 10);
	return valid_if((sum + sum_weighted(v + 1, "876543211")) % 10 == 0);
}

/* Immigration Department of Hong Kong: 9 to 2 mod 11, one letter counts with a blank of
 * 36 before it. */
enum check_result
check_hk_id(struct candidate *c)
{
	char v[9];
	unsigned sum, first;

	if (sum_chars(c, v, 9)) {
		first = sum_base36(v[0]);
	} else if (sum_chars(c, v + 1, 8)) {
		first = 36;
	} else {
		return CHECK_NO;
	}
	sum = first * 9 + sum_base36(v[1]) * 8 + sum_weighted(v + 2, "765432");
	unsigned check = (11 - sum % 11) % 11;
	return valid_if(v[8] == "0123456789A"[check]);
}

/* ICA of Singapore: 2 7 6 5 4 3 2 mod 11; T and G add 4, M adds 3. */
enum check_result
check_sg_nric(struct candidate *c)
{
	char v[9];
	const char *letters;

	if (!sum_chars(c, v, 9))
		return CHECK_NO;
	unsigned sum = sum_weighted(v + 1, "2765432");
	sum += v[0] == 'T' || v[0] == 'G' ? 4 : v[0] == 'M' ? 3 : 0;
	letters = v[0] == 'S' || v[0] == 'T' ? "JZIHGFEDCBA"
		  : v[0] == 'M'		     ? "XWUTRQPNJLK"
					     : "XWUTRQPNMLK";
	return valid_if(letters[sum % 11] == v[8]);
}

/* Australian Business Register: the first digit less one, mod 89. */
enum check_result
check_au_abn(struct candidate *c)
{
	char d[11];

	return valid_if(sum_digits(c, d, 11) && d[0] != '0' &&
			(sum_weighted(d, ":13579;=?AC") - 10) % 89 == 0);
}

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
