/* Validates numbers whose rule is a row of a table: the number of digits, the places of a date
 * and of ranges, and checksums. Numbers with other rules have a function in check_id.c. */
#include "scan/detect/validate/check_digits.h"

#include "base/ascii.h"
#include "scan/detect/validate/check_sum.h"

/* Two digits of a date at `at`. Registers mark sex, century or kind by adding a number to the
 * day or the month: the first number of `less` that is below the two digits is subtracted. */
struct part {
	unsigned char at, less[4];
};

/* A checksum: sum_weighted() mod `mod`. Without a map, the remainder must be 0. A map has a
 * character for each remainder, which must be the digit at `at`; if `at` is 0, the digit after
 * the last weighted one. '+' in the map: the next checksum decides. */
struct sum {
	const char *weights;
	unsigned mod;
	const char *map;
	unsigned char at;
};

struct number {
	struct check check;	/* first member: a pointer to it is also a pointer to the row */
	unsigned char n, or_n;	/* number of digits; or_n: another permitted number, 0: none */
	const char *first;	/* the permitted first digits; NULL: any */
	bool dated, lenient;	/* lenient: with a wrong checksum the result is CHECK_SHAPE */
	bool letters;		/* letters are permitted; in sums they count from 17 on */
	struct part month, day; /* if `dated` */
	struct {
		unsigned char at;
		const char *of; /* permitted ranges of the digits at `at`, as in "01-24,30" */
	} range[2];
	bool (*all)(const char *digits, size_t n);
	struct sum sum[2];
};

#define NOT_0 "123456789"
/* Maps from remainders to digits. LESS_…: 11 minus the remainder; the first two characters
 * stand for 11 and 10. TEN_…: the remainder; the last character stands for 10. '?': no digit is
 * valid. */
#define LESS_00 "00987654321"
#define LESS_01 "10987654321"
#define LESS_09 "09987654321"
#define LESS_NO "0?987654321"
#define LESS_K	"0K987654321"
#define TEN_NO	"0123456789?"
#define TEN_0	"01234567890"
#define TEN_1	"01234567891"
#define MOD_10	"0123456789"
#define LESS_10 "0987654321"

/* Returns true if the last ten digits, without the century, have a valid Luhn checksum. */
static bool
luhn_of_ten(const char *d, size_t n)
{
	return luhn_valid(d + n - 10, 10);
}

