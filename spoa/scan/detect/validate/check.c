/* Finds a validator by its name in the tables of the other files, and runs it (check.h). Also
 * the functions that several validators share, such as the Luhn checksum and the entropy. */
#include "scan/detect/validate/check.h"

#include <math.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/effort.h"
#include "base/sha256.h"
#include "scan/detect/validate/check_value.h"

static enum check_result
check_none(struct candidate *c UNUSED)
{
	return CHECK_SHAPE;
}

static const struct check checks_plain[] = {
	{ "none", check_none, "", NULL }, /* the pattern is sufficient */
	{ NULL, NULL, NULL, NULL },
};

static const struct check *const tables[] = {
	checks_net,
	checks_phone,
	checks_finance,
	checks_secret,
	checks_seed,
	checks_generic,
	checks_plain,
	checks_id,
};

const struct check *
check_find(struct span name)
{
	const struct check *k;

	for (size_t t = 0; t < COUNT_OF(tables); t++)
		for (k = tables[t]; k->name; k++)
			if (span_is(name, k->name))
				return k;
	for (size_t i = 0; (k = check_digits_row(i)); i++)
		if (span_is(name, k->name))
			return k;
	return NULL;
}

bool
check_ends_early(const struct check *k)
{
	return k->is_over != NULL;
}

bool
check_is_over(const struct check *k, const struct candidate *c)
{
	return k->is_over(c);
}

enum check_result
check_run(const struct check *k, struct candidate *c)
{
	return k->run ? k->run(c) : check_digits(k, c);
}

void
check_names(struct buf *out)
{
	const struct check *k;
	const char *last = "";

	for (size_t t = 0; t < COUNT_OF(tables); t++)
		for (k = tables[t]; k->name; k++)
			buf_printf(out, "%s%s", out->n ? ", " : "", k->name);
	for (size_t i = 0; (k = check_digits_row(i)); last = k->name, i++)
		if (strcmp(last, k->name))
			buf_printf(out, ", %s", k->name);
}

bool
luhn_valid(const char *digits, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned d = (unsigned)(digits[n - 1 - i] - '0');
		if (i % 2 == 1)
			d = d * 2 > 9 ? d * 2 - 9 : d * 2;
		sum += d;
	}
	return n > 0 && sum % 10 == 0;
}

float
shannon_entropy(struct span s)
{
	unsigned count[256] = { 0 };
	uint64_t seen[4] = { 0 };
	float bits = 0;

	effort_add(32 + s.n);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		count[c]++;
		seen[c / 64] |= UINT64_C(1) << (c % 64);
	}
	for (unsigned k = 0; k < 4; k++)
		for (; seen[k]; seen[k] &= seen[k] - 1) {
			unsigned n = count[64 * k + (unsigned)__builtin_ctzll(seen[k])];
			float p = (float)n / (float)s.n;
			bits -= p * log2f(p);
		}
	return bits;
}

bool
inside_uuid(const struct candidate *c)
{
	static const unsigned char groups[] = { 8, 4, 4, 4, 12 };
	size_t from = c->start, at;

	while (from > 0 && c->start - from < 24 &&
		(is_hex(c->text.p[from - 1]) || c->text.p[from - 1] == '-'))
		from--;
	at = from;
	for (size_t g = 0; g < 5; g++) {
		size_t n = 0;
		while (at + n < c->text.n && n <= groups[g] && is_hex(c->text.p[at + n]))
			n++;
		if (n != groups[g])
			return false;
		at += n;
		if (g < 4 && (at >= c->text.n || c->text.p[at++] != '-'))
			return false;
	}
	return at >= c->end;
}

bool
one_digit_repeated(const char *digits, size_t n)
{
	return n > 1 && !memcmp(digits, digits + 1, n - 1);
}

size_t
digits_of(const struct candidate *c, char *to, size_t cap)
{
	size_t n = 0;

	for (size_t i = c->start; i < c->end; i++) {
		if (!is_digit(c->text.p[i]))
			continue;
		if (n < cap)
			to[n] = c->text.p[i];
		n++;
	}
	return n;
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
