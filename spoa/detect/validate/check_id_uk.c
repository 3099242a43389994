/* Identifiers of the United Kingdom. */
#include "base/ascii.h"
#include "detect/validate/check_sum.h"

/* HMRC NIM39110: letters and pairs that no number begins with. */
enum check_result
check_uk_nino(struct candidate *c)
{
	static const char pairs[] = "BG GB NK KN TN NT ZZ";
	char v[9], pair[3];

	if (!sum_chars(c, v, 9) || strchr("DFIQUV", v[0]) || strchr("DFIOQUV", v[1]))
		return CHECK_NO;
	memcpy(pair, v, 2);
	pair[2] = '\0';
	return strstr(pairs, pair) ? CHECK_NO : CHECK_SHAPE;
}

/* NHS Data Dictionary, NHS NUMBER: weights 10 to 2 mod 11. */
enum check_result
check_uk_nhs(struct candidate *c)
{
	char d[10];

	if (!sum_digits(c, d, 10))
		return CHECK_NO;
	return valid_if(
		(11 - sum_weighted(d, ":98765432") % 11) % 11 == (unsigned)(d[9] - '0'));
}

/* HMRC, unique taxpayer reference: the first digit checks the others. */
enum check_result
check_uk_utr(struct candidate *c)
{
	char d[10];

	return valid_if(sum_digits(c, d, 10) &&
			d[0] == "21987654321"[sum_weighted(d + 1, "6789:5432") % 11]);
}

/* DVLA: five letters of the name filled with 9, decade, month (women 50 more), day,
 * year, two initials or 9, then three characters of DVLA's own. */
enum check_result
check_uk_driving(struct candidate *c)
{
	char v[16];

	if (!sum_chars(c, v, 16))
		return CHECK_NO;
	for (size_t i = 1; i < 5; i++)
		if (v[i - 1] == '9' && v[i] != '9')
			return CHECK_NO;
	unsigned month = sum_two(v + 6), day = sum_two(v + 8);
	return valid_if(sum_date(0, month > 50 ? month - 50 : month, day));
}

/* Royal Mail PAF: the areas in use. */
enum check_result
check_uk_postcode(struct candidate *c)
{
	static const char areas[] =
		" AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA DD "
		"DE "
		"DG DH DL DN DT DY E EC EH EN EX FK FY G GL GU GY HA HD HG HP HR HS HU HX IG "
		"IM "
		"IP IV JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW OL "
		"OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA "
		"TD "
		"TF TN TQ TR TS TW UB W WA WC WD WF WN WR WS WV YO ZE ";
	char area[5] = " ";
	size_t n = 1;

	while (n < 3 && is_alpha(c->text.p[c->start + n - 1])) {
		area[n] = to_upper(c->text.p[c->start + n - 1]);
		n++;
	}
	area[n] = ' ';
	return strstr(areas, area) && !inside_uuid(c) ? CHECK_SHAPE : CHECK_NO;
}