/* clang-format off */
static const struct number numbers[] = {
	/* Europe */
	/* Dachverband der Sozialversicherungsträger: the fourth digit checks */
	{ { .name = "at_svnr" }, 10, .first = NOT_0, .range = { { 4, "01-31" }, { 6, "01-15" } }, .sum = { { "3790584216", 11, TEN_NO, 3 } } },
	/* GRAO: the month contains the century */
	{ { .name = "bg_egn" }, 10, .dated = true, .month = { 2, { 40, 20 } }, .day = { 4, { 0 } }, .sum = { { "2485:9736", 11, TEN_0, 0 } } },
	/* EVS 585:2007 (Estonia) and the Lithuanian register: two rows of weights */
	{ { .name = "baltic" }, 11, .first = "12345678", .dated = true, .month = { 3, { 0 } }, .day = { 5, { 0 } }, .sum = { { "1234567891", 11, "0123456789+", 0 }, { "3456789123", 11, TEN_0, 0 } } },
	/* Zentrale Ausgleichsstelle: 756 and the check digit of EAN-13 */
	{ { .name = "ch_ahv" }, 13, .range = { { 0, "756" } }, .sum = { { "1313131313131", 10, NULL, 0 } } },
	/* CPR-kontoret: mod 11 held until 2007; a number without it may be genuine */
	{ { .name = "dk_cpr" }, 10, .dated = true, .month = { 2, { 0 } }, .day = { 0, { 0 } }, .lenient = true, .sum = { { "4327654321", 11, NULL, 0 } } },
	/* AADE: powers of two mod 11 mod 10 */
	{ { .name = "gr_afm" }, 9, .sum = { { "379:5842", 11, TEN_0, 0 } } },
	/* IDIKA */
	{ { .name = "gr_amka" }, 11, .dated = true, .month = { 2, { 0 } }, .day = { 0, { 0 } }, .all = luhn_valid },
	/* Zakon o osobnom identifikacijskom broju */
	{ { .name = "hr_oib" }, 11, .all = sum_iso7064_11_10 },
	/* 1996. évi XX. törvény */
	{ { .name = "hu_taj" }, 9, .sum = { { "37373737", 10, MOD_10, 0 } } },
	/* 2017. évi CL. törvény */
	{ { .name = "hu_tax" }, 10, .first = "8", .sum = { { "123456789", 11, TEN_NO, 0 } } },
	/* Þjóðskrá: the ninth digit checks, the tenth is the century; organisations add 40 */
	{ { .name = "is_kennitala" }, 10, .dated = true, .month = { 2, { 0 } }, .day = { 0, { 40 } }, .range = { { 9, "0,8-9" } }, .sum = { { "327654321", 11, NULL, 0 } } },
	/* Agenzia delle Entrate, partita IVA; the office */
	{ { .name = "it_vat" }, 11, .range = { { 7, "001-100,120-121,888,999" } }, .all = luhn_valid },
	/* Yugoslavia's JMBG of 1976, in Slovenia EMŠO; the year has three digits */
	{ { .name = "jmbg" }, 13, .dated = true, .month = { 2, { 0 } }, .day = { 0, { 0 } }, .range = { { 4, "0,9" } }, .sum = { { "765432765432", 11, LESS_00, 0 } } },
	/* Kazakhstan, IIN */
	{ { .name = "kz_iin" }, 12, .dated = true, .month = { 2, { 0 } }, .day = { 4, { 0 } }, .range = { { 6, "0-6" } }, .sum = { { "123456789:;", 11, "0123456789+", 0 }, { "3456789:;12", 11, TEN_NO, 0 } } },
	/* Belastingdienst: the eleven-test, the last digit counts -1 */
	{ { .name = "nl_bsn" }, 9, .sum = { { "98765432:", 11, NULL, 0 } } },
	/* Skatteetaten: D-numbers add 40 to the day, synthetic ones to the month */
	{ { .name = "no_fnr" }, 11, .dated = true, .month = { 2, { 80, 40 } }, .day = { 0, { 40 } }, .sum = { { "3761894521", 11, NULL, 0 }, { "54327654321", 11, NULL, 0 } } },
	/* Ministerstwo Finansów */
	{ { .name = "pl_nip" }, 10, .first = NOT_0, .sum = { { "657234567", 11, TEN_NO, 0 } } },
	/* Ustawa o ewidencji ludności: the month contains the century */
	{ { .name = "pl_pesel" }, 11, .dated = true, .month = { 2, { 80, 60, 40, 20 } }, .day = { 4, { 0 } }, .sum = { { "13791379131", 10, NULL, 0 } } },
	/* Decreto-Lei 14/2013 */
	{ { .name = "pt_nif" }, 9, .first = NOT_0, .sum = { { "98765432", 11, LESS_00, 0 } } },
	/* Legea 105/1996 */
	{ { .name = "ro_cnp" }, 13, .first = NOT_0, .dated = true, .month = { 3, { 0 } }, .day = { 5, { 0 } }, .sum = { { "279146358279", 11, TEN_1, 0 } } },
	/* Federal Tax Service, order MMV-7-6/435: ten digits for organisations, twelve for
	 * people */
	{ { .name = "ru_inn" }, 10, .sum = { { "24:359468", 11, TEN_0, 0 } } },
	{ { .name = "ru_inn" }, 12, .sum = { { "724:359468", 11, TEN_0, 0 }, { "3724:359468", 11, TEN_0, 0 } } },
	/* Skatteverket, with the century and without: coordination numbers add 60 to the day */
	{ { .name = "se_personnummer" }, 12, .dated = true, .month = { 4, { 0 } }, .day = { 6, { 60 } }, .range = { { 0, "18-20" } }, .all = luhn_of_ten },
	{ { .name = "se_personnummer" }, 10, .dated = true, .month = { 2, { 0 } }, .day = { 4, { 60 } }, .all = luhn_of_ten },
	/* State Tax Service of Ukraine: the first weight is -1 */
	{ { .name = "ua_rnokpp" }, 10, .sum = { { ":57946:57", 11, TEN_0, 0 } } },
	/* NHS Data Dictionary, NHS NUMBER */
	{ { .name = "uk_nhs" }, 10, .sum = { { ":98765432", 11, LESS_NO, 0 } } },

	/* The Americas */
	/* AFIP, RG 10/97 */
	{ { .name = "ar_cuit" }, 11, .sum = { { "5432765432", 11, LESS_09, 0 } } },
	/* Receita Federal, IN RFB 2172 */
	{ { .name = "br_cpf" }, 11, .sum = { { ":98765432", 11, LESS_00, 0 }, { ";:98765432", 11, LESS_00, 0 } } },
	/* Receita Federal, IN RFB 2229: letters by their ASCII code less 48 */
	{ { .name = "br_cnpj" }, 14, .letters = true, .range = { { 0, "000000000001-ZZZZZZZZZZZZ" } }, .sum = { { "543298765432", 11, LESS_00, 0 }, { "6543298765432", 11, LESS_00, 0 } } },
	/* Service Canada: 8 does not begin a person's number */
	{ { .name = "ca_sin" }, 9, .first = "012345679", .all = luhn_valid },
	/* Servicio de Registro Civil: weights 2 to 7 from the right */
	{ { .name = "cl_rut" }, 9, .letters = true, .sum = { { "32765432", 11, LESS_K, 0 } } },
	{ { .name = "cl_rut" }, 8, .letters = true, .sum = { { "2765432", 11, LESS_K, 0 } } },
	/* DIAN, orden administrativa 4 of 1989: primes from 3 on, from the right, without 5, 11
	 * and 31 */
	{ { .name = "co_nit" }, 10, .sum = { { "YUMGCA=73", 11, "01987654321", 0 } } },
	{ { .name = "co_nit" }, 9, .sum = { { "UMGCA=73", 11, "01987654321", 0 } } },
	/* Registro Civil del Ecuador: the province */
	{ { .name = "ec_ci" }, 10, .range = { { 0, "01-24,30" }, { 2, "0-5" } }, .all = luhn_valid },
	/* American Bankers Association, routing numbers: the district */
	{ { .name = "us_aba" }, 9, .range = { { 0, "00-12,21-32,61-72,80" } }, .sum = { { "371371371", 10, NULL, 0 } } },
	/* IRS: prefixes that a campus issues */
	{ { .name = "us_ein" }, 9, .range = { { 0, "01-06,10-16,20-27,30-48,50-68,71-77,80-88,90-95,98-99" } } },
	/* IRS publication 1915: the group */
	{ { .name = "us_itin" }, 9, .first = "9", .range = { { 3, "50-65,70-88,90-92,94-99" } } },
	/* DNIC of Uruguay */
	{ { .name = "uy_ci" }, 8, .sum = { { "2987634", 10, LESS_10, 0 } } },

	/* Asia, Africa and Oceania */
	/* ICP of the Emirates: year of birth */
	{ { .name = "ae_id" }, 15, .range = { { 0, "784" }, { 3, "1901-2099" } }, .all = luhn_valid },
	/* ASIC */
	{ { .name = "au_acn" }, 9, .sum = { { "87654321", 10, LESS_10, 0 } } },
	/* Services Australia: the tenth digit is the card's issue, an eleventh the person on it */
	{ { .name = "au_medicare" }, 10, 11, .first = "23456", .range = { { 9, "1-9" } }, .sum = { { "13791379", 10, MOD_10, 0 } } },
	/* Australian Taxation Office */
	{ { .name = "au_tfn" }, 9, .sum = { { "14375869:", 11, NULL, 0 } } },
	/* Civil status of Egypt: century, date, governorate */
	{ { .name = "eg_id" }, 14, .first = "23", .dated = true, .month = { 3, { 0 } }, .day = { 5, { 0 } }, .range = { { 7, "01-35,88" } } },
	/* Kependudukan of Indonesia: province, date (women's day raised by 40), serial */
	{ { .name = "id_nik" }, 16, .dated = true, .month = { 8, { 0 } }, .day = { 6, { 40 } }, .range = { { 0, "11-97" }, { 12, "0001-9999" } } },
	/* UIDAI */
	{ { .name = "in_aadhaar" }, 12, .first = "23456789", .all = sum_verhoeff },
	/* Ordinance 85 of 2014 of the Ministry of Internal Affairs, article 5 */
	{ { .name = "jp_my_number" }, 12, .sum = { { "65432765432", 11, LESS_00, 0 } } },
	/* Resident Registration Act: date, sex and century; since October 2020 without check
	 * digit */
	{ { .name = "kr_rrn" }, 13, .dated = true, .month = { 2, { 0 } }, .day = { 4, { 0 } }, .range = { { 6, "1-8" } }, .lenient = true, .sum = { { "234567892345", 11, LESS_01, 0 } } },
	/* National registration of Malaysia: date, then place of birth */
	{ { .name = "my_nric" }, 12, .dated = true, .month = { 2, { 0 } }, .day = { 4, { 0 } }, .range = { { 6, "01-16,21-68,71-72,74-79,82-93,98-99" } } },
	/* Inland Revenue of New Zealand: two rows of weights */
	{ { .name = "nz_ird" }, 9, .range = { { 0, "010000000-150000000" } }, .sum = { { "32765432", 11, "0+987654321", 0 }, { "74325276", 11, LESS_NO, 0 } } },
	{ { .name = "nz_ird" }, 8, .first = NOT_0, .sum = { { "2765432", 11, "0+987654321", 0 }, { "4325276", 11, LESS_NO, 0 } } },
	/* Saudi Arabia: 1 for citizens, 2 for residents */
	{ { .name = "sa_id" }, 10, .first = "12", .all = luhn_valid },
	/* Department of Provincial Administration of Thailand */
	{ { .name = "th_tnin" }, 13, .first = "12345678", .sum = { { "=<;:98765432", 11, LESS_01, 0 } } },
	/* Nüfus ve Vatandaşlık İşleri: seven times the odd places less the even ones */
	{ { .name = "tr_id" }, 11, .first = NOT_0, .sum = { { "797979797", 10, MOD_10, 0 }, { "1111111111", 10, MOD_10, 0 } } },
	/* Department of Home Affairs of South Africa: date, citizenship */
	{ { .name = "za_id" }, 13, .dated = true, .month = { 2, { 0 } }, .day = { 4, { 0 } }, .range = { { 10, "0-2" } }, .all = luhn_valid },

	/* 3GPP TS 23.003 annex B; Israel's identity numbers and others; Ontario's health cards */
	{ { .name = "imei" }, 15, .all = luhn_valid },
	{ { .name = "luhn9" }, 9, .all = luhn_valid },
	{ { .name = "luhn10" }, 10, .all = luhn_valid },
};
/* clang-format on */

