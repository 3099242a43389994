/* Validates identity, tax and social security numbers, identifiers of health systems and
 * vehicles, and dates. Each rule names its authority.
 *
 * A number whose rule is a number of digits, places of a date and of ranges, and checksums is a
 * row of `numbers`, which check_digits() reads. Numbers that have letters or rules of their own
 * have a function each. Values without a check digit stand after their own name ("MRN:
 * 00482913"); they must look like numbers, and not like words, years or dates. Digits are ASCII
 * bytes. Only weights are NUL-terminated. */
#include "scan/detect/validate/check.h"

#include "base/among.h"
#include "base/ascii.h"

/* ---- the arithmetic of check digits and dates ---- */

/* Copies the candidate's digits to d. Returns false unless these are exactly n digits, not all
 * equal and not inside a UUID. */
static bool
sum_digits(const struct candidate *c, char *d, size_t n)
{
	return digits_of(c, d, n) == n && !inside_uuid(c) && !one_digit_repeated(d, n);
}

/* Returns the sum of digit times weight. A weight is a character from '0' on: ':' is 10, ';'
 * 11, '=' 13, '?' 15, 'A' 17, 'C' 19. */
static unsigned
sum_weighted(const char *d, const char *weights)
{
	unsigned sum = 0;

	for (size_t i = 0; weights[i]; i++)
		sum += (unsigned)(d[i] - '0') * (unsigned)(weights[i] - '0');
	return sum;
}

