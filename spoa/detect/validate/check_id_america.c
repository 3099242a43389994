/* Identity and tax numbers of the Americas. */
#include "base/ascii.h"
#include "detect/validate/check_sum.h"

/* IRS publication 1915: 9xx, group 50-65, 70-88, 90-92, 94-99. */
enum check_result
check_us_itin(struct candidate *c)
{
	char d[9];

	if (!sum_digits(c, d, 9) || d[0] != '9')
		return CHECK_NO;
	unsigned g = sum_two(d + 3);
	return (g >= 50 && g <= 65) || (g >= 70 && g <= 88) || (g >= 90 && g <= 92) || g >= 94
		       ? CHECK_SHAPE
		       : CHECK_NO;
}

/* IRS: prefixes that no campus issues. */
enum check_result
check_us_ein(struct candidate *c)
{
	static const unsigned char unused[] = { 0, 7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78,
		79, 89, 96, 97 };
	char d[9];

	if (!sum_digits(c, d, 9))
		return CHECK_NO;
	for (size_t i = 0; i < sizeof(unused); i++)
		if (sum_two(d) == unused[i])
			return CHECK_NO;
	return CHECK_SHAPE;
}

/* 49 CFR 565.15: letters to digits, weights, mod 11 at the ninth place, 10 is X. */
enum check_result
check_vin(struct candidate *c)
{
	static const char values[] = "12345678?12345?7?923456789";
	static const unsigned char weights[] = { 8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4,
		3, 2 };
	char v[17];
	unsigned sum = 0, letters = 0, digits = 0;

	if (!sum_chars(c, v, 17))
		return CHECK_NO;
	for (size_t i = 0; i < 17; i++) {
		char x = is_digit(v[i]) ? v[i] : values[v[i] - 'A'];
		if (x == '?')
			return CHECK_NO;
		letters += is_alpha(v[i]);
		digits += is_digit(v[i]);
		sum += (unsigned)(x - '0') * weights[i];
	}
	/* Below 30 or so letters and digits mix; the last four places are digits. */
	for (size_t i = 13; i < 17; i++)
		if (!is_digit(v[i]))
			return CHECK_NO;
	return valid_if(letters >= 3 && digits >= 5 && v[8] == "0123456789X"[sum % 11]);
}

/* Service Canada: Luhn; 0 and 8 do not begin a person's number. */
enum check_result
check_ca_sin(struct candidate *c)
{
	char d[9];

	return valid_if(sum_digits(c, d, 9) && d[0] != '8' && luhn_valid(d, 9));
}

static unsigned
eleven(unsigned sum)
{
	return sum % 11 < 2 ? 0 : 11 - sum % 11;
}

/* Receita Federal, IN RFB 2172: two digits mod 11. */
enum check_result
check_br_cpf(struct candidate *c)
{
	char d[11];

	return valid_if(sum_digits(c, d, 11) &&
			eleven(sum_weighted(d, ":98765432")) == (unsigned)(d[9] - '0') &&
			eleven(sum_weighted(d, ";:98765432")) == (unsigned)(d[10] - '0'));
}

/* Receita Federal, IN RFB 2229: two digits mod 11, letters by their ASCII code less 48. */
enum check_result
check_br_cnpj(struct candidate *c)
{
	char v[14];

	if (!sum_chars(c, v, 14) || !is_digit(v[12]) || !is_digit(v[13]) ||
		!memcmp(v, "000000000000", 12))
		return CHECK_NO;
	return valid_if(eleven(sum_weighted(v, "543298765432")) == (unsigned)(v[12] - '0') &&
			eleven(sum_weighted(v, "6543298765432")) == (unsigned)(v[13] - '0'));
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

/* AFIP, RG 10/97: weights 5 4 3 2 7 6 5 4 3 2 mod 11. */
enum check_result
check_ar_cuit(struct candidate *c)
{
	char d[11];

	if (!sum_digits(c, d, 11))
		return CHECK_NO;
	unsigned check = (11 - sum_weighted(d, "5432765432") % 11) % 11;
	return valid_if((check == 10 ? 9 : check) == (unsigned)(d[10] - '0'));
}

/* Servicio de Registro Civil: weights 2 to 7 from the right mod 11, 10 is K. */
enum check_result
check_cl_rut(struct candidate *c)
{
	char v[9], last;
	size_t n = sum_chars(c, v, 9) ? 9 : sum_chars(c, v, 8) ? 8 : 0;
	unsigned sum = 0;

	if (n == 0)
		return CHECK_NO;
	for (size_t i = 0; i + 1 < n; i++)
		sum += (unsigned)(v[n - 2 - i] - '0') * (unsigned)(2 + i % 6);
	last = "0123456789K"[(11 - sum % 11) % 11];
	return valid_if(v[n - 1] == last);
}

/* DIAN, orden administrativa 4 of 1989: primes as weights mod 11. */
enum check_result
check_co_nit(struct candidate *c)
{
	static const unsigned char weights[] = { 3, 7, 13, 17, 19, 23, 29, 37, 41 };
	char d[10];
	size_t n = sum_digits(c, d, 10) ? 10 : sum_digits(c, d, 9) ? 9 : 0;
	unsigned sum = 0;

	if (n == 0)
		return CHECK_NO;
	for (size_t i = 0; i + 1 < n; i++)
		sum += (unsigned)(d[n - 2 - i] - '0') * weights[i];
	return valid_if(
		(sum % 11 < 2 ? sum % 11 : 11 - sum % 11) == (unsigned)(d[n - 1] - '0'));
}

/* Registro Civil del Ecuador: province, then Luhn. */
enum check_result
check_ec_ci(struct candidate *c)
{
	char d[10];

	if (!sum_digits(c, d, 10) || sum_two(d) == 0 || (sum_two(d) > 24 && sum_two(d) != 30) ||
		d[2] > '5')
		return CHECK_NO;
	return valid_if(luhn_valid(d, 10));
}

/* DNIC of Uruguay: weights 2 9 8 7 6 3 4 mod 10. */
enum check_result
check_uy_ci(struct candidate *c)
{
	char d[8];

	return valid_if(sum_digits(c, d, 8) &&
			(10 - sum_weighted(d, "2987634") % 10) % 10 == (unsigned)(d[7] - '0'));
}
