/* Identity, tax and social security numbers of western and southern Europe. Each
 * function names the authority whose rule it implements. */
#include "base/ascii.h"
#include "detect/validate/check_sum.h"

/* Belastingdienst: the eleven-test, the last digit counts -1. */
enum check_result
check_nl_bsn(struct candidate *c)
{
	char d[9];

	return valid_if(sum_digits(c, d, 9) &&
			(sum_weighted(d, "98765432") + 11 - (unsigned)(d[8] - '0')) % 11 == 0);
}

/* Rijksregister, royal decree of 3 April 1984: 97 - n mod 97, from 2000 on with a 2
 * before n; BIS numbers have the month raised by 20 or 40. */
enum check_result
check_be_nrn(struct candidate *c)
{
	char d[11];

	if (!sum_digits(c, d, 11) || sum_two(d + 2) % 20 > 12 || sum_two(d + 2) > 52 ||
		sum_two(d + 4) > 31)
		return CHECK_NO;
	uint64_t n = sum_number(d, 9);
	unsigned check = sum_two(d + 9);
	return valid_if(97 - n % 97 == check || 97 - (n + 2000000000) % 97 == check);
}

/* INSEE: 97 - n mod 97; 2A and 2B of Corsica count as 19 and 18. */
enum check_result
check_fr_nir(struct candidate *c)
{
	char v[15];

	if (!sum_chars(c, v, 15) || (v[0] != '1' && v[0] != '2' && v[0] != '7' && v[0] != '8'))
		return CHECK_NO;
	if (v[5] == '2' && (v[6] == 'A' || v[6] == 'B')) {
		v[5] = '1';
		v[6] = v[6] == 'A' ? '9' : '8';
	}
	for (size_t i = 0; i < 15; i++)
		if (!is_digit(v[i]))
			return CHECK_NO;
	unsigned month = sum_two(v + 3);
	if (month == 0 || (month > 12 && month < 20) || (month > 42 && month < 50))
		return CHECK_NO;
	return valid_if(97 - sum_number(v, 13) % 97 == sum_two(v + 13));
}

/* DGFiP, numéro SPI: ten digits mod 511 are the last three. */
enum check_result
check_fr_spi(struct candidate *c)
{
	char d[13];

	return valid_if(sum_digits(c, d, 13) && d[0] < '4' &&
			sum_number(d, 10) % 511 == sum_number(d + 10, 3));
}

/* BZSt: ISO 7064 MOD 11,10; of the first ten digits exactly one occurs twice or three
 * times, the others at most once. */
enum check_result
check_de_tax(struct candidate *c)
{
	char d[11];
	unsigned count[10] = { 0 }, repeated = 0;

	if (!sum_digits(c, d, 11) || d[0] == '0' || !sum_iso7064_11_10(d, 11))
		return CHECK_NO;
	for (size_t i = 0; i < 10; i++)
		count[d[i] - '0']++;
	for (size_t i = 0; i < 10; i++) {
		if (count[i] > 3)
			return CHECK_NO;
		repeated += count[i] > 1;
	}
	return valid_if(repeated == 1);
}

/* Personalausweis and Reisepass: BSI TR-03110, ICAO Doc 9303: the check digit stands in
 * the machine readable zone, the nine characters alone on the front. */
enum check_result
check_de_document(struct candidate *c)
{
	char v[10];

	if (sum_chars(c, v, 10))
		return valid_if(is_digit(v[9]) && sum_icao(v, 10));
	return sum_chars(c, v, 9) ? CHECK_SHAPE : CHECK_NO;
}

static unsigned
cross_sum(unsigned v)
{
	return v / 10 + v % 10;
}

/* VKVV section 2: the letter as two digits, weights 2 1 2 5 7 1 2 1 2 1 2 1, sum of the
 * products' digits mod 10. */
enum check_result
check_de_rvnr(struct candidate *c)
{
	static const unsigned char weights[] = { 2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1 };
	char v[12], d[12];
	unsigned sum = 0;

	if (!sum_chars(c, v, 12))
		return CHECK_NO;
	unsigned letter = (unsigned)(v[8] - 'A') + 1;
	for (size_t i = 0; i < 8; i++)
		d[i] = v[i];
	d[8] = (char)('0' + letter / 10);
	d[9] = (char)('0' + letter % 10);
	d[10] = v[9];
	d[11] = v[10];
	unsigned day = sum_two(d + 2) % 50;
	if (!sum_date(0, sum_two(d + 4), day))
		return CHECK_NO;
	for (size_t i = 0; i < 12; i++)
		sum += cross_sum((unsigned)(d[i] - '0') * weights[i]);
	return valid_if(sum % 10 == (unsigned)(v[11] - '0'));
}

/* Dachverband der Sozialversicherungsträger: weights 3 7 9 - 5 8 4 2 1 6 mod 11. */
enum check_result
check_at_svnr(struct candidate *c)
{
	char d[10];

	if (!sum_digits(c, d, 10) || d[0] == '0')
		return CHECK_NO;
	unsigned day = sum_two(d + 4), month = sum_two(d + 6);
	if (day < 1 || day > 31 || month < 1 || month > 15)
		return CHECK_NO;
	return valid_if(sum_weighted(d, "3790584216") % 11 == (unsigned)(d[3] - '0'));
}

/* Zentrale Ausgleichsstelle: 756 and the check digit of EAN-13. */
enum check_result
check_ch_ahv(struct candidate *c)
{
	char d[13];

	return valid_if(sum_digits(c, d, 13) && !memcmp(d, "756", 3) &&
			sum_weighted(d, "1313131313131") % 10 == 0);
}

