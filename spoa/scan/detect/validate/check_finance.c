/* Validates numbers of payments: cards, IBANs and BICs, and addresses of cryptocurrencies in
 * Base58Check (Bitcoin wiki; BIP 13), bech32 and bech32m (BIP 173, BIP 350), and Ethereum's form
 * with the capitals of EIP-55. */
#include "base/among.h"
#include "base/ascii.h"
#include "base/effort.h"
#include "scan/detect/validate/check.h"

/* ---- CREDIT_CARD ---- */

/* From policies/detectors/card_issuers.txt: prefixes of up to six digits, and the lengths of
 * the cards. */
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

/* The pattern matches the longest run of groups. The card is the longest number that ends with
 * a group and has a valid checksum. In "4716 3791 4202 1968 123", the CVV is excluded. */
static enum check_result
check_card(struct candidate *c)
{
	char digits[20];
	size_t ends[20], n = 0;

	/* the commit in a version of a Go module: v0.0.0-20200305110556-506484158171 */
	enum { GO_TIME = 14 };
	if (c->start > GO_TIME + 1 && c->text.p[c->start - 1] == '-' &&
		c->text.p[c->start - GO_TIME - 2] == '-' &&
		span_all(span_cut(c->text, c->start - GO_TIME - 1, c->start - 1), is_digit))
		return CHECK_NO;
	/* a negative id, blk_-695229…, and the points of a drawing, 3784-.1665.8173-.333 */
	struct span s = span_cut(c->text, c->start, c->end);
	if ((c->start > 1 && !memcmp(c->text.p + c->start - 2, "_-", 2)) ||
		memmem(s.p, s.n, "-.", 2))
		return CHECK_NO;
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

static enum check_result
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

/* ---- BIC ---- */

/* ISO 9362: places five and six are a country of ISO 3166-1, or XK. */
static enum check_result
check_bic(struct candidate *c)
{
	static const char *const countries[] = {
#include "scan/detect/validate/bic_countries.inc"
	};
	char v[11];

	if (!sum_chars(c, v, 8) && !sum_chars(c, v, 11))
		return CHECK_NO;
	return SPAN_IN(span_of(v + 4, 2), countries) ? CHECK_SHAPE : CHECK_NO;
}

/* ---- addresses of cryptocurrencies ---- */

enum { BASE58_CHARS_MAX = 36, BASE58_BYTES = 25 };

/* A version byte, twenty bytes, and four of the double SHA-256 of both. */
static enum check_result
check_base58(struct candidate *c)
{
	static const char ripple[] =
		"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";
	struct span s = span_cut(c->text, c->start, c->end);

	return valid_if(s.n <= BASE58_CHARS_MAX &&
			sum_base58check(s, s.p[0] == 'r' ? ripple : SUM_BASE58, BASE58_BYTES));
}

/* The human-readable part ends at the last 1. Mixed case is invalid. */
static enum check_result
check_bech32(struct candidate *c)
{
	struct span s = span_cut(c->text, c->start, c->end);
	size_t data = span_behind(s, '1');
	uint32_t sum;

	if ((span_some(s, is_lower) && span_some(s, is_upper)) || data < 2 || data + 6 > s.n ||
		!sum_bech32(s, data - 1, &sum))
		return CHECK_NO;
	return valid_if(sum == 1 || sum == 0x2bc830a3);
}

static uint64_t
rotate(uint64_t v, unsigned n)
{
	return n ? v << n | v >> (64 - n) : v;
}

/* Keccak-256 as Ethereum uses it (padding 0x01, not SHA-3's), of a text shorter than
 * one block of 136 bytes. */
static void
keccak256(const unsigned char *text, size_t n, unsigned char out[32])
{
	static const unsigned char shifts[24] = { 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14,
		27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44 };
	static const unsigned char lanes[24] = { 10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15,
		23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1 };
	uint64_t s[25] = { 0 }, b[5];
	unsigned char block[136] = { 0 }, lfsr = 1;

	memcpy(block, text, n);
	block[n] ^= 0x01;
	block[135] ^= 0x80;
	for (size_t i = 0; i < sizeof(block); i++)
		s[i / 8] ^= (uint64_t)block[i] << (i % 8 * 8);
	for (int round = 0; round < 24; round++) {
		for (size_t x = 0; x < 5; x++)
			b[x] = s[x] ^ s[x + 5] ^ s[x + 10] ^ s[x + 15] ^ s[x + 20];
		for (size_t x = 0; x < 5; x++)
			for (size_t y = 0; y < 25; y += 5)
				s[x + y] ^= b[(x + 4) % 5] ^ rotate(b[(x + 1) % 5], 1);
		uint64_t moved = s[1];
		for (size_t i = 0; i < 24; i++) {
			uint64_t next = s[lanes[i]];
			s[lanes[i]] = rotate(moved, shifts[i]);
			moved = next;
		}
		for (size_t y = 0; y < 25; y += 5) {
			memcpy(b, s + y, sizeof(b));
			for (size_t x = 0; x < 5; x++)
				s[x + y] = b[x] ^ (~b[(x + 1) % 5] & b[(x + 2) % 5]);
		}
		/* Iota: the round constants are an LFSR's output (FIPS 202, 3.2.5). */
		for (unsigned j = 0; j < 7; j++) {
			if (lfsr & 1)
				s[0] ^= UINT64_C(1) << ((1u << j) - 1);
			lfsr = (unsigned char)(lfsr << 1 ^ (lfsr >> 7 ? 0x71 : 0));
		}
	}
	for (size_t i = 0; i < 32; i++)
		out[i] = (unsigned char)(s[i / 8] >> (i % 8 * 8));
}

/* EIP-55: a letter is a capital where the hash of the small letters has a digit from 8
 * on. All small or all capital letters carry no checksum. */
static enum check_result
check_ethereum(struct candidate *c)
{
	const char *p = c->text.p + c->start + 2;
	unsigned char low[40], hash[32];
	size_t upper = 0, lower = 0, digits = 0, wrong = 0;

	for (size_t i = 0; i < 40; i++) {
		upper += is_upper(p[i]);
		lower += is_lower(p[i]);
		digits += is_digit(p[i]);
		low[i] = (unsigned char)to_lower(p[i]);
	}
	if (digits == 40 || (upper + lower) == 40)
		return CHECK_NO;
	if (!upper || !lower)
		return CHECK_SHAPE;
	keccak256(low, sizeof(low), hash);
	for (size_t i = 0; i < 40; i++) {
		unsigned nibble = hash[i / 2] >> (i % 2 ? 0 : 4) & 15;
		wrong += is_alpha(p[i]) && is_upper(p[i]) != (nibble > 7);
	}
	return wrong ? CHECK_NO : CHECK_VALID;
}

/* The validators of this file (check.h). */
/* clang-format off */
const struct check checks_finance[] = {
	{ "card",     check_card,     "issuer range, length, Luhn (ISO/IEC 7812-1)", NULL },
	{ "iban",     check_iban,     "country length, mod 97 (ISO 13616)", NULL },
	{ "bic",      check_bic,      "ISO 3166 country", NULL },
	{ "base58",   check_base58,   "Base58Check", NULL },
	{ "bech32",   check_bech32,   "bech32 or bech32m", NULL },
	{ "ethereum", check_ethereum, "EIP-55", NULL },
	{ NULL, NULL, NULL, NULL },
};
/* clang-format on */