enum { DIGITS_MOST = 16, NUMBERS = COUNT_OF(numbers) };

const struct check *
check_digits_row(size_t i)
{
	return i < NUMBERS ? &numbers[i].check : NULL;
}

static unsigned
part_of(const char *d, const struct part *p)
{
	unsigned v = sum_two(d + p->at);

	for (size_t i = 0; i < sizeof(p->less) && p->less[i]; i++)
		if (v > p->less[i])
			return v - p->less[i];
	return v;
}

/* ranges = range { "," range }; range = digits [ "-" digits ], all of one length */
static bool
is_in(const char *d, const char *ranges)
{
	size_t n = strcspn(ranges, "-,");

	for (const char *p = ranges; *p; p += *p == ',') {
		const char *last = p[n] == '-' ? p + n + 1 : p;
		if (memcmp(d, p, n) >= 0 && memcmp(d, last, n) <= 0)
			return true;
		p = last + n;
	}
	return false;
}

static bool
sums_hold(const struct number *k, const char *d)
{
	for (const struct sum *s = k->sum; s < k->sum + 2 && s->weights; s++) {
		unsigned r = sum_weighted(d, s->weights) % s->mod;
		char want = s->map ? s->map[r] : '0';
		if (want == '+')
			continue;
		if (s->map ? d[s->at ? s->at : strlen(s->weights)] != want : r != 0)
			return false;
		if (s->map && strchr(s->map, '+'))
			break;
	}
	return true;
}

