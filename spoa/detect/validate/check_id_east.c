/* Identity numbers of northern, central and eastern Europe. Most hold a date of
 * birth, which is checked too. */
#include "detect/validate/check_sum.h"

/* Ustawa o ewidencji ludności: weights 1 3 7 9; the month says the century. */
enum check_result
check_pl_pesel(struct candidate *c)
{
	char d[11];

	return valid_if(sum_digits(c, d, 11) &&
			sum_date(0, sum_two(d + 2) % 20, sum_two(d + 4)) &&
			sum_weighted(d, "13791379131") % 10 == 0);
}

/* Ministerstwo Finansów: weights 6 5 7 2 3 4 5 6 7 mod 11. */
enum check_result
check_pl_nip(struct candidate *c)
{
	char d[10];

	return valid_if(sum_digits(c, d, 10) && d[0] != '0' &&
			sum_weighted(d, "657234567") % 11 == (unsigned)(d[9] - '0'));
}

/* Skatteverket: Luhn over the last ten digits; coordination numbers add 60 to the day. */
enum check_result
check_se_personnummer(struct candidate *c)
{
	char v[12], *d = v;

	if (sum_digits(c, v, 12)) {
		if (memcmp(v, "18", 2) && memcmp(v, "19", 2) && memcmp(v, "20", 2))
			return CHECK_NO;
		d = v + 2;
	} else if (!sum_digits(c, v, 10)) {
		return CHECK_NO;
	}
	unsigned day = sum_two(d + 4);
	return valid_if(
		sum_date(0, sum_two(d + 2), day > 60 ? day - 60 : day) && luhn_valid(d, 10));
}

/* Digi- ja väestötietovirasto: date and number mod 31. */
enum check_result
check_fi_hetu(struct candidate *c)
{
	static const char letters[] = "0123456789ABCDEFHJKLMNPRSTUVWXY";
	char d[9], last = c->text.p[c->end - 1];

	for (size_t i = 0; i < 6; i++)
		d[i] = c->text.p[c->start + i];
	for (size_t i = 6; i < 9; i++)
		d[i] = c->text.p[c->start + i + 1];
	if (!sum_date(0, sum_two(d + 2), sum_two(d)) || sum_number(d + 6, 3) < 2)
		return CHECK_NO;
	return valid_if(letters[sum_number(d, 9) % 31] == last);
}

/* Skatteetaten: two sums mod 11; D-numbers add 40 to the day, synthetic ones to the
 * month. */
enum check_result
check_no_fnr(struct candidate *c)
{
	char d[11];

	if (!sum_digits(c, d, 11))
		return CHECK_NO;
	unsigned day = sum_two(d), month = sum_two(d + 2);
	if (!sum_date(0,
		    month > 80	 ? month - 80
		    : month > 40 ? month - 40
				 : month,
		    day > 40 ? day - 40 : day))
		return CHECK_NO;
	return valid_if(sum_weighted(d, "3761894521") % 11 == 0 &&
			sum_weighted(d, "54327654321") % 11 == 0);
}

/* CPR-kontoret: mod 11 held until 2007; a number without it may be genuine. */
enum check_result
check_dk_cpr(struct candidate *c)
{
	char d[10];

	if (!sum_digits(c, d, 10) || !sum_date(0, sum_two(d + 2), sum_two(d)))
		return CHECK_NO;
	return sum_weighted(d, "4327654321") % 11 == 0 ? CHECK_VALID : CHECK_SHAPE;
}

/* Þjóðskrá: the ninth digit checks, the tenth is the century. */
enum check_result
check_is_kennitala(struct candidate *c)
{
	char d[10];

	if (!sum_digits(c, d, 10) || !strchr("890", d[9]))
		return CHECK_NO;
	unsigned day = sum_two(d);
	return valid_if(sum_date(0, sum_two(d + 2), day > 40 ? day - 40 : day) &&
			sum_weighted(d, "327654321") % 11 == 0);
}

/* Zákon 133/2000 Sb.: ten digits divide by eleven; until 1985 also remainder 10 with a
 * last digit 0. Women's months are raised by 50, full ones by 20 more. */
enum check_result
check_cz_rodne_cislo(struct candidate *c)
{
	char d[10];

	if (!sum_digits(c, d, 10))
		return CHECK_NO;
	unsigned month = sum_two(d + 2) % 50;
	if (!sum_date(0, month > 20 ? month - 20 : month, sum_two(d + 4)))
		return CHECK_NO;
	return valid_if(
		sum_number(d, 10) % 11 == 0 || (sum_number(d, 9) % 11 == 10 && d[9] == '0'));
}

/* Legea 105/1996: weights 2 7 9 1 4 6 3 5 8 2 7 9 mod 11, 10 is 1. */
enum check_result
check_ro_cnp(struct candidate *c)
{
	char d[13];

	if (!sum_digits(c, d, 13) || d[0] == '0' ||
		!sum_date(0, sum_two(d + 3), sum_two(d + 5)))
		return CHECK_NO;
	unsigned check = sum_weighted(d, "279146358279") % 11;
	return valid_if((check == 10 ? 1 : check) == (unsigned)(d[12] - '0'));
}

