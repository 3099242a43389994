/* Identity and tax numbers of Asia, Africa and Oceania. */
#include "base/ascii.h"
#include "detect/validate/check_sum.h"

/* UIDAI: Verhoeff; does not begin with 0 or 1. */
enum check_result
check_in_aadhaar(struct candidate *c)
{
	char d[12];

	return valid_if(sum_digits(c, d, 12) && d[0] >= '2' && sum_verhoeff(d, 12));
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
	static const unsigned char weights[] = { 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8,
		4, 2 };
	char v[18];
	unsigned sum = 0;

	if (!sum_chars(c, v, 18))
		return CHECK_NO;
	unsigned area = sum_two(v) / 10, year = (unsigned)sum_number(v + 6, 4);
	if (area < 1 || area > 9 || area == 9 || sum_two(v) % 10 > 7 || year < 1850 ||
		year > 2099 || !sum_date(year, sum_two(v + 10), sum_two(v + 12)))
		return CHECK_NO;
	for (size_t i = 0; i < 17; i++)
		sum += (unsigned)(v[i] - '0') * weights[i];
	return valid_if("10X98765432"[sum % 11] == v[17]);
}

/* Ordinance 85 of 2014 of the Ministry of Internal Affairs, article 5. */
enum check_result
check_jp_my_number(struct candidate *c)
{
	char d[12];

	if (!sum_digits(c, d, 12))
		return CHECK_NO;
	unsigned r = sum_weighted(d, "65432765432") % 11;
	return valid_if((r <= 1 ? 0 : 11 - r) == (unsigned)(d[11] - '0'));
}

/* Resident Registration Act: date, sex and century; numbers since October 2020 have no
 * check digit. */
enum check_result
check_kr_rrn(struct candidate *c)
{
	char d[13];

	if (!sum_digits(c, d, 13) || d[6] == '0' || d[6] == '9' ||
		!sum_date(0, sum_two(d + 2), sum_two(d + 4)))
		return CHECK_NO;
	if ((11 - sum_weighted(d, "234567892345") % 11) % 10 != (unsigned)(d[12] - '0'))
		return CHECK_SHAPE;
	return CHECK_VALID;
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

/* Department of Provincial Administration of Thailand: 13 to 2 mod 11. */
enum check_result
check_th_tnin(struct candidate *c)
{
	char d[13];

	return valid_if(
		sum_digits(c, d, 13) && d[0] != '0' && d[0] != '9' &&
		(11 - sum_weighted(d, "=<;:98765432") % 11) % 10 == (unsigned)(d[12] - '0'));
}

/* Nüfus ve Vatandaşlık İşleri: two digits mod 10. */
enum check_result
check_tr_id(struct candidate *c)
{
	char d[11];

	if (!sum_digits(c, d, 11) || d[0] == '0')
		return CHECK_NO;
	unsigned odd = sum_weighted(d, "101010101"), even = sum_weighted(d, "01010101");
	return valid_if((odd * 7 + 100 - even) % 10 == (unsigned)(d[9] - '0') &&
			sum_weighted(d, "1111111111") % 10 == (unsigned)(d[10] - '0'));
}

/* Department of Home Affairs of South Africa: date, citizenship, Luhn. */
enum check_result
check_za_id(struct candidate *c)
{
	char d[13];

	return valid_if(sum_digits(c, d, 13) && sum_date(0, sum_two(d + 2), sum_two(d + 4)) &&
			d[10] < '3' && luhn_valid(d, 13));
}

/* Population and Immigration Authority of Israel: Luhn over nine digits. */
enum check_result
check_luhn9(struct candidate *c)
{
	char d[9];

	return valid_if(sum_digits(c, d, 9) && luhn_valid(d, 9));
}

/* Saudi Arabia: 1 for citizens, 2 for residents, Luhn. */
enum check_result
check_sa_id(struct candidate *c)
{
	char d[10];

	return valid_if(
		sum_digits(c, d, 10) && (d[0] == '1' || d[0] == '2') && luhn_valid(d, 10));
}

/* ICP of the Emirates: 784, year of birth, Luhn. */
enum check_result
check_ae_id(struct candidate *c)
{
	char d[15];

	if (!sum_digits(c, d, 15) || memcmp(d, "784", 3))
		return CHECK_NO;
	uint64_t year = sum_number(d + 3, 4);
	return valid_if(year > 1900 && year < 2100 && luhn_valid(d, 15));
}

/* Civil status of Egypt: century, date, governorate. */
enum check_result
check_eg_id(struct candidate *c)
{
	char d[14];

	if (!sum_digits(c, d, 14) || (d[0] != '2' && d[0] != '3') ||
		!sum_date(0, sum_two(d + 3), sum_two(d + 5)))
		return CHECK_NO;
	unsigned place = sum_two(d + 7);
	return (place >= 1 && place <= 35) || place == 88 ? CHECK_SHAPE : CHECK_NO;
}

/* National registration of Malaysia: date, then place of birth. */
enum check_result
check_my_nric(struct candidate *c)
{
	char d[12];

	if (!sum_digits(c, d, 12) || !sum_date(0, sum_two(d + 2), sum_two(d + 4)))
		return CHECK_NO;
	unsigned place = sum_two(d + 6);
	if (place == 0 || (place >= 17 && place <= 20) || place == 69 || place == 70 ||
		place == 73 || place == 80 || place == 81 || (place >= 94 && place <= 97))
		return CHECK_NO;
	return CHECK_SHAPE;
}

/* Kependudukan of Indonesia: province, date (women's day raised by 40), serial. */
enum check_result
check_id_nik(struct candidate *c)
{
	char d[16];

	if (!sum_digits(c, d, 16) || sum_two(d) < 11 || sum_two(d) > 97)
		return CHECK_NO;
	unsigned day = sum_two(d + 6);
	return sum_date(0, sum_two(d + 8), day > 40 ? day - 40 : day) &&
			       memcmp(d + 12, "0000", 4)
		       ? CHECK_SHAPE
		       : CHECK_NO;
}

/* Australian Taxation Office: weights 1 4 3 7 5 8 6 9 10 mod 11. */
enum check_result
check_au_tfn(struct candidate *c)
{
	char d[9];

	return valid_if(sum_digits(c, d, 9) && sum_weighted(d, "14375869:") % 11 == 0);
}

/* Australian Business Register: the first digit less one, mod 89. */
enum check_result
check_au_abn(struct candidate *c)
{
	char d[11];

	return valid_if(sum_digits(c, d, 11) && d[0] != '0' &&
			(sum_weighted(d, ":13579;=?AC") - 10) % 89 == 0);
}

/* ASIC: weights 8 to 1 mod 10. */
enum check_result
check_au_acn(struct candidate *c)
{
	char d[9];

	return valid_if(sum_digits(c, d, 9) &&
			(10 - sum_weighted(d, "87654321") % 10) % 10 == (unsigned)(d[8] - '0'));
}

/* Inland Revenue of New Zealand: two rows of weights mod 11. */
enum check_result
check_nz_ird(struct candidate *c)
{
	char d[9];

	if (!sum_digits(c, d, 9)) {
		if (!sum_digits(c, d + 1, 8))
			return CHECK_NO;
		d[0] = '0';
	}
	uint64_t n = sum_number(d, 9);
	unsigned check = (11 - sum_weighted(d, "32765432") % 11) % 11;
	if (check == 10)
		check = (11 - sum_weighted(d, "74325276") % 11) % 11;
	return valid_if(n >= 10000000 && n <= 150000000 && check == (unsigned)(d[8] - '0'));
}
