/* The arithmetic that identity numbers share: weighted sums, ISO 7064, Verhoeff, bech32,
 * Base58Check, and dates inside numbers. The rules of the countries are in check_digits.c and
 * check_id.c. */
#include "base/ascii.h"
#include "base/sha256.h"
#include "scan/detect/validate/check.h"
#include "scan/detect/validate/check_sum.h"

bool
sum_digits(const struct candidate *c, char *d, size_t n)
{
	return digits_of(c, d, n) == n && !inside_uuid(c) && !one_digit_repeated(d, n);
}

bool
sum_chars(const struct candidate *c, char *v, size_t n)
{
	size_t k = 0;

	for (size_t i = c->start; i < c->end; i++) {
		char x = c->text.p[i];
		if (!is_alnum(x))
			continue;
		if (k == n)
			return false;
		v[k++] = to_upper(x);
	}
	return k == n && !inside_uuid(c);
}

unsigned
sum_weighted(const char *d, const char *weights)
{
	unsigned sum = 0;

	for (size_t i = 0; weights[i]; i++)
		sum += (unsigned)(d[i] - '0') * (unsigned)(weights[i] - '0');
	return sum;
}

uint64_t
sum_number(const char *d, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v * 10 + (uint64_t)(d[i] - '0');
	return v;
}

unsigned
sum_two(const char *d)
{
	return (unsigned)(d[0] - '0') * 10 + (unsigned)(d[1] - '0');
}

bool
sum_date(unsigned year, unsigned month, unsigned day)
{
	static const unsigned char days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (month < 1 || month > 12 || day < 1 || day > days[month - 1])
		return false;
	return !(month == 2 && day == 29) || year < 100 ||
	       (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

bool
sum_iso7064_11_10(const char *d, size_t n)
{
	unsigned p = 10;

	for (size_t i = 0; i + 1 < n; i++) {
		unsigned s = (p + (unsigned)(d[i] - '0')) % 10;
		p = (s ? s : 10) * 2 % 11;
	}
	return (p + (unsigned)(d[n - 1] - '0')) % 10 == 1;
}

/* J. Verhoeff, Error Detecting Decimal Codes, 1969: the dihedral group of ten. */
bool
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

unsigned
sum_base36(char x)
{
	return is_digit(x) ? (unsigned)(x - '0') : (unsigned)(x - 'A') + 10;
}

/* ICAO Doc 9303 part 3, 4.9. */
bool
sum_icao(const char *v, size_t n)
{
	static const unsigned weights[] = { 7, 3, 1 };
	unsigned sum = 0;

	for (size_t i = 0; i + 1 < n; i++)
		sum += sum_base36(v[i]) * weights[i % 3];
	return sum % 10 == (unsigned)(v[n - 1] - '0');
}

static uint32_t
bech32_step(uint32_t sum, unsigned value)
{
	static const uint32_t generator[] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
		0x2a1462b3 };
	uint32_t top = sum >> 25;

	sum = (sum & 0x1ffffff) << 5 ^ value;
	for (unsigned i = 0; i < 5; i++)
		if (top >> i & 1)
			sum ^= generator[i];
	return sum;
}

bool
sum_bech32(struct span s, size_t one, uint32_t *sum)
{
	static const char charset[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

	*sum = 1;
	for (size_t i = 0; i < one; i++)
		*sum = bech32_step(*sum, (unsigned char)(s.p[i] | 0x20) >> 5);
	*sum = bech32_step(*sum, 0);
	for (size_t i = 0; i < one; i++)
		*sum = bech32_step(*sum, (s.p[i] | 0x20) & 31);
	for (size_t i = one + 1; i < s.n; i++) {
		char x = to_lower(s.p[i]);
		const char *at = memchr(charset, x, 32);
		if (!at)
			return false;
		*sum = bech32_step(*sum, (unsigned)(at - charset));
	}
	return true;
}

bool
sum_base58check(struct span s, const char *alphabet, size_t n)
{
	unsigned char v[SUM_BASE58_MAX] = { 0 }, hash[SHA256_BYTES];

	for (size_t i = 0; i < s.n; i++) {
		const char *at = memchr(alphabet, s.p[i], 58);
		if (!at)
			return false;
		unsigned carry = (unsigned)(at - alphabet);
		for (size_t k = n; k-- > 0; carry >>= 8) {
			carry += 58u * v[k];
			v[k] = (unsigned char)carry;
		}
		if (carry)
			return false;
	}
	sha256(span_of(v, n - 4), hash);
	sha256(span_of(hash, sizeof(hash)), hash);
	return !memcmp(hash, v + n - 4, 4);
}