/* Returns true for a day of the Gregorian calendar. Years below 100 have a 29 February. */
static bool
sum_date(unsigned year, unsigned month, unsigned day)
{
	static const unsigned char days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (month < 1 || month > 12 || day < 1 || day > days[month - 1])
		return false;
	return !(month == 2 && day == 29) || year < 100 ||
	       (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* Returns true if the last digit is the check digit of ISO/IEC 7064 hybrid system MOD 11,10. */
static bool
sum_iso7064_11_10(const char *d, size_t n)
{
	unsigned p = 10;

	for (size_t i = 0; i + 1 < n; i++) {
		unsigned s = (p + (unsigned)(d[i] - '0')) % 10;
		p = (s ? s : 10) * 2 % 11;
	}
	return (p + (unsigned)(d[n - 1] - '0')) % 10 == 1;
}

/* The same for the check digit of J. Verhoeff, Error Detecting Decimal Codes, 1969: the dihedral group of ten. */
static bool
sum_verhoeff(const char *d, size_t n)
{
	static const char times[10][11] = { "0123456789", "1234067895", "2340178956",
		"3401289567", "4012395678", "5987604321", "6598710432", "7659821043",
		"8765932104", "9876543210" };
	static const char permuted[8][11] = { "0123456789", "1576283094", "5803796142",
		"8916043527", "9453126870", "4286573901", "2793806415", "7046913258" };
	unsigned c = 0;

	for (size_t i = 0; i < n; i++)
		c = (unsigned)(times[c][permuted[i % 8][d[n - 1 - i] - '0'] - '0'] - '0');
	return c == 0;
}

/* Returns the value of a digit or capital letter in base 36: A is 10. */
static unsigned
sum_base36(char x)
{
	return is_digit(x) ? (unsigned)(x - '0') : (unsigned)(x - 'A') + 10;
}

/* Returns true if the last character is the check digit of machine readable travel documents:
 * weights 7, 3, 1. ICAO Doc 9303 part 3, 4.9. */
static bool
sum_icao(const char *v, size_t n)
{
	static const unsigned weights[] = { 7, 3, 1 };
	unsigned sum = 0;

	for (size_t i = 0; i + 1 < n; i++)
		sum += sum_base36(v[i]) * weights[i % 3];
	return sum % 10 == (unsigned)(v[n - 1] - '0');
}

/* ---- numbers whose rule is a row ---- */

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

/* ---- Europe ---- */

/* Rijksregister, royal decree of 3 April 1984: 97 - n mod 97, from 2000 on with a 2
 * before n; BIS numbers have the month raised by 20 or 40. */
static enum check_result
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
static enum check_result
check_fr_nir(struct candidate *c)
{
	char v[15];

	if (!sum_chars(c, v, 15) || (v[0] != '1' && v[0] != '2' && v[0] != '7' && v[0] != '8'))
		return CHECK_NO;
	if (v[5] == '2' && (v[6] == 'A' || v[6] == 'B')) {
		v[5] = '1';
		v[6] = v[6] == 'A' ? '9' : '8';
	}
	unsigned month = sum_two(v + 3);
	if (!span_is_digits(span_of(v, 15)) || month == 0 || (month > 12 && month < 20) ||
		(month > 42 && month < 50))
		return CHECK_NO;
	return valid_if(97 - sum_number(v, 13) % 97 == sum_two(v + 13));
}

/* DGFiP, numéro SPI: ten digits mod 511 are the last three. */
static enum check_result
check_fr_spi(struct candidate *c)
{
	char d[13];

	return valid_if(sum_digits(c, d, 13) && d[0] < '4' &&
			sum_number(d, 10) % 511 == sum_number(d + 10, 3));
}

/* BZSt: ISO 7064 MOD 11,10; of the first ten digits exactly one occurs twice or three
 * times, the others at most once. */
static enum check_result
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

/* Personalausweis and Reisepass: BSI TR-03110, ICAO Doc 9303: the check digit is in
 * the machine readable zone, the nine characters alone on the front. */
static enum check_result
check_de_document(struct candidate *c)
{
	char v[10];

	if (sum_chars(c, v, 10))
		return valid_if(is_digit(v[9]) && sum_icao(v, 10));
	return sum_chars(c, v, 9) ? CHECK_SHAPE : CHECK_NO;
}

/* VKVV section 2: the letter as two digits, weights 2 1 2 5 7 1 2 1 2 1 2 1, sum of the
 * products' digits mod 10. */
static enum check_result
check_de_rvnr(struct candidate *c)
{
	char v[12], d[12];
	unsigned sum = 0;

	if (!sum_chars(c, v, 12))
		return CHECK_NO;
	unsigned letter = (unsigned)(v[8] - 'A') + 1;
	memcpy(d, v, 8);
	d[8] = (char)('0' + letter / 10);
	d[9] = (char)('0' + letter % 10);
	memcpy(d + 10, v + 9, 2);
	unsigned day = sum_two(d + 2) % 50;
	if (!sum_date(0, sum_two(d + 4), day))
		return CHECK_NO;
	for (size_t i = 0; i < 12; i++) {
		unsigned x = (unsigned)(d[i] - '0') * (unsigned)("212571212121"[i] - '0');
		sum += x / 10 + x % 10;
	}
	return valid_if(sum % 10 == (unsigned)(v[11] - '0'));
}

static const char spanish[] = "TRWAGMYFPDXBNJZSQVHLCKE";

/* Ministerio del Interior: the number mod 23 picks the letter; of foreigners X, Y, Z
 * count as 0, 1, 2. */
static enum check_result
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
static enum check_result
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
static enum check_result
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

/* Department of Social Protection: weights 8 to 2, a second letter counts 9 times,
 * mod 23 picks the letter, 0 is W. */
static enum check_result
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
static enum check_result
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

/* Digi- ja väestötietovirasto: date and number mod 31. */
static enum check_result
check_fi_hetu(struct candidate *c)
{
	static const char letters[] = "0123456789ABCDEFHJKLMNPRSTUVWXY";
	char d[9], last = c->text.p[c->end - 1];

	memcpy(d, c->text.p + c->start, 6);
	memcpy(d + 6, c->text.p + c->start + 7, 3);
	if (!sum_date(0, sum_two(d + 2), sum_two(d)) || sum_number(d + 6, 3) < 2)
		return CHECK_NO;
	return valid_if(letters[sum_number(d, 9) % 31] == last);
}

/* Zákon 133/2000 Sb.: ten digits divide by eleven; until 1985 also remainder 10 with a
 * last digit 0. Women's months are raised by 50, full ones by 20 more. */
static enum check_result
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

/* PMLP: 1101 less a weighted sum, mod 11; numbers since 2017 begin with 32 and hold
 * neither date nor check digit. */
static enum check_result
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

/* Social Fund of Russia: weights 9 to 1 mod 101, 100 is 0. */
static enum check_result
check_ru_snils(struct candidate *c)
{
	char d[11];

	return valid_if(sum_digits(c, d, 11) && sum_number(d, 9) > 1001998 &&
			sum_weighted(d, "987654321") % 101 % 100 == sum_two(d + 9));
}

/* HMRC NIM39110: letters and pairs that no number begins with. */
static enum check_result
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

/* HMRC, unique taxpayer reference: the first digit checks the others. */
static enum check_result
check_uk_utr(struct candidate *c)
{
	char d[10];

	return valid_if(sum_digits(c, d, 10) &&
			d[0] == "21987654321"[sum_weighted(d + 1, "6789:5432") % 11]);
}

/* DVLA: five letters of the name filled with 9, decade, month (women 50 more), day,
 * year, two initials or 9, then three characters of DVLA's own. */
static enum check_result
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
static enum check_result
check_uk_postcode(struct candidate *c)
{
	static const char areas[] =
		" AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA DD "
		"DE DG DH DL DN DT DY E EC EH EN EX FK FY G GL GU GY HA HD HG HP HR HS HU HX "
		"IG IM IP IV JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR "
		"NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW "
		"SY TA TD TF TN TQ TR TS TW UB W WA WC WD WF WN WR WS WV YO ZE ";
	char area[5] = " ";
	size_t n = 1;

	while (n < 3 && is_alpha(c->text.p[c->start + n - 1])) {
		area[n] = to_upper(c->text.p[c->start + n - 1]);
		n++;
	}
	area[n] = ' ';
	return strstr(areas, area) && !inside_uuid(c) ? CHECK_SHAPE : CHECK_NO;
}

/* ---- Americas, Asia, Africa, Oceania, and health systems ---- */

/* SSA: no area 000, 666 or 900-999 (also after randomisation in 2011), no group
 * 00, no serial 0000. */
static enum check_result
check_ssn(struct candidate *c)
{
	char d[9];

	if (digits_of(c, d, sizeof(d)) != 9 || inside_uuid(c))
		return CHECK_NO;
	if (!memcmp(d, "000", 3) || !memcmp(d, "666", 3) || d[0] == '9')
		return CHECK_NO;
	if (!memcmp(d + 3, "00", 2) || !memcmp(d + 5, "0000", 4))
		return CHECK_NO;
	return one_digit_repeated(d, 9) ? CHECK_NO : CHECK_SHAPE;
}

/* 49 CFR 565.15: letters to digits, weights, mod 11 at the ninth place, 10 is X. */
static enum check_result
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
	/* The last four places are digits. */
	return valid_if(letters >= 3 && digits >= 5 && span_is_digits(span_of(v + 13, 4)) &&
			v[8] == "0123456789X"[sum_weighted(x, "8765432:098765432") % 11]);
}

/* RENAPO, instructivo normativo CURP: 0-9, A-N, Ñ, O-Z count 0 to 36. */
static enum check_result
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
static enum check_result
check_mx_rfc(struct candidate *c)
{
	/* 0-9, A-N, &, O-Z, space, Ñ count 0 to 38. */
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

static enum check_result
check_mx_rfc_strict(struct candidate *c)
{
	return valid_if(check_mx_rfc(c) == CHECK_VALID);
}

/* GSTN: state, PAN, and a check character by Luhn over base 36. */
static enum check_result
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
static enum check_result
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
static enum check_result
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

/* Immigration Department of Hong Kong: 9 to 2 mod 11. A single letter has a space before it,
 * which counts 36. */
static enum check_result
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
static enum check_result
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
static enum check_result
check_au_abn(struct candidate *c)
{
	char d[11];

	return valid_if(sum_digits(c, d, 11) && d[0] != '0' &&
			(sum_weighted(d, ":13579;=?AC") - 10) % 89 == 0);
}

/* CMS, NPI check digit: Luhn over 80840 and the number; the prefix adds 24. */
static enum check_result
check_us_npi(struct candidate *c)
{
	char v[15] = "80840";

	return valid_if(
		sum_digits(c, v + 5, 10) && (v[5] == '1' || v[5] == '2') && luhn_valid(v, 15));
}

/* DEA Diversion Control, registration numbers: registrant type, then seven digits. */
static enum check_result
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
static enum check_result
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
static enum check_result
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
static enum check_result
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

/* ---- values after their own name, and dates ---- */

struct counts {
	size_t chars, digits, letters;
	bool same; /* one character repeated */
};

static struct counts
count_kinds(const struct candidate *c)
{
	struct counts n = { .same = true };
	char first = 0;

	for (size_t i = c->start; i < c->end; i++) {
		char x = c->text.p[i];
		if (!is_alnum(x))
			continue;
		first = first ? first : x;
		n.same = n.same && x == first;
		n.chars++;
		n.digits += is_digit(x);
	}
	n.letters = n.chars - n.digits;
	return n;
}

/* 2024-01-15, 15.01.2024, 20240115 */
static bool
is_date(const struct candidate *c, const struct counts *n)
{
	char d[8];

	if (n->digits != 8 || n->letters || digits_of(c, d, 8) != 8)
		return false;
	unsigned first = (unsigned)sum_number(d, 4), last = (unsigned)sum_number(d + 4, 4);
	return (first > 1900 && first < 2100 &&
		       sum_date(first, sum_two(d + 4), sum_two(d + 6))) ||
	       (c->end - c->start == 10 && last > 1900 && last < 2100 &&
		       (sum_date(last, sum_two(d + 2), sum_two(d)) ||
			       sum_date(last, sum_two(d), sum_two(d + 2))));
}

static enum check_result
check_named(struct candidate *c)
{
	struct counts n = count_kinds(c);

	return n.same || n.digits < 3 || n.digits * 3 < n.chars || is_date(c, &n) ? CHECK_NO
										  : CHECK_SHAPE;
}

static enum check_result
check_mrn(struct candidate *c)
{
	struct counts n = count_kinds(c);
	struct span s = span_cut(c->text, c->start, c->end);
	bool hex = span_istarts(s, SPAN_LIT("0x")) && span_all(span_cut(s, 2, s.n), is_hex);

	return hex || n.same || n.digits < (n.letters ? 3 : 5) || is_date(c, &n) ? CHECK_NO
									  : CHECK_SHAPE;
}

static enum check_result
check_id_text(struct candidate *c)
{
	struct counts n = count_kinds(c);

	if (n.same || n.chars < 6 || n.digits < 4 || n.digits * 2 < n.chars || is_date(c, &n))
		return CHECK_NO;
	return CHECK_SHAPE;
}

static enum check_result
check_plate(struct candidate *c)
{
	struct counts n = count_kinds(c);

	return n.letters && n.digits && n.chars >= 4 && n.chars <= 10 ? CHECK_SHAPE : CHECK_NO;
}

/* IEEE 802: refuses an address with one repeated digit, such as the broadcast address. */
static enum check_result
check_mac(struct candidate *c)
{
	return count_kinds(c).same ? CHECK_NO : CHECK_SHAPE;
}

/* A date of the calendar in any order. A year with four digits is between 1850 and 2099. */
static enum check_result
check_date(struct candidate *c)
{
	unsigned part[3] = { 0 }, digits[3] = { 0 };
	size_t n = 0;
	bool in = false;

	for (size_t i = c->start; i < c->end; i++) {
		if (!is_digit(c->text.p[i])) {
			n += in;
			in = false;
			if (n == 3 && c->text.p[i] == 'T')
				break; /* a time of day follows (ISO 8601) */
			continue;
		}
		if (n == 3)
			return CHECK_NO;
		in = true;
		part[n] = part[n] * 10 + (unsigned)(c->text.p[i] - '0');
		digits[n]++;
	}
	n += in;
	if (n == 2) /* the month is a word */
		return part[0] >= 1 && part[0] <= 31 ? CHECK_SHAPE : CHECK_NO;
	if (n != 3)
		return CHECK_NO;
	unsigned y = digits[0] == 4 ? part[0] : part[2];
	unsigned a = digits[0] == 4 ? part[1] : part[0], b = digits[0] == 4 ? part[2] : part[1];
	if (y >= 100 && (y < 1850 || y > 2099))
		return CHECK_NO;
	return sum_date(y, a, b) || sum_date(y, b, a) ? CHECK_SHAPE : CHECK_NO;
}

/* The validators of this file (check.h). */
/* clang-format off */
const struct check checks_id[] = {
	{ "ssn",            check_ssn,            "area, group and serial in use", NULL },
	{ "uk_nino",        check_uk_nino,        "prefixes in use", NULL },
	{ "uk_driving",     check_uk_driving,     "date", NULL },
	{ "uk_postcode",    check_uk_postcode,    "areas in use", NULL },
	{ "us_mbi",         check_us_mbi,         "grammar", NULL },
	{ "named",          check_named,          "enough digits, no date", NULL },
	{ "mrn",            check_mrn,            "enough digits, no date", NULL },
	{ "id_text",        check_id_text,        "enough digits, no date", NULL },
	{ "plate",          check_plate,          "letters and digits", NULL },
	{ "mac",            check_mac,            "not all one digit", NULL },
	{ "date",           check_date,           "calendar", NULL },
	{ "be_nrn",         check_be_nrn,         CHECK_DIGITS, NULL },
	{ "fr_nir",         check_fr_nir,         CHECK_DIGITS, NULL },
	{ "fr_spi",         check_fr_spi,         CHECK_DIGITS, NULL },
	{ "de_tax",         check_de_tax,         CHECK_DIGITS, NULL },
	{ "de_document",    check_de_document,    CHECK_DIGITS, NULL },
	{ "de_rvnr",        check_de_rvnr,        CHECK_DIGITS, NULL },
	{ "es_nif",         check_es_nif,         CHECK_DIGITS, NULL },
	{ "es_nss",         check_es_nss,         CHECK_DIGITS, NULL },
	{ "it_fiscal",      check_it_fiscal,      CHECK_DIGITS, NULL },
	{ "ie_ppsn",        check_ie_ppsn,        CHECK_DIGITS, NULL },
	{ "lu_nin",         check_lu_nin,         CHECK_DIGITS, NULL },
	{ "fi_hetu",        check_fi_hetu,        CHECK_DIGITS, NULL },
	{ "cz_rodne_cislo", check_cz_rodne_cislo, CHECK_DIGITS, NULL },
	{ "lv_pk",          check_lv_pk,          CHECK_DIGITS, NULL },
	{ "ru_snils",       check_ru_snils,       CHECK_DIGITS, NULL },
	{ "uk_utr",         check_uk_utr,         CHECK_DIGITS, NULL },
	{ "vin",            check_vin,            CHECK_DIGITS, NULL },
	{ "mx_curp",        check_mx_curp,        CHECK_DIGITS, NULL },
	{ "mx_rfc",         check_mx_rfc,         CHECK_DIGITS, NULL },
	{ "mx_rfc_strict",  check_mx_rfc_strict,  CHECK_DIGITS, NULL },
	{ "in_gstin",       check_in_gstin,       CHECK_DIGITS, NULL },
	{ "cn_id",          check_cn_id,          CHECK_DIGITS, NULL },
	{ "tw_id",          check_tw_id,          CHECK_DIGITS, NULL },
	{ "hk_id",          check_hk_id,          CHECK_DIGITS, NULL },
	{ "sg_nric",        check_sg_nric,        CHECK_DIGITS, NULL },
	{ "au_abn",         check_au_abn,         CHECK_DIGITS, NULL },
	{ "us_npi",         check_us_npi,         CHECK_DIGITS, NULL },
	{ "us_dea",         check_us_dea,         CHECK_DIGITS, NULL },
	{ "de_kvnr",        check_de_kvnr,        CHECK_DIGITS, NULL },
	{ "nz_nhi",         check_nz_nhi,         CHECK_DIGITS, NULL },
	{ NULL, NULL, NULL, NULL },
};
/* clang-format on */