/* 2017. évi CL. törvény: starts with 8, places as weights mod 11. */
enum check_result
check_hu_tax(struct candidate *c)
{
	char d[10];

	return valid_if(sum_digits(c, d, 10) && d[0] == '8' &&
			sum_weighted(d, "123456789") % 11 == (unsigned)(d[9] - '0'));
}

/* 1996. évi XX. törvény: weights 3 and 7 mod 10. */
enum check_result
check_hu_taj(struct candidate *c)
{
	char d[9];

	return valid_if(sum_digits(c, d, 9) &&
			sum_weighted(d, "37373737") % 10 == (unsigned)(d[8] - '0'));
}

/* Zakon o osobnom identifikacijskom broju: ISO 7064 MOD 11,10. */
enum check_result
check_hr_oib(struct candidate *c)
{
	char d[11];

	return valid_if(sum_digits(c, d, 11) && sum_iso7064_11_10(d, 11));
}

/* GRAO: weights 2 4 8 5 10 9 7 3 6 mod 11 mod 10; the month says the century. */
enum check_result
check_bg_egn(struct candidate *c)
{
	char d[10];

	if (!sum_digits(c, d, 10))
		return CHECK_NO;
	unsigned month = sum_two(d + 2);
	return valid_if(sum_date(0,
				month > 40   ? month - 40
				: month > 20 ? month - 20
					     : month,
				sum_two(d + 4)) &&
			sum_weighted(d, "2485:9736") % 11 % 10 == (unsigned)(d[9] - '0'));
}

/* EVS 585:2007 (Estonia) and the Lithuanian register: two rows of weights. */
enum check_result
check_baltic(struct candidate *c)
{
	char d[11];

	if (!sum_digits(c, d, 11) || d[0] < '1' || d[0] > '8' ||
		!sum_date(0, sum_two(d + 3), sum_two(d + 5)))
		return CHECK_NO;
	unsigned check = sum_weighted(d, "1234567891") % 11;
	if (check == 10)
		check = sum_weighted(d, "3456789123") % 11 % 10;
	return valid_if(check == (unsigned)(d[10] - '0'));
}

/* PMLP: 1101 less a weighted sum, mod 11; numbers since 2017 begin with 32 and hold
 * neither date nor check digit. */
enum check_result
check_lv_pk(struct candidate *c)
{
	char d[11];

	if (!sum_digits(c, d, 11))
		return CHECK_NO;
	if (!memcmp(d, "32", 2))
		return CHECK_SHAPE;
	return valid_if(
		sum_date(0, sum_two(d + 2), sum_two(d)) && d[6] < '3' &&
		(1101 - sum_weighted(d, "16379:5842")) % 11 % 10 == (unsigned)(d[10] - '0'));
}

/* Yugoslavia's JMBG of 1976, in Slovenia EMŠO: weights 7 6 5 4 3 2 twice, mod 11. */
enum check_result
check_jmbg(struct candidate *c)
{
	char d[13];

	if (!sum_digits(c, d, 13) || !sum_date(0, sum_two(d + 2), sum_two(d)) ||
		(d[4] != '9' && d[4] != '0'))
		return CHECK_NO;
	unsigned check = 11 - sum_weighted(d, "765432765432") % 11;
	return valid_if((check > 9 ? 0 : check) == (unsigned)(d[12] - '0'));
}

/* Federal Tax Service, order MMV-7-6/435: ten digits for organisations, twelve for
 * people. */
enum check_result
check_ru_inn(struct candidate *c)
{
	char d[12];

	if (sum_digits(c, d, 10))
		return valid_if(
			sum_weighted(d, "24:359468") % 11 % 10 == (unsigned)(d[9] - '0'));
	return valid_if(sum_digits(c, d, 12) &&
			sum_weighted(d, "724:359468") % 11 % 10 == (unsigned)(d[10] - '0') &&
			sum_weighted(d, "3724:359468") % 11 % 10 == (unsigned)(d[11] - '0'));
}

/* Social Fund of Russia: weights 9 to 1 mod 101, 100 is 0. */
enum check_result
check_ru_snils(struct candidate *c)
{
	char d[11];

	return valid_if(sum_digits(c, d, 11) && sum_number(d, 9) > 1001998 &&
			sum_weighted(d, "987654321") % 101 % 100 == sum_two(d + 9));
}

/* State Tax Service of Ukraine: the first weight is -1, mod 11 mod 10. */
enum check_result
check_ua_rnokpp(struct candidate *c)
{
	char d[10];

	return valid_if(
		sum_digits(c, d, 10) &&
		(sum_weighted(d, "057946:57") + 11 - (unsigned)(d[0] - '0')) % 11 % 10 ==
			(unsigned)(d[9] - '0'));
}

/* Kazakhstan, IIN: date of birth, two rows of weights mod 11. */
enum check_result
check_kz_iin(struct candidate *c)
{
	char d[12];

	if (!sum_digits(c, d, 12) || !sum_date(0, sum_two(d + 2), sum_two(d + 4)) || d[6] > '6')
		return CHECK_NO;
	unsigned check = sum_weighted(d, "123456789:;") % 11;
	if (check == 10)
		check = sum_weighted(d, "3456789:;12") % 11;
	return valid_if(check == (unsigned)(d[11] - '0'));
}
