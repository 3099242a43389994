/* Numbers with a check digit or an allocation rule: payment cards, US social
 * security numbers, IBANs. */
#include "base/ascii.h"
#include "base/effort.h"
#include "scan/detect/validate/check.h"
#include "scan/detect/validate/check_sum.h"

/* ---- CREDIT_CARD ---- */

/* policies/detectors/card_issuers.txt: prefixes of up to six digits and the lengths issued. */
struct issuer {
	unsigned low, high; /* of the first `digits` digits */
	unsigned char digits, min, max;
};

static const struct issuer issuers[] = {
#include "scan/detect/validate/card_issuers.inc"
};

static bool
is_issued(const char *digits, size_t n)
{
	for (size_t i = 0; i < COUNT_OF(issuers); i++) {
		const struct issuer *s = &issuers[i];
		if (n < s->min || n > s->max ||
			(s->digits == 1 && s->low == 4 && n != 13 && n != 16 && n != 19))
			continue;
		uint64_t prefix = sum_number(digits, s->digits);
		if (prefix >= s->low && prefix <= s->high)
			return true;
	}
	return false;
}

/* The pattern gives the longest run of groups; the card is the longest number
 * that ends at a group and checks ("4716 3791 4202 1968 123": the CVV stays out). */
enum check_result
check_card(struct candidate *c)
{
	char digits[20];
	size_t ends[20], n = 0;

	for (size_t i = c->start; i < c->end && n < 19; i++)
		if (is_digit(c->text.p[i])) {
			digits[n] = c->text.p[i];
			ends[n++] = i + 1;
		}
	for (; n >= 12; n--) {
		size_t end = ends[n - 1];
		if (end < c->text.n && is_digit(c->text.p[end]))
			continue;
		if (!is_issued(digits, n) || !luhn_valid(digits, n) ||
			one_digit_repeated(digits, n))
			continue;
		c->end = end;
		return inside_uuid(c) ? CHECK_NO : CHECK_VALID;
	}
	return CHECK_NO;
}

/* ---- US_SSN ---- */

/* SSA: no area 000, 666 or 900-999 (also after randomisation in 2011), no group
 * 00, no serial 0000. */
enum check_result
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

/* ---- IBAN_CODE ---- */

/* SWIFT IBAN registry; then countries that use the format without registering. */
static const char iban_lengths[] =
	"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28"
	"EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26"
	"IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28"
	"NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25"
	"SV28TL23TN24TR26UA29VA22VG24XK20YE30"
	"AO25BF28BJ28CF27CG27CI28CM27CV25DZ26GA27GQ27GW25IR26KM27MA28MG27ML28MZ25NE28SN28"
	"TD27TG28";

size_t
iban_length(char a, char b)
{
	effort_add(40);
	for (const char *p = iban_lengths; *p; p += 4)
		if (p[0] == to_upper(a) && p[1] == to_upper(b))
			return (size_t)(p[2] - '0') * 10 + (size_t)(p[3] - '0');
	return 0;
}

bool
iban_valid(const char *v, size_t n)
{
	unsigned rest = 0;

	effort_add(2 * n);
	for (size_t k = 0, i = n > 4 ? 4 : 0; k < n; k++, i = i + 1 < n ? i + 1 : 0) {
		char x = to_upper(v[i]);
		rest = is_digit(x) ? rest * 10 + (unsigned)(x - '0')
				   : rest * 100 + (unsigned)(x - 'A') + 10;
		rest %= 97;
	}
	return rest == 1;
}

enum check_result
check_iban(struct candidate *c)
{
	char v[34];
	size_t n = 0, i = c->start;
	size_t want = iban_length(c->text.p[i], c->text.p[i + 1]);

	if (want == 0)
		return CHECK_NO;
	for (; i < c->end && n < want; i++)
		if (is_alnum(c->text.p[i]))
			v[n++] = to_upper(c->text.p[i]);
	if (n != want || (i < c->text.n && is_alnum(c->text.p[i])))
		return CHECK_NO;
	c->end = i;
	return iban_valid(v, n) ? CHECK_VALID : CHECK_NO;
}