static bool
is_shaped(const struct number *k, const char *d)
{
	if (k->first && !strchr(k->first, d[0]))
		return false;
	for (size_t i = 0; i < 2 && k->range[i].of; i++)
		if (!is_in(d + k->range[i].at, k->range[i].of))
			return false;
	return !k->dated || sum_date(0, part_of(d, &k->month), part_of(d, &k->day));
}

static bool
has_length(const struct number *k, const struct candidate *c, char *d, size_t n)
{
	return k->letters ? sum_chars(c, d, n) : sum_digits(c, d, n);
}

enum check_result
check_digits(const struct check *check, const struct candidate *c)
{
	const struct number *k = (const struct number *)(const void *)check;
	char d[DIGITS_MOST];
	size_t n = has_length(k, c, d, k->n)		     ? k->n
		   : k->or_n && has_length(k, c, d, k->or_n) ? k->or_n
							     : 0;

	if (n == 0) {
		bool more =
			k + 1 < numbers + NUMBERS && strcmp(check->name, k[1].check.name) == 0;
		return more ? check_digits(&k[1].check, c) : CHECK_NO;
	}
	if (!is_shaped(k, d))
		return CHECK_NO;
	if (!k->all && !k->sum[0].weights)
		return CHECK_SHAPE;
	if (k->all ? k->all(d, n) : sums_hold(k, d))
		return CHECK_VALID;
	return k->lenient ? CHECK_SHAPE : CHECK_NO;
}
