/* Addresses of crypto-currencies: Base58Check (Bitcoin wiki; BIP 13), bech32 and
 * bech32m (BIP 173, BIP 350), Ethereum with the capitals of EIP-55. */
#include "base/ascii.h"
#include "base/among.h"
#include "scan/detect/validate/check_sum.h"

enum { BASE58_CHARS_MAX = 36, BASE58_BYTES = 25 };

/* A version byte, twenty bytes, and four of the double SHA-256 of both. */
enum check_result
check_base58(struct candidate *c)
{
	static const char ripple[] =
		"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";
	struct span s = span_cut(c->text, c->start, c->end);

	return valid_if(s.n <= BASE58_CHARS_MAX &&
			sum_base58check(s, s.p[0] == 'r' ? ripple : SUM_BASE58, BASE58_BYTES));
}

/* The human-readable part ends at the last 1; mixed case is none. */
enum check_result
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
enum check_result
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