static const char spanish[] = "TRWAGMYFPDXBNJZSQVHLCKE";

/* Ministerio del Interior: the number mod 23 picks the letter; of foreigners X, Y, Z
 * count as 0, 1, 2. */
enum check_result
check_es_nif(struct candidate *c)
{
	char v[9];

	if (!sum_chars(c, v, 9))
		return CHECK_NO;
	if (v[0] >= 'X')
		v[0] = (char)('0' + v[0] - 'X');
	return valid_if(spanish[sum_number(v, 8) % 23] == v[8] && sum_number(v, 8) > 0);
}

/* Seguridad Social: province and number mod 97; a number below ten million is joined
 * without its leading zero. */
enum check_result
check_es_nss(struct candidate *c)
{
	char d[12];

	if (!sum_digits(c, d, 12) || sum_two(d) == 0 || (sum_two(d) > 53 && sum_two(d) != 66))
		return CHECK_NO;
	uint64_t n = sum_number(d + 2, 8);
	uint64_t joined =
		n + sum_two(d) * (n < 10000000 ? UINT64_C(10000000) : UINT64_C(100000000));
	return valid_if(joined % 97 == sum_two(d + 10));
}

/* Decreto ministeriale 23 December 1976: tables for odd and even places; letters for
 * digits where two people would share a code. */
enum check_result
check_it_fiscal(struct candidate *c)
{
	static const unsigned char odd[26] = { 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20,
		11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23 };
	static const char omocodia[] = "LMNPQRSTUV", months[] = "ABCDEHLMPRST";
	static const unsigned char digits[] = { 6, 7, 9, 10, 12, 13, 14 };
	char v[16], plain[16];
	unsigned sum = 0;

	if (!sum_chars(c, v, 16) || !is_alpha(v[15]) || !strchr(months, v[8]))
		return CHECK_NO;
	memcpy(plain, v, sizeof(v));
	for (size_t i = 0; i < sizeof(digits); i++) {
		char *x = &plain[digits[i]];
		const char *at = is_digit(*x) ? NULL : strchr(omocodia, *x);
		if (!is_digit(*x) && !at)
			return CHECK_NO;
		if (at)
			*x = (char)('0' + (at - omocodia));
	}
	unsigned day = sum_two(plain + 9) % 40;
	if (day < 1 || day > 31 || sum_two(plain + 9) > 71)
		return CHECK_NO;
	for (size_t i = 0; i < 15; i++) {
		unsigned x = is_digit(v[i]) ? (unsigned)(v[i] - '0') : (unsigned)(v[i] - 'A');
		sum += i % 2 ? x : odd[x];
	}
	return valid_if(sum % 26 == (unsigned)(v[15] - 'A'));
}

/* Agenzia delle Entrate, partita IVA: Luhn; the office is 001-100, 120, 121, 888, 999. */
enum check_result
check_it_vat(struct candidate *c)
{
	char d[11];

	if (!sum_digits(c, d, 11) || !luhn_valid(d, 11))
		return CHECK_NO;
	uint64_t office = sum_number(d + 7, 3);
	return valid_if((office >= 1 && office <= 100) || office == 120 || office == 121 ||
			office == 888 || office == 999);
}

/* Decreto-Lei 14/2013: weights 9 to 2 mod 11; 10 and 11 are 0. */
enum check_result
check_pt_nif(struct candidate *c)
{
	char d[9];

	if (!sum_digits(c, d, 9) || d[0] == '0')
		return CHECK_NO;
	unsigned check = 11 - sum_weighted(d, "98765432") % 11;
	return valid_if((check > 9 ? 0 : check) == (unsigned)(d[8] - '0'));
}

/* AADE: powers of two mod 11 mod 10. */
enum check_result
check_gr_afm(struct candidate *c)
{
	char d[9];
	unsigned sum = 0;

	if (!sum_digits(c, d, 9))
		return CHECK_NO;
	for (unsigned i = 0; i < 8; i++)
		sum += (unsigned)(d[i] - '0') << (8 - i);
	return valid_if(sum % 11 % 10 == (unsigned)(d[8] - '0'));
}

/* IDIKA: date of birth, and Luhn over all. */
enum check_result
check_gr_amka(struct candidate *c)
{
	char d[11];

	return valid_if(sum_digits(c, d, 11) && sum_date(0, sum_two(d + 2), sum_two(d)) &&
			luhn_valid(d, 11));
}

/* Department of Social Protection: weights 8 to 2, a second letter counts 9 times,
 * mod 23 picks the letter, 0 is W. */
enum check_result
check_ie_ppsn(struct candidate *c)
{
	char v[9];
	unsigned sum;

	if (sum_chars(c, v, 8))
		v[8] = 'W';
	else if (!sum_chars(c, v, 9))
		return CHECK_NO;
	sum = sum_weighted(v, "8765432");
	if (v[8] != 'W')
		sum += 9 * ((unsigned)(v[8] - 'A') + 1);
	return valid_if(v[7] == (sum % 23 ? (char)('A' + sum % 23 - 1) : 'W'));
}

/* Règlement grand-ducal of 18 June 2014: Luhn over the first eleven digits, Verhoeff over
 * the same eleven. */
enum check_result
check_lu_nin(struct candidate *c)
{
	char d[13], v[12];

	if (!sum_digits(c, d, 13) ||
		!sum_date((unsigned)sum_number(d, 4), sum_two(d + 4), sum_two(d + 6)))
		return CHECK_NO;
	memcpy(v, d, 11);
	v[11] = d[12];
	return valid_if(sum_number(d, 4) > 1850 && sum_number(d, 4) < 2100 &&
			luhn_valid(d, 12) && sum_verhoeff(v, 12));
}
